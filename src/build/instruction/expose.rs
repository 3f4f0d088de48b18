//! `EXPOSE`.

use super::{Input, Instruction, Metadata};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::build::words;
use crate::error::Result;
use crate::image::config::Empty;

/// Ports that the image's containers listen on.
#[derive(Debug, Clone, PartialEq)]
pub struct Expose {
    /// As written; after `expand` each is `port/protocol`.
    pub ports: Vec<String>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let words = words::blank(input.required("a port")?);
    for word in words.iter().filter(|w| !w.contains(['$', '\'', '"', '\\', '`'])) {
        ports(word).map_err(|e| input.error_at(word, e))?;
    }
    let ports = words.into_iter().map(str::to_owned).collect();
    Ok(Instruction::Metadata(Box::new(Expose { ports })))
}

/// `port[-port][/protocol]` as single ports. An address and a host port before it are tolerated and mean nothing.
fn ports(word: &str) -> Result<Vec<String>, String> {
    let bad = || format!("invalid port `{word}`: write port[-port][/tcp|udp|sctp]");
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let range = range.rsplit_once(':').map_or(range, |(_, container)| container);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits).ok_or_else(bad)
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

impl Metadata for Expose {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        let mut all = Vec::new();
        for word in &self.ports {
            for word in expand::words(word, scope, escape)? {
                all.extend(ports(&word)?);
            }
        }
        self.ports = all;
        Ok(())
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        let set = state.execution().exposed_ports.get_or_insert_default();
        set.extend(self.ports.iter().map(|port| (port.clone(), Empty {})));
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        let mut ports: Vec<String> = self.ports.iter().map(|p| format!("{p}:{{}}")).collect();
        ports.sort();
        Some(format!("EXPOSE map[{}]", ports.join(" ")))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
