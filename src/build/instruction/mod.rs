//! The instructions, typed: one file each, and one row each in [`TABLE`].
//!
//! Parsing and expansion live here, and what a metadata instruction does to the configuration. Executing RUN, COPY, ADD
//! and WORKDIR is the engine's work. Inside the files errors are bare sentences; [`Step`] adds the place.

pub mod arg;
pub mod command;
pub mod copy;
pub mod env;
pub mod expose;
pub mod from;
pub mod healthcheck;
mod input;
pub mod label;
pub mod mount;
pub mod onbuild;
pub mod run;
pub mod shell;
pub mod single;
pub mod volume;
pub mod workdir;

use super::expand::Scope;
use super::parse::{Dockerfile, Line, Source, Span, parse};
use super::state::StageState;
use super::words;
use crate::error::Result;
pub use input::Input;
use std::fmt::Debug;
use std::sync::Arc;

/// An instruction that changes only the configuration or the arguments.
pub trait Metadata: Debug + Send + Sync {
    /// Replaces variables by their values, in what this instruction expands.
    fn expand(&mut self, _scope: &Scope, _escape: char) -> Result<(), String> {
        Ok(())
    }

    /// Changes the state.
    fn apply(&self, state: &mut StageState) -> Result<(), String>;

    /// The `created_by` of its history entry, given the state after `apply`; an `ONBUILD` has none.
    fn history(&self, state: &StageState) -> Option<String>;

    /// A copy. A base image's or a stage's steps are used as often as something begins with it.
    fn boxed(&self) -> Box<dyn Metadata>;
}

/// What a line says.
#[derive(Debug)]
pub enum Instruction {
    /// Begins a stage.
    From(from::From),
    /// Runs a program.
    Run(run::Run),
    /// COPY and ADD.
    Copy(copy::Copy),
    /// Changes and makes the working directory.
    Workdir(workdir::Workdir),
    /// Declares arguments; separate from the rest because it may stand before `FROM`.
    Arg(arg::Arg),
    /// Keeps an instruction for images made from this one; separate because its step may copy from a stage.
    OnBuild(onbuild::OnBuild),
    /// All others.
    Metadata(Box<dyn Metadata>),
}

impl Clone for Instruction {
    fn clone(&self) -> Self {
        match self {
            Instruction::From(i) => Instruction::From(i.clone()),
            Instruction::Run(i) => Instruction::Run(i.clone()),
            Instruction::Copy(i) => Instruction::Copy(i.clone()),
            Instruction::Workdir(i) => Instruction::Workdir(i.clone()),
            Instruction::Arg(i) => Instruction::Arg(i.clone()),
            Instruction::OnBuild(i) => Instruction::OnBuild(i.clone()),
            Instruction::Metadata(i) => Instruction::Metadata(i.boxed()),
        }
    }
}

impl Instruction {
    /// The instruction as one that changes only the configuration, if it is one.
    pub fn metadata(&self) -> Option<&dyn Metadata> {
        match self {
            Instruction::Arg(i) => Some(i),
            Instruction::OnBuild(i) => Some(i),
            Instruction::Metadata(i) => Some(&**i),
            Instruction::From(_) | Instruction::Run(_) | Instruction::Copy(_) | Instruction::Workdir(_) => None,
        }
    }

    /// The stages or images that it takes files from.
    pub fn sources(&self) -> Vec<&str> {
        match self {
            Instruction::Copy(i) => i.from.as_deref().into_iter().collect(),
            Instruction::Run(i) => i.mounts.iter().filter_map(mount::Mount::from).collect(),
            _ => Vec::new(),
        }
    }

    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        match self {
            // FROM is expanded with the global arguments, by the plan.
            Instruction::From(_) => Ok(()),
            Instruction::Run(i) => i.expand(scope, escape),
            Instruction::Copy(i) => i.expand(scope, escape),
            Instruction::Workdir(i) => i.expand(scope, escape),
            Instruction::Arg(i) => i.expand(scope, escape),
            Instruction::OnBuild(i) => i.expand(scope, escape),
            Instruction::Metadata(i) => i.expand(scope, escape),
        }
    }
}

/// One instruction at its place.
#[derive(Debug, Clone)]
pub struct Step {
    /// The file it stands in.
    pub source: Arc<Source>,
    /// Where it stands.
    pub span: Span,
    /// As written, on one line, for display.
    pub text: String,
    /// What it says.
    pub instruction: Instruction,
    pub(super) escape: char,
}

impl Step {
    /// The keyword, for messages and places.
    pub fn instruction_word(&self) -> &str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    /// An error of the user's at this step.
    pub fn error(&self, message: impl Into<String>) -> anyhow::Error {
        self.source.error(self.span, message)
    }

    /// Replaces variables by their values, by each instruction's own rule.
    pub fn expand(&mut self, scope: &Scope) -> Result<()> {
        let expanded = self.instruction.expand(scope, self.escape);
        expanded.map_err(|e| self.error(e))
    }

    /// If this step changes only the configuration: does that, adds the history entry (`created` is RFC 3339), and
    /// gives true. The step must have been expanded.
    pub fn apply(&self, state: &mut StageState, created: Option<&str>) -> Result<bool> {
        let Some(metadata) = self.instruction.metadata() else {
            return Ok(false);
        };
        metadata.apply(state).map_err(|e| self.error(e))?;
        if let Some(created_by) = metadata.history(state) {
            state.add_history(created_by, true, created);
        }
        Ok(true)
    }
}

pub(super) type Parser = fn(&mut Input<'_>) -> Result<Instruction>;

/// Every instruction and its parser. Adding one is a file and a row.
pub(super) const TABLE: &[(&str, Parser)] = &[
    ("ADD", copy::parse),
    ("ARG", arg::parse),
    ("CMD", command::parse_cmd),
    ("COPY", copy::parse),
    ("ENTRYPOINT", command::parse_entrypoint),
    ("ENV", env::parse),
    ("EXPOSE", expose::parse),
    ("FROM", from::parse),
    ("HEALTHCHECK", healthcheck::parse),
    ("LABEL", label::parse),
    ("MAINTAINER", single::parse_maintainer),
    ("ONBUILD", onbuild::parse),
    ("RUN", run::parse),
    ("SHELL", shell::parse),
    ("STOPSIGNAL", single::parse_stopsignal),
    ("USER", single::parse_user),
    ("VOLUME", volume::parse),
    ("WORKDIR", workdir::parse),
];

/// Types one line.
pub fn parse_step(line: &Line, df: &Dockerfile) -> Result<Step> {
    let Some((_, parser)) = TABLE.iter().find(|(name, _)| *name == line.keyword) else {
        let near = words::nearest(&line.keyword, TABLE.iter().map(|(name, _)| *name));
        let hint = near.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        return Err(df.source.error(line.span, format!("unknown instruction: {}{hint}", line.keyword)));
    };
    let mut input = Input::new(line, df);
    let instruction = parser(&mut input)?;
    input.no_more_flags()?;
    let mut text = line.original.clone();
    if let Some(first) = line.heredocs.first().and_then(|d| d.content.trim().lines().next()) {
        text.push_str(&format!(" ({first}…)"));
    }
    Ok(Step { source: df.source.clone(), span: line.span, text, instruction, escape: df.escape })
}

/// Types a trigger that an image carries; `image` names it in errors. A trigger is always read with the backslash as
/// the escape character, since the image does not tell which one its file used.
pub fn parse_trigger(image: &str, text: &str) -> Result<Step> {
    let df = parse(&format!("ONBUILD of {image}"), text.as_bytes())?;
    let [line] = df.lines.as_slice() else {
        return Err(df.source.error(df.lines[1].span, "a trigger must be one instruction"));
    };
    onbuild::check(line).map_err(|e| df.source.error(line.span, e))?;
    parse_step(line, &df)
}

/// Words in the manner of history entries and error texts: `["a" "b"]`.
fn listed(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|w| format!("{w:?}")).collect();
    format!("[{}]", words.join(" "))
}
