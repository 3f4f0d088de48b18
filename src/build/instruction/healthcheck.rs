//! `HEALTHCHECK`. Its command is not expanded: a shell in the container does that.

use super::{Input, Instruction, Metadata, listed};
use crate::build::state::StageState;
use crate::build::words;
use crate::error::Result;
use crate::image::config::Healthcheck as Check;

/// The shortest duration that is not zero.
const MIN_DURATION: i64 = 1_000_000;

/// How to see whether a container is well.
#[derive(Debug, Clone, PartialEq)]
pub struct Healthcheck(pub Check);

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let mut check = Check {
        test: None,
        interval: time(input, "interval")?,
        timeout: time(input, "timeout")?,
        start_period: time(input, "start-period")?,
        start_interval: time(input, "start-interval")?,
        retries: retries(input)?,
    };
    let text = input.required("NONE or CMD and a command")?;
    let (kind, command) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let command = command.trim();
    check.test = Some(match kind.to_ascii_uppercase().as_str() {
        "NONE" if !input.line.flags.is_empty() => return Err(input.error("HEALTHCHECK NONE takes no flags")),
        "NONE" if command.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err(input.error_at(command, "HEALTHCHECK NONE takes no arguments")),
        "CMD" => test(input, command)?,
        _ => return Err(input.error(format!("unknown kind `{kind}` of HEALTHCHECK: it is NONE or CMD"))),
    });
    Ok(Instruction::Metadata(Box::new(Healthcheck(check))))
}

fn test(input: &Input<'_>, command: &str) -> Result<Vec<String>> {
    let argv = words::json(command).transpose().map_err(|e| input.error_at("[", e))?;
    let (mut test, rest) = match argv {
        Some(argv) => (vec!["CMD".to_owned()], argv),
        None => (vec!["CMD-SHELL".to_owned()], vec![command.to_owned()]),
    };
    if rest.is_empty() || command.is_empty() {
        return Err(input.error("HEALTHCHECK CMD needs a command"));
    }
    test.extend(rest);
    Ok(test)
}

/// Takes a duration flag, in nanoseconds; zero means the default, which is written by leaving the field out.
fn time(input: &mut Input<'_>, name: &'static str) -> Result<Option<i64>> {
    let Some(text) = input.text(name)? else {
        return Ok(None);
    };
    match duration(&text) {
        Some(0) => Ok(None),
        Some(time) if time >= MIN_DURATION => Ok(Some(time)),
        Some(_) => Err(input.error_at_flag(name, format!("--{name}={text} is shorter than 1ms"))),
        None => Err(input.error_at_flag(name, format!("invalid duration --{name}={text}: write it like 30s or 1m30s"))),
    }
}

fn retries(input: &mut Input<'_>) -> Result<Option<i64>> {
    let Some(text) = input.text("retries")? else {
        return Ok(None);
    };
    match text.parse::<u32>() {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count.into())),
        Err(_) => Err(input.error_at_flag("retries", format!("--retries={text} is not a number from 0 on"))),
    }
}

/// A duration as Go writes it (`1h2m3.5s`, `100ms`), in nanoseconds.
fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let scale = match &unit[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = &unit[end..];
    }
    // Beyond this a 64-bit count of nanoseconds would overflow.
    (!text.is_empty() && text != "+" && total < 9.2e18).then_some(total as i64)
}

impl Metadata for Healthcheck {
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().healthcheck = Some(self.0.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        let mut text = "HEALTHCHECK".to_owned();
        let flags = [
            ("interval", self.0.interval),
            ("timeout", self.0.timeout),
            ("start-period", self.0.start_period),
            ("start-interval", self.0.start_interval),
        ];
        for (name, time) in flags {
            if let Some(time) = time {
                text.push_str(&format!(" --{name}={}s", time as f64 / 1e9));
            }
        }
        if let Some(retries) = self.0.retries {
            text.push_str(&format!(" --retries={retries}"));
        }
        let test = self.0.test.as_deref().unwrap_or_default();
        Some(format!("{text} {}", listed(test)))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_gos() {
        for (text, want) in [
            ("0", Some(0)),
            ("1h2m3.5s", Some(3_723_500_000_000)),
            ("100ms", Some(100_000_000)),
            ("1.5us", Some(1500)),
            ("30", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1x", None),
            ("..s", None),
            ("99999999999h", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
    }
}
