//! `dhow image exists`, `dhow container exists`: an exit code for scripts, 0 or 1.

use super::Verb;
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use clap::Args;

/// Arguments of `image exists`.
#[derive(Debug, Args)]
pub struct ImageExists {
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    name: String,
}

/// Arguments of `container exists`.
#[derive(Debug, Args)]
pub struct ContainerExists {
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    name: String,
}

fn answer<T>(found: Result<T>) -> Result<i32> {
    match found {
        Ok(_) => Ok(0),
        Err(e) if kind_of(&e) == Some(Kind::NotFound) => Ok(1),
        Err(e) => Err(e),
    }
}

impl Verb for ImageExists {
    const NAME: &'static str = "exists";
    const ABOUT: &'static str = "Tell by the exit code whether an image exists";

    fn run(self) -> Result<i32> {
        answer(Store::open()?.find_image(&self.name))
    }
}

impl Verb for ContainerExists {
    const NAME: &'static str = "exists";
    const ABOUT: &'static str = "Tell by the exit code whether a container exists";

    fn run(self) -> Result<i32> {
        answer(Store::open()?.find_container(&self.name))
    }
}
