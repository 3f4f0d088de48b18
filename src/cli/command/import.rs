//! `dhow import`: makes an image of a root file system in a tar archive.

use super::Verb;
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail_with};
use crate::image::config::ImageConfig;
use crate::image::reference::Reference;
use crate::store::Store;
use clap::Args;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Apply a Dockerfile instruction to the image's configuration (CMD, ENV, …)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Message for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// The archive, or - for standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
}

impl Verb for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "Make an image of a root file system in a tar archive";

    fn run(self) -> Result<i32> {
        if self.file.contains("://") {
            return Err(fail_with(
                Kind::User,
                format!("dhow cannot import from the address {} yet", self.file),
                "Fetch it first, and name the file.",
            ));
        }
        let name = self.name.as_deref().map(Reference::for_new).transpose()?;
        let input = super::load::open(&self.file, "a tar archive")?;
        let store = Store::open()?;
        let console = Console::new(self.quiet);
        let apply = |config: &mut ImageConfig| crate::build::change::apply(config, &self.change);
        let made = crate::store::archive::import(&store, Box::new(input), name, &apply, self.message.clone(), &console);
        console.finish();
        output::line(output::id(&made?.id, true))?;
        Ok(0)
    }
}
