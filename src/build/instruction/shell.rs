//! `SHELL`: what runs the shell forms from here on.

use super::{Input, Instruction, Metadata};
use crate::build::state::StageState;
use crate::error::Result;

/// The shell.
#[derive(Debug, Clone, PartialEq)]
pub struct Shell {
    /// Program and arguments; the command's text comes behind them.
    pub argv: Vec<String>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    input.required("a JSON array")?;
    match input.json()?.filter(|argv| !argv.is_empty()) {
        Some(argv) => Ok(Instruction::Metadata(Box::new(Shell { argv }))),
        None => Err(input.error("SHELL needs the JSON form with a program: SHELL [\"/bin/bash\", \"-c\"]")),
    }
}

impl Metadata for Shell {
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().shell = Some(self.argv.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(format!("SHELL [{}]", self.argv.join(" ")))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
