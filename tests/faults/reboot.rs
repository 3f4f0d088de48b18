//! The machine was started again, or a record speaks of a process that is somebody else's.

use std::fs;
use std::process::{Command, Stdio};

use super::scenario;
use crate::support::Sandbox;

fn state_file(sb: &Sandbox, name: &str) -> std::path::PathBuf {
    let id = sb.dhow(["ps", "-a", "-q", "--no-trunc", "--filter", &format!("name={name}")]).ok().text().to_owned();
    sb.store().join("containers").join(id).join("state.json")
}

#[test]
fn after_a_reboot_what_ran_has_ended_and_what_was_kept_is_there() {
    let sb = scenario::sandbox();
    sb.dhow(["run", "--network=none", "--name=ended", "base", "sh", "-c", "echo said; exit 5"]).fails(5);
    sb.dhow(["run", "-d", "--network=none", "--name=living", "base", "sh", "-c", "echo ready; exec sleep 1000"]).ok();
    sb.until("it has written its log", || sb.dhow(["logs", "living"]).ok().stdout == "ready\n");
    crate::support::kill_all(&sb);
    fs::remove_dir_all(sb.path("../run")).unwrap();
    let after = |words: &[&str]| sb.dhow(words.iter().copied()).env("DHOW_TEST_BOOT", "another");
    let list = after(&["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).ok();
    assert!(list.stdout.contains("ended Exited (5)") && list.stdout.contains("living Exited (137)"), "{list}");
    assert_eq!(after(&["ps", "-q"]).ok().stdout, "");
    assert_eq!(after(&["logs", "ended"]).ok().stdout, "said\n");
    assert_eq!(after(&["logs", "living"]).ok().stdout, "ready\n");
    after(&["run", "--rm", "--network=none", "-v", "data:/data", "base", "cat", "/data/kept"]).ok().has(scenario::KEPT);
    after(&["stop", "living"]).ok();
    after(&["rm", "living", "ended"]).ok();
}

#[test]
fn a_record_that_speaks_of_a_stranger_ends_nobody() {
    let sb = scenario::sandbox();
    let mut stranger = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let pid = stranger.id();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    // The same number at another time of this boot, and number and time of another boot.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (start, boot) in [(start + 1, boot.trim()), (start, "another"), (start, "")] {
        sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "1000"]).ok();
        let state = state_file(&sb, "box");
        crate::support::kill_all(&sb);
        sb.until("its monitor is gone", || sb.processes().is_empty());
        let forged =
            format!(r#"{{"pid":{pid},"start_time":{start},"boot":"{boot}","started":"2026-01-01T00:00:00Z"}}"#);
        fs::write(state, forged).unwrap();
        sb.dhow(["stop", "box"]).ok();
        sb.dhow(["rm", "-f", "box"]).ok();
        assert!(stranger.try_wait().unwrap().is_none(), "a stranger was ended");
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
