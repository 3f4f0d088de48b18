//! `--filter key=value`: values of one key are alternatives, different keys must all match; labels must all match.

use crate::error::{Kind, Result, fail_with};

/// The filters of one command line.
#[derive(Debug, Default)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads filters, of which only the `known` keys are allowed.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            if !known.contains(&key) || !text.contains('=') {
                return Err(fail_with(
                    Kind::User,
                    format!("invalid filter {text:?}"),
                    format!("Write KEY=VALUE; the keys are {}.", known.join(", ")),
                ));
            }
            filters.0.push((key.to_string(), value.to_string()));
        }
        Ok(filters)
    }

    /// Refuses values of `key` that can never match: a slip must not look like an empty list.
    pub fn check(&self, key: &str, good: impl Fn(&str) -> bool, expected: &str) -> Result<()> {
        match self.values(key).find(|value| !good(value)) {
            Some(bad) => Err(fail_with(
                Kind::User,
                format!("invalid filter \"{key}={bad}\""),
                format!("The value of {key} is {expected}."),
            )),
            None => Ok(()),
        }
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Whether the key is filtered at all.
    pub fn has(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// Whether one of the values matches, or the key is not filtered.
    pub fn any(&self, key: &str, matches: impl FnMut(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).any(matches)
    }

    /// Whether all `label` filters (`k` or `k=v`) match, and no `label!` filter does.
    pub fn labels<'a>(&self, get: impl Fn(&str) -> Option<&'a String>) -> bool {
        let has = |wanted: &str| match wanted.split_once('=') {
            Some((key, value)) => get(key).is_some_and(|found| found == value),
            None => get(wanted).is_some(),
        };
        self.values("label").all(has) && !self.values("label!").any(has)
    }

    /// What each value of `key` stands for, looked up once and not for every line; none if the key is not filtered.
    pub fn each<T>(&self, key: &str, look_up: impl Fn(&str) -> Result<T>) -> Result<Option<Vec<T>>> {
        if !self.has(key) {
            return Ok(None);
        }
        self.values(key).map(look_up).collect::<Result<Vec<T>>>().map(Some)
    }
}

/// A container name as a filter: a part of it, or the beginning or end with `^` and `$`.
pub fn name_matches(name: &str, pattern: &str) -> bool {
    let (start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |p| (true, p));
    let (end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |p| (true, p));
    match (start, end) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

/// Whether a shell-like pattern (`*` within a path component, `?`) matches the whole text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Iterative with one point of return, so that no pattern takes more than |p|·|t| steps.
    let (mut i, mut j) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while j < t.len() {
        match p.get(i) {
            Some('*') => {
                back = Some((i, j));
                i += 1;
            }
            Some('?') if t[j] != '/' => (i, j) = (i + 1, j + 1),
            Some(c) if *c == t[j] && *c != '?' => (i, j) = (i + 1, j + 1),
            _ => match back {
                Some((star, from)) if t[from] != '/' => {
                    back = Some((star, from + 1));
                    (i, j) = (star + 1, from + 1);
                }
                _ => return false,
            },
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn one_key_is_or_and_labels_are_and() {
        let texts: Vec<String> = ["name=a", "name=b", "label=x", "label=y=1"].map(String::from).to_vec();
        let filters = Filters::parse(&texts, &["name", "label"]).unwrap();
        assert!(filters.any("name", |v| v == "b"));
        assert!(!filters.any("name", |v| v == "c"));
        assert!(filters.any("id", |_| false), "a key without filter matches");
        let labels = BTreeMap::from([("x".to_string(), "".to_string()), ("y".to_string(), "1".to_string())]);
        assert!(filters.labels(|k| labels.get(k)));
        assert!(!filters.labels(|k| labels.get(k).filter(|_| k != "x")));
        let without = Filters::parse(&["label!=y=1".to_string(), "label!=z".into()], &["label!"]).unwrap();
        assert!(!without.labels(|k| labels.get(k)) && without.labels(|_| None));
        assert!(Filters::parse(&["nme=a".into()], &["name"]).is_err());
        assert!(Filters::parse(&["name".into()], &["name"]).is_err());
    }

    #[test]
    fn patterns_stay_within_a_path_component() {
        assert!(glob("localhost/*", "localhost/app"));
        assert!(!glob("*", "localhost/app"));
        assert!(glob("*/a?p:*", "localhost/app:1"));
        assert!(!glob("a*b", "acd"));
        assert!(glob("a*b*", "axxb"));
        assert!(name_matches("web_1", "^web") && name_matches("web_1", "b_") && !name_matches("web_1", "^eb$"));
    }
}
