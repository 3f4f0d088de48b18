//! The process that runs: `--workdir`, `--user`, `--entrypoint`, and its terminal.

use crate::error::{Kind, Result, fail};
use clap::Args;

/// Flags that `run` and `exec` share.
#[derive(Debug, Default, Args)]
pub struct Process {
    /// Keep standard input open and pass it on
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the process a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Go to the background and print the container's id
    #[arg(short, long)]
    pub detach: bool,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// User, by name or number, and group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
}

impl Process {
    /// The working directory, which must be absolute.
    pub fn workdir(&self) -> Result<Option<String>> {
        match &self.workdir {
            Some(dir) if !dir.starts_with('/') => {
                Err(fail(Kind::User, format!("--workdir {dir:?} must be an absolute path")))
            }
            dir => Ok(dir.clone()),
        }
    }
}

/// Reads `--entrypoint`: a JSON list, or one word; nothing clears the image's.
pub fn entrypoint(text: &str) -> Result<Vec<String>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|e| fail(Kind::User, format!("--entrypoint {text:?} is no JSON list of strings: {e}")));
    }
    Ok(vec![text.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrypoint_is_a_word_or_a_list() {
        assert_eq!(entrypoint("/bin/sh").unwrap(), ["/bin/sh"]);
        assert_eq!(entrypoint(r#"["a", "b c"]"#).unwrap(), ["a", "b c"]);
        assert!(entrypoint("").unwrap().is_empty());
        assert!(entrypoint("[a]").is_err());
    }

    #[test]
    fn a_relative_working_directory_is_refused() {
        let with = |dir: &str| Process { workdir: Some(dir.into()), ..Process::default() }.workdir();
        assert!(with("src").is_err());
        assert_eq!(with("/src").unwrap().as_deref(), Some("/src"));
    }
}
