//! The private network: pasta connects a network namespace to the host's sockets without any privilege.
//!
//! Runs in the front, outside the user namespace. `none` and `host` need nothing of this.

use crate::error::{Kind, Result, fail_with};
use crate::sys::process;
use anyhow::Context;
use rustix::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The address at which a container reaches the host's resolver (the peers use the same link-local one).
pub const RESOLVER: &str = "169.254.1.1";

/// Where pasta leaves its pid, in the folder that it was given.
const PID_FILE: &str = "pasta.pid";

/// Ends the pasta that was started for `dir`, if its user was killed before he could do it: a pasta before 2024 would
/// stay for ever. A process counts as that pasta only if its command line names the pid file in that folder.
pub fn end_stray(dir: &Path) {
    let pid_file = dir.join(PID_FILE);
    let Some(pid) = std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()) else { return };
    let guard = Guard::new(pid);
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_it = line.split(|b| *b == 0).any(|word| word == pid_file.as_os_str().as_bytes());
    if is_it {
        drop(guard);
    } else {
        guard.disarm();
    }
}

/// Connects the network namespace of process `pid`; returns when it is ready, with the pid of the pasta that stays.
pub fn connect(pid: i32, dir: &Path) -> Result<i32> {
    let Some(program) = ["/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"].iter().find(|p| Path::new(p).exists())
    else {
        return Err(fail_with(
            Kind::System,
            "the private network needs pasta, which is not installed",
            "Install it (apt install passt), or choose --network host or --network none.",
        ));
    };
    let pid_file = dir.join(PID_FILE);
    let mut command = Command::new(program);
    command
        .args(["--config-net", "--quiet", "--no-map-gw", "--dns-forward", RESOLVER])
        .args(["-t", "none", "-u", "none", "-T", "none", "-U", "none"])
        // Left to itself, a pasta that root starts becomes "nobody", who may not enter root's container.
        .args(rustix::process::geteuid().is_root().then_some(["--runas", "0"]).into_iter().flatten())
        .arg("--pid")
        .arg(&pid_file)
        // By path, not by number: a newer pasta watches the path and ends with it, should nobody be left to end it.
        .args(["--userns".into(), format!("/proc/{pid}/ns/user"), "--netns".into(), format!("/proc/{pid}/ns/net")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let running = process::spawn_plain(&mut command).context("starting pasta")?;
    let output = running.wait_with_output().context("waiting for pasta")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(fail_with(
            Kind::System,
            format!("pasta could not connect the private network: {}", text.trim()),
            if text.contains("/dev/net/tun") {
                "Ask the administrator to allow it (chmod 666 /dev/net/tun), or choose --network host or --network none."
            } else {
                "Choose --network host or --network none to go on without it."
            },
        ));
    }
    let written = std::fs::read_to_string(&pid_file).context("reading pasta's pid file")?;
    written.trim().parse().context("reading pasta's pid file")
}

/// Ends the pasta of a container when it is dropped. pasta would notice by itself, but later.
#[derive(Debug)]
pub struct Guard(Option<OwnedFd>);

impl Guard {
    /// Takes charge of the pasta with this pid, which has just been started.
    pub fn new(pid: i32) -> Guard {
        let pid = rustix::process::Pid::from_raw(pid);
        Guard(pid.and_then(|p| rustix::process::pidfd_open(p, rustix::process::PidfdFlags::empty()).ok()))
    }
}

impl Guard {
    /// Leaves the process alone.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(pasta) = &self.0 {
            let _ = process::signal(pasta, libc::SIGTERM);
            // A moment for it to go, so that nothing of ours is left when the command is over.
            let _ = process::poll(&[(Some(pasta.as_fd()), libc::POLLIN)], 1000);
        }
    }
}

/// The host's resolver configuration as a container with a private network needs it: servers on loopback addresses
/// cannot be reached from there, pasta forwards for them.
pub fn resolv_conf(host: &str) -> String {
    let mut out = format!("nameserver {RESOLVER}\n");
    for line in host.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(server)) if server.starts_with("127.") || server == "::1" => {}
            (Some("nameserver" | "search" | "domain" | "options"), Some(_)) => {
                out.push_str(line.trim());
                out.push('\n');
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_names_the_pid_file_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join(PID_FILE);
        for (word, ends) in [("other".as_ref(), false), (pid_file.as_os_str(), true)] {
            let mut child = Command::new("sh").args(["-c", "sleep 100; exit 0"]).arg(word).spawn().unwrap();
            std::fs::write(&pid_file, child.id().to_string()).unwrap();
            // Until the exec the new process has our own command line.
            while !std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap().starts_with(b"sh\0-c\0") {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            end_stray(dir.path());
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(child.try_wait().unwrap().is_some(), ends);
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    #[test]
    fn loopback_servers_are_replaced_by_the_forwarder() {
        let text = resolv_conf("# c\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.org\n");
        assert_eq!(text, "nameserver 169.254.1.1\nnameserver 192.0.2.1\nsearch example.org\n");
    }
}
