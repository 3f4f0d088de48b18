//! Ctrl-C and SIGTERM: the command ends with 128 and the signal's number, and leaves nothing.

use rustix::process::Signal;

use super::{check, scenario};
use crate::support::{Dhow, Sandbox};

/// Interrupts a command while `ready` says that it is at work.
fn interrupted(sb: &Sandbox, command: Dhow, signal: Signal, ready: impl Fn() -> bool) {
    let before = check::inventory(sb);
    let running = command.own_group().spawn();
    sb.until("the command is at work", ready);
    running.signal(signal);
    let out = running.wait().fails(128 + signal.as_raw());
    assert!(out.stderr.contains("interrupted"), "{out}");
    sb.assert_clean();
    check::inventory(sb).assert_is(&before, "an interrupt");
}

fn in_staging(sb: &Sandbox) -> usize {
    std::fs::read_dir(sb.store().join("staging")).map_or(0, Iterator::count)
}

#[test]
fn load_and_save_end_at_once_and_leave_nothing() {
    let sb = scenario::sandbox();
    for signal in [Signal::INT, Signal::TERM] {
        // A pipe whose other end says nothing: both commands stand still in the middle.
        sb.program("mkfifo", ["pipe"]).ok();
        let keep = std::fs::File::options().read(true).write(true).open(sb.path("pipe")).unwrap();
        interrupted(&sb, sb.dhow(["load", "-i", "pipe"]), signal, || in_staging(&sb) > 0);
        interrupted(&sb, sb.dhow(["save", "-o", "pipe", "base"]), signal, || sb.processes().len() > 1);
        drop(keep);
        std::fs::remove_file(sb.path("pipe")).unwrap();
    }
    assert_eq!(
        std::fs::read_dir(sb.work())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "part"))
            .count(),
        0
    );
}

#[test]
fn a_build_ends_at_once_and_leaves_nothing() {
    let sb = scenario::sandbox();
    sb.write("slow/Dockerfile", "FROM base\nRUN sleep 1000\n");
    sb.dhow(["rm", "-a"]).ok();
    for signal in [Signal::INT, Signal::TERM] {
        let steps = || sb.processes().iter().any(|p| p.command.contains("sleep 1000"));
        interrupted(&sb, sb.dhow(["build", "-q", "--network=none", "slow"]), signal, steps);
    }
}

#[test]
fn a_second_signal_ends_at_once_and_the_next_command_clears_away() {
    let sb = scenario::sandbox();
    sb.write("slow/Dockerfile", "FROM base\nRUN sleep 1000\n");
    check::tidy(&sb);
    let before = check::inventory(&sb);
    for signal in [Signal::INT, Signal::TERM] {
        let running = sb.dhow(["build", "-q", "--network=none", "slow"]).own_group().spawn();
        sb.until("the step runs", || sb.processes().iter().any(|p| p.command.contains("sleep 1000")));
        running.signal(signal);
        running.signal(signal);
        running.wait().fails(128 + signal.as_raw());
        sb.until("its helpers are gone", || sb.processes().is_empty());
        check::tidy(&sb);
        sb.assert_clean();
        check::inventory(&sb).assert_is(&before, "two signals");
    }
}
