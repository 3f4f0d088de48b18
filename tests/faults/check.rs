//! What must hold in a store after whatever happened to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::scenario::{KEPT, Scenario};
use crate::support::{Output, Sandbox};

/// The store as any next command finds it: every list is printed without complaint, every listed image runs, nothing of a
/// volume is lost, and nothing runs but what is listed as running. `what` says after what, for the message.
#[track_caller]
pub fn usable(sb: &Sandbox, what: &str) {
    let quiet = |out: Output| {
        assert!(out.code == 0 && out.stderr.is_empty(), "after {what}:\n{out}");
        out
    };
    quiet(sb.dhow(["images"]).run());
    quiet(sb.dhow(["ps"]).run());
    let kept = fs::read_to_string(sb.store().join("volumes/data/_data/kept")).unwrap_or_default();
    assert_eq!(kept, KEPT, "after {what} the volume's data is lost");
    let images = quiet(sb.dhow(["images", "-a", "-q", "--no-trunc"]).run());
    for id in images.lines() {
        let out = sb.dhow(["run", "--rm", "--network=none", id, "true"]).run();
        assert_eq!(out.code, 0, "after {what} a listed image does not run:\n{out}");
    }
    for name in quiet(sb.dhow(["images", "--format", "{{.Repository}}:{{.Tag}}"]).run()).lines() {
        if !name.contains("<none>") {
            quiet(sb.dhow(["image", "inspect", "--format", "{{.Id}}", name]).run());
        }
    }
    sb.until("nothing runs but what is listed", || {
        let up = sb.dhow(["ps", "-q"]).run();
        !up.text().is_empty() || sb.processes().is_empty()
    });
    quiet(sb.dhow(["ps", "-a"]).run());
}

/// Looks at the store after `scenario` was disturbed by `what`, undoes it, and does it again undisturbed: what is there
/// in the end must be what was there before.
#[track_caller]
pub fn aftermath(sb: &Sandbox, scenario: &Scenario, what: &str, before: &Inventory) {
    usable(sb, what);
    (scenario.undo)(sb);
    (scenario.before)(sb);
    let again = (scenario.act)(sb).run();
    assert_eq!(again.code, 0, "after {what} the same command fails:\n{again}");
    (scenario.undo)(sb);
    tidy(sb);
    let (mut before, mut after) = (before.clone(), inventory(sb));
    if scenario.grows_cache {
        (before, after) = (before.without_cache(), after.without_cache());
    }
    assert_eq!(after, before, "after {what} something is left");
}

/// Removes what a person would: all containers, and images that a killed command recorded but did not come to name.
pub fn tidy(sb: &Sandbox) {
    sb.dhow(["rm", "-a", "-f"]).ok();
    for id in sb.dhow(["images", "-q", "--no-trunc", "--filter", "dangling=true"]).ok().lines() {
        sb.dhow(["rmi", id]).ok();
    }
}

/// How many entries each folder of the store has, and the names of what is half made.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Inventory {
    counts: BTreeMap<&'static str, usize>,
    half_made: Vec<String>,
}

/// Counts what is in the store.
pub fn inventory(sb: &Sandbox) -> Inventory {
    let entries = |folder: &str| -> Vec<String> {
        let all = fs::read_dir(sb.store().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
        all.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let folders =
        ["blobs/sha256", "layers", "layers/by-diff", "images", "images/names", "containers", "volumes", "flights"];
    let mut counts: BTreeMap<_, _> = folders.into_iter().map(|folder| (folder, entries(folder).len())).collect();
    let names = entries("containers/by-name").iter().filter(|name| *name != ".lock").count();
    counts.insert("containers/by-name", names);
    let mut half_made = entries("staging");
    find_temporary(&sb.store(), &mut half_made);
    Inventory { counts, half_made }
}

fn find_temporary(dir: &Path, found: &mut Vec<String>) {
    // Trees of layers belong to other ids in part, and nothing of ours is in them.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(|e| e.file_name() != "fs") {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            find_temporary(&entry.path(), found);
        } else if name.starts_with('.') && name.ends_with(".tmp") {
            found.push(entry.path().display().to_string());
        }
    }
}

impl Inventory {
    /// Whether nothing is half made.
    pub fn is_whole(&self) -> bool {
        self.half_made.is_empty() && self.counts["flights"] == 0 && self.counts["containers"] == 1
    }

    /// The same without what a prune takes: layers and blobs that nothing names.
    pub fn without_cache(mut self) -> Inventory {
        self.counts.retain(|folder, _| !folder.starts_with("layers") && !folder.starts_with("blobs"));
        self
    }
}
