//! Says in words how one tree differs from another in all but the contents of files: names, kinds, owners, modes, times,
//! links, attributes. Contents are for digests to compare.

use super::diff;
use super::entry::Entry;
use super::reader::TarReader;
use crate::error::Result;
use crate::image::digest::Sha256Writer;
use crate::sys::path::Root;
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::path::Path;

/// The differences of `found` from `expected`, at most `most` of them; none if there is none. `scratch` is a folder for
/// temporary files, which are only needed (and stay, for the caller to remove) where there is a difference.
pub fn differences(expected: &Root, found: &Root, scratch: &Path, most: usize) -> Result<Vec<String>> {
    if digest(expected)? == digest(found)? {
        return Ok(Vec::new());
    }
    let mut before = entries(expected, &scratch.join("expected.tar"))?;
    let mut all = Vec::new();
    for (path, now) in entries(found, &scratch.join("found.tar"))? {
        match before.remove(&path) {
            None => all.push(format!("{:?} was not there", shown(&path))),
            Some(then) => all.extend(changes(&then, &now)),
        }
    }
    all.extend(before.keys().map(|path| format!("{:?} is missing", shown(path))));
    all.truncate(most);
    Ok(all)
}

fn digest(tree: &Root) -> Result<crate::image::digest::Digest> {
    let mut sink = Sha256Writer::new(io::sink());
    diff::write_hollow(tree, &mut sink)?;
    Ok(sink.finish().1)
}

fn entries(tree: &Root, file: &Path) -> Result<BTreeMap<Vec<u8>, Entry>> {
    let opened = File::options().read(true).write(true).create(true).truncate(true).open(file);
    let mut tar = opened.with_context(|| format!("making {}", file.display()))?;
    let mut out = BufWriter::new(&mut tar);
    diff::write_hollow(tree, &mut out)?;
    drop(out);
    tar.rewind().context("reading what a tree consists of")?;
    let mut reader = TarReader::new(tar, u64::MAX, None);
    let mut all = BTreeMap::new();
    while let Some(entry) = reader.next_entry()? {
        all.insert(entry.path.clone(), entry);
    }
    Ok(all)
}

fn changes(then: &Entry, now: &Entry) -> Option<String> {
    let mut what = Vec::new();
    if then.kind != now.kind {
        what.push(format!("is another kind of file ({:?}, not {:?})", now.kind, then.kind));
    }
    if then.mode != now.mode {
        what.push(format!("has mode {:04o}, not {:04o}", now.mode, then.mode));
    }
    if (then.uid, then.gid) != (now.uid, now.gid) {
        what.push(format!("belongs to {}:{}, not {}:{}", now.uid, now.gid, then.uid, then.gid));
    }
    if then.link != now.link {
        what.push(format!("is a link to {:?}, not {:?}", shown(&now.link), shown(&then.link)));
    }
    if then.mtime != now.mtime {
        what.push("has another time".into());
    }
    if then.xattrs != now.xattrs {
        what.push("has other attributes".into());
    }
    (!what.is_empty()).then(|| format!("{:?} {}", shown(&now.path), what.join(", ")))
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn every_sort_of_difference_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let tree = dir.path().join(name);
            fs::create_dir_all(tree.join("d")).unwrap();
            for file in ["d/a", "d/b", "d/c"] {
                let file = File::create(tree.join(file)).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
            symlink("a", tree.join("d/l")).unwrap();
            let l = tree.join("d/l");
            let epoch = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 };
            let times = rustix::fs::Timestamps { last_access: epoch, last_modification: epoch };
            rustix::fs::utimensat(rustix::fs::CWD, &l, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
            File::open(tree.join("d")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            tree
        };
        let (one, two) = (make("one"), make("two"));
        let (a, b) = (Root::open(&one).unwrap(), Root::open(&two).unwrap());
        fs::write(two.join("d/c"), "content is not looked at").unwrap();
        File::open(two.join("d/c")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(differences(&a, &b, dir.path(), 9).unwrap().is_empty());
        fs::set_permissions(two.join("d/a"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(two.join("d/b")).unwrap();
        fs::write(two.join("d/new"), "").unwrap();
        fs::remove_file(two.join("d/l")).unwrap();
        symlink("b", two.join("d/l")).unwrap();
        let told = differences(&a, &b, dir.path(), 9).unwrap().join("\n");
        for part in
            ["\"d/a\" has mode 0600, not 06", "\"d/b\" is missing", "\"d/new\" was not", "a link to \"b\", not \"a\""]
        {
            assert!(told.contains(part), "{part} in:\n{told}");
        }
        assert_eq!(differences(&a, &b, dir.path(), 2).unwrap().len(), 2);
    }
}
