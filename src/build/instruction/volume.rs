//! `VOLUME`.

use super::{Input, Instruction, Metadata};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::build::words;
use crate::error::Result;
use crate::image::config::Empty;

/// Paths that get a volume in every container of the image. Later steps may still change what is below.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The paths.
    pub paths: Vec<String>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let text = input.required("a path")?;
    let paths = input.json()?.unwrap_or_else(|| words::blank(text).into_iter().map(str::to_owned).collect());
    if paths.is_empty() {
        return Err(input.error("VOLUME needs a path"));
    }
    if paths.iter().any(|p| p.trim().is_empty()) {
        return Err(input.error("the path of a VOLUME cannot be empty"));
    }
    Ok(Instruction::Metadata(Box::new(Volume { paths })))
}

impl Metadata for Volume {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        for path in &mut self.paths {
            let written = std::mem::take(path);
            *path = expand::word(&written, scope, escape)?.trim().to_owned();
            if path.is_empty() {
                return Err(format!("the path of a VOLUME cannot be empty, but {written} is"));
            }
        }
        Ok(())
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        let set = state.execution().volumes.get_or_insert_default();
        set.extend(self.paths.iter().map(|path| (path.clone(), Empty {})));
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(format!("VOLUME [{}]", self.paths.join(" ")))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
