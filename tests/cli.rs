//! The command line as scripts see it: what goes to which stream, and the exit codes.

use crate::support::Sandbox;

#[test]
fn version_is_one_line_on_stdout() {
    let sb = Sandbox::new();
    let out = sb.dhow(["--version"]).ok();
    assert_eq!(out.lines().len(), 1, "{out}");
    assert!(out.stdout.starts_with("dhow ") && out.stdout.contains(env!("CARGO_PKG_VERSION")), "{out}");
    assert_eq!(out.stderr, "");
}

#[test]
fn unknown_command_is_our_failure_and_says_which() {
    let sb = Sandbox::new();
    let out = sb.dhow(["no-such-command"]).fails(125);
    assert_eq!(out.stdout, "", "stdout is for scripts");
    assert!(out.stderr.contains("no-such-command"), "{out}");
}

#[test]
fn unknown_flag_is_our_failure_and_says_which() {
    let sb = Sandbox::new();
    let out = sb.dhow(["images", "--no-such-flag"]).fails(125);
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("--no-such-flag"), "{out}");
}

#[test]
fn help_goes_to_stdout_and_touches_no_store() {
    let sb = Sandbox::new();
    let out = sb.dhow(["--help"]).ok();
    assert!(out.stdout.contains("build") && out.stdout.contains("run"), "{out}");
    assert_eq!(out.stderr, "");
    assert!(!sb.store().exists(), "help made a store");
}
