//! What only shows when variables have their values: each stage is gone through as a build would, without building.
//!
//! The state of a stage is the engine's own, so that a check and a build cannot disagree about what a variable is.

use super::{Findings, MAX_PER_LINE, Rule, Subject};
use crate::build::args::{Platform, is_proxy};
use crate::build::copy::clean;
use crate::build::expand;
use crate::build::glob::has_wildcard;
use crate::build::ignore::Ignore;
use crate::build::instruction::{Instruction, Step, copy::Copy, parse_trigger};
use crate::build::parse::{Line, Span};
use crate::build::stage::{Base, Stage};
use crate::build::state::StageState;
use crate::build::words;
use crate::image::config::ImageConfig;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A stage as far as it has come.
#[derive(Clone)]
struct Standing {
    state: StageState,
    /// False if the base image is not here: then a variable without a value may be one of its own.
    known: bool,
    /// This file has set a working directory.
    workdir_set: bool,
}

struct Checker<'a, 'f> {
    subject: &'a Subject<'a>,
    ignore: OnceCell<Option<Ignore>>,
    found: &'f mut Findings,
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Findings) {
    let mut checker = Checker { subject, ignore: OnceCell::new(), found };
    let mut standings: Vec<Standing> = Vec::new();
    let mut lines = subject.df.lines.iter().skip_while(|l| l.keyword != "FROM");
    for stage in &subject.plan.stages {
        lines.next();
        let mut standing = checker.begin(stage, &standings);
        for (step, line) in stage.steps.iter().zip(lines.by_ref()) {
            checker.step(line, step, &mut standing);
        }
        standings.push(standing);
    }
}

impl Checker<'_, '_> {
    fn begin(&mut self, stage: &Stage, earlier: &[Standing]) -> Standing {
        let subject = self.subject;
        let fresh = |config: ImageConfig, known: bool| Standing {
            state: StageState::new(config, Arc::new(subject.globals.clone())),
            known,
            workdir_set: false,
        };
        let mut standing = match subject.plan.base_of(stage.index, subject.globals) {
            Ok(Base::Stage(n)) => Standing { state: earlier[n].state.inherit(), ..earlier[n].clone() },
            Ok(Base::Scratch) => fresh(ImageConfig::default(), true),
            Ok(Base::Image(name)) => match (subject.image)(&name) {
                Some(config) => {
                    let standing = fresh(config.clone(), true);
                    self.base_platform(stage, &name, &config);
                    standing
                }
                None => fresh(ImageConfig::default(), false),
            },
            Err(_) => fresh(ImageConfig::default(), false),
        };
        for trigger in standing.state.take_onbuild() {
            // A trigger that cannot be read fails the build, which says so better.
            if let Ok(step) = parse_trigger("the base", &trigger) {
                follow(&mut standing.state, step);
            }
        }
        standing
    }

    fn base_platform(&mut self, stage: &Stage, name: &str, config: &ImageConfig) {
        let Ok(wanted) = self.subject.plan.platform_of(stage.index, self.subject.globals) else { return };
        let is = Platform {
            os: config.os.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone().or(wanted.variant.clone()),
        };
        if !is.os.is_empty()
            && !is.architecture.is_empty()
            && (is.os != wanted.os || is.architecture != wanted.architecture)
        {
            let message = format!("the base image {name} is for {is}, but {wanted} is built for");
            self.found.add(Rule::InvalidBaseImagePlatform, stage.from_span, message);
        }
    }

    fn step(&mut self, line: &Line, step: &Step, standing: &mut Standing) {
        if standing.known {
            self.variables(line, &standing.state);
        }
        if matches!(line.keyword.as_str(), "CMD" | "ENTRYPOINT")
            && words::json(&line.rest).is_none()
            && standing.state.config.config.shell.as_ref().is_none_or(Vec::is_empty)
        {
            let message =
                format!("{0} runs in a shell, which keeps signals to itself: {0} [\"program\", …]", line.keyword);
            self.found.add(Rule::JSONArgsRecommended, line.span, message);
        }
        match follow(&mut standing.state, step.clone()) {
            Some(Instruction::Workdir(workdir)) => {
                if !workdir.path.starts_with('/') && !standing.workdir_set {
                    let message =
                        format!("the folder of WORKDIR {} depends on the base image; begin it with /", workdir.path);
                    self.found.add(Rule::WorkdirRelativePath, line.span, message);
                }
                standing.workdir_set = true;
            }
            Some(Instruction::Copy(copy)) if copy.from.is_none() => self.ignored(line, &copy),
            _ => {}
        }
    }

    /// Variables without a value, in the texts that the instruction expands.
    fn variables(&mut self, line: &Line, state: &StageState) {
        let expanded = match line.keyword.as_str() {
            "ADD" | "ARG" | "COPY" | "ENV" | "EXPOSE" | "LABEL" | "STOPSIGNAL" | "USER" | "VOLUME" | "WORKDIR" => true,
            "RUN" => false,
            _ => return,
        };
        let rest = Some(&line.rest).filter(|_| expanded);
        let texts = line.flags.iter().filter_map(|f| f.value.as_ref()).chain(rest).map(|text| (text, true));
        let bodies = line.heredocs.iter().filter(|d| d.expand && expanded).map(|d| (&d.content, false));
        let (mut names, mut scope) = (BTreeSet::new(), None);
        for (text, quotes) in texts.chain(bodies).filter(|(text, _)| text.contains('$')) {
            let scope = scope.get_or_insert_with(|| state.scope());
            names.extend(expand::unset(text, scope, self.subject.df.escape, quotes));
        }
        let Some(scope) = scope else { return };
        let undeclared = names.iter().filter(|n| !is_proxy(n) && !state.declared().any(|d| d == *n));
        for name in undeclared.take(MAX_PER_LINE) {
            let near = words::nearest(name, scope.names().chain(state.declared()));
            let hint = near.map(|n| format!(" (did you mean ${n}?)")).unwrap_or_default();
            let span = place_of_variable(line, name);
            self.found.add(Rule::UndefinedVar, span, format!("${name} has no value here{hint}"));
        }
    }

    fn ignored(&mut self, line: &Line, copy: &Copy) {
        for source in copy.sources.iter().filter(|s| !crate::build::remote::is_remote(s)) {
            let path = clean(Path::new(source));
            if path.as_os_str().is_empty() || has_wildcard(path.as_os_str().as_bytes()) {
                continue;
            }
            let Some(ignore) = self.ignore.get_or_init(|| (self.subject.ignore)()) else { return };
            let Some(rule) = ignore.decided_by(&path).filter(|r| !r.negated) else { continue };
            // What is taken in again below it can be copied.
            if !ignore.may_reinclude_below(&path) {
                let message = format!("{source} is left out by {} line {}: {}", ignore.name(), rule.line, rule.text);
                self.found.add(Rule::CopyIgnoredFile, line.place_of(source), message);
            }
        }
    }
}

/// Takes a step's effect on the state, as far as it has one without being executed; gives the instruction with its
/// variables replaced, or nothing if that is impossible, which the build will say.
fn follow(state: &mut StageState, mut step: Step) -> Option<Instruction> {
    step.expand(&state.scope()).ok()?;
    if let Instruction::Workdir(workdir) = &step.instruction {
        workdir.apply(state);
    } else {
        step.apply(state, None).ok()?;
    }
    Some(step.instruction)
}

fn place_of_variable(line: &Line, name: &str) -> Span {
    let forms = [format!("${{{name}"), format!("${name}")];
    let form = forms.iter().find(|form| line.rest.contains(form.as_str()));
    form.map_or(line.span, |form| line.place_of(form))
}
