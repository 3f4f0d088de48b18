//! What happens to a container after its start: exec, stop, kill, rm, commit, and the exit codes of all of them.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;

use crate::support::{Output, Running, Sandbox};

/// A program that does nothing until SIGTERM, upon which it ends with code 7 at once.
const WAITER: &str = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";

/// A container that runs [`WAITER`].
fn waiter(sb: &Sandbox, name: &str) {
    sb.dhow(["run", "-d", "--network=none", "--name", name, "base", "sh", "-c", WAITER]).ok();
    sb.until("the program has set its trap", || sb.dhow(["logs", name]).run().stdout.contains("ready"));
}

/// A script in the container `name`, once it has made the file `/ready` there.
fn ready_exec(sb: &Sandbox, name: &str, script: &str) -> Running {
    let running = sb.dhow(["exec", name, "sh", "-c", script]).spawn();
    sb.until("the script runs", || sb.dhow(["exec", name, "test", "-e", "/ready"]).run().code == 0);
    running
}

fn status(sb: &Sandbox, name: &str) -> String {
    let all = sb.dhow(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).ok();
    all.lines().iter().find_map(|l| l.strip_prefix(&format!("{name} "))).unwrap_or("none").to_owned()
}

#[test]
fn exec_joins_every_namespace_and_passes_streams_and_the_code() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let links = "for n in user mnt pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done";
    let inside = sb.dhow(["exec", "box", "sh", "-c", &links.replace("self", "1")]).ok();
    let own = sb.dhow(["exec", "box", "sh", "-c", links]).ok();
    assert_eq!(own.stdout, inside.stdout, "the namespaces of exec are not the container's");
    let out = sb.dhow(["exec", "-i", "box", "sh", "-c", "cat; echo err >&2; exit 5"]).stdin("in\n").fails(5);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("in\n", "err\n"));
    let out = sb.dhow(["exec", "box", "cat"]).stdin("in\n").ok();
    assert_eq!(out.stdout, "", "without -i nothing is read");
}

#[test]
fn exec_takes_user_folder_and_environment() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "-d", "--network=none", "--name=box", "-e", "A=1", "-w", "/etc", "base", "sleep", "100"]).ok();
    let show = "echo $(id -u):$(id -g) $HOME $A $(pwd)";
    sb.dhow(["exec", "box", "sh", "-c", show]).ok().has("0:0 /root 1 /etc\n");
    let out = sb.dhow(["exec", "-u", "user", "-e", "A=2", "-w", "/tmp", "box", "sh", "-c", show]).ok();
    assert_eq!(out.stdout, "1000:1000 /home/user 2 /tmp\n");
    let caps = "grep -E '^(Cap(Inh|Eff|Bnd)|Seccomp:)' /proc/self/status";
    let first = sb.dhow(["exec", "box", "sh", "-c", &caps.replace("self", "1")]).ok();
    assert_eq!(sb.dhow(["exec", "box", "sh", "-c", caps]).ok().stdout, first.stdout, "exec has other rights than run");
    let out = sb.dhow(["exec", "-u", "user", "box", "grep", "CapEff", "/proc/self/status"]).ok();
    assert!(out.text().ends_with("0000000000000000"), "{out}");
    sb.dhow(["rm", "-f", "box"]).ok();
}

#[test]
fn exec_on_a_terminal() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let script = "tty; test -e $(tty) && stty size && echo $TERM && read line && echo got $line; exit 3";
    let out = sb.dhow(["exec", "-it", "-u", "user", "box", "sh", "-c", script]).tty("word\n").wait().fails(3);
    assert!(out.stdout.contains("/dev/pts/") && out.stdout.contains("xterm\r\n"), "{out}");
    assert!(out.stdout.contains("got word\r\n"), "{out}");
}

#[test]
fn exec_leaks_no_descriptor() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let line = "exec 77</etc/passwd; exec \"$0\" exec box ls /proc/self/fd";
    let out = sb.program("bash", ["-c", line]).arg(sb.binary()).ok();
    // 3 is the folder that ls reads.
    assert_eq!(out.lines(), ["0", "1", "2", "3"], "{out}");
}

#[test]
fn exec_detached_goes_on_and_ends_with_the_container() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let out = sb.dhow(["exec", "-d", "box", "sh", "-c", "echo $PPID > /parent; sleep 100"]).ok();
    assert_eq!(out.stderr, "");
    sb.until("the program runs", || sb.dhow(["exec", "box", "cat", "/parent"]).run().text() == "1");
    sb.dhow(["exec", "-d", "box", "no-such-program"]).fails(127).says("no-such-program");
    sb.dhow(["stop", "box"]).ok();
    sb.assert_clean();
}

#[test]
fn exit_codes_tell_whose_failure_it_is() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    for command in [&["run", "--rm", "--network=none", "base"][..], &["exec", "box"]] {
        let of = |more: &[&str]| sb.dhow(command).args(more).run();
        of(&["sh", "-c", "exit 42"]).fails(42);
        of(&["no-such-program"]).fails(127).says("no-such-program");
        of(&["/etc"]).fails(126).says("/etc");
    }
    // By a signal: only from outside where it is the first process, which is safe from its own.
    sb.dhow(["exec", "box", "sh", "-c", "kill -9 $$"]).fails(137);
    sb.dhow(["run", "--rm", "--network=none", "base", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).fails(137);
    sb.dhow(["exec", "-u", "nobody-here", "box", "true"]).fails(125).says("nobody-here");
    sb.dhow(["exec", "-w", "/no/such", "box", "true"]).fails(126).says("/no/such");
    sb.dhow(["exec", "absent", "true"]).fails(125).says("absent");
    sb.dhow(["run", "--rm", "absent"]).fails(125).says("absent");
}

#[test]
fn signals_reach_the_program() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let script = "trap 'echo caught; exit 9' TERM; : > /ready; while :; do sleep 0.02; done";
    let running = ready_exec(&sb, "box", script);
    running.signal(Signal::TERM);
    running.wait().fails(9).has("caught");
    sb.dhow(["exec", "box", "rm", "/ready"]).ok();
    let running = ready_exec(&sb, "box", ": > /ready; exec sleep 100");
    running.signal(Signal::INT);
    running.wait().fails(130);
    assert!(status(&sb, "box").starts_with("Up"), "a signal to exec must not end the container");
}

#[test]
fn stop_asks_first_and_kills_in_the_end() {
    let sb = Sandbox::with_base();
    waiter(&sb, "polite");
    let out = sb.dhow(["stop", "polite"]).ok();
    assert_eq!(out.text(), "polite");
    assert!(status(&sb, "polite").starts_with("Exited (7)"), "{}", status(&sb, "polite"));
    sb.dhow(["stop", "polite"]).ok();
    // A first process gets only the signals that it asked for: sleep as such has asked for none.
    sb.dhow(["run", "-d", "--network=none", "--name=deaf", "base", "sleep", "100"]).ok();
    sb.dhow(["stop", "-t", "0", "deaf"]).ok();
    assert!(status(&sb, "deaf").starts_with("Exited (137)"), "{}", status(&sb, "deaf"));
    let own = ["run", "-d", "--network=none", "--name=own", "--stop-signal=USR1", "base", "sh", "-c"];
    sb.dhow(own).arg("trap 'exit 8' USR1; echo ready; while :; do sleep 0.02; done").ok();
    sb.until("the trap is set", || sb.dhow(["logs", "own"]).run().stdout.contains("ready"));
    sb.dhow(["stop", "own"]).ok();
    assert!(status(&sb, "own").starts_with("Exited (8)"), "{}", status(&sb, "own"));
}

#[test]
fn kill_sends_any_signal_to_running_containers_only() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    sb.dhow(["kill", "-s", "SIGTERM", "box"]).ok();
    sb.until("the program has ended", || status(&sb, "box").starts_with("Exited (7)"));
    assert_ne!(sb.dhow(["kill", "box"]).run().says("not running").code, 0);
    assert_ne!(sb.dhow(["exec", "box", "true"]).run().says("not running").code, 0);
    assert_ne!(sb.dhow(["kill", "-s", "NOPE", "box"]).run().says("NOPE").code, 0);
}

#[test]
fn rm_takes_a_running_container_only_by_force() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    sb.dhow(["rm", "box"]).fails(2).says("running");
    assert!(status(&sb, "box").starts_with("Up"));
    sb.dhow(["rm", "-f", "box"]).ok();
    assert_eq!(status(&sb, "box"), "none");
    sb.dhow(["rm", "-f", "box"]).ok();
    sb.dhow(["rm", "box"]).fails(1).says("box");
    sb.assert_clean();
    assert_eq!(left_in_containers(&sb), BTreeSet::new());
}

#[test]
fn rm_of_one_container_by_several_at_once() {
    let sb = Sandbox::with_base();
    waiter(&sb, "box");
    let all: Vec<Running> = (0..4).map(|_| sb.dhow(["rm", "-f", "box"]).spawn()).collect();
    all.into_iter().for_each(|running| drop(running.wait().success()));
    assert_eq!(left_in_containers(&sb), BTreeSet::new());
    sb.assert_clean();
}

/// Names in the store's folder of containers.
fn left_in_containers(sb: &Sandbox) -> BTreeSet<String> {
    let names = fs::read_dir(sb.store().join("containers")).unwrap().map(|e| e.unwrap().file_name());
    names.map(|n| n.into_string().unwrap()).filter(|n| n != "by-name").collect()
}

#[test]
fn a_killed_monitor_leaves_a_container_that_can_be_removed() {
    let sb = Sandbox::with_base();
    waiter(&sb, "kept");
    let line = ["run", "-d", "--rm", "--network=none", "--name=brief", "base", "sleep", "100"];
    sb.dhow(line).ok();
    let processes = sb.processes();
    processes.iter().for_each(|p| {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(p.pid).unwrap(), Signal::KILL);
    });
    for name in ["kept", "brief"] {
        sb.until("the monitor is gone", || status(&sb, name).starts_with("Exited (137)"));
    }
    sb.dhow(["rm", "kept"]).ok();
    assert_eq!(left_in_containers(&sb), BTreeSet::new(), "what should have removed itself is swept by the way");
}

#[test]
fn a_name_is_taken_until_its_container_is_removed() {
    let sb = Sandbox::with_base();
    let run = || sb.dhow(["run", "--network=none", "--name=box", "base", "true"]).run();
    run().success();
    run().fails(125).says("already in use").says("box");
    sb.dhow(["rm", "box"]).ok();
    run().success();
}

/// Makes one change of each kind in a container of `base`.
const CHANGES: &str = "set -e; mkdir -p /new/sub; echo text > /new/file; ln /new/file /new/hard; ln -s file /new/soft
    chown 1000:50 /new/file; chmod 4750 /new/file; mkfifo /new/fifo; rm /bin/yes; rm -r /home; mkdir /home; echo x > /home/x
    echo changed > /etc/group";

#[test]
fn commit_holds_what_was_changed_and_what_was_removed() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "--network=none", "--name=box", "base", "sh", "-c", CHANGES]).ok();
    let out = sb.dhow(["commit", "-m", "note", "-a", "me", "box", "changed"]).ok();
    assert_eq!(out.text().trim_start_matches("sha256:").len(), 64, "{out}");
    let run =
        |script: &str| -> Output { sb.dhow(["run", "--rm", "--network=none", "changed", "sh", "-c", script]).ok() };
    assert_eq!(run("stat -c '%a %u:%g %h' /new/file").text(), "4750 1000:50 2");
    assert_eq!(run("cat /new/soft /etc/group /home/x; ls -d /new/sub").stdout, "text\nchanged\nx\n/new/sub\n");
    assert_eq!(run("test -p /new/fifo && ls /home; test ! -e /bin/yes").text(), "x");
    // The files that every container has mounted are no change of the container.
    assert_eq!(
        run("ls -A /etc").stdout,
        sb.dhow(["run", "--rm", "--network=none", "base", "ls", "-A", "/etc"]).ok().stdout
    );
    sb.dhow(["history", "--no-trunc", "changed"]).ok().has("note");
}

#[test]
fn commit_changes_the_configuration_as_asked() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "--network=none", "--name=box", "-e", "A=1", "-w", "/tmp", "base", "true"]).ok();
    let change = ["-c", "ENV B=2 C=$B", "-c", "CMD [\"sh\", \"-c\", \"echo $A $B $(pwd)\"]", "-c", "LABEL k=v"];
    sb.dhow(["commit"]).args(change).args(["box", "changed"]).ok();
    sb.dhow(["run", "--rm", "--network=none", "changed"]).ok().has("1 2 /tmp\n");
    let shown = sb.dhow(["inspect", "changed"]).ok();
    assert!(!shown.stdout.contains("HOSTNAME=") && !shown.stdout.contains("container="), "{shown}");
    assert_ne!(sb.dhow(["commit", "-c", "RUN true", "box", "bad"]).run().says("RUN").code, 0);
}

#[test]
fn commit_of_a_running_container_does_not_disturb_it() {
    let sb = Sandbox::with_base();
    let busy = "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i > /count; echo $i > /f$((i % 50)); done";
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sh", "-c", busy]).ok();
    let count = || sb.dhow(["exec", "box", "cat", "/count"]).run().text().parse::<u64>().unwrap_or(0);
    sb.until("the program writes", || count() > 0);
    for _ in 0..3 {
        sb.dhow(["commit", "box", "copy"]).ok();
    }
    let then = count();
    sb.until("it still writes", || count() > then);
    sb.dhow(["run", "--rm", "--network=none", "copy", "test", "-e", "/count"]).ok();
    sb.dhow(["stop", "box"]).ok();
    assert!(status(&sb, "box").starts_with("Exited (7)"), "{}", status(&sb, "box"));
}
