//! `dhow exec`: runs a program in a running container.

use super::Verb;
use crate::cli::flags::environment::Environment;
use crate::cli::flags::process::Process;
use crate::error::{Kind, Result, fail};
use crate::run::options::ExecOptions;
use crate::store::Store;
use clap::Args;

/// Arguments of `exec`.
#[derive(Debug, Args)]
#[command(override_usage = "dhow exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
pub struct Exec {
    #[command(flatten)]
    process: Process,
    #[command(flatten)]
    environment: Environment,
    /// The container, by name or id, and what to run in it
    #[arg(required = true, trailing_var_arg = true, value_name = "CONTAINER COMMAND")]
    argv: Vec<String>,
}

impl Exec {
    fn options(self) -> Result<(String, ExecOptions)> {
        let mut argv = self.argv.into_iter();
        let container = argv.next().ok_or_else(|| fail(Kind::User, "missing argument: CONTAINER"))?;
        let command: Vec<String> = argv.collect();
        if command.is_empty() {
            return Err(fail(Kind::User, "missing argument: COMMAND, what to run in the container"));
        }
        let options = ExecOptions {
            command,
            env: self.environment.resolve()?,
            workdir: self.process.workdir()?,
            user: self.process.user,
            tty: self.process.tty,
            interactive: self.process.interactive,
            detach: self.process.detach,
        };
        Ok((container, options))
    }
}

impl Verb for Exec {
    const NAME: &'static str = "exec";
    const ABOUT: &'static str = "Run a program in a running container";

    fn run(self) -> Result<i32> {
        let (name, options) = self.options()?;
        let store = Store::open()?;
        let container = store.find_container(&name)?;
        crate::run::exec::exec(&store, &container, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};

    #[test]
    fn words_after_the_container_are_the_command() {
        let command = Exec::augment_args(Command::new("exec"));
        let matches = command.try_get_matches_from("exec -it -e A=1 web ls -l".split(' ')).unwrap();
        let (name, o) = Exec::from_arg_matches(&matches).unwrap().options().unwrap();
        assert_eq!((name.as_str(), o.command), ("web", vec!["ls".to_string(), "-l".into()]));
        assert!(o.interactive && o.tty && !o.detach);
    }
}
