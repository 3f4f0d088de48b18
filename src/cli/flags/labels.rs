//! Labels: `--label`.

use crate::error::{Kind, Result, fail};
use clap::Args;
use std::collections::BTreeMap;

/// Label flags.
#[derive(Debug, Default, Args)]
pub struct Labels {
    /// Attach a label
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub label: Vec<String>,
}

impl Labels {
    /// The labels; of two with one name the later wins.
    pub fn resolve(&self) -> Result<BTreeMap<String, String>> {
        parse(&self.label)
    }
}

/// Reads `NAME` and `NAME=VALUE` words.
pub fn parse(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if name.is_empty() {
            return Err(fail(Kind::User, format!("--label {word:?}: the label has no name")));
        }
        all.insert(name.to_string(), value.to_string());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_may_have_no_value_but_needs_a_name() {
        let all = parse(&["a".into(), "b=1=2".into(), "a=x".into()]).unwrap();
        assert_eq!(all["a"], "x");
        assert_eq!(all["b"], "1=2");
        assert!(parse(&["=x".into()]).is_err());
    }
}
