//! `ARG`: arguments with or without a default.

use super::{Input, Instruction, Metadata};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::build::words;
use crate::error::Result;

/// The declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// Names and defaults, in order. All of a line see the values from before the line, except in the global scope.
    pub pairs: Vec<(String, Option<String>)>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let mut pairs = Vec::new();
    for word in words::quoted(input.required("a name")?, input.df.escape) {
        let (name, default) = match word.split_once('=') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (word, None),
        };
        if name.is_empty() {
            return Err(input.error_at(word, "the name of an ARG cannot be empty"));
        }
        pairs.push((name.to_owned(), default));
    }
    Ok(Instruction::Arg(Arg { pairs }))
}

impl Metadata for Arg {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        for (name, default) in &mut self.pairs {
            *name = expand::word(name, scope, escape)?;
            if let Some(default) = default {
                *default = expand::word(default, scope, escape)?;
            }
        }
        Ok(())
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        for (name, default) in &self.pairs {
            state.declare_arg(name, default.as_deref());
        }
        Ok(())
    }

    fn history(&self, state: &StageState) -> Option<String> {
        let mut text = "ARG".to_owned();
        for (name, _) in &self.pairs {
            text.push_str(&format!(" {name}"));
            if let Some(value) = state.arg(name) {
                text.push_str(&format!("={value}"));
            }
        }
        Some(text)
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
