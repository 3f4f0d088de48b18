//! `dhow commit`: makes an image of a container as it is now.

use super::Verb;
use crate::cli::output;
use crate::error::{Kind, Result, fail};
use crate::image::reference::Reference;
use crate::run::commit::Options;
use crate::store::Store;
use clap::Args;

/// Arguments of `commit`.
#[derive(Debug, Args)]
pub struct Commit {
    /// Message for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Author of the image
    #[arg(short, long, value_name = "NAME")]
    author: Option<String>,
    /// Apply a Dockerfile instruction to the image's configuration (CMD, ENV, …)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Pause the container meanwhile
    #[arg(short, long)]
    pause: bool,
    /// Accepted and without effect: there is no progress to hide
    #[arg(short, long)]
    quiet: bool,
    /// Accepted and without effect: an image has one form here; `save --format` chooses another
    #[arg(short, long, value_name = "oci|docker")]
    format: Option<String>,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Name of the image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
}

impl Verb for Commit {
    const NAME: &'static str = "commit";
    const ABOUT: &'static str = "Make an image of a container as it is now";

    fn run(self) -> Result<i32> {
        if let Some(format) = self.format.as_deref()
            && !["oci", "docker"].contains(&format)
        {
            return Err(fail(Kind::User, format!("--format {format:?}: write oci or docker")));
        }
        let options = Options {
            name: self.name.as_deref().map(Reference::for_new).transpose()?,
            message: self.message,
            author: self.author,
            pause: self.pause,
        };
        let store = Store::open()?;
        let container = store.find_container(&self.container)?;
        let image = crate::run::commit::commit(&store, &container, &options, &|config| {
            crate::build::change::apply(config, &self.change)
        })?;
        output::line(output::id(&image.id, true))?;
        Ok(0)
    }
}
