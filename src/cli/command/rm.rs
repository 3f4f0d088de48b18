//! `dhow rm`: removes containers.

use super::Verb;
use crate::cli::problem;
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use clap::Args;

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct Rm {
    /// Stop a running container first; one that does not exist is no error
    #[arg(short, long)]
    force: bool,
    /// Remove all containers
    #[arg(short, long)]
    all: bool,
    /// Containers that do not exist are no error
    #[arg(short, long)]
    ignore: bool,
    /// Seconds to wait for a running container to end before SIGKILL (with --force)
    #[arg(short, long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Accepted and without effect: there are no anonymous volumes
    #[arg(short, long)]
    volumes: bool,
    /// Containers, by name or id
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Rm {
    const NAME: &'static str = "rm";
    const ABOUT: &'static str = "Remove containers";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let targets = if self.all {
            // What killed commands have left is not listed, but it is asked for, too.
            crate::run::control::sweep(&store)?;
            let (whole, damaged) = store.containers_and_damaged()?;
            whole.into_iter().map(|c| c.id).chain(damaged).collect()
        } else {
            self.containers
        };
        // With --all another command may remove one of them first: that is what was asked for.
        let lenient = self.force || self.ignore || self.all;
        problem::each(&targets, problem::removal_code, |name| {
            let removed = match store.find_container(name) {
                Ok(found) => crate::run::control::remove(&store, &found, self.force, self.time),
                Err(error) => match store.damaged_container(name)? {
                    Some(id) => crate::run::control::remove_damaged(&store, &id, self.force),
                    None => Err(error),
                },
            };
            match removed {
                Err(e) if lenient && kind_of(&e) == Some(Kind::NotFound) => Ok(None),
                Err(e) => Err(e),
                Ok(()) => Ok(Some(name.to_string())),
            }
        })
    }
}
