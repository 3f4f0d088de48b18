//! `LABEL`.

use super::{Input, Instruction, Metadata, env};
use crate::build::expand::Scope;
use crate::build::state::StageState;
use crate::error::Result;

/// Labels of the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Names and values.
    pub pairs: Vec<(String, String)>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(Label { pairs: env::pairs(input)? })))
}

impl Metadata for Label {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        env::expand_pairs(&mut self.pairs, scope, escape)
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().labels.get_or_insert_default().extend(self.pairs.iter().cloned());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(env::history("LABEL", &self.pairs))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
