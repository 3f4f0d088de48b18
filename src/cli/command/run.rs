//! `dhow run`: makes a container of an image and runs a program in it.

use super::Verb;
use crate::cli::flags::environment::Environment;
use crate::cli::flags::labels::Labels;
use crate::cli::flags::mount::Mounts;
use crate::cli::flags::network::NetworkFlags;
use crate::cli::flags::own_platform;
use crate::cli::flags::process::{Process, entrypoint};
use crate::cli::flags::security::{Security, capabilities};
use crate::cli::output;
use crate::error::{Kind, Result, fail, fail_with};
use crate::run::options::Options;
use crate::store::Store;
use anyhow::Context;
use clap::{ArgAction, Args};
use std::fs::File;
use std::path::PathBuf;

/// Arguments of `run`.
#[derive(Debug, Default, Args)]
#[command(disable_help_flag = true, override_usage = "dhow run [OPTIONS] IMAGE [COMMAND [ARG...]]")]
pub struct Run {
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Remove the container when it ends
    #[arg(long)]
    rm: bool,
    /// Name of the container
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    process: Process,
    #[command(flatten)]
    environment: Environment,
    #[command(flatten)]
    mounts: Mounts,
    #[command(flatten)]
    network: NetworkFlags,
    /// Host name inside the container
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    security: Security,
    /// Program to run instead of the image's entrypoint: a word or a JSON list
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Signal that asks the container to end
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// Write the container's id to a file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// When to fetch the image: missing or never (nothing is fetched so far)
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Platform of the image; only this machine's own
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Accepted and without effect: signals are always passed on
    #[arg(long)]
    sig_proxy: bool,
    /// Accepted and without effect: there is no progress to hide
    #[arg(short, long)]
    quiet: bool,
    /// The image, and what to run in it instead of its own command
    #[arg(required = true, trailing_var_arg = true, value_name = "IMAGE [COMMAND]")]
    argv: Vec<String>,
}

impl Run {
    /// What was asked for, checked as far as words can be.
    fn options(self) -> Result<Options> {
        check_pull(self.pull.as_deref())?;
        if let Some(platform) = &self.platform {
            own_platform(platform)?;
        }
        if let Some(signal) = &self.stop_signal {
            crate::run::signal::parse(signal)?;
        }
        let mut argv = self.argv.into_iter();
        let image = argv.next().ok_or_else(|| fail(Kind::User, "missing argument: IMAGE"))?;
        Ok(Options {
            image,
            command: argv.collect(),
            name: self.name,
            entrypoint: self.entrypoint.as_deref().map(entrypoint).transpose()?,
            env: self.environment.resolve()?,
            workdir: self.process.workdir()?,
            user: self.process.user,
            hostname: self.hostname,
            labels: self.labels.resolve()?,
            mounts: self.mounts.resolve()?,
            network: self.network.resolve()?,
            tty: self.process.tty,
            interactive: self.process.interactive,
            detach: self.process.detach,
            remove: self.rm,
            read_only: self.security.read_only,
            cap_add: capabilities(&self.security.cap_add)?,
            cap_drop: capabilities(&self.security.cap_drop)?,
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
            cidfile: self.cidfile,
            create_command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        })
    }
}

fn check_pull(policy: Option<&str>) -> Result<()> {
    match policy {
        None | Some("missing" | "never") => Ok(()),
        Some("always" | "newer") => Err(fail_with(
            Kind::User,
            "dhow cannot fetch images from a registry yet",
            "Build the image, or bring it in with `dhow load` or `dhow import`.",
        )),
        Some(other) => Err(fail(Kind::User, format!("--pull {other:?}: write missing or never"))),
    }
}

impl Verb for Run {
    const NAME: &'static str = "run";
    const ABOUT: &'static str = "Run a program in a new container";

    fn run(self) -> Result<i32> {
        let options = self.options()?;
        let store = Store::open()?;
        if let Some(path) = &options.cidfile {
            File::create_new(path).with_context(|| format!("--cidfile {}", path.display()))?;
        }
        let outcome = crate::run::run(&store, &options);
        if let (Some(path), Err(_)) = (&options.cidfile, &outcome) {
            // An empty file would stop the next attempt.
            let _ = std::fs::remove_file(path);
        }
        let outcome = outcome?;
        match outcome.code {
            Some(code) => Ok(code),
            None => output::line(&outcome.id).map(|()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::options::{MountSource, Network};
    use clap::{Command, FromArgMatches};

    fn options(line: &str) -> Result<Options> {
        let command = Run::augment_args(Command::new("run"));
        let matches = command.try_get_matches_from(line.split(' ')).map_err(anyhow::Error::new)?;
        Run::from_arg_matches(&matches)?.options()
    }

    #[test]
    fn flags_become_options() {
        let o = options(
            "run --rm -it -d --name web -e A=1 -v /a:/b:ro --tmpfs /t -w /w -u 1:2 --net=none -h box -l k=v \
             --read-only --cap-add net_admin --cap-drop ALL --stop-signal TERM --stop-timeout 3 img sh -c x --rm",
        )
        .unwrap();
        assert!(o.remove && o.interactive && o.tty && o.detach && o.read_only);
        assert_eq!((o.image.as_str(), o.name.as_deref()), ("img", Some("web")));
        assert_eq!(o.command, ["sh", "-c", "x", "--rm"]);
        assert_eq!(o.env, ["A=1"]);
        assert_eq!(o.mounts[0].source, MountSource::Bind("/a".into()));
        assert!(o.mounts[0].read_only && o.mounts.len() == 2);
        assert_eq!((o.workdir.as_deref(), o.user.as_deref()), (Some("/w"), Some("1:2")));
        assert_eq!((o.network, o.hostname.as_deref()), (Network::None, Some("box")));
        assert_eq!(o.labels["k"], "v");
        assert_eq!((o.cap_add, o.cap_drop), (vec!["NET_ADMIN".to_string()], vec!["ALL".to_string()]));
        assert_eq!((o.stop_signal.as_deref(), o.stop_timeout), (Some("TERM"), Some(3)));
        assert_eq!(o.entrypoint, None);
    }

    #[test]
    fn an_empty_entrypoint_clears_the_images() {
        assert_eq!(options("run --entrypoint= img").unwrap().entrypoint, Some(vec![]));
    }

    #[test]
    fn what_cannot_be_done_is_refused_before_anything_starts() {
        for bad in [
            "--pull=always img",
            "--platform=linux/s390x img",
            "-w rel img",
            "-v /a:/b:U img",
            "--stop-signal NOPE img",
        ] {
            assert!(options(&format!("run {bad}")).is_err(), "{bad}");
        }
    }
}
