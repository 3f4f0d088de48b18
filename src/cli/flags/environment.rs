//! Environment variables of a container: `--env` and `--env-file`.

use crate::error::{Kind, Result, fail};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};

/// Environment flags.
#[derive(Debug, Default, Args)]
pub struct Environment {
    /// Set a variable; without a value it is copied from here, and `PREFIX*` copies all that begin so
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file, one NAME=VALUE a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

impl Environment {
    /// All variables as `NAME=value`; files first, so that flags win.
    pub fn resolve(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for path in &self.env_file {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            read_file(path, &text, &mut all)?;
        }
        for word in &self.env {
            add(word, &mut all).map_err(|cause| fail(Kind::User, format!("--env {word:?}: {cause}")))?;
        }
        Ok(all)
    }
}

fn read_file(path: &Path, text: &str, all: &mut Vec<String>) -> Result<()> {
    for (number, line) in text.lines().enumerate() {
        let line = if number == 0 { line.trim_start_matches('\u{feff}') } else { line }.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        add(line, all).map_err(|cause| fail(Kind::User, format!("{} line {}: {cause}", path.display(), number + 1)))?;
    }
    Ok(())
}

fn add(word: &str, all: &mut Vec<String>) -> Result<(), &'static str> {
    let name = word.split('=').next().unwrap_or("");
    if name.is_empty() {
        return Err("the variable has no name");
    }
    if name.contains(char::is_whitespace) {
        return Err("the variable's name holds a blank");
    }
    if word.contains('\0') {
        return Err("it holds a zero byte");
    }
    if name.len() < word.len() {
        all.push(word.to_string());
    } else if let Some(prefix) = name.strip_suffix('*') {
        let mut found: Vec<String> = std::env::vars_os()
            .filter_map(|(k, v)| Some(format!("{}={}", k.to_str()?, v.to_str()?)))
            .filter(|v| v.starts_with(prefix))
            .collect();
        found.sort();
        all.append(&mut found);
    } else if let Some(value) = std::env::var_os(name) {
        all.push(format!("{name}={}", value.to_str().ok_or("its value is not UTF-8")?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_from_words_files_and_here() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "\u{feff}# comment\n\nA=1 # kept\n  B=x=y\nPATH\nNOT_SET_ANYWHERE_42\n").unwrap();
        let flags = Environment { env: vec!["A=2".into(), "E=".into(), "PAT*".into()], env_file: vec![file] };
        let all = flags.resolve().unwrap();
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        assert_eq!(all[..5], ["A=1 # kept".to_string(), "B=x=y".into(), path.clone(), "A=2".into(), "E=".into()]);
        assert!(all[5..].contains(&path));
    }

    #[test]
    fn a_bad_line_is_named() {
        let mut all = Vec::new();
        let error = read_file(Path::new("x.env"), "A=1\n=2\n", &mut all).unwrap_err();
        assert_eq!(error.to_string(), "x.env line 2: the variable has no name");
        assert!(Environment { env: vec!["A B=1".into()], env_file: vec![] }.resolve().is_err());
    }
}
