//! Failures as the person sees them: one `Error:` line, the remedy on a line of its own, and the exit code.
//!
//! Everything is escaped: names in a message may come from an image or a container.

use crate::cli::escape;
use crate::error::{Kind, Result, fail_with, hint_of, kind_of};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::io::Write;

/// The exit code for failures that have no code of their own, as podman has it.
pub const ENGINE: i32 = 125;

/// Flags that the peers have and dhow does not have yet: worth another sentence than a typing error.
const KNOWN_ELSEWHERE: &[&str] = &[
    "-p",
    "-P",
    "-m",
    "-o",
    "--add-host",
    "--annotation",
    "--attach",
    "--authfile",
    "--blkio-weight",
    "--build-context",
    "--cache-from",
    "--cache-to",
    "--cgroup-parent",
    "--cgroupns",
    "--cpu-shares",
    "--cpus",
    "--cpuset-cpus",
    "--creds",
    "--detach-keys",
    "--device",
    "--dns",
    "--dns-option",
    "--dns-search",
    "--env-host",
    "--expose",
    "--gidmap",
    "--gpus",
    "--group-add",
    "--health-cmd",
    "--health-interval",
    "--health-retries",
    "--health-timeout",
    "--http-proxy",
    "--init",
    "--ip",
    "--ipc",
    "--link",
    "--log-driver",
    "--log-opt",
    "--mac-address",
    "--memory",
    "--memory-swap",
    "--network-alias",
    "--no-healthcheck",
    "--output",
    "--pid",
    "--pids-limit",
    "--pod",
    "--privileged",
    "--publish",
    "--publish-all",
    "--push",
    "--replace",
    "--restart",
    "--secret",
    "--security-opt",
    "--shm-size",
    "--squash",
    "--ssh",
    "--sysctl",
    "--systemd",
    "--tls-verify",
    "--uidmap",
    "--ulimit",
    "--userns",
    "--uts",
    "--volumes-from",
];

/// Prints a failure to standard error.
pub fn report(error: &anyhow::Error) {
    let mut text = format!("Error: {}\n", message(&format!("{error:#}")));
    if let Some(hint) = hint_of(error) {
        text.push_str(&escape::one_line(hint));
        text.push('\n');
    }
    // Nobody is left to tell when standard error is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A message made harmless. Lines that show a place in a file stay lines: they are indented, so that a name from outside
/// cannot look like a line of ours.
fn message(text: &str) -> String {
    let text = &plain_causes(text);
    let mut lines = text.split('\n');
    let mut out = escape::one_line(lines.next().unwrap_or_default()).into_owned();
    for line in lines {
        out.push_str(if line.starts_with("  ") { "\n" } else { "\\n" });
        out.push_str(&escape::one_line(line));
    }
    out
}

/// The kernel's reasons as the peers word them, which scripts look for: small letters, without Rust's number.
fn plain_causes(text: &str) -> String {
    const MARK: &str = " (os error ";
    let mut out = text.to_string();
    while let Some((before, after)) = out.split_once(MARK) {
        let Some((number, rest)) = after.split_once(')') else { break };
        let cause = number.parse().map(|n| std::io::Error::from_raw_os_error(n).to_string()).unwrap_or_default();
        let cause = cause.split(MARK).next().unwrap_or_default();
        out = match before.strip_suffix(cause) {
            Some(before) => format!("{before}{}{rest}", cause.to_lowercase()),
            None => format!("{before}{rest}"),
        };
    }
    out
}

/// The exit code of a failure.
pub fn exit_code(error: &anyhow::Error) -> i32 {
    match kind_of(error) {
        Some(Kind::Exit(code)) => code,
        _ => ENGINE,
    }
}

/// The exit code of a failed removal: missing 1, in use 2.
pub fn removal_code(error: &anyhow::Error) -> i32 {
    match kind_of(error) {
        Some(Kind::NotFound) => 1,
        Some(Kind::InUse) => 2,
        _ => exit_code(error),
    }
}

/// Does the same to each target, goes on after a failure, and gives the code of the worst.
///
/// `act` gives the line to print, if any.
pub fn each(
    targets: &[String],
    code: fn(&anyhow::Error) -> i32,
    mut act: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<i32> {
    let mut worst = 0;
    for target in targets {
        match act(target) {
            Ok(Some(line)) => crate::cli::output::line(&line)?,
            Ok(None) => {}
            Err(error) => {
                report(&error);
                worst = worst.max(code(&error));
            }
        }
    }
    Ok(worst)
}

/// A word that is no command.
pub fn unknown_command(word: &str) -> anyhow::Error {
    fail_with(Kind::User, format!("unknown command {word:?}"), "`dhow --help` lists the commands.")
}

/// What the parser refused, in our words.
pub fn usage(error: &clap::Error, called: &str) -> anyhow::Error {
    let help =
        if called.is_empty() { "See `dhow --help`.".to_string() } else { format!("See `dhow {called} --help`.") };
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let arg = named(ContextKind::InvalidArg).unwrap_or_default();
    let (message, advice) = match error.kind() {
        ErrorKind::UnknownArgument if KNOWN_ELSEWHERE.contains(&arg.split('=').next().unwrap_or("")) => {
            (format!("dhow does not have the flag {arg} yet"), None)
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            (format!("unknown flag: {arg}"), named(ContextKind::SuggestedArg).map(|s| format!("Did you mean {s}? ")))
        }
        ErrorKind::UnknownArgument => (format!("unexpected argument {arg:?}"), None),
        ErrorKind::InvalidSubcommand => {
            let word = named(ContextKind::InvalidSubcommand).unwrap_or_default();
            let close = named(ContextKind::SuggestedSubcommand).map(|s| format!("Did you mean `{s}`? "));
            (format!("unknown command {word:?}"), close)
        }
        ErrorKind::MissingRequiredArgument => {
            (format!("missing argument: {}", arg.replace(['<', '>'], "").replace("...", "")), None)
        }
        ErrorKind::MissingSubcommand => ("missing command".to_string(), None),
        _ => (first_sentence(&error.to_string()), None),
    };
    fail_with(Kind::User, message, format!("{}{help}", advice.unwrap_or_default()))
}

/// The parser's own message without its prefix, usage and tips.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|l| !l.is_empty());
    let joined = lines.collect::<Vec<_>>().join(" ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fail;

    fn parsed(line: &str) -> anyhow::Error {
        let mut tree = crate::cli::command::tree();
        usage(&tree.try_get_matches_from_mut(line.split(' ')).unwrap_err(), "run")
    }

    #[test]
    fn causes_are_worded_as_the_peers_do() {
        let gone = std::io::Error::from_raw_os_error(2);
        assert_eq!(
            message(&format!("/A: {gone}, {gone}!")),
            "/A: no such file or directory, no such file or directory!"
        );
        assert_eq!(message("x (os error y) (os error 99999999999999)"), "x");
        assert_eq!(message("x (os error "), "x (os error ");
    }

    #[test]
    fn only_indented_lines_stay_lines() {
        assert_eq!(
            message("bad\n  2 | RUN\x1b\n    | ^\nError: forged"),
            "bad\n  2 | RUN\\x1b\n    | ^\\nError: forged"
        );
    }

    #[test]
    fn exit_codes_follow_the_kind() {
        assert_eq!(exit_code(&fail(Kind::Exit(3), "x").context("running")), 3);
        assert_eq!(exit_code(&fail(Kind::User, "x")), 125);
        assert_eq!(removal_code(&fail(Kind::NotFound, "x")), 1);
        assert_eq!(removal_code(&fail(Kind::InUse, "x")), 2);
    }

    #[test]
    fn a_flag_that_only_the_peers_have_is_told_from_a_typing_error() {
        let error = parsed("dhow run --publish 80 image");
        assert_eq!(error.to_string(), "dhow does not have the flag --publish yet");
        let error = parsed("dhow run --entrypont x image");
        assert_eq!(error.to_string(), "unknown flag: --entrypont");
        assert!(hint_of(&error).unwrap().contains("--entrypoint"), "{error:?}");
        assert!(parsed("dhow rn").to_string().starts_with("unknown command"));
        assert_eq!(parsed("dhow tag").to_string(), "missing argument: IMAGE, NAME[:TAG]");
    }
}
