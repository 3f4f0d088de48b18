//! `dhow kill`: sends a signal to containers.

use super::Verb;
use crate::cli::problem;
use crate::error::Result;
use crate::store::Store;
use clap::Args;

/// Arguments of `kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// The signal, by name or number
    #[arg(short, long, default_value = "KILL", value_name = "SIGNAL")]
    signal: String,
    /// Send it to all running containers
    #[arg(short, long)]
    all: bool,
    /// Containers, by name or id
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Kill {
    const NAME: &'static str = "kill";
    const ABOUT: &'static str = "Send a signal to running containers";

    fn run(self) -> Result<i32> {
        let signal = crate::run::signal::parse(&self.signal)?;
        let store = Store::open()?;
        let targets = if self.all { super::stop::running(&store)? } else { self.containers };
        problem::each(&targets, problem::exit_code, |name| {
            crate::run::control::kill(&store, &store.find_container(name)?, signal)?;
            Ok(Some(name.to_string()))
        })
    }
}
