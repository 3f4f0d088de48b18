//! What the `FROM` lines show: names of stages, platforms, and the arguments that base images are named by.

use super::{Findings, MAX_PER_LINE, Rule, Subject};
use crate::build::args::{Globals, Platform};
use crate::build::expand;
use crate::build::parse::Line;
use crate::build::stage::Stage;
use crate::build::words;
use crate::image::reference::Reference;
use std::collections::BTreeMap;

/// Words that mean something of their own where the name of a stage can stand.
const RESERVED: [&str; 2] = ["scratch", "context"];

pub(super) fn check(subject: &Subject<'_>, found: &mut Findings) {
    let froms = subject.df.lines.iter().filter(|l| l.keyword == "FROM");
    let defaults = subject.plan.globals(subject.target, &BTreeMap::new(), &subject.globals.platform).ok();
    for (line, stage) in froms.zip(&subject.plan.stages) {
        name(subject, line, stage, found);
        platform(line, stage, found);
        arguments(subject, line, stage, defaults.as_ref(), found);
    }
}

fn name(subject: &Subject<'_>, line: &Line, stage: &Stage, found: &mut Findings) {
    let words = words::blank(&line.rest);
    let (Some(name), Some(written)) = (&stage.name, words.get(2)) else { return };
    let span = line.place_of(written);
    if *written != name {
        found.add(Rule::StageNameCasing, span, format!("the name of stage `{written}` should be written `{name}`"));
    }
    if RESERVED.contains(&name.as_str()) {
        found.add(Rule::ReservedStageName, span, format!("`{name}` means something else than a stage"));
    }
    if let Some(first) = subject.plan.stage_by_name(name, stage.index) {
        let line = subject.plan.stages[first].from_span.line;
        let message = format!("a stage `{name}` is there already, in line {line}; what follows means this one");
        found.add(Rule::DuplicateStageName, span, message);
    }
}

fn platform(line: &Line, stage: &Stage, found: &mut Findings) {
    let (Some(text), Some(flag)) = (&stage.platform, line.flags.iter().find(|f| f.name == "platform")) else { return };
    if matches!(text.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message = format!("--platform={text} is what FROM takes anyway");
        return found.add(Rule::RedundantTargetPlatform, flag.span, message);
    }
    let Ok(platform) = Platform::parse(text) else { return };
    // A stage that is called after its platform is one of several, each for its own.
    let meant = stage.name.as_ref().is_some_and(|n| n.contains(&platform.os) || n.contains(&platform.architecture));
    if !meant {
        let message = format!("--platform={text} leaves no choice to whoever builds; an ARG or $BUILDPLATFORM does");
        found.add(Rule::FromPlatformFlagConstDisallowed, flag.span, message);
    }
}

fn arguments(subject: &Subject<'_>, line: &Line, stage: &Stage, defaults: Option<&Globals>, found: &mut Findings) {
    let texts = [Some(&stage.base), stage.platform.as_ref()];
    let scope = subject.globals.scope();
    let escape = subject.df.escape;
    let declared: Vec<&str> =
        subject.plan.global_args.iter().flat_map(|(_, arg)| &arg.pairs).map(|(name, _)| name.as_str()).collect();
    let mut undefined = false;
    for text in texts.into_iter().flatten() {
        let unset = expand::unset(text, scope, escape, true).into_iter().filter(|n| !declared.contains(&n.as_str()));
        for name in unset.take(MAX_PER_LINE) {
            undefined = true;
            let near = words::nearest(&name, scope.names().chain(declared.iter().copied()));
            let hint = near.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
            let message = format!("no ARG {name} stands before the first FROM{hint}");
            found.add(Rule::UndefinedArgInFrom, line.place_of(text), message);
        }
    }
    let Some(defaults) = defaults.filter(|_| !undefined && stage.base.contains('$')) else { return };
    let name = expand::word(&stage.base, defaults.scope(), escape).unwrap_or_default();
    let is_stage = subject.plan.stage_by_name(&name, stage.index).is_some();
    if !is_stage && Reference::candidates(&name).is_err() {
        let message =
            format!("with the defaults of its ARGs, {} is `{name}`, which no image can be called", stage.base);
        found.add(Rule::InvalidDefaultArgInFrom, line.place_of(&stage.base), message);
    }
}
