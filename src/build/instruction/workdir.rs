//! `WORKDIR`: which folder. Making it is the engine's work.

use super::{Input, Instruction};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::error::Result;

/// The step.
#[derive(Debug, Clone, PartialEq)]
pub struct Workdir {
    /// As written.
    pub path: String,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Workdir(Workdir { path: input.required("a path")?.to_owned() }))
}

impl Workdir {
    /// Expands the path.
    pub fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        self.path = expand::word(&self.path, scope, escape)?;
        Ok(())
    }

    /// The absolute, clean path that this makes of the `current` one. `..` never leads above the root.
    pub fn resolve(&self, current: &str) -> String {
        let base = if self.path.starts_with('/') { "" } else { current };
        let mut parts = Vec::new();
        for part in base.split('/').chain(self.path.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }

    /// Sets the configuration's working directory, and gives it.
    pub fn apply(&self, state: &mut StageState) -> String {
        let path = self.resolve(state.workdir());
        state.execution().working_dir = Some(path.clone());
        path
    }

    /// The `created_by` of the history entry, given the state after `apply`. The entry is an empty one only for `/`.
    pub fn history(&self, state: &StageState) -> String {
        format!("WORKDIR {}", state.workdir())
    }
}
