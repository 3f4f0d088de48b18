//! What single lines show, and lines beside each other, without knowing what any variable is.

use super::{Findings, MAX_PER_LINE, Rule};
use crate::build::parse::{Dockerfile, Line, Span};
use crate::build::words;
use std::collections::BTreeMap;

/// Parts of names that promise a secret, and one that takes the promise back.
const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "passwd", "pword", "secret", "token"];
const OPEN: &str = "public";

pub(super) fn check(df: &Dockerfile, found: &mut Findings) {
    casing(df, found);
    overridden(df, found);
    for line in &df.lines {
        if let Some(empty) = line.empty_lines.first() {
            let span = Span { line: *empty, column: 1, end_line: *empty };
            let message = format!("an empty line inside a continued {}; other builders may end it here", line.keyword);
            found.add(Rule::NoEmptyContinuation, span, message);
        }
        match line.keyword.as_str() {
            "MAINTAINER" => {
                let message = "MAINTAINER is deprecated; write LABEL org.opencontainers.image.authors=…";
                found.add(Rule::MaintainerDeprecated, line.span, message);
            }
            "EXPOSE" => ports(line, found),
            "ARG" | "ENV" | "LABEL" => pairs(df, line, found),
            "FROM" => from(line, found),
            _ => {}
        }
    }
}

/// The keyword as it is written.
fn written(line: &Line) -> &str {
    line.original.split_whitespace().next().unwrap_or_default()
}

fn casing(df: &Dockerfile, found: &mut Findings) {
    let count = |same: fn(&str) -> String| df.lines.iter().filter(|l| written(l) == same(written(l))).count();
    let small = count(str::to_lowercase) > count(str::to_uppercase);
    for line in &df.lines {
        let word = written(line);
        let wanted = if small { word.to_lowercase() } else { word.to_uppercase() };
        if word != wanted {
            let message = format!("`{word}` is not written like most instructions of this file: {wanted}");
            found.add(Rule::ConsistentInstructionCasing, line.span, message);
        }
    }
}

/// Instructions of which a later one of the same stage takes the effect away.
fn overridden(df: &Dockerfile, found: &mut Findings) {
    let mut last: BTreeMap<&str, &Line> = BTreeMap::new();
    for line in &df.lines {
        match line.keyword.as_str() {
            "FROM" => last.clear(),
            keyword @ ("CMD" | "ENTRYPOINT" | "HEALTHCHECK") => {
                if let Some(before) = last.insert(keyword, line) {
                    let message =
                        format!("this {keyword} has no effect, because the one in line {} follows", line.span.line);
                    found.add(Rule::MultipleInstructionsDisallowed, before.span, message);
                }
            }
            _ => {}
        }
    }
}

fn ports(line: &Line, found: &mut Findings) {
    let words = words::blank(&line.rest);
    let words = words.into_iter().map(|word| (word, word.split_once('/').unwrap_or((word, ""))));
    let shouting = |protocol: &str| !protocol.contains('$') && protocol.chars().any(char::is_uppercase);
    for (word, (_, protocol)) in words.clone().filter(|(_, (_, p))| shouting(p)).take(MAX_PER_LINE) {
        let message = format!("the protocol of {word} should be written {}", protocol.to_lowercase());
        found.add(Rule::ExposeProtoCasing, line.place_of(word), message);
    }
    // The colon in `${port:-80}` is none.
    let mapped = |range: &str| !range.contains('$') && range.contains(':');
    for (word, _) in words.filter(|(_, (range, _))| mapped(range)).take(MAX_PER_LINE) {
        let message = format!("{word}: an address or a port of the host has no effect here; `run -p` gives them");
        found.add(Rule::ExposeInvalidFormat, line.place_of(word), message);
    }
}

/// Names, with and without values: ARG, ENV and LABEL.
fn pairs(df: &Dockerfile, line: &Line, found: &mut Findings) {
    let words = words::quoted(&line.rest, df.escape);
    let first = words.first().copied().unwrap_or_default();
    let legacy = line.keyword != "ARG" && !first.contains('=');
    if legacy {
        let message = format!("write {0} {first}=…, not {0} {first} …", line.keyword);
        found.add(Rule::LegacyKeyValueFormat, line.span, message);
    }
    let names: Vec<&str> =
        words.iter().take(if legacy { 1 } else { words.len() }).filter_map(|w| w.split('=').next()).collect();
    if line.keyword == "ARG" {
        described(line, &names, found);
    }
    if line.keyword == "LABEL" {
        return;
    }
    for name in names.into_iter().filter(|name| is_secret(name)).take(MAX_PER_LINE) {
        let message = format!("{} {name}: everyone who has the image can read a value given here", line.keyword);
        found.add(Rule::SecretsUsedInArgOrEnv, line.place_of(name), message);
    }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut parts = lower.split('_');
    parts.clone().any(|p| SECRET.contains(&p)) && !parts.any(|p| p == OPEN)
}

fn from(line: &Line, found: &mut Findings) {
    let words = words::blank(&line.rest);
    let (Some(keyword), Some(name)) = (words.get(1), words.get(2)) else { return };
    let from = written(line);
    let same = match (from == from.to_lowercase(), from == from.to_uppercase()) {
        (true, _) => *keyword == keyword.to_lowercase(),
        (_, true) => *keyword == keyword.to_uppercase(),
        _ => true,
    };
    if !same {
        let message = format!("`{from}` and `{keyword}` are not written in the same case");
        found.add(Rule::FromAsCasing, line.place_of(keyword), message);
    }
    described(line, &[name], found);
}

/// A comment right above a definition is shown as its description, and has to say of what.
fn described(line: &Line, names: &[&str], found: &mut Findings) {
    let Some(comment) = line.comments.last() else { return };
    let first = comment.split(' ').next().unwrap_or_default();
    if names.is_empty() || names.contains(&first) {
        return;
    }
    let message = format!(
        "the comment above does not begin with `{}`; put an empty line between if it is not a description",
        names.join("` or `")
    );
    found.add(Rule::InvalidDefinitionDescription, line.span, message);
}
