//! Build checks: what is allowed in a Dockerfile and still most likely a mistake. Nothing is built and nothing is changed;
//! what is not allowed at all is an error of the parser or of the plan.
//!
//! Every stage is looked at, also those that the target does not need ([decision 22](../../../docs/decisions)). What the
//! text of the lines shows is in [`lines`], what `FROM` shows in [`stages`], and what only shows when variables have their
//! values in [`values`].

mod lines;
mod options;
mod rules;
mod stages;
mod values;

#[cfg(test)]
mod tests;

use super::args::Globals;
use super::ignore::Ignore;
use super::parse::{Dockerfile, Source, Span};
use super::stage::Plan;
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::ImageConfig;
pub use options::Options;
pub use rules::Rule;
use std::sync::Arc;

/// The build argument that replaces the file's own `# check=`.
pub const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// A file with more instructions is not checked: some checks compare each with all others.
const MAX_LINES: usize = 10_000;

/// How many findings of one sort one line can have; finding the place of each takes time, and the next build shows more.
const MAX_PER_LINE: usize = 20;

/// What is checked, and what has to be known beside the file.
pub struct Subject<'a> {
    /// The file.
    pub df: &'a Dockerfile,
    /// Its stages.
    pub plan: &'a Plan,
    /// The arguments of the build.
    pub globals: &'a Globals,
    /// The stage that is built.
    pub target: usize,
    /// Finds the configuration of a base image without asking anybody; what is not there is not judged.
    pub image: &'a dyn Fn(&str) -> Option<ImageConfig>,
    /// The rules of the context's ignore file; asked for at most once.
    pub ignore: &'a dyn Fn() -> Option<Ignore>,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The check.
    pub rule: Rule,
    /// Where.
    pub span: Span,
    /// What is wrong there, as a sentence without a full stop.
    pub message: String,
}

/// What a check came to.
#[derive(Debug)]
pub struct Report {
    /// The text, to show places in it.
    pub source: Arc<Source>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// Findings fail the build.
    pub error: bool,
    /// Sentences about names of rules that do not exist.
    pub notes: Vec<String>,
}

impl Report {
    /// An error if there are findings and the file or the caller wants them to be one.
    pub fn refuse(&self) -> Result<()> {
        if !self.error || self.findings.is_empty() {
            return Ok(());
        }
        let mut rules: Vec<String> = self.findings.iter().map(|f| f.rule.to_string()).collect();
        rules.sort();
        rules.dedup();
        let message = format!("{}: build checks failed: {}", self.source.name, rules.join(", "));
        let hint = "`dhow build --check` shows the places; `# check=skip=RULE` takes a check out.";
        // The exit code of the peers here.
        Err(fail_with(Kind::Exit(1), message, hint))
    }
}

/// Collects what the parts find.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, span: Span, message: impl Into<String>) {
        self.0.push(Finding { rule, span, message: message.into() });
    }
}

/// Checks a file. The only error is one in the options themselves.
pub fn run(subject: &Subject<'_>) -> Result<Report> {
    let options = options_of(subject)?;
    let source = subject.df.source.clone();
    if subject.df.lines.len() > MAX_LINES {
        let notes = vec![format!("{}: more than {MAX_LINES} instructions are not checked", source.name)];
        return Ok(Report { source, findings: Vec::new(), error: options.error, notes });
    }
    let mut found = Findings::default();
    lines::check(subject.df, &mut found);
    stages::check(subject, &mut found);
    values::check(subject, &mut found);
    let Findings(mut findings) = found;
    findings.retain(|f| options.wants(f.rule) && !skipped_above(subject.df, f));
    findings.sort_by_key(|f| (f.span.line, f.span.column));
    let note = |(name, near): (String, Option<String>)| {
        let near = near.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
        format!("check: there is no rule {name}{near}")
    };
    let notes = options.unknown().into_iter().map(note).collect();
    Ok(Report { source, findings, error: options.error, notes })
}

/// The caller's options, else the file's.
fn options_of(subject: &Subject<'_>) -> Result<Options> {
    if let Some(given) = subject.globals.build_args.get(ARGUMENT) {
        let wrong = |e| fail(Kind::User, format!("--build-arg {ARGUMENT}: {e}"));
        return Options::parse(given).map_err(wrong);
    }
    match &subject.df.check {
        Some((span, text)) => Options::parse(text).map_err(|e| subject.df.source.error(*span, e)),
        None => Ok(Options::default()),
    }
}

/// Whether a comment right above the instruction skips the rule there: `# check=skip=RULE`.
fn skipped_above(df: &Dockerfile, finding: &Finding) -> bool {
    let after = df.lines.partition_point(|line| line.span.line <= finding.span.line);
    let Some(line) = after.checked_sub(1).map(|at| &df.lines[at]) else { return false };
    let options = line.comments.iter().filter_map(|c| c.strip_prefix("check")?.trim_start().strip_prefix('='));
    options.filter_map(|text| Options::parse(text).ok()).any(|options| !options.wants(finding.rule))
}
