//! The reader beside two others: whatever it accepts, GNU tar and Python's `tarfile` understand in the same way. What it
//! refuses and they accept is listed in `entry` and `reader`, with the reason at the place.
//!
//! One difference is known and left out of the comparison: a plain file whose name ends in a slash, from before POSIX, is
//! a directory for us and for GNU tar, and for Python only with the older type.

use super::entry::EntryKind;
use super::reader::TarReader;
use super::tests::{Tar, any_entry};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::process::Command;

/// Prints, for each archive in turn, a line of its entries: name in hexadecimal, type, size; or that it is refused.
const PYTHON: &str = r#"
import sys, tarfile
for path in sys.argv[1:]:
    try:
        with tarfile.open(path, "r:") as tar:
            out = []
            for m in tar:
                name = m.name.encode("utf-8", "surrogateescape").rstrip(b"/").hex()
                out.append(f"{name}:{m.type.decode()}:{m.size}")
        print(" ".join(out))
    except Exception as error:
        print("refused", error)
"#;

struct Seen {
    name: Vec<u8>,
    kind: char,
    size: u64,
    slash: bool,
}

/// The entries as our reader gives them; nothing if it refuses the archive.
fn ours(tar: &[u8]) -> Option<Vec<Seen>> {
    let mut reader = TarReader::without_digest(tar, u64::MAX);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().ok()? {
        let slash = entry.path.ends_with(b"/");
        let name = entry.path.strip_suffix(b"/").unwrap_or(&entry.path).to_vec();
        let kind = match entry.kind {
            EntryKind::File => '0',
            EntryKind::Hardlink => '1',
            EntryKind::Symlink => '2',
            EntryKind::CharDevice => '3',
            EntryKind::BlockDevice => '4',
            EntryKind::Directory => '5',
            EntryKind::Fifo => '6',
        };
        all.push(Seen { name, kind, size: entry.file_size(), slash });
    }
    Some(all)
}

fn corpus() -> Vec<Vec<u8>> {
    let base = || Tar::default().dir("d/").file("d/f", b"content").symlink("l", "d").hardlink("h", "d/f");
    let mut all = vec![
        base().end(2),
        base().end(0),
        base().end(1),
        base().end(30),
        base().pax(&[("path", "another/name")]).file("f", &[7; 1300]).file("after", b"x").end(2),
        base().pax(&[("size", "5")]).file("f", b"12345").file("after", b"").end(2),
        base().add(b'L', "L", "", &[b'n'; 300]).file("short", b"x").file("after", b"").end(2),
        base().add(b'K', "K", "", &[b't'; 300]).symlink("short", "x").file("after", b"").end(2),
        base().add(b'g', "g", "", b"13 comment=x\n").file("f", b"x").end(2),
        base().add(0, "old/", "", b"").add(b'7', "contiguous", "", b"x").end(2),
        base()
            .pax(&[("GNU.sparse.size", "5000"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "512,3")])
            .file("f", b"abc")
            .file("g", b"")
            .end(2),
    ];
    let mut runner = TestRunner::deterministic();
    let random = prop::collection::vec(any_entry(), 0..10);
    for blocks in 0..200 {
        let entries = random.new_tree(&mut runner).unwrap().current();
        let tar = entries.into_iter().fold(Tar::default(), |tar, (k, n, l, d)| tar.add(k, &n, &l, &d));
        all.push(tar.end(blocks % 4));
    }
    all
}

#[test]
#[allow(clippy::print_stderr)] // A skipped test says why.
fn other_readers_see_what_we_see() {
    let dir = tempfile::tempdir().unwrap();
    let tars = corpus();
    let accepted = tars.iter().enumerate().filter_map(|(n, tar)| Some((n, ours(tar)?)));
    // An archive of nothing is no archive for Python.
    let accepted: Vec<_> = accepted.filter(|(_, seen)| !seen.is_empty()).collect();
    assert!(accepted.len() > 100, "only {} of {} archives say anything", accepted.len(), tars.len());
    let path = |n: usize| dir.path().join(format!("{n}.tar"));
    accepted.iter().for_each(|(n, _)| std::fs::write(path(*n), &tars[*n]).unwrap());

    let files = accepted.iter().map(|(n, _)| path(*n));
    match Command::new("/usr/bin/python3").arg("-c").arg(PYTHON).args(files).output() {
        Ok(out) => python_agrees(&accepted, &String::from_utf8(out.stdout).unwrap()),
        Err(error) => eprintln!("skipped: no Python here: {error}"),
    }
    for (n, seen) in &accepted {
        match gnu_tar(&path(*n)) {
            Ok(names) => {
                let ours: Vec<_> = seen.iter().map(|s| String::from_utf8_lossy(&s.name).into_owned()).collect();
                assert_eq!(ours, names, "GNU tar reads archive {n} otherwise");
            }
            Err(error) => return eprintln!("skipped: no GNU tar here: {error}"),
        }
    }
}

fn python_agrees(accepted: &[(usize, Vec<Seen>)], said: &str) {
    assert_eq!(said.lines().count(), accepted.len(), "{said}");
    for ((n, seen), line) in accepted.iter().zip(said.lines()) {
        let theirs: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(theirs.len(), seen.len(), "Python reads archive {n} otherwise: {line}");
        for (ours, theirs) in seen.iter().zip(theirs) {
            let hex: String = ours.name.iter().map(|b| format!("{b:02x}")).collect();
            let fields: Vec<&str> = theirs.split(':').collect();
            assert_eq!((hex.as_str(), ours.size.to_string().as_str()), (fields[0], fields[2]), "archive {n}: {line}");
            let kind = fields[1].replace(['\0', '7'], "0");
            assert!(ours.slash || kind == ours.kind.to_string(), "archive {n}: {} is of type {kind}", ours.kind);
        }
    }
}

fn gnu_tar(path: &Path) -> std::io::Result<Vec<String>> {
    let words = ["--quoting-style=literal", "--no-recursion", "-P", "-t", "-f"];
    let out = Command::new("tar").args(words).arg(path).output()?;
    assert!(out.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(text.lines().map(|name| name.strip_suffix('/').unwrap_or(name).to_owned()).collect())
}
