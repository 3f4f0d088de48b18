//! `dhow rmi`: removes names of images, and images without a name left.

use super::Verb;
use crate::cli::output::{self, Personality};
use crate::cli::problem;
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use crate::store::remove::{Removed, rmi, users};
use clap::Args;

/// Arguments of `rmi`.
#[derive(Debug, Args)]
pub struct Rmi {
    /// Remove it with all its names, and the containers made from it; a missing image is no error
    #[arg(short, long)]
    force: bool,
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Images that do not exist are no error
    #[arg(short, long)]
    ignore: bool,
    /// Accepted and without effect: images have no parents here
    #[arg(long)]
    no_prune: bool,
    /// Images, by name or id
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    images: Vec<String>,
}

impl Verb for Rmi {
    const NAME: &'static str = "rmi";
    const ABOUT: &'static str = "Remove images";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let targets = if self.all { everything(&store)? } else { self.images };
        let lenient = self.force || self.ignore || self.all;
        problem::each(&targets, problem::removal_code, |name| {
            let removed = match remove(&store, name, self.force) {
                Err(e) if lenient && kind_of(&e) == Some(Kind::NotFound) => return Ok(None),
                removed => removed?,
            };
            for name in &removed.untagged {
                output::line(&format!("Untagged: {name}"))?;
            }
            for id in &removed.deleted {
                output::line(&format!("Deleted: {}", output::id(id, true)))?;
            }
            Ok(None)
        })
    }
}

/// Removes an image; by force with its containers, running or not, as podman does. Docker's script writers are told of
/// running ones.
fn remove(store: &Store, name: &str, force: bool) -> Result<Removed> {
    if force {
        let stop = output::own_personality() == Personality::Podman;
        for container in users(store, name)? {
            match crate::run::control::remove(store, &container, stop, None) {
                // Another command removed it.
                Err(e) if kind_of(&e) == Some(Kind::NotFound) => {}
                done => done?,
            }
        }
    }
    rmi(store, name, force)
}

/// All names, and the ids of images without one.
fn everything(store: &Store) -> Result<Vec<String>> {
    let names = store.names()?;
    let nameless = store.images()?.into_iter().filter(|i| !names.iter().any(|n| n.manifest == i.manifest));
    let ids: Vec<String> = nameless.map(|i| i.manifest).collect();
    Ok(names.into_iter().map(|n| n.name).chain(ids).collect())
}
