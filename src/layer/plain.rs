//! Unpacks an ordinary tar into an existing tree, as `ADD archive.tar` does.
//!
//! Unlike a layer's tar, names have no whiteout meaning, links on the way to an entry are followed (inside the root), and
//! what exists is replaced or, if both are directories, kept.

use super::MAX_TAR;
use super::entry::{Entry, EntryKind};
use super::meta::{self, Warnings, os};
use super::reader::TarReader;
use crate::error::{Kind, Result, fail};
use crate::sys::path::{Root, open_dir_at, remove_tree};
use anyhow::Context;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Unpacks `tar` (not compressed) below `dest_path` of `dest`, making directories that are missing. `owner` (uid, gid)
/// replaces the owners in the archive. Returns what was left out, for the person.
pub fn unpack_into(tar: impl Read, dest: &Root, dest_path: &Path, owner: Option<(u32, u32)>) -> Result<Vec<String>> {
    let mut work = Unpacker {
        reader: TarReader::without_digest(tar, MAX_TAR),
        dest,
        base: dest_path,
        owner,
        current: None,
        directories: Vec::new(),
        warnings: Warnings::default(),
    };
    dest.create_dirs(dest_path, 0o755, owner).with_context(|| format!("cannot make {dest_path:?}"))?;
    while let Some(entry) = work.reader.next_entry()? {
        work.entry(&entry)?;
    }
    work.finish()
}

struct Unpacker<'a, R> {
    reader: TarReader<'a, R>,
    dest: &'a Root,
    base: &'a Path,
    owner: Option<(u32, u32)>,
    current: Option<(PathBuf, Rc<OwnedFd>)>,
    directories: Vec<(PathBuf, u32, (i64, u32))>,
    warnings: Warnings,
}

impl<R: Read> Unpacker<'_, R> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let path = meta::clean_path(&entry.path)?;
        let owner = self.owner.unwrap_or((entry.uid, entry.gid));
        if path.is_empty() {
            if entry.kind != EntryKind::Directory {
                return Err(fail(Kind::User, "the archive has a file without a name"));
            }
            let fd = self.directory(&[])?;
            return self.directory_metadata(fd.as_fd(), &path, entry, owner);
        }
        let (above, name) = meta::split(&path);
        let parent = self.directory(above)?;
        let parent = parent.as_fd();
        match entry.kind {
            EntryKind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mode = Mode::RUSR | Mode::WUSR;
                let made = self.replacing(parent, name, entry, || fs::openat(parent, os(name), flags, mode))?;
                let mut file = File::from(made);
                meta::write_content(&mut self.reader, &mut file, entry)?;
                meta::apply_owner_and_xattrs(file.as_fd(), entry, owner, &mut self.warnings)?;
                meta::apply_mode_and_time(file.as_fd(), entry.mode, entry.mtime).with_context(|| cannot(entry))
            }
            EntryKind::Directory => {
                let fd = match open_dir_at(parent, os(name)) {
                    Ok(fd) => fd,
                    Err(_) => {
                        self.replacing(parent, name, entry, || fs::mkdirat(parent, os(name), Mode::RWXU))?;
                        open_dir_at(parent, os(name)).with_context(|| cannot(entry))?
                    }
                };
                self.directory_metadata(fd.as_fd(), &path, entry, owner)
            }
            EntryKind::Symlink => {
                let target = meta::link_target(entry)?;
                self.replacing(parent, name, entry, || fs::symlinkat(target, parent, os(name)))?;
                meta::apply_by_name(parent, os(name), entry, owner, None)
            }
            EntryKind::Fifo => {
                self.replacing(parent, name, entry, || fs::mkfifoat(parent, os(name), Mode::RUSR))?;
                meta::apply_by_name(parent, os(name), entry, owner, Some(entry.mode))
            }
            EntryKind::Hardlink => self.hard_link(parent, name, entry),
            EntryKind::CharDevice | EntryKind::BlockDevice => {
                self.warnings.add(format!("device node {:?} is left out: only root could make it", entry.shown()));
                Ok(())
            }
        }
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let target = self.base.join(os(&meta::clean_path(&entry.link)?));
        let what = || format!("hard link {:?} to {target:?}", entry.shown());
        let (from, from_name) = self.dest.resolve_parent(&target).with_context(what)?;
        let stat = fs::statat(&from, &from_name, AtFlags::SYMLINK_NOFOLLOW).with_context(what)?;
        if let Ok(old) = fs::statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW)
            && (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        self.replacing(parent, name, entry, || fs::linkat(&from, &from_name, parent, os(name), AtFlags::empty()))
    }

    fn directory_metadata(&mut self, fd: BorrowedFd<'_>, path: &[u8], entry: &Entry, owner: (u32, u32)) -> Result<()> {
        meta::apply_owner_and_xattrs(fd, entry, owner, &mut self.warnings)?;
        self.directories.push((self.base.join(os(path)), entry.mode, entry.mtime));
        Ok(())
    }

    /// Runs `make`; if its name is taken, removes all that is there and runs it again.
    fn replacing<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                // What goes may be on the way to the directory that is open.
                self.current = None;
                remove_tree(parent, os(name)).with_context(|| cannot(entry))?;
                make().with_context(|| cannot(entry))
            }
            other => other.with_context(|| cannot(entry)),
        }
    }

    fn directory(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>> {
        let path = self.base.join(os(path));
        if let Some((open, fd)) = &self.current
            && *open == path
        {
            return Ok(fd.clone());
        }
        let fd = self.dest.create_dirs(&path, 0o755, self.owner).with_context(|| format!("cannot open {path:?}"))?;
        let fd = Rc::new(fd);
        self.current = Some((path, fd.clone()));
        Ok(fd)
    }

    fn finish(mut self) -> Result<Vec<String>> {
        self.reader.drain()?;
        // Inner ones first: an outer one may close the way. The last entry for a directory counts.
        self.directories.reverse();
        self.directories.sort_by(|a, b| b.0.cmp(&a.0));
        self.directories.dedup_by(|later, kept| later.0 == kept.0);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        for (path, mode, mtime) in &self.directories {
            let Ok(fd) = self.dest.open_at(path, flags, Mode::empty()) else {
                continue; // Something else took its place.
            };
            meta::apply_mode_and_time(fd.as_fd(), *mode, *mtime)
                .with_context(|| format!("cannot set the mode of {path:?}"))?;
        }
        Ok(self.warnings.into_list())
    }
}

fn cannot(entry: &Entry) -> String {
    format!("cannot make {:?}", entry.shown())
}
