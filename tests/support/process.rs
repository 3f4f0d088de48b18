//! Finding the processes that a sandbox left behind.
//!
//! dhow's workers are not dumpable, so their environment cannot be read, but their command line can; and because dhow
//! never executes itself again, they keep the first word they were started with, which lies inside the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// One living process: number and command line, for messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Process id in the namespace of the tests.
    pub pid: i32,
    /// The words joined by blanks; empty for a kernel thread.
    pub command: String,
}

/// The living processes that were started from below `dir`, and all their descendants.
pub fn started_below(dir: &Path) -> Vec<Process> {
    let mark = format!("{}/", dir.display());
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        if let Some(found) = read_process(pid) {
            all.insert(pid, found);
        }
    }
    let mut ours: BTreeSet<i32> =
        all.iter().filter(|(_, (p, _))| p.command.starts_with(&mark)).map(|(&i, _)| i).collect();
    loop {
        let more: Vec<i32> =
            all.iter().filter(|(i, (_, parent))| ours.contains(parent) && !ours.contains(i)).map(|(&i, _)| i).collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    ours.iter().map(|pid| all[pid].0.clone()).collect()
}

/// The process and its parent's id; nothing for one that ended, zombies included.
fn read_process(pid: i32) -> Option<(Process, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself: what follows the last one is regular.
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let (state, parent) = (rest.next()?, rest.next()?.parse().ok()?);
    if matches!(state, "Z" | "X") {
        return None;
    }
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
    Some((Process { pid, command }, parent))
}

/// Ends `processes` without asking.
pub fn kill(processes: &[Process]) {
    for pid in processes.iter().filter_map(|p| Pid::from_raw(p.pid)) {
        let _ = kill_process(pid, Signal::KILL); // gone already is as good
    }
}
