//! `dhow load`: brings images in from an archive.

use super::Verb;
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail_with};
use crate::store::Store;
use crate::store::archive::Input;
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::Path;

/// Arguments of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The archive, or a folder: an OCI layout or a dir: of podman [default: standard input]
    #[arg(short, long, value_name = "FILE|DIR")]
    input: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// Opens a file, or standard input for `-`; a terminal there is refused.
pub fn open(name: &str, what: &str) -> Result<File> {
    if name != "-" {
        return File::open(name).with_context(|| format!("opening {name}"));
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(fail_with(
            Kind::User,
            format!("standard input is a terminal, not {what}"),
            "Name a file, or redirect one to standard input.",
        ));
    }
    Ok(File::from(stdin.as_fd().try_clone_to_owned().context("opening standard input")?))
}

impl Verb for Load {
    const NAME: &'static str = "load";
    const ABOUT: &'static str = "Load images from an archive that save wrote";

    fn run(self) -> Result<i32> {
        let input = match self.input.as_deref() {
            Some(path) if Path::new(path).is_dir() => Input::Folder(path.into()),
            name => Input::File(open(name.unwrap_or("-"), "an archive of images")?),
        };
        let store = Store::open()?;
        let console = Console::new(self.quiet);
        let loaded = crate::store::archive::load(&store, input, &console);
        console.finish();
        for name in loaded? {
            output::line(&format!("Loaded image: {name}"))?;
        }
        Ok(0)
    }
}
