//! Several layers as one: the tar of what they come to, one upon the other.
//!
//! For an image without anything below it that is a plain file system; for the upper part of an image it is a layer, with
//! markers for all that the parts remove from what lies below. No mount is needed, and nothing is changed.

use super::diff::{Counts, Entries, Look};
use super::meta::os;
use super::{MAX_PATH, OPAQUE_NAME, OPAQUE_XATTR};
use crate::error::{Kind, Result, fail};
use crate::sys::path::{self, DirEntry, Root};
use crate::sys::xattr;
use anyhow::Context;
use rustix::fs::{FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Writes the tar of `trees`, lowest first, merged; in the order and form of [`super::diff::write_tar`].
pub fn write_merged(trees: &[Root], look: Look, out: &mut dyn Write) -> Result<Counts> {
    let mut entries = Entries::new(look, out);
    let mut path = Vec::new();
    let (top, hides) = Level::open(trees, (0..trees.len()).rev().collect(), &path)?;
    if hides {
        entries.marker(OPAQUE_NAME.to_vec())?;
    }
    let mut stack = vec![top];
    while let Some(here) = stack.last_mut() {
        path.truncate(here.path_len);
        let Some((name, holders)) = here.names.next() else {
            stack.pop();
            continue;
        };
        if here.folders.is_empty() {
            here.folders = open(trees, &here.trees, &path)?;
        }
        let at = here.trees.iter().position(|tree| *tree == holders[0].0).expect("it was listed there");
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        if path.len() > MAX_PATH {
            return Err(fail(Kind::User, format!("{}: the path is too long", cannot(&path))));
        }
        // What a file or a removed name hides is nothing that a folder above it could show.
        let folders: Vec<usize> =
            holders.iter().take_while(|(_, kind)| *kind == FileType::Directory).map(|(tree, _)| *tree).collect();
        let mut hides = folders.len() < holders.len();
        let mut below = None;
        if !folders.is_empty() {
            let (level, opaque) = Level::open(trees, folders, &path)?;
            hides |= opaque;
            below = Some(level);
        }
        let entry = DirEntry { name, kind: holders[0].1 };
        entries.entry(here.folders[at].as_fd(), &entry, &path, hides)?;
        if let Some(below) = below {
            // Not kept open on the way down: that would be layers times depth.
            here.folders.clear();
            stack.push(below);
        }
    }
    entries.finish()
}

/// A name's trees, topmost first, and what it is in each.
type Holders = Vec<(usize, FileType)>;

/// A directory on the way down, as all layers have it.
struct Level {
    /// The trees that have a say in it, topmost first.
    trees: Vec<usize>,
    /// It in each of them; empty when they are to be opened again.
    folders: Vec<OwnedFd>,
    names: btree_map::IntoIter<OsString, Holders>,
    path_len: usize,
}

impl Level {
    /// Reads the directory `path`, which is one in each of `all` (topmost first); true if it hides what is below.
    fn open(trees: &[Root], all: Vec<usize>, path: &[u8]) -> Result<(Level, bool)> {
        let mut level =
            Level { trees: Vec::new(), folders: Vec::new(), names: BTreeMap::new().into_iter(), path_len: path.len() };
        let mut names: BTreeMap<OsString, Holders> = BTreeMap::new();
        let mut hides = false;
        for tree in all {
            let folder = open(trees, &[tree], path)?.remove(0);
            for entry in path::list(folder.as_fd()).with_context(|| cannot(path))? {
                names.entry(entry.name).or_default().push((tree, entry.kind));
            }
            let mark = xattr::get(folder.as_fd(), OPAQUE_XATTR).with_context(|| cannot(path))?;
            level.trees.push(tree);
            level.folders.push(folder);
            if mark.is_some_and(|value| value == b"y") {
                hides = true;
                break;
            }
        }
        level.names = names.into_iter();
        Ok((level, hides))
    }
}

fn open(trees: &[Root], which: &[usize], path: &[u8]) -> Result<Vec<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let path = if path.is_empty() { Path::new(".") } else { Path::new(os(path)) };
    let open = |tree: &usize| trees[*tree].open_at(path, flags, Mode::empty());
    which.iter().map(open).collect::<Result<_, _>>().with_context(|| cannot(path.as_os_str().as_bytes()))
}

fn cannot(path: &[u8]) -> String {
    format!("cannot read {:?} of the image", String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests {
    use super::super::diff::{self, Times};
    use super::super::extract;
    use super::*;
    use std::fs;

    /// A tree from `path content` pairs; a path that ends in / is a directory, `.wh.` names are what they mean in a tar.
    fn tree(entries: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = tar::Header::new_ustar();
            let folder = name.ends_with('/');
            header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
            header.set_mode(0o755);
            header.set_mtime(7);
            header.set_size(content.len() as u64);
            header.set_uid(rustix::process::getuid().as_raw().into());
            header.set_gid(rustix::process::getgid().as_raw().into());
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        extract::extract(&tar.into_inner().unwrap()[..], &root, extract::Options::default()).unwrap();
        (dir, root)
    }

    /// Names and contents of a tar.
    fn list(tar: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
            format!("{} {content}", entry.path().unwrap().display()).trim_end().to_string()
        });
        entries.collect()
    }

    fn merged(trees: &[Root], look: Look) -> Vec<u8> {
        let mut out = Vec::new();
        write_merged(trees, look, &mut out).unwrap();
        out
    }

    #[test]
    fn upper_layers_win_and_hide() {
        let (_a, low) = tree(&[
            ("d/", ""),
            ("d/x", "low"),
            ("d/y", "low"),
            ("gone", "low"),
            ("e/", ""),
            ("e/z", "low"),
            ("f", "low"),
        ]);
        let (_b, high) = tree(&[
            ("d/", ""),
            ("d/x", "high"),
            (".wh.gone", ""),
            ("e/", ""),
            ("e/.wh..wh..opq", ""),
            ("e/n", "high"),
            ("f/", ""),
            ("f/in", ""),
        ]);
        let trees = [low, high];
        let whole = merged(&trees, Look { whole: true, ..Look::default() });
        assert_eq!(list(&whole), ["d/", "d/x high", "d/y low", "e/", "e/n high", "f/", "f/in"]);
        let part = merged(&trees, Look::default());
        let expected = [
            "d/",
            "d/x high",
            "d/y low",
            "e/",
            "e/.wh..wh..opq",
            "e/n high",
            "f/",
            "f/.wh..wh..opq",
            "f/in",
            ".wh.gone",
        ];
        assert_eq!(list(&part), expected);
    }

    #[test]
    fn one_tree_alone_gives_its_own_tar() {
        let (dir, root) = tree(&[("d/", ""), ("d/a", "1"), (".wh.x", ""), ("d/.wh..wh..opq", "")]);
        fs::hard_link(dir.path().join("d/a"), dir.path().join("d/b")).unwrap();
        let mut own = Vec::new();
        diff::write_tar(&root, &[], &mut own).unwrap();
        assert_eq!(merged(&[root], Look::default()), own);
    }

    #[test]
    fn times_and_owners_are_as_asked_for() {
        let (dir, root) = tree(&[("a", "1")]);
        fs::set_permissions(dir.path().join("a"), std::os::unix::fs::PermissionsExt::from_mode(0o6755)).unwrap();
        let trees = [root];
        let head = |look| {
            let tar = merged(&trees, look);
            let header = tar::Header::from_byte_slice(&tar[..512]).clone();
            (header.mtime().unwrap(), header.mode().unwrap())
        };
        assert_eq!(head(Look::default()), (7, 0o6755));
        assert_eq!(head(Look { times: Times::Until(5), ..Look::default() }), (5, 0o6755));
        assert_eq!(head(Look { times: Times::Until(9), ..Look::default() }).0, 7);
        assert_eq!(head(Look { times: Times::All(9), plain: true, ..Look::default() }), (9, 0o755));
    }
}
