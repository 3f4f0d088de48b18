//! `ENV`, and the `name=value` words that `LABEL` shares with it.

use super::{Input, Instruction, Metadata};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::build::words;
use crate::error::Result;

/// Variables for the steps that follow and for the image's containers.
#[derive(Debug, Clone, PartialEq)]
pub struct Env {
    /// Names and values. All of a line see the values from before the line.
    pub pairs: Vec<(String, String)>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(Env { pairs: pairs(input)? })))
}

/// `name=value …`, or the old form `name value` with one pair, in which the rest of the line is the value.
pub fn pairs(input: &Input<'_>) -> Result<Vec<(String, String)>> {
    let keyword = &input.line.keyword;
    let text = input.required("name=value")?;
    let words = words::quoted(text, input.df.escape);
    let first = words.first().copied().unwrap_or_default();
    if !first.contains('=') {
        let Some((name, value)) = text.split_once(char::is_whitespace) else {
            return Err(input.error(format!("{keyword} needs a value for {first}: {keyword} {first}=…")));
        };
        return Ok(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    let mut pairs = Vec::new();
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            let message = format!("no = in `{word}`: write {keyword} name=value, with quotes around blanks");
            return Err(input.error_at(word, message));
        };
        if name.is_empty() {
            return Err(input.error_at(word, format!("a name of {keyword} cannot be empty")));
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// Expands names and values.
pub fn expand_pairs(pairs: &mut [(String, String)], scope: &Scope, escape: char) -> Result<(), String> {
    for (name, value) in pairs {
        let written = std::mem::take(name);
        *name = expand::word(&written, scope, escape)?;
        *value = expand::word(value, scope, escape)?;
        if name.is_empty() {
            return Err(format!("the name {written} expands to nothing"));
        }
    }
    Ok(())
}

impl Metadata for Env {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        expand_pairs(&mut self.pairs, scope, escape)
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        self.pairs.iter().for_each(|(name, value)| state.set_env(name, value));
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(history("ENV", &self.pairs))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}

/// `KEYWORD a=1 b=2`.
pub fn history(keyword: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(keyword.to_owned(), |text, (name, value)| format!("{text} {name}={value}"))
}
