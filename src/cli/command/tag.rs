//! `dhow tag`: gives an image another name.

use super::Verb;
use crate::error::Result;
use crate::image::reference::Reference;
use crate::store::Store;
use clap::Args;

/// Arguments of `tag`.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The new names
    #[arg(value_name = "NAME[:TAG]", required = true)]
    names: Vec<String>,
}

impl Verb for Tag {
    const NAME: &'static str = "tag";
    const ABOUT: &'static str = "Give an image another name";

    fn run(self) -> Result<i32> {
        let names = self.names.iter().map(|n| Reference::for_new(n)).collect::<Result<Vec<_>>>()?;
        let store = Store::open()?;
        // Looked up under the lock: the image cannot be removed before it has its new name.
        let _adding = store.lock_shared()?;
        let image = store.find_image(&self.image)?;
        for name in &names {
            store.set_name(name, &image.manifest)?;
        }
        Ok(0)
    }
}
