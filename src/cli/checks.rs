//! What `build --check` prints: each finding with its place, or all of them as JSON in the shape of docker's.
//!
//! What is found is `build::check`'s work.

use crate::build::check::{Finding, Report};
use crate::cli::escape;
use crate::cli::output;
use crate::error::{Kind, Result, fail};
use serde_json::{Value, json};

/// What a build command is asked to do (`--call`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Build.
    Build,
    /// Only check, and print for people or as JSON.
    Check {
        /// `format=json`.
        json: bool,
    },
}

impl Call {
    /// Reads `--check` and `--call method[,format=json|text]`.
    pub fn parse(check: bool, call: Option<&str>) -> Result<Call> {
        let Some(text) = call else {
            return Ok(if check { Call::Check { json: false } } else { Call::Build });
        };
        let (method, option) = text.split_once(',').unwrap_or((text, ""));
        let json = match option {
            "" | "format=text" => false,
            "format=json" => true,
            other => return Err(fail(Kind::User, format!("--call {text}: `{other}` is not format=json"))),
        };
        match method {
            "build" if !check => Ok(Call::Build),
            "check" | "lint" => Ok(Call::Check { json }),
            "build" => Err(fail(Kind::User, "--check and --call=build contradict each other")),
            other => Err(fail(Kind::User, format!("--call {other}: write build or check"))),
        }
    }
}

/// Prints a report, and gives the exit code: 1 if anything was found, as docker's.
pub fn print(report: &Report, as_json: bool) -> Result<i32> {
    if as_json {
        output::json(&value(report))?;
    } else {
        output::text(&text(report))?;
    }
    Ok(i32::from(!report.findings.is_empty()))
}

fn text(report: &Report) -> String {
    let mut out = match report.findings.len() {
        0 => return "Check complete, no warnings found.\n".into(),
        1 => "Check complete, 1 warning has been found!\n".to_string(),
        n => format!("Check complete, {n} warnings have been found!\n"),
    };
    for Finding { rule, span, message } in &report.findings {
        out.push_str(&format!("\nWARNING: {rule} - {}\n", rule.summary()));
        for line in report.source.shown(*span, message).split('\n') {
            out.push_str(&format!("{}\n", escape::one_line(line)));
        }
    }
    out
}

fn value(report: &Report) -> Value {
    let one = |found: &Finding| {
        let range = json!({"start": {"line": found.span.line}, "end": {"line": found.span.end_line}});
        json!({
            "ruleName": found.rule.to_string(),
            "description": found.rule.summary(),
            "detail": found.message,
            "location": {"ranges": [range]},
        })
    };
    let warnings: Vec<Value> = report.findings.iter().map(one).collect();
    let source = json!({"filename": report.source.name, "language": "Dockerfile"});
    json!({"warnings": warnings, "sources": [source]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let json = |json| Call::Check { json };
        for (check, call, want) in [
            (false, None, Call::Build),
            (true, None, json(false)),
            (false, Some("check"), json(false)),
            (false, Some("check,format=json"), json(true)),
            (true, Some("lint,format=text"), json(false)),
            (false, Some("build"), Call::Build),
        ] {
            assert_eq!(Call::parse(check, call).unwrap(), want, "{check} {call:?}");
        }
        for wrong in ["x", "check,x", "outline", ""] {
            assert!(Call::parse(false, Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Call::parse(true, Some("build")).is_err());
    }
}
