//! `dhow export`: writes a container's file system to a tar.

use super::Verb;
use super::save::to_standard_output;
use crate::cli::output::refuse_terminal;
use crate::error::Result;
use crate::run::export::export;
use crate::store::Store;
use crate::store::target::to_file;
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str = "Write a container's file system to a tar";

    fn run(self) -> Result<i32> {
        if self.output.is_none() {
            refuse_terminal()?;
        }
        let store = Store::open()?;
        let container = store.find_container(&self.container)?;
        let write = |out: &mut dyn Write| export(&store, &container, out);
        match &self.output {
            Some(path) => to_file(path, write).with_context(|| format!("cannot export to {}", path.display()))?,
            None => to_standard_output(write)?,
        }
        Ok(0)
    }
}
