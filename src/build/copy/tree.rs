//! The metadata of a folder that is copied: one walk, one `stat` a file, rules applied.
//!
//! Folders are visited breadth first by their path, with one descriptor open at a time, so that neither depth nor width
//! needs more than memory. Contents are not read here.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, readlinkat, statat};
use rustix::io::Errno;

use super::resolve::{join, kind};
use super::{Request, Source};
use crate::build::context::plain;
use crate::build::ignore::Ignore;
use crate::build::index::kept_xattrs;
use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::path;

/// A folder with all below it that is copied.
#[derive(Debug, Default)]
pub struct Tree {
    /// Every folder, those above before those below; the first is the top.
    folders: Vec<Folder>,
    /// All entries; each folder's are side by side and sorted.
    entries: Vec<Entry>,
}

/// A folder of a [`Tree`].
#[derive(Debug)]
pub struct Folder {
    /// Relative to the top; empty for the top.
    pub path: PathBuf,
    /// Its metadata.
    pub stat: Stat,
    /// Its attributes that are copied (none for the top, which is not copied itself).
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    entries: std::ops::Range<usize>,
    /// False if a rule leaves it out and nothing below it is taken in again.
    kept: bool,
}

/// A name in a folder.
#[derive(Debug)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// Its metadata; of a link, not of what it leads to.
    pub stat: Stat,
    /// What it is.
    pub what: What,
}

/// The kinds of entries.
#[derive(Debug)]
pub enum What {
    /// A regular file.
    File,
    /// A folder: its position among the folders.
    Folder(usize),
    /// A symbolic link, with its target.
    Link(Vec<u8>),
    /// A FIFO or a device.
    Special,
}

impl Tree {
    /// The folders that are copied, with their entries.
    pub fn folders(&self) -> impl DoubleEndedIterator<Item = (&Folder, &[Entry])> {
        self.folders.iter().filter(|folder| folder.kept).map(|folder| (folder, &self.entries[folder.entries.clone()]))
    }

    /// Whether an entry is copied: a folder may turn out not to be.
    pub fn takes(&self, entry: &Entry) -> bool {
        if let What::Folder(at) = entry.what { self.folders[at].kept } else { true }
    }

    /// Whether nothing is below the top.
    pub fn is_empty(&self) -> bool {
        !self.entries.iter().any(|entry| self.takes(entry))
    }
}

/// The rules for one walk: those of the context and those of `--exclude`, which are relative to the top.
struct Rules<'a> {
    context: Option<(&'a Ignore, &'a Path)>,
    exclude: Option<&'a Ignore>,
}

impl Rules<'_> {
    fn any(&self) -> bool {
        self.context.is_some() || self.exclude.is_some()
    }

    /// (left out, may hold something that is not) for a path relative to the top.
    fn judge(&self, below: &Path, is_dir: bool) -> (bool, bool) {
        let one = |ignore: &Ignore, path: &Path| {
            let out = ignore.excluded(path);
            (out, !out || is_dir && ignore.may_reinclude_below(path))
        };
        let a = self.context.map_or((false, true), |(ignore, top)| one(ignore, &join(top, below)));
        let b = self.exclude.map_or((false, true), |ignore| one(ignore, below));
        (a.0 || b.0, a.1 && b.1)
    }
}

/// Walks the folder `top` (without links) of `source`.
pub fn walk(source: &Source, top: &Path, stat: Stat, exclude: &Ignore, request: &Request) -> Result<Tree> {
    let context = match source {
        Source::Context(context) if !context.ignore().is_empty() => Some((context.ignore(), top)),
        _ => None,
    };
    let rules = Rules { context, exclude: (!exclude.is_empty()).then_some(exclude) };
    let mut tree = Tree::default();
    tree.folders.push(Folder { path: PathBuf::new(), stat, xattrs: Vec::new(), entries: 0..0, kept: true });
    let mut at = 0;
    while at < tree.folders.len() {
        let full = join(top, &tree.folders[at].path);
        read_folder(source, &full, at, &mut tree, &rules).map_err(|error| {
            fail_with(
                Kind::User,
                format!(
                    "{}: cannot read {} in {}: {}",
                    request.word(),
                    full.display(),
                    source.describe(),
                    plain(&error)
                ),
                "Make it readable, or leave it out by .dockerignore.",
            )
        })?;
        at += 1;
    }
    tree.prune();
    Ok(tree)
}

fn read_folder(source: &Source, full: &Path, at: usize, tree: &mut Tree, rules: &Rules) -> io::Result<()> {
    let fd = source.root().open_at(full, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    if at > 0 {
        tree.folders[at].xattrs = kept_xattrs(&fd)?;
    }
    let first = tree.entries.len();
    for found in path::list(fd.as_fd())? {
        if found.kind == FileType::Socket {
            continue;
        }
        let is_dir = found.kind == FileType::Directory;
        // Without rules only folders need a path.
        let below = if is_dir || rules.any() { tree.folders[at].path.join(&found.name) } else { PathBuf::new() };
        let (out, enter) = rules.judge(&below, is_dir);
        if !enter {
            continue;
        }
        let stat = match statat(&fd, &found.name, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since it was listed: as if it had never been.
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        let what = match kind(&stat) {
            FileType::Directory => What::Folder(tree.folders.len()),
            FileType::Symlink => What::Link(readlinkat(&fd, &found.name, Vec::new())?.into_bytes()),
            FileType::RegularFile => What::File,
            FileType::Socket => continue,
            _ => What::Special,
        };
        if let What::Folder(_) = what {
            let below = if is_dir { below } else { tree.folders[at].path.join(&found.name) };
            tree.folders.push(Folder { path: below, stat, xattrs: Vec::new(), entries: 0..0, kept: !out });
        } else if out {
            continue;
        }
        tree.entries.push(Entry { name: found.name, stat, what });
    }
    tree.folders[at].entries = first..tree.entries.len();
    Ok(())
}

impl Tree {
    /// Decides about the folders that a rule leaves out: they stay if something below them does.
    fn prune(&mut self) {
        for at in (0..self.folders.len()).rev() {
            if self.folders[at].kept {
                continue;
            }
            let entries = self.folders[at].entries.clone();
            self.folders[at].kept = self.entries[entries].iter().any(|entry| self.takes(entry));
        }
    }
}

/// The metadata of one file that is copied by itself.
pub fn single(source: &Source, path: &Path, name: OsString, stat: Stat) -> Result<Option<Entry>> {
    let what = match kind(&stat) {
        FileType::RegularFile => What::File,
        FileType::Socket => return Ok(None),
        // Links were followed; one that appears now was planted meanwhile.
        FileType::Symlink | FileType::Directory => {
            return Err(fail(
                Kind::User,
                format!("{} in {} changed while it was looked at", path.display(), source.describe()),
            ));
        }
        _ => What::Special,
    };
    Ok(Some(Entry { name, stat, what }))
}
