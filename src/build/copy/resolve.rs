//! Where a path leads inside a tree, told as a path without links.
//!
//! The kernel confines every later access by itself; this walk exists because the ignore rules and the messages need the
//! real name, and because a destination that does not exist yet needs one too. It makes nothing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::sys::path::Root;

/// The kernel's own limit of symbolic links in one lookup (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub struct Resolved {
    /// Relative to the root, without links, `.` and `..`; empty for the root itself.
    pub path: PathBuf,
    /// The links passed on the way, each as a path of that kind.
    pub links: Vec<PathBuf>,
    /// What is there, or nothing if the path, or some folder above it, does not exist.
    pub found: Option<Stat>,
}

impl Resolved {
    /// Whether a directory is there.
    pub fn is_dir(&self) -> bool {
        self.found.as_ref().is_some_and(|stat| kind(stat) == FileType::Directory)
    }
}

/// Follows `path` inside `root`; leading `/` and surplus `..` mean the root. Names below something that does not exist are
/// taken by their text.
pub fn resolve(root: &Root, path: &Path) -> io::Result<Resolved> {
    let mut todo = VecDeque::new();
    push_front(&mut todo, path);
    let mut resolved = Resolved { path: PathBuf::new(), links: Vec::new(), found: Some(root.stat(Path::new("/"))?) };
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            resolved.path.pop();
            continue;
        }
        resolved.path.push(&name);
        if resolved.found.is_none() {
            continue;
        }
        let stat = match root.lstat(&resolved.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                resolved.found = None;
                continue;
            }
            other => other?,
        };
        if kind(&stat) != FileType::Symlink {
            resolved.found = Some(stat);
            continue;
        }
        if resolved.links.len() == MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = root.read_link(&resolved.path)?;
        resolved.links.push(resolved.path.clone());
        resolved.path.pop();
        if target.is_absolute() {
            resolved.path = PathBuf::new();
        }
        push_front(&mut todo, &target);
    }
    // A `..` at the end leaves the metadata of the folder below; ask again rather than remember each.
    if resolved.found.is_some() {
        resolved.found = Some(root.lstat(&or_dot(&resolved.path))?);
    }
    Ok(resolved)
}

/// The kind of file that metadata tell.
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The path, or `.` for an empty one.
fn or_dot(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_path_buf() }
}

fn push_front(todo: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front("..".into()),
            _ => {}
        }
    }
}

/// `below` under `top`, without the trailing slash that `join` gives for an empty second part: a slash would make the
/// kernel follow a link at the end.
pub fn join(top: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { top.to_path_buf() } else { top.join(below) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_dots_and_missing_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/f"), "").unwrap();
        symlink("/a/b", dir.path().join("abs")).unwrap();
        symlink("../../../a", dir.path().join("a/b/up")).unwrap();
        symlink("nowhere/x", dir.path().join("dangling")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for (path, expected, found) in [
            ("/", "", true),
            ("../..", "", true),
            ("a/../a/f", "a/f", true),
            ("abs", "a/b", true),
            ("abs/up/f", "a/f", true),
            ("abs/..", "a", true),
            ("dangling", "nowhere/x", false),
            ("dangling/y/../z", "nowhere/x/z", false),
            ("no/../../no", "no", false),
        ] {
            let resolved = resolve(&root, Path::new(path)).unwrap();
            assert_eq!((resolved.path.to_str().unwrap(), resolved.found.is_some()), (expected, found), "{path}");
        }
        assert!(resolve(&root, Path::new("loop")).is_err());
        assert!(resolve(&root, Path::new("a/f/x")).is_err());
        assert!(!resolve(&root, Path::new("a/f")).unwrap().is_dir());
    }
}
