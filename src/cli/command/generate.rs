//! `dhow generate`: man pages and shell completions from the definitions of the commands.

use super::Verb;
use crate::error::Result;
use anyhow::Context;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// Arguments of `generate man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder to write to, made if needed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Arguments of `generate completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The folder to write to, made if needed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// The tree with every deferred definition built.
fn built() -> clap::Command {
    let mut tree = super::tree();
    tree.build();
    tree
}

impl Verb for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Write the man pages";

    fn run(self) -> Result<i32> {
        std::fs::create_dir_all(&self.dir).with_context(|| format!("making {}", self.dir.display()))?;
        clap_mangen::generate_to(built(), &self.dir)
            .with_context(|| format!("writing man pages to {}", self.dir.display()))?;
        Ok(0)
    }
}

impl Verb for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str = "Write completions for bash, zsh and fish";

    fn run(self) -> Result<i32> {
        std::fs::create_dir_all(&self.dir).with_context(|| format!("making {}", self.dir.display()))?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut built(), "dhow", &self.dir)
                .with_context(|| format!("writing completions to {}", self.dir.display()))?;
        }
        Ok(0)
    }
}
