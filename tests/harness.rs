//! The helpers themselves: they notice what they are there to notice.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Signal;

use crate::support::{Sandbox, fixtures};

/// The message of the failure that `action` ends with.
#[track_caller]
fn failure(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).expect_err("should have failed");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_command_is_judged_by_code_and_streams() {
    let sb = Sandbox::new();
    let out = sb.program("sh", ["-c", "cat; echo err >&2; exit 3"]).stdin("in").fails(3).has("in").says("err");
    assert_eq!((out.text(), out.stderr.as_str()), ("in", "err\n"));
    assert!(failure(|| drop(sb.program("sh", ["-c", "exit 4"]).ok())).contains("exit code 4"));
    let killed = sb.program("sleep", ["100"]).spawn();
    killed.signal(Signal::KILL);
    killed.wait().fails(137);
}

#[test]
fn a_command_sees_its_sandbox_and_little_else() {
    let sb = Sandbox::new();
    sb.write("ctx/file", "text");
    let out = sb.program("sh", ["-c", "pwd; env"]).cwd("ctx").env("MORE", "1").ok();
    assert_eq!(out.lines()[0], sb.path("ctx").to_str().unwrap());
    assert!(out.stdout.contains(&format!("DHOW_ROOT={}\n", sb.store().display())) && out.stdout.contains("MORE=1\n"));
    assert!(!out.stdout.contains("CARGO"), "{out}");
}

#[test]
fn a_terminal_is_a_terminal() {
    let sb = Sandbox::new();
    let out = sb
        .program("sh", ["-c", "test -t 0 && test -t 1 && read x && echo got $x && tty"])
        .tty("word\n")
        .wait()
        .success();
    assert!(out.stdout.contains("got word\r\n/dev/pts/"), "{out}");
}

#[test]
fn what_holds_a_stream_open_is_noticed() {
    let sb = Sandbox::new();
    let running = sb.program("sh", ["-c", "sleep 5 & echo started"]).deadline(1).spawn();
    assert!(failure(|| drop(running.wait())).contains("still holds its stdout open"));
}

#[test]
fn leftovers_make_a_sandbox_unclean() {
    let sb = Sandbox::new();
    sb.assert_clean();
    fs::create_dir_all(sb.store().join("staging/half")).unwrap();
    assert!(failure(|| sb.assert_clean()).contains("left in staging"));
    assert!(failure(|| drop(sb)).contains("left in staging"));
}

#[test]
fn processes_are_found_by_where_they_were_started_and_by_descent() {
    let sb = Sandbox::new();
    // A copy of the shell stands for dhow; what it starts runs under a name of its own.
    let shell = sb.path("busybox");
    fs::copy("/bin/busybox", &shell).unwrap();
    let running = sb.program(shell.to_str().unwrap(), ["sh", "-c", "/bin/sleep 77; true"]).spawn();
    sb.until("both to run", || sb.processes().iter().any(|p| p.command == "/bin/sleep 77"));
    assert_eq!(sb.processes().len(), 2);
    for found in sb.processes() {
        sb.program("kill", ["-KILL", &found.pid.to_string()]).run();
    }
    running.wait().fails(137);
    assert_eq!(sb.processes(), []);
}

#[test]
fn fixtures_are_made_once() {
    let (context, archive) = (fixtures::busybox_context(), fixtures::base_archive());
    assert!(context.join("root/bin/sh").exists() && archive.is_file());
    assert_eq!((context, archive), (fixtures::busybox_context(), fixtures::base_archive()));
}

#[test]
fn the_archive_is_one_that_others_read() {
    if crate::support::lacks("skopeo") {
        return;
    }
    let sb = Sandbox::new();
    let source = format!("oci-archive:{}:base", fixtures::base_archive().display());
    sb.program("skopeo", ["inspect", "--config", &source]).ok().has("PATH=/bin");
    sb.program("skopeo", ["--insecure-policy", "copy", &source, "dir:copied"]).ok();
}

#[test]
fn the_debian_tree_has_one_of_each_kind() {
    let Some(rootfs) = fixtures::debian_rootfs() else { return };
    let sb = Sandbox::new();
    let list = sb.program("tar", ["-tvf", rootfs.to_str().unwrap()]).ok();
    for kind in ["prw", "-rws", "link to", " -> ", "12345/54321"] {
        assert!(list.stdout.contains(kind), "no {kind:?} in the tree");
    }
    let bytes = fs::read(rootfs).unwrap();
    let key = b"SCHILY.xattr.security.capability=";
    assert!(bytes.windows(key.len()).any(|w| w == key), "no file capabilities in the tree");
}
