//! The file as stages: which there are, what each begins with, and which of them a target needs.
//!
//! Nothing is resolved against a store or a registry, and no step is executed.

use super::args::{Globals, Platform, is_proxy};
use super::expand;
use super::instruction::{Instruction, Step, arg::Arg, from::From, parse_step};
use super::named::{Contexts, Named};
use super::parse::{Dockerfile, Source, Span};
use super::words;
use crate::error::{Kind, Result, fail_with};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One `FROM` and the steps behind it.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The name behind `AS`, in lower case.
    pub name: Option<String>,
    /// Position in the file, from 0.
    pub index: usize,
    /// What `FROM` names, variables not expanded.
    pub base: String,
    /// `--platform`, variables not expanded.
    pub platform: Option<String>,
    /// The instructions.
    pub steps: Vec<Step>,
    /// Where the `FROM` stands.
    pub from_span: Span,
}

impl Stage {
    /// Whether one of these words, a name or a number, means this stage.
    pub fn is_one_of(&self, words: &[String]) -> bool {
        let named = |word: &String| self.name.as_deref() == Some(word.to_lowercase().as_str());
        words.iter().any(|word| named(word) || word.parse() == Ok(self.index))
    }
}

/// The whole file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The text, for errors.
    pub source: Arc<Source>,
    /// `ARG`s before the first `FROM`.
    pub global_args: Vec<(Span, Arg)>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// Names that stand for something else.
    pub contexts: Contexts,
    escape: char,
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by its reference.
    Image(String),
}

/// Types every line and arranges the stages. Every line must be right, also in stages that nothing needs. Names of
/// `contexts` are no stages' names.
pub fn plan(df: &Dockerfile, contexts: Contexts) -> Result<Plan> {
    let mut plan =
        Plan { source: df.source.clone(), global_args: Vec::new(), stages: Vec::new(), contexts, escape: df.escape };
    for line in &df.lines {
        let step = parse_step(line, df)?;
        match (step.instruction, plan.stages.last_mut()) {
            (Instruction::From(from), _) => plan.begin(from, step.span),
            (Instruction::Arg(arg), None) => plan.global_args.push((step.span, arg)),
            (_, None) => {
                let message = format!("no build stage yet: FROM must come before {}", line.keyword);
                return Err(df.source.error(line.span, message));
            }
            (instruction, Some(stage)) => stage.steps.push(Step { instruction, ..step }),
        }
    }
    if plan.stages.is_empty() {
        let span = plan.global_args.last().map_or(Span::default(), |(span, _)| *span);
        return Err(df.source.error(span, "the file has no FROM, so there is nothing to build"));
    }
    for stage in &plan.stages {
        for step in &stage.steps {
            plan.sources_of_step(step, stage.index)?;
        }
    }
    Ok(plan)
}

impl Plan {
    fn begin(&mut self, from: From, from_span: Span) {
        let index = self.stages.len();
        let From { image: base, name, platform } = from;
        self.stages.push(Stage { name, index, base, platform, steps: Vec::new(), from_span });
    }

    /// The stage that `--target` means, by name or number; the last one without it.
    pub fn target(&self, name: Option<&str>) -> Result<usize> {
        let last = self.stages.len() - 1;
        let Some(name) = name.filter(|n| !n.is_empty()) else {
            return Ok(last);
        };
        let numbered = || name.parse().ok().filter(|n| *n <= last);
        self.stage_by_name(name, last + 1).or_else(numbered).ok_or_else(|| {
            let names: Vec<&str> = self.stages.iter().filter_map(|s| s.name.as_deref()).collect();
            let hint = match words::nearest(&name.to_lowercase(), names.iter().copied()) {
                Some(near) => format!("Did you mean {near}?"),
                None if names.is_empty() => "No stage has a name: write FROM … AS name.".into(),
                None => format!("Its stages are: {}.", names.join(", ")),
            };
            fail_with(Kind::User, format!("{}: no stage named `{name}`", self.source.name), hint)
        })
    }

    /// The last stage of that name among the first `before`; names do not differ by case.
    pub fn stage_by_name(&self, name: &str, before: usize) -> Option<usize> {
        let wanted = name.to_lowercase();
        self.stages.iter().take(before).rposition(|s| s.name.as_deref() == Some(wanted.as_str()))
    }

    /// The arguments of a build of stage `target`: the caller's, the platform's and the file's global ones.
    pub fn globals(
        &self,
        target: usize,
        build_args: &BTreeMap<String, String>,
        platform: &Platform,
    ) -> Result<Globals> {
        let stage = self.stages[target].name.as_deref().unwrap_or("default");
        let mut globals = Globals::new(build_args, platform, stage);
        for (span, arg) in &self.global_args {
            for (name, default) in &arg.pairs {
                let expanded = default.as_ref().map(|d| expand::word(d, globals.scope(), self.escape)).transpose();
                let default = expanded.map_err(|e| self.source.error(*span, format!("ARG {name}: {e}")))?;
                globals.declare(name, default.as_deref());
            }
        }
        Ok(globals)
    }

    /// The given arguments that no `ARG` declares and that are not predefined either: most likely typing errors.
    pub fn undeclared<'a>(&self, build_args: &'a BTreeMap<String, String>) -> Vec<&'a str> {
        let in_stages = self.stages.iter().flat_map(|stage| &stage.steps).filter_map(|step| match &step.instruction {
            Instruction::Arg(arg) => Some(arg),
            _ => None,
        });
        let declared = self.global_args.iter().map(|(_, arg)| arg).chain(in_stages).flat_map(|arg| &arg.pairs);
        let declared: Vec<&str> = declared.map(|(name, _)| name.as_str()).collect();
        if declared.iter().any(|name| name.contains('$')) {
            return Vec::new();
        }
        let predefined = Globals::new(&BTreeMap::new(), &Platform::host(), "");
        // What other builders take for themselves.
        let theirs = |name: &str| name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH";
        let known = |name: &str| {
            is_proxy(name) || theirs(name) || predefined.scope().get(name).is_some() || declared.contains(&name)
        };
        build_args.keys().map(String::as_str).filter(|name| !known(name)).collect()
    }

    /// What a stage begins with.
    pub fn base_of(&self, stage: usize, globals: &Globals) -> Result<Base> {
        let stage = &self.stages[stage];
        let error = |message: String| self.source.error(stage.from_span, message);
        let base = expand::word(&stage.base, globals.scope(), self.escape).map_err(error)?;
        if base.trim().is_empty() {
            let message = "base image is empty: FROM sees only ARGs that stand before the first FROM";
            return Err(error(format!("FROM {}: {message}", stage.base)));
        }
        let base = match self.contexts.get(&base) {
            None => base,
            Some(Named::Image(image)) => return Ok(Base::Image(image.clone())),
            Some(Named::Stage(stage)) => stage.clone(),
            Some(Named::Folder { .. }) => {
                return Err(error(format!("FROM {base}: a folder given by --build-context can only be copied from")));
            }
        };
        Ok(match self.stage_by_name(&base, stage.index) {
            Some(earlier) => Base::Stage(earlier),
            None if base == "scratch" => Base::Scratch,
            None => Base::Image(base),
        })
    }

    /// The platform that a stage asks for, or the build's.
    pub fn platform_of(&self, stage: usize, globals: &Globals) -> Result<Platform> {
        let stage = &self.stages[stage];
        let Some(text) = &stage.platform else {
            return Ok(globals.platform.clone());
        };
        let error = |message: String| self.source.error(stage.from_span, message);
        let text = expand::word(text, globals.scope(), self.escape).map_err(error)?;
        if text.is_empty() {
            return Ok(globals.platform.clone());
        }
        Platform::parse(&text).map_err(|e| error(e.to_string()))
    }

    /// The stages that `target` needs, itself included, in an order in which they can be built.
    pub fn needed(&self, target: usize, globals: &Globals) -> Result<Vec<usize>> {
        let mut needed = BTreeSet::new();
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if !needed.insert(index) {
                continue;
            }
            open.extend(self.sources_of(index)?);
            // Triggers of an earlier stage run in this one, and one of them may copy from a stage.
            if let Base::Stage(parent) = self.base_of(index, globals)? {
                open.push(parent);
                for trigger in self.triggers_of(parent) {
                    open.extend(self.sources_of_step(trigger, index)?);
                }
            }
        }
        Ok(needed.into_iter().collect())
    }

    /// The stages from which a stage takes files.
    pub fn sources_of(&self, index: usize) -> Result<Vec<usize>> {
        let steps = self.stages[index].steps.iter();
        Ok(steps.map(|step| self.sources_of_step(step, index)).collect::<Result<Vec<_>>>()?.concat())
    }

    /// The stages from which a step of stage `index` takes files; a trigger's step can be asked for, too.
    fn sources_of_step(&self, step: &Step, index: usize) -> Result<Vec<usize>> {
        let sources = step.instruction.sources().into_iter();
        sources.filter_map(|from| self.source(from, step, index).transpose()).collect()
    }

    /// The stage that the word `from` of a step of stage `index` means; nothing if it is an image or a context.
    pub fn source(&self, from: &str, step: &Step, index: usize) -> Result<Option<usize>> {
        let from = match self.contexts.get(from) {
            None => from,
            Some(Named::Stage(stage)) => stage,
            Some(_) => return Ok(None),
        };
        if let Some(found) = self.stage_by_name(from, index) {
            return Ok(Some(found));
        }
        let named = self.stages.iter().position(|s| s.name.as_deref() == Some(from.to_lowercase().as_str()));
        match named.or_else(|| from.parse().ok()) {
            None => Ok(None),
            Some(n) if n < index => Ok(Some(n)),
            Some(n) if n == index => Err(step.error(format!("circular dependency: stage `{from}` copies from itself"))),
            Some(n) if n < self.stages.len() => {
                Err(step.error(format!("stage `{from}` needs to be defined before the stage that copies from it")))
            }
            Some(_) => Err(step.error(format!("no stage number {from}: the file has {}", self.stages.len()))),
        }
    }

    fn triggers_of(&self, index: usize) -> impl Iterator<Item = &Step> {
        self.stages[index].steps.iter().filter_map(|s| match &s.instruction {
            Instruction::OnBuild(on_build) => Some(&*on_build.step),
            _ => None,
        })
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
