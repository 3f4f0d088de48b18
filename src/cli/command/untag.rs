//! `dhow untag`: takes names away from an image.

use super::Verb;
use crate::error::Result;
use crate::store::Store;
use clap::Args;

/// Arguments of `untag`.
#[derive(Debug, Args)]
pub struct Untag {
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The names that it loses; all of them if none is given
    #[arg(value_name = "NAME[:TAG]")]
    names: Vec<String>,
}

impl Verb for Untag {
    const NAME: &'static str = "untag";
    const ABOUT: &'static str = "Take names away from an image";

    fn run(self) -> Result<i32> {
        Store::open()?.untag(&self.image, &self.names)?;
        Ok(0)
    }
}
