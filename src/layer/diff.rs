//! Writes the canonical tar of a tree in overlay form: an upper directory, or a committed layer.
//!
//! Names sorted by bytes within each directory, a directory before what it holds, each file read once. Owners are those
//! that this process sees, so inside a user namespace they are the container's. The top directory itself has no entry, as
//! with Docker. Nothing in the tree is changed.

use super::entry::{EntryKind, Xattrs};
use super::meta::{self, os};
use super::writer::{Head, TarWriter};
use super::{LayerInfo, MAX_PATH, OPAQUE_NAME, OPAQUE_XATTR, WHITEOUT_PREFIX, WHITEOUT_XATTR};
use crate::error::{Kind, Result, fail};
use crate::image::digest::{DiffId, Sha256Writer};
use crate::sys::path::{self, DirEntry, Root};
use crate::sys::xattr;
use anyhow::Context;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Of the directories on the way down, this many innermost ones are kept open; others are opened again by their path.
const MAX_OPEN: usize = 64;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of the tar.
    pub tar_size: u64,
    /// Bytes of regular files.
    pub content_size: u64,
    /// Entries of every kind.
    pub files: u64,
}

/// Writes the tar of `tree` to `out`, without the paths in `skip` (from the tree's top) and what is below them.
pub fn write_tar(tree: &Root, skip: &[PathBuf], out: &mut dyn Write) -> Result<Counts> {
    write(tree, skip, Look::default(), false, out)
}

/// Writes the tar that [`write_tar`] would write if all files were empty: what a tree is, but for its contents.
pub(super) fn write_hollow(tree: &Root, out: &mut dyn Write) -> Result<Counts> {
    write(tree, &[], Look::default(), true, out)
}

/// Whether two trees give the same layer but for the times. Contents are read only if all else is equal.
pub fn same_but_for_times(one: &Root, other: &Root) -> Result<bool> {
    let digest = |tree: &Root, hollow| -> Result<_> {
        let mut sink = Sha256Writer::new(io::sink());
        let look = Look { times: Times::All(0), ..Look::default() };
        write(tree, &[], look, hollow, &mut sink)?;
        Ok(sink.finish().1)
    };
    for hollow in [true, false] {
        if digest(one, hollow)? != digest(other, hollow)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write(tree: &Root, skip: &[PathBuf], look: Look, hollow: bool, out: &mut dyn Write) -> Result<Counts> {
    let mut entries = Entries { hollow, ..Entries::new(look, out) };
    let skip = skip.iter().map(|path| skip_key(path)).collect();
    Walk { tree, skip, entries: &mut entries }.run()?;
    entries.finish()
}

/// The times that files get in a tar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// Their own.
    #[default]
    Own,
    /// Their own, but none after this one (seconds since 1970).
    Until(i64),
    /// All the same.
    All(i64),
}

impl Times {
    fn of(self, own: (i64, u32)) -> (i64, u32) {
        match self {
            Times::Until(limit) if own > (limit, 0) => (limit, 0),
            Times::All(time) => (time, 0),
            Times::Own | Times::Until(_) => own,
        }
    }
}

/// How files show in a tar.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Their times.
    pub times: Times,
    /// Nothing lies below: what stands for removed names is left out.
    pub whole: bool,
    /// Without owners, attributes, set-uid and set-gid: for a person's own folder, where those of an image would give
    /// away what is the person's.
    pub plain: bool,
}

/// Digest and sizes of the tar that [`write_tar`] would write.
pub fn digest(tree: &Root, skip: &[PathBuf]) -> Result<LayerInfo> {
    let mut sink = Sha256Writer::new(io::sink());
    let counts = write_tar(tree, skip, &mut sink)?;
    let (_, digest, tar_size) = sink.finish();
    Ok(LayerInfo { diff_id: DiffId(digest), tar_size, content_size: counts.content_size, files: counts.files })
}

fn skip_key(path: &Path) -> Vec<u8> {
    let parts = path.components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(&b'/')
}

/// One directory on the way down.
struct Level {
    fd: Option<OwnedFd>,
    entries: std::vec::IntoIter<DirEntry>,
    /// How long the path is up to and with this directory.
    path_len: usize,
}

struct Walk<'a, 'out> {
    tree: &'a Root,
    skip: HashSet<Vec<u8>>,
    entries: &'a mut Entries<'out>,
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<()> {
        let mut path = Vec::new();
        let top = self.tree.as_fd().try_clone_to_owned().context("cannot open the layer")?;
        if xattr::get(top.as_fd(), OPAQUE_XATTR).context("cannot read the layer")?.is_some_and(|v| v == b"y") {
            self.entries.marker(OPAQUE_NAME.to_vec())?;
        }
        let mut stack = vec![level(top, &path)?];
        while let Some(here) = stack.last_mut() {
            path.truncate(here.path_len);
            let Some(entry) = here.entries.next() else {
                stack.pop();
                continue;
            };
            if here.fd.is_none() {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let opened = self.tree.open_at(Path::new(os(&path)), flags, Mode::empty());
                here.fd = Some(opened.with_context(|| cannot(&path))?);
            }
            let parent = here.fd.as_ref().expect("opened above").as_fd();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name.as_bytes());
            if path.len() > MAX_PATH {
                return Err(fail(Kind::User, format!("{}: the path is too long for a layer", cannot(&path))));
            }
            if !self.skip.is_empty() && self.skip.contains(&path) {
                continue;
            }
            if let Some(fd) = self.entries.entry(parent, &entry, &path, false)? {
                let next = level(fd, &path)?;
                stack.push(next);
                if let Some(far) = stack.len().checked_sub(MAX_OPEN + 1) {
                    stack[far].fd = None;
                }
            }
        }
        Ok(())
    }
}

/// Writes entries, each from its file.
pub(super) struct Entries<'a> {
    look: Look,
    /// Files are written as if they were empty.
    hollow: bool,
    writer: TarWriter<'a>,
    /// Inodes with several names → the first name seen.
    links: HashMap<(u64, u64), Vec<u8>>,
    counts: Counts,
}

impl<'a> Entries<'a> {
    pub(super) fn new(look: Look, out: &'a mut dyn Write) -> Entries<'a> {
        let (writer, links, counts) = (TarWriter::new(out), HashMap::new(), Counts::default());
        Entries { look, hollow: false, writer, links, counts }
    }

    /// Writes the end of the tar.
    pub(super) fn finish(self) -> Result<Counts> {
        Ok(Counts { tar_size: self.writer.finish()?, ..self.counts })
    }

    /// Writes one entry; gives back the directory if it is one. `hides`: it hides what is below, whatever it says itself.
    pub(super) fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        entry: &DirEntry,
        path: &[u8],
        hides: bool,
    ) -> Result<Option<OwnedFd>> {
        if entry.name.as_bytes().starts_with(WHITEOUT_PREFIX) {
            return Err(fail(
                Kind::User,
                format!("{}: names that begin with .wh. mean removed files in a layer", cannot(path)),
            ));
        }
        match entry.kind {
            FileType::Directory => return self.directory(parent, &entry.name, path, hides).map(Some),
            FileType::RegularFile => self.file(parent, &entry.name, path)?,
            FileType::Socket => {}
            _ => self.special(parent, &entry.name, path)?,
        }
        Ok(None)
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &OsStr, path: &[u8], hides: bool) -> Result<OwnedFd> {
        let fd = path::open_dir_at(parent, name).with_context(|| cannot(path))?;
        let stat = fs::fstat(&fd).with_context(|| cannot(path))?;
        let (xattrs, opaque) = read_xattrs(fd.as_fd(), path)?;
        self.head(EntryKind::Directory, path, b"", 0, &stat, &xattrs)?;
        if hides || opaque == Opaque::Hides {
            self.marker([path, b"/", OPAQUE_NAME].concat())?;
        }
        Ok(fd)
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(parent, name, flags, Mode::empty()).with_context(|| cannot(path))?);
        let stat = fs::fstat(&file).with_context(|| cannot(path))?;
        // Before the look for links: all whiteouts may be names of one inode.
        let (xattrs, mark) = read_xattrs(file.as_fd(), path)?;
        if mark == Opaque::Whiteout && stat.st_size == 0 {
            return self.whiteout(path);
        }
        if self.known_link(&stat, path)? {
            return Ok(());
        }
        let size = if self.hollow { 0 } else { stat.st_size as u64 };
        self.head(EntryKind::File, path, b"", size, &stat, &xattrs)?;
        self.counts.content_size += size;
        self.writer.content(&mut file, size, path)
    }

    fn special(&mut self, parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<()> {
        let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).with_context(|| cannot(path))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => return self.whiteout(path),
            FileType::Symlink => EntryKind::Symlink,
            FileType::Fifo => EntryKind::Fifo,
            // A real device can only come from a privileged hand, and no one could unpack it without one.
            _ => return Ok(()),
        };
        if self.known_link(&stat, path)? {
            return Ok(());
        }
        if kind == EntryKind::Fifo {
            return self.head(kind, path, b"", 0, &stat, &[]);
        }
        let target = fs::readlinkat(parent, name, Vec::new()).with_context(|| cannot(path))?;
        self.head(kind, path, target.as_bytes(), 0, &stat, &[])
    }

    /// Writes a hard link if this inode was written before under another name.
    fn known_link(&mut self, stat: &Stat, path: &[u8]) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let id = (stat.st_dev, stat.st_ino);
        let Some(first) = self.links.get(&id).cloned() else {
            self.links.insert(id, path.to_vec());
            return Ok(false);
        };
        self.head(EntryKind::Hardlink, path, &first, 0, stat, &[])?;
        Ok(true)
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let (above, name) = meta::split(path);
        let slash: &[u8] = if above.is_empty() { b"" } else { b"/" };
        self.marker([above, slash, WHITEOUT_PREFIX, name].concat())
    }

    /// An empty file whose name is its meaning. Owner and time are fixed: they mean nothing.
    pub(super) fn marker(&mut self, path: Vec<u8>) -> Result<()> {
        if self.look.whole {
            return Ok(());
        }
        self.counts.files += 1;
        self.writer.head(&Head {
            kind: EntryKind::File,
            path: &path,
            link: b"",
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            xattrs: &[],
        })
    }

    fn head(
        &mut self,
        kind: EntryKind,
        path: &[u8],
        link: &[u8],
        size: u64,
        stat: &Stat,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        self.counts.files += 1;
        self.writer.head(&Head {
            kind,
            path,
            link,
            mode: stat.st_mode & if self.look.plain { 0o1777 } else { 0o7777 },
            uid: if self.look.plain { 0 } else { stat.st_uid },
            gid: if self.look.plain { 0 } else { stat.st_gid },
            size,
            mtime: self.look.times.of((stat.st_mtime, stat.st_mtime_nsec as u32)),
            xattrs: if self.look.plain { &[] } else { xattrs },
        })
    }
}

fn level(fd: OwnedFd, path: &[u8]) -> Result<Level> {
    let entries = path::list(fd.as_fd()).with_context(|| cannot(path))?.into_iter();
    Ok(Level { fd: Some(fd), entries, path_len: path.len() })
}

/// What overlayfs' own attributes say of an inode.
#[derive(PartialEq)]
enum Opaque {
    Nothing,
    /// A directory that hides what is below.
    Hides,
    /// A file that stands for a removed name.
    Whiteout,
}

/// The attributes to write, and what those mean that are not written.
fn read_xattrs(fd: BorrowedFd<'_>, path: &[u8]) -> Result<(Xattrs, Opaque)> {
    let mut kept = Vec::new();
    let mut mark = Opaque::Nothing;
    for name in xattr::list(fd).with_context(|| cannot(path))? {
        if name == WHITEOUT_XATTR {
            mark = Opaque::Whiteout;
        }
        if name != OPAQUE_XATTR && !meta::is_kept_xattr(&name) {
            continue;
        }
        let Some(value) = xattr::get(fd, &name).with_context(|| cannot(path))? else { continue };
        if name == OPAQUE_XATTR {
            // `x` only tells the kernel to look for whiteouts that are attributes.
            if value == b"y" {
                mark = Opaque::Hides;
            }
        } else if name == meta::CAPABILITY {
            kept.push((name, meta::capability_v2(&value)));
        } else {
            kept.push((name, value));
        }
    }
    Ok((kept, mark))
}

fn cannot(path: &[u8]) -> String {
    format!("cannot put {:?} into the layer's tar", String::from_utf8_lossy(path))
}
