//! What must hold in a store after whatever happened to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::scenario::{KEEP, KEPT, Scenario};
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
/// after a prune must be what was there before, to the layer and blob.
#[track_caller]
pub fn aftermath(sb: &Sandbox, scenario: &Scenario, what: &str, before: &Inventory) {
    usable(sb, what);
    (scenario.undo)(sb);
    (scenario.before)(sb);
    let again = (scenario.act)(sb).run();
    assert_eq!(again.code, 0, "after {what} the same command fails:\n{again}");
    (scenario.undo)(sb);
    tidy(sb);
    inventory(sb).assert_is(before, what);
}

/// Removes what a person would who wants the room back: everything that nothing uses. `keeper` and what it holds stay.
#[track_caller]
pub fn tidy(sb: &Sandbox) {
    sb.dhow(["system", "prune", "-a", "-f", "--volumes", KEEP]).ok();
    // What has no labels is not meant by a filter for one.
    sb.dhow(["builder", "prune", "-a", "-f"]).ok();
}

/// By how much what is on the disk may differ: folders grow with their entries, caches of lists are kept.
const SLACK: u64 = 2 << 20;

/// How many entries each folder of the store has, the names of what is half made, and what all takes on the disk.
#[derive(Debug, Clone)]
pub struct Inventory {
    counts: BTreeMap<&'static str, usize>,
    half_made: Vec<String>,
    bytes: u64,
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
    let bytes = bytes_below(&sb.store()) + bytes_below(&sb.work());
    Inventory { counts, half_made, bytes }
}

/// What the files below take on the disk. Folders into which only a sub-id may look are empty, or hold next to nothing.
fn bytes_below(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // Helpers of an ended container may be at their removal.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += meta.blocks() * 512 + if meta.is_dir() { bytes_below(&entry.path()) } else { 0 };
    }
    bytes
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
    /// Whether nothing is half made, and no container is there but `keeper`.
    pub fn is_whole(&self) -> bool {
        // The other entry is the folder of names.
        self.half_made.is_empty() && self.counts["flights"] == 0 && self.counts["containers"] == 2
    }

    /// Asserts that the same is there as `before`.
    #[track_caller]
    pub fn assert_is(&self, before: &Inventory, what: &str) {
        let same = self.counts == before.counts && self.half_made == before.half_made;
        assert!(same && self.bytes.abs_diff(before.bytes) <= SLACK, "after {what}: {before:?} became {self:?}");
    }
}
