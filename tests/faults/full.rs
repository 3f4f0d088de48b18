//! A full disk and a full table of inodes, on a small file system of the tests' own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::scenario;
use crate::support::{Dhow, Output, Sandbox, fixtures, lacks, skip};

/// A namespace of the caller's with all ids, in which `store` of the sandbox is a small file system. It lives as long as
/// this; dhow enters it by nsenter.
struct SmallDisk {
    holder: Child,
    ids: String,
}

impl SmallDisk {
    fn mount(sb: &Sandbox) -> Option<SmallDisk> {
        std::fs::create_dir(sb.store()).unwrap();
        let script = format!(
            "mount -t tmpfs -o size=72m,nr_inodes=6000,mode=700 none '{}' && echo ready && exec cat",
            sb.store().display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--map-auto", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line != "ready\n" {
            holder.wait().unwrap();
            return None;
        }
        // Inside, root is the caller, and the ids above are the caller's sub-ids.
        sb.write("etc/subuid", "root:1:65535\n");
        sb.write("etc/subgid", "root:1:65535\n");
        Some(SmallDisk { holder, ids: sb.path("etc").display().to_string() })
    }

    fn program(&self, sb: &Sandbox, program: &str, words: &[&str]) -> Dhow {
        let target = self.holder.id().to_string();
        let enter = ["-t", &target, "-U", "-m", program];
        sb.program("nsenter", enter).args(words).env("DHOW_TEST_ETC", &self.ids)
    }

    fn dhow(&self, sb: &Sandbox, words: &[&str]) -> Dhow {
        self.program(sb, sb.binary().to_str().unwrap(), words)
    }

    /// Bytes and inodes in use.
    fn used(&self, sb: &Sandbox) -> (u64, u64) {
        let out = self.program(sb, "stat", &["-f", "-c", "%b %f %S %c %d", sb.store().to_str().unwrap()]).ok();
        let numbers: Vec<u64> = out.text().split(' ').map(|n| n.parse().unwrap()).collect();
        ((numbers[0] - numbers[1]) * numbers[2], numbers[3] - numbers[4])
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take()); // ends `cat`
        let _ = self.holder.wait();
    }
}

/// One line that names the cause, and the code that a failure of ours has.
fn is_full(out: &Output) {
    assert_eq!(out.code, 125, "{out}");
    assert!(out.stderr.contains("no space left on device"), "{out}");
    assert!(out.stderr.lines().filter(|line| line.starts_with("Error: ")).count() == 1, "{out}");
}

#[test]
fn a_full_disk_fails_in_words_and_gives_all_room_back() {
    if lacks("nsenter") || lacks("unshare") {
        return;
    }
    let made = scenario::sandbox();
    let sb = Sandbox::new();
    let Some(disk) = SmallDisk::mount(&sb) else { return skip("no file system can be mounted in a user namespace") };
    let dhow = |words: &[&str]| disk.dhow(&sb, words);
    let context = fixtures::busybox_context();
    dhow(&["build", "-q", "-t", "base", context.to_str().unwrap()]).ok();
    let app = made.path("app.tar").display().to_string();
    dhow(&["run", "--network=none", "--name=box", "base", "sh", "-c", "head -c 9m /dev/zero > /big"]).ok();
    let busy = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    dhow(&["run", "-d", "--network=none", "--name=late", "base", "sh", "-c", busy]).ok();
    sb.until("it is ready to be stopped", || dhow(&["logs", "late"]).ok().stdout == "ready\n");
    sb.write("big/Dockerfile", "FROM base\nRUN head -c 200m /dev/zero > /big\n");
    sb.write("many/Dockerfile", "FROM base\nRUN mkdir /d && cd /d && seq 9000 | xargs touch\n");
    sb.write("copy/Dockerfile", "FROM base\nCOPY data /data\n");
    sb.write("copy/data", vec![7; 100 << 20]);
    let rest = disk.used(&sb);
    let same = |what: &str| {
        let (bytes, inodes) = disk.used(&sb);
        assert!(
            bytes <= rest.0 + (2 << 20) && inodes <= rest.1 + 64,
            "{what}: {rest:?} before, {bytes}, {inodes} after"
        );
    };
    for name in ["big", "many"] {
        let out = dhow(&["build", "--network=none", "-t", "x", sb.path(name).to_str().unwrap()]).run();
        // The words are the program's own.
        assert!(out.code != 0 && out.stderr.contains("Dockerfile:2:1"), "{out}");
        same(name);
    }
    let copy = sb.path("copy").display().to_string();
    is_full(&dhow(&["build", "-q", "-t", "x", &copy]).run());
    same("COPY");

    // Not one byte is left.
    let filler = sb.store().join("filler");
    let fill = format!(
        "cat /dev/zero > '{0}' 2>/dev/null; i=0; while : 2>/dev/null > '{0}'.$i; do i=$((i+1)); done",
        filler.display()
    );
    disk.program(&sb, "sh", &["-c", &fill]).run();
    for words in [
        &["build", "-q", "-t", "x", &copy][..],
        &["load", "-q", "-i", &app],
        &["commit", "box", "copy"],
        &["run", "--rm", "--network=none", "base", "true"],
        &["tag", "base", "more"],
    ] {
        is_full(&dhow(words).run());
    }
    dhow(&["images"]).ok().has("base");
    dhow(&["ps", "-a"]).ok().has("box");
    dhow(&["stop", "late"]).ok();
    dhow(&["ps", "-a", "--filter=name=late"]).ok().has("Exited (7)");
    dhow(&["rm", "box"]).ok();
    dhow(&["system", "df"]).ok();
    dhow(&["container", "prune", "-f"]).ok();
    dhow(&["rmi", "base"]).ok();
    dhow(&["system", "prune", "-a", "-f", "--volumes"]).ok();
    disk.program(&sb, "sh", &["-c", &format!("rm '{0}' '{0}'.*", filler.display())]).ok();
    dhow(&["rm", "-a", "-f"]).ok();
    let (bytes, _) = disk.used(&sb);
    assert!(bytes < 2 << 20, "{bytes} bytes are left of what was removed");
    dhow(&["build", "-q", "-t", "base", context.to_str().unwrap()]).ok();
    dhow(&["run", "--rm", "--network=none", "base", "true"]).ok();
}
