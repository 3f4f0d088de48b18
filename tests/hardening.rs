//! What a container must not get from its caller, and what must not happen to the caller: descriptors, masks, mounts,
//! streams and signals at the awkward moments.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::support::Sandbox;

#[test]
fn a_detached_container_holds_nothing_of_its_caller_open() {
    let sb = Sandbox::with_base();
    // `cat` sees the end of its input when the last holder of descriptor 9 is gone, the monitor included.
    let line = "{ \"$0\" run -d --network=none --name=box base sleep 100 9>&1 >id; } | cat";
    sb.program("sh", ["-c", line]).arg(sb.binary()).deadline(10).ok();
    sb.dhow(["ps"]).ok().has("box");
    sb.dhow(["rm", "-f", "box"]).ok();
}

#[test]
fn a_container_survives_its_killed_front_and_can_be_stopped() {
    let sb = Sandbox::with_base();
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    let running = sb.dhow(["run", "--network=none", "--name=box", "base", "sh", "-c", script]).spawn();
    sb.until("the program runs", || sb.dhow(["logs", "box"]).run().stdout.contains("ready"));
    running.signal(Signal::KILL);
    sb.dhow(["exec", "box", "true"]).ok();
    sb.dhow(["stop", "box"]).ok();
    sb.dhow(["ps", "-a", "--format", "{{.Status}}"]).ok().has("Exited (7)");
    running.wait().fails(137);
}

#[test]
fn a_killed_monitor_leaves_no_network_helper_behind() {
    if crate::support::lacks("pasta") || !std::path::Path::new("/dev/net/tun").exists() {
        return;
    }
    let sb = Sandbox::with_base();
    sb.dhow(["run", "-d", "--name=box", "base", "sleep", "100"]).ok();
    let mark = sb.store().join("containers").display().to_string();
    let helpers = || sb.program("pgrep", ["-f", &format!("^/[a-z/]*/pasta.*{mark}")]).run().lines().len();
    assert_eq!(helpers(), 1);
    let monitor = sb.processes().into_iter().find(|p| p.command.contains(" run ")).expect("the monitor");
    rustix::process::kill_process(rustix::process::Pid::from_raw(monitor.pid).unwrap(), Signal::KILL).unwrap();
    sb.until("its death is known", || sb.dhow(["ps", "-a"]).run().stdout.contains("Exited (137)"));
    sb.dhow(["rm", "box"]).ok();
    sb.until("the helper is gone", || helpers() == 0);
}

#[test]
fn the_callers_mask_is_not_the_containers() {
    let sb = Sandbox::with_base();
    let line = "umask 077; exec \"$0\" run --rm --network=none -u 1000 base sh -c 'cat /etc/hosts; umask'";
    sb.program("sh", ["-c", line]).arg(sb.binary()).ok().has("localhost").has("0022\n");
}

#[test]
fn low_ports_are_open_to_every_user_of_an_own_network() {
    let sb = Sandbox::with_base();
    let file = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    assert_eq!(sb.dhow(["run", "--rm", "--network=none", "-u", "1000", "base", "cat", file]).ok().text(), "0");
}

#[test]
fn a_reader_that_leaves_ends_the_program_with_and_without_a_log() {
    let sb = Sandbox::with_base();
    for flags in ["--rm", "--name=box"] {
        let line = format!("\"$0\" run {flags} --network=none base yes | head -2");
        let out = sb.program("sh", ["-c", &line]).arg(sb.binary()).deadline(20).ok();
        assert_eq!(out.stdout, "y\ny\n");
    }
}

#[test]
fn exec_ends_with_its_program_whatever_goes_on_writing() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "100"]).ok();
    let script = "setsid yes & sleep 0.2; exit 3";
    sb.dhow(["exec", "-it", "box", "sh", "-c", script]).deadline(20).tty("").wait().fails(3);
    sb.dhow(["rm", "-f", "box"]).ok();
}

#[test]
fn a_terminal_may_be_closed_and_opened_again() {
    let sb = Sandbox::with_base();
    let script = "exec </dev/null >/dev/null 2>&1; sleep 0.3; echo late > /dev/console; exit 4";
    let out = sb.dhow(["run", "--rm", "-t", "--network=none", "base", "sh", "-c", script]).tty("").wait().fails(4);
    assert!(out.stdout.contains("late"), "{out}");
}

#[test]
fn mounts_below_dev_get_their_targets() {
    let sb = Sandbox::with_base();
    sb.write("f", "text");
    let mount = |from: &str, to: &str| format!("{}:{to}", sb.path(from).display());
    let out = sb
        .dhow(["run", "--rm", "--network=none", "--tmpfs=/dev/t", "-v", &mount("f", "/dev/file")])
        .args(["-v", &mount("", "/dev/a/b"), "-v", &mount("", "/dev/shm")])
        .args(["base", "sh", "-c", "cat /dev/file /dev/a/b/f /dev/shm/f; grep -c ' /dev/t ' /proc/mounts"])
        .ok();
    assert_eq!(out.text(), "texttexttext1");
}

#[test]
fn later_mounts_of_the_host_do_not_reach_a_bind_mount() {
    let sb = Sandbox::with_base();
    let mount = format!("{}:/mnt", sb.work().display());
    let out =
        sb.dhow(["run", "--rm", "--network=none", "-v", &mount, "base", "grep", " /mnt ", "/proc/self/mountinfo"]);
    let out = out.ok();
    assert!(!out.stdout.contains("master:") && !out.stdout.contains("shared:"), "{out}");
}

#[test]
fn files_of_the_host_network_are_copies() {
    let sb = Sandbox::with_base();
    let before = fs::read("/etc/hosts").unwrap();
    let out =
        sb.dhow(["run", "--rm", "--network=host", "base", "sh", "-c", "echo more >> /etc/hosts; tail -1 /etc/hosts"]);
    assert_eq!(out.ok().text(), "more");
    assert!(fs::read("/etc/hosts").unwrap() == before);
}

#[test]
fn impossible_wishes_and_stores_are_explained() {
    let sb = Sandbox::with_base();
    let run = |flag: &str| sb.dhow(["run", "--rm", "--network=none", flag, "base", "true"]).fails(125);
    run(&format!("--hostname={}", "h".repeat(65))).says("longer than 64 bytes");
    run("--user=4000000000").says("subuid");
    let containers = sb.store().join("containers");
    fs::set_permissions(&containers, fs::Permissions::from_mode(0o500)).unwrap();
    let out = run("-q");
    fs::set_permissions(&containers, fs::Permissions::from_mode(0o700)).unwrap();
    out.says("cannot be used").says("DHOW_ROOT");
}
