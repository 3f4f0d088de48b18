//! Many commands at once on one store, and readers beside a command that stands still.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scenario::{self, KEEP};
use super::{Random, check, long_run};
use crate::support::{Output, Sandbox};

/// What a command may fail with because of what another one has just done, which it means.
const MEANT: &[&str] = &[
    "image not known",
    "was removed meanwhile",
    "was removed while",
    "no such container",
    "is already in use by",
    "is in use by the container",
    "container state improper",
];

/// One command of process `me`, chosen by `pick`.
fn command(sb: &Sandbox, me: usize, pick: usize) -> Output {
    let own = format!("own{me}");
    let words: Vec<&str> = match pick {
        0 => vec!["build", "-q", "--network=none", "-t", "same", "app"],
        1 => vec!["build", "-q", "--network=none", "-t", &own, "--build-arg", &own, "app"],
        2 | 3 => vec!["run", "--rm", "--network=none", "base", "true"],
        4 => vec!["run", "--network=none", "--name", &own, "-v", "data:/data", "base", "touch", "/x"],
        5 => vec!["rm", "-f", &own],
        6 => vec!["commit", &own, "copy"],
        7 => vec!["tag", "base", "shared"],
        8 => vec!["rmi", "shared"],
        9 => vec!["rmi", "-f", "same"],
        10 => vec!["load", "-q", "-i", "app.tar"],
        11 => vec!["save", "-q", "-o", &own, "base"],
        12 => vec!["images"],
        13 => vec!["ps", "-a"],
        14 => vec!["rmi", "-f", "app"],
        15 => vec!["system", "prune", "-f", KEEP],
        16 => vec!["builder", "prune", "-a", "-f"],
        17 => vec!["image", "prune", "-f"],
        18 => vec!["system", "df", "-v"],
        19 => vec!["system", "check", "--quick"],
        20 => vec!["load", "-q", "-i", "app.tar"],
        _ => vec!["run", "-d", "--rm", "--network=none", "base", "true"],
    };
    sb.dhow(words).run()
}

#[test]
fn eight_processes_with_mixed_commands() {
    let mut random = Random::new();
    let sb = scenario::sandbox();
    let (each, until) = match long_run() {
        Some(_) => (usize::MAX, Instant::now() + Duration::from_secs(60)),
        None => (8, Instant::now() + Duration::from_secs(600)),
    };
    thread::scope(|scope| {
        for me in 0..8 {
            let (sb, mut random) = (&sb, Random(random.below(1 << 30) as u64));
            scope.spawn(move || {
                let mut done = 0;
                while done < each && Instant::now() < until {
                    let out = command(sb, me, random.below(22));
                    let meant = MEANT.iter().any(|words| out.stderr.contains(words));
                    assert!(out.code == 0 || meant, "a failure that nobody meant:\n{out}");
                    done += 1;
                }
            });
        }
    });
    check::usable(&sb, "the mixed commands");
    check::tidy(&sb);
    assert!(check::inventory(&sb).is_whole(), "{:?}", check::inventory(&sb));
}

#[test]
fn readers_never_wait_for_a_command_that_stands_still() {
    let sb = scenario::sandbox();
    sb.write("slow/Dockerfile", "FROM base\nRUN sleep 1000\n");
    let builder = sb.dhow(["build", "-q", "--network=none", "slow"]).own_group().spawn();
    sb.until("the step runs", || sb.processes().iter().any(|p| p.command.contains("sleep")));
    let all: Vec<_> = sb.processes();
    let each = |signal| {
        for process in &all {
            let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(process.pid).unwrap(), signal);
        }
    };
    each(Signal::STOP);
    for words in
        [&["images"][..], &["ps", "-a"], &["inspect", "base"], &["run", "--rm", "--network=none", "base", "true"]]
    {
        sb.dhow(words).deadline(60).ok();
    }
    each(Signal::CONT);
    builder.signal(Signal::INT);
    builder.wait().fails(130);
    sb.assert_clean();
}

#[test]
fn what_is_removed_while_it_is_read_is_no_result() {
    let sb = scenario::sandbox();
    let stopped = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    for words in [&["commit", "box", "copy"][..], &["export", "-o", "box.tar", "box"]] {
        sb.dhow(["run", "--network=none", "--name=box", "base", "touch", "/x"]).ok();
        let running = sb.dhow(words).env("DHOW_FAULT", "container.read=stop").spawn();
        let worker = || sb.processes().into_iter().map(|p| p.pid).find(|pid| stopped(*pid));
        sb.until("the files are read", || worker().is_some());
        sb.dhow(["rm", "box"]).ok();
        let worker = rustix::process::Pid::from_raw(worker().unwrap()).unwrap();
        rustix::process::kill_process(worker, Signal::CONT).unwrap();
        let out = running.wait().fails(125);
        assert!(out.stderr.contains("was removed while its files were read"), "{out}");
        sb.assert_clean();
    }
    sb.dhow(["inspect", "copy"]).fails(125);
    assert!(!sb.path("box.tar").exists());
}
