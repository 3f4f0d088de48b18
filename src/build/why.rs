//! Why a step is executed, in words: what it is made from now against what it was made from the last time at this place.
//!
//! Nothing is decided here. Values are never shown: an argument may be a secret.

use super::execute::LastInputs;
use crate::store::cache::LastTime;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the input that holds the variables, as a JSON list of `NAME=value`.
pub(super) const ENVIRONMENT: &str = "the environment or a build argument";

/// The name of the input that stands for the files of a COPY.
pub(super) const FILES: &str = "the files";

/// So many names are shown.
const SHOWN: usize = 5;

/// The reason, `parent_changed` if a step before it was executed.
pub(super) fn explain(now: &LastInputs, before: &LastTime, parent_changed: bool) -> String {
    let then: BTreeMap<&str, &str> =
        before.inputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let changed: Vec<String> = now
        .inputs
        .0
        .iter()
        .filter(|(name, value)| then.get(name.as_str()) != Some(&value.as_str()))
        .map(|(name, value)| match name.as_str() {
            FILES => files(&now.files, &before.files),
            ENVIRONMENT => variables(value, then.get(ENVIRONMENT).copied().unwrap_or_default()),
            other => format!("{other} changed"),
        })
        .collect();
    match (changed.is_empty(), parent_changed) {
        (false, _) => changed.join(", and "),
        (true, true) => "a step before it changed".into(),
        (true, false) => "its layer is no longer in the cache".into(),
    }
}

fn files(now: &[(String, String)], then: &[(String, String)]) -> String {
    let differing = differing(now, then);
    match differing.len() {
        // No list was kept, or only a folder's own metadata differ.
        0 => format!("{FILES} changed"),
        _ if now.is_empty() || then.is_empty() => format!("{FILES} changed"),
        1 => format!("1 file changed: {}", differing[0]),
        n => format!("{n} files changed: {}", listed(&differing)),
    }
}

fn variables(now: &str, then: &str) -> String {
    let pairs = |json: &str| -> Vec<(String, String)> {
        let all: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        all.iter().map(|one| one.split_once('=').unwrap_or((one, ""))).map(|(n, v)| (n.into(), v.into())).collect()
    };
    match differing(&pairs(now), &pairs(then)) {
        names if names.is_empty() => format!("{ENVIRONMENT} changed"),
        names => format!("{ENVIRONMENT} changed: {}", listed(&names)),
    }
}

/// The names that have another value, or are only in one of the two, in order.
fn differing<'a>(now: &'a [(String, String)], then: &'a [(String, String)]) -> Vec<&'a str> {
    let (now, then): (BTreeSet<_>, BTreeSet<_>) = (now.iter().collect(), then.iter().collect());
    let names: BTreeSet<&str> = now.symmetric_difference(&then).map(|(name, _)| name.as_str()).collect();
    names.into_iter().collect()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::key::Inputs;
    use crate::store::layer::LayerRef;

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn why(now: &[(&str, &str)], before: &[(&str, &str)], files: [&[(&str, &str)]; 2], parent: bool) -> String {
        let layer = LayerRef { id: String::new(), diff_id: String::new(), tar_size: 0, content_size: 0 };
        let now = LastInputs { inputs: Inputs(pairs(now)), files: pairs(files[0]) };
        explain(&now, &LastTime { inputs: pairs(before), layer, files: pairs(files[1]) }, parent)
    }

    #[test]
    fn the_reason_is_what_differs_and_else_the_parent_or_the_cache() {
        let none: [&[(&str, &str)]; 2] = [&[], &[]];
        assert_eq!(why(&[("the command", "1")], &[("the command", "2")], none, true), "the command changed");
        assert_eq!(why(&[("the command", "1")], &[("the command", "1")], none, true), "a step before it changed");
        assert_eq!(why(&[("a", "1")], &[("a", "1")], none, false), "its layer is no longer in the cache");
        let two = why(&[("the user", "1"), ("the network", "1")], &[("the user", "2")], none, false);
        assert_eq!(two, "the user changed, and the network changed");
    }

    #[test]
    fn files_and_variables_are_named_and_values_are_not() {
        let [now, then] = [&[(FILES, "1")], &[(FILES, "2")]];
        let one = why(now, then, [&[("src/a", "1"), ("b", "1")], &[("src/a", "2"), ("b", "1")]], false);
        assert_eq!(one, "1 file changed: src/a");
        let two = why(now, then, [&[("a", "1"), ("new", "1")], &[("a", "2"), ("old", "1")]], false);
        assert_eq!(two, "3 files changed: a, new, old");
        assert_eq!(why(now, then, [&[("a", "1")], &[]], false), "the files changed");
        let many: Vec<String> = (0..9).map(|n| format!("f{n}")).collect();
        let (now_files, then_files): (Vec<_>, Vec<_>) =
            many.iter().map(|name| ((name.as_str(), "1"), (name.as_str(), "2"))).unzip();
        let text = why(now, then, [&now_files, &then_files], false);
        assert_eq!(text, "9 files changed: f0, f1, f2, f3, f4 and 4 more");
        let env =
            why(&[(ENVIRONMENT, r#"["A=secret","B=1"]"#)], &[(ENVIRONMENT, r#"["A=x","B=1"]"#)], [&[], &[]], false);
        assert_eq!(env, "the environment or a build argument changed: A");
    }
}
