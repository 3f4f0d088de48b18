//! `dhow stop`: asks containers to end, and ends them.

use super::Verb;
use crate::cli::problem;
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use crate::store::container::Status;
use clap::Args;

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Seconds to wait before SIGKILL [default: the container's own, 10]
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    time: Option<u64>,
    /// Stop all running containers
    #[arg(short, long)]
    all: bool,
    /// Containers that do not exist are no error
    #[arg(short, long)]
    ignore: bool,
    /// Containers, by name or id
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Stop {
    const NAME: &'static str = "stop";
    const ABOUT: &'static str = "Stop running containers";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let targets = if self.all { running(&store)? } else { self.containers };
        problem::each(&targets, problem::exit_code, |name| {
            let container = match store.find_container(name) {
                Err(e) if self.ignore && kind_of(&e) == Some(Kind::NotFound) => return Ok(None),
                found => found?,
            };
            crate::run::control::stop(&store, &container, self.time)?;
            Ok(Some(name.to_string()))
        })
    }
}

/// The ids of all running containers.
pub fn running(store: &Store) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for container in store.containers()? {
        if matches!(store.status(&container.id)?, Status::Running(_)) {
            ids.push(container.id);
        }
    }
    Ok(ids)
}
