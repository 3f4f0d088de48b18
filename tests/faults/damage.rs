//! Files of the store that were cut off, emptied, overwritten or bent: they hide themselves and nothing else, no command
//! breaks on them, and they can be removed or made again.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Random, long_run, scenario};
use crate::support::{Output, Sandbox};

/// What is done to a file.
const DAMAGES: [&str; 4] = ["cut", "empty", "noise", "bits"];

fn damage(path: &Path, how: &str, random: &mut Random) {
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return; // damaged before, and nobody had a reason to mend it
    }
    match how {
        "cut" => bytes.truncate(bytes.len() / 2),
        "empty" => bytes.clear(),
        "noise" => bytes.iter_mut().for_each(|b| *b = random.below(256) as u8),
        _ => {
            for _ in 0..8 {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
    fs::write(path, bytes).unwrap();
}

/// All files of a folder, hidden ones left out.
fn files(dir: PathBuf) -> Vec<PathBuf> {
    let all = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).map(|e| e.unwrap().path());
    all.filter(|p| p.is_file() && !p.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

/// The files of one kind of record.
fn records(sb: &Sandbox, kind: &str) -> Vec<PathBuf> {
    let store = sb.store();
    let container = || {
        let mut dirs = fs::read_dir(store.join("containers")).unwrap().map(|e| e.unwrap().path());
        dirs.find(|d| d.join("container.json").exists()).expect("a container")
    };
    match kind {
        "image" => files(store.join("images")),
        "name" => files(store.join("images/names")),
        "blob" => files(store.join("blobs/sha256")),
        "by-diff" => files(store.join("layers/by-diff")),
        "step" => files(store.join("cache/steps")),
        "index" => files(store.join("cache")),
        "layer" => {
            let dirs = fs::read_dir(store.join("layers")).unwrap().map(|e| e.unwrap().path().join("layer.json"));
            dirs.filter(|p| p.exists()).collect()
        }
        "mount" => {
            let dirs = fs::read_dir(store.join("cache/mounts")).unwrap().map(|e| e.unwrap().path().join("mount.json"));
            dirs.filter(|p| p.exists()).collect()
        }
        file => vec![container().join(file)],
    }
}

const KINDS: [&str; 11] = [
    "image",
    "name",
    "blob",
    "by-diff",
    "step",
    "index",
    "layer",
    "mount",
    "container.json",
    "state.json",
    "exit.json",
];

fn whole(out: Output, what: &str) -> Output {
    assert!(!out.stderr.contains("panicked") && ![101, 134].contains(&out.code), "{what}:\n{out}");
    if out.code == 125 {
        assert!(out.stderr.starts_with("Error: ") || out.stderr.starts_with("Warning: "), "{what}:\n{out}");
    }
    out
}

#[test]
fn a_damaged_record_hides_only_itself_and_can_be_removed() {
    let mut random = Random::new();
    let sb = scenario::sandbox();
    // An image that shares nothing with the damaged one.
    sb.write("root/Dockerfile", "FROM scratch\nCOPY . /\n");
    fs::copy(crate::support::fixtures::BUSYBOX, sb.path("root/busybox")).unwrap();
    for kind in KINDS {
        let first = random.below(DAMAGES.len());
        for how in DAMAGES.iter().cycle().skip(first).take(long_run().map_or(1, |_| DAMAGES.len())) {
            let what = format!("{kind} damaged by {how}");
            let run = |words: &[&str]| whole(sb.dhow(words.iter().copied()).run(), &what);
            run(&["load", "-q", "-i", "app.tar"]).success();
            run(&["run", "--network=none", "--name=box", "app", "true"]).success();
            records(&sb, kind).iter().for_each(|path| damage(path, how, &mut random));
            run(&["build", "-q", "-t", "other", "root"]).success();
            run(&["run", "--rm", "--network=none", "other", "/busybox", "true"]).success();
            run(&["images"]).success();
            run(&["images", "-a"]).success();
            run(&["ps", "-a"]).success();
            for words in [&["inspect", "app"][..], &["inspect", "box"], &["history", "app"], &["logs", "box"]] {
                run(words);
            }
            run(&["run", "--rm", "--network=none", "app", "true"]);
            run(&["commit", "box", "copy"]);
            run(&["save", "-q", "-o", "out.tar", "app"]);
            run(&["build", "-q", "--network=none", "-t", "app2", "app"]);
            // Everything can be removed, and made again.
            run(&["rm", "-f", "box"]).success();
            run(&["rm", "-a", "-f"]).success();
            run(&["ps", "-a"]).success();
            for name in ["app", "app2", "copy", "base"] {
                let out = run(&["rmi", "-f", name]);
                assert!(out.code == 0 || out.code == 1, "{what}:\n{out}");
            }
            run(&["rmi", "-f", "other"]).success();
            sb.dhow(["build", "-q", "-t", "base"]).arg(crate::support::fixtures::busybox_context()).ok();
            run(&["load", "-q", "-i", "app.tar"]).success();
            run(&["run", "--rm", "--network=none", "app", "cat", "/written"]).success().has("text");
            run(&["rmi", "-f", "app"]).success();
        }
    }
    assert_eq!(fs::read_to_string(sb.store().join("volumes/data/_data/kept")).unwrap(), scenario::KEPT);
}
