//! `dhow __remove-tree`: removes a folder whose files belong to sub-ids. For tests and repairs; not shown.

use super::Verb;
use crate::error::Result;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `__remove-tree`.
#[derive(Debug, Args)]
pub struct RemoveTree {
    /// The folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

impl Verb for RemoveTree {
    const NAME: &'static str = "__remove-tree";
    const ABOUT: &'static str = "Remove a folder whose files belong to sub-ids";

    fn run(self) -> Result<i32> {
        crate::sys::userns::remove_trees(&[std::path::absolute(&self.path)?])?;
        Ok(0)
    }
}
