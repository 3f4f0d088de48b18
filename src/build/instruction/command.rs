//! `CMD` and `ENTRYPOINT`: what a container of the image runs.

use super::{Input, Instruction, Metadata, listed};
use crate::build::state::StageState;
use crate::error::Result;

/// A line for the shell in force at that place, or a program with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Shell form.
    Shell(String),
    /// Exec form; empty clears what the base had.
    Exec(Vec<String>),
}

impl Command {
    fn parse(input: &Input<'_>) -> Result<Command> {
        let text = input.required("a command; [] for none")?;
        Ok(input.json()?.map_or_else(|| Command::Shell(text.to_owned()), Command::Exec))
    }

    fn argv(&self, state: &StageState) -> Vec<String> {
        match self {
            Command::Exec(argv) => argv.clone(),
            Command::Shell(text) => {
                let mut argv = state.shell();
                argv.push(text.clone());
                argv
            }
        }
    }
}

/// `CMD`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cmd(pub Command);

/// Parses a `CMD`.
pub fn parse_cmd(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(Cmd(Command::parse(input)?))))
}

impl Metadata for Cmd {
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.cmd_set = true;
        let argv = self.0.argv(state);
        state.execution().cmd = Some(argv);
        Ok(())
    }

    fn history(&self, state: &StageState) -> Option<String> {
        Some(format!("CMD {}", listed(&self.0.argv(state))))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}

/// `ENTRYPOINT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entrypoint(pub Command);

/// Parses an `ENTRYPOINT`.
pub fn parse_entrypoint(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(Entrypoint(Command::parse(input)?))))
}

impl Metadata for Entrypoint {
    /// The base's CMD was meant for the base's entry point, so it goes, unless this stage itself gave one.
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        let argv = self.0.argv(state);
        state.execution().entrypoint = (!argv.is_empty()).then_some(argv);
        if !state.cmd_set {
            state.execution().cmd = None;
        }
        Ok(())
    }

    fn history(&self, state: &StageState) -> Option<String> {
        Some(format!("ENTRYPOINT {}", listed(&self.0.argv(state))))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
