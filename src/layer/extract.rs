//! Unpacks a layer's tar into an empty directory, in overlay form.
//!
//! Nothing in the stream can reach outside: parents are opened without following any link, a file is only ever created
//! new, metadata goes onto what was just made. Whiteouts become markers in the layer's own directories; they never delete
//! anything. Device nodes cannot be made in a user namespace: they are left out, with a warning.

use super::entry::{Entry, EntryKind};
use super::meta::{self, Warnings, os};
use super::reader::TarReader;
use super::recipe::{Aside, Recorder};
use super::{LayerInfo, MAX_TAR, OPAQUE_NAME, OPAQUE_XATTR, WHITEOUT_PREFIX};
use crate::error::{Kind, Result, fail};
use crate::image::digest::DiffId;
use crate::sys::path::{Root, open_dir_at};
use crate::sys::xattr;
use anyhow::Context;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// How to unpack.
pub struct Options<'a> {
    /// Where to write the recipe that gives the exact tar back (see [`super::recipe::replay`]).
    pub recipe: Option<&'a mut dyn Write>,
    /// An empty directory on the same file system, for files that the recipe needs though a later entry replaces them.
    /// Without it such a tar (very rare) is refused, if a recipe is asked for.
    pub aside: Option<&'a Root>,
    /// The most bytes that the stream may have.
    pub max_tar: u64,
    /// Leave files empty: everything but content, to compare another tree with.
    pub hollow: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { recipe: None, aside: None, max_tar: MAX_TAR, hollow: false }
    }
}

/// What came of unpacking.
#[derive(Debug)]
pub struct Extracted {
    /// Digest and sizes.
    pub info: LayerInfo,
    /// What was left out, for the person.
    pub warnings: Vec<String>,
}

/// Unpacks `tar` (not compressed) into `into`, an empty directory, and reads the stream to its very end.
///
/// An error leaves the directory half filled; it is for the caller to remove.
pub fn extract(tar: impl Read, into: &Root, options: Options<'_>) -> Result<Extracted> {
    let recorder = options.recipe.map(Recorder::new).transpose()?;
    let mut work = Extractor {
        reader: TarReader::new(tar, options.max_tar, recorder),
        into,
        current: None,
        directories: Vec::new(),
        hollow: options.hollow,
        aside: Aside::new(options.aside),
        warnings: Warnings::default(),
        content_size: 0,
    };
    while let Some(entry) = work.reader.next_entry()? {
        work.entry(&entry)?;
    }
    work.finish()
}

struct Extractor<'t, 'o, R> {
    reader: TarReader<'o, R>,
    into: &'t Root,
    /// The directory that the last entry was in: most entries follow their neighbours.
    current: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Mode and time of directories, which are given when nothing more changes inside them.
    directories: Vec<(Vec<u8>, u32, (i64, u32))>,
    aside: Aside<'o>,
    hollow: bool,
    warnings: Warnings,
    content_size: u64,
}

impl<R: Read> Extractor<'_, '_, R> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let path = meta::clean_path(&entry.path)?;
        if path.is_empty() {
            return self.top(entry);
        }
        let (above, name) = meta::split(&path);
        let parts = || above.split(|b| *b == b'/');
        if name.starts_with(b".wh..wh.") && name != OPAQUE_NAME || parts().any(|p| p.starts_with(b".wh..wh.")) {
            return Ok(()); // aufs kept its own records under such names; they mean nothing to anyone else.
        }
        if parts().any(|p| p.starts_with(WHITEOUT_PREFIX)) {
            return Err(refused(entry, "is inside a removed name"));
        }
        let parent = self.directory(above)?;
        if name == OPAQUE_NAME {
            return make_opaque(parent.as_fd()).with_context(|| format!("cannot make {:?} opaque", entry.shown()));
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX) {
            return self.whiteout(parent.as_fd(), hidden, entry);
        }
        match entry.kind {
            EntryKind::File => self.file(parent.as_fd(), name, &path, entry),
            EntryKind::Directory => self.make_directory(parent.as_fd(), name, path.clone(), entry),
            EntryKind::Hardlink => self.hard_link(parent.as_fd(), name, entry),
            EntryKind::Symlink => {
                let target = meta::link_target(entry)?;
                self.replacing(parent.as_fd(), name, entry, || fs::symlinkat(target, &parent, os(name)))?;
                meta::apply_by_name(parent.as_fd(), os(name), entry, (entry.uid, entry.gid), None)
            }
            EntryKind::Fifo => {
                self.replacing(parent.as_fd(), name, entry, || fs::mkfifoat(&parent, os(name), Mode::RUSR))?;
                meta::apply_by_name(parent.as_fd(), os(name), entry, (entry.uid, entry.gid), Some(entry.mode))
            }
            EntryKind::CharDevice | EntryKind::BlockDevice => {
                // Every container gets a /dev of its own, so nobody misses what a root file system has there.
                if !path.starts_with(b"dev/") {
                    self.warnings.add(format!("device node {:?} is left out: only root could make it", entry.shown()));
                }
                Ok(())
            }
        }
    }

    /// An entry for the top directory itself.
    fn top(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            return Err(refused(entry, "would replace the top directory"));
        }
        meta::apply_owner_and_xattrs(self.into.as_fd(), entry, (entry.uid, entry.gid), &mut self.warnings)?;
        self.directories.push((Vec::new(), entry.mode, entry.mtime));
        Ok(())
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8], entry: &Entry) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made =
            self.replacing(parent, name, entry, || fs::openat(parent, os(name), flags, Mode::RUSR | Mode::WUSR))?;
        let mut file = File::from(made);
        if let Some(reference) = self.reader.refer(path, entry.sparse.as_ref())? {
            let inode = fs::fstat(&file).with_context(|| cannot(entry))?.st_ino;
            self.aside.note(inode, reference);
        }
        if !self.hollow {
            meta::write_content(&mut self.reader, &mut file, entry)?;
        }
        self.content_size += entry.file_size();
        meta::apply_owner_and_xattrs(file.as_fd(), entry, (entry.uid, entry.gid), &mut self.warnings)?;
        meta::apply_mode_and_time(file.as_fd(), entry.mode, entry.mtime).with_context(|| cannot(entry))
    }

    fn make_directory(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: Vec<u8>, entry: &Entry) -> Result<()> {
        let opened = match fs::mkdirat(parent, os(name), Mode::RWXU) {
            Ok(()) => open_dir_at(parent, os(name)).with_context(|| cannot(entry))?,
            Err(Errno::EXIST) => self.existing_directory(parent, name, entry)?,
            Err(error) => return Err(error).with_context(|| cannot(entry)),
        };
        meta::apply_owner_and_xattrs(opened.as_fd(), entry, (entry.uid, entry.gid), &mut self.warnings)?;
        self.directories.push((path.clone(), entry.mode, entry.mtime));
        self.current = Some((path, Rc::new(opened)));
        Ok(())
    }

    /// A directory entry whose name is taken: another directory is kept, anything else gives way.
    fn existing_directory(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<OwnedFd> {
        let stat = fs::statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW).with_context(|| cannot(entry))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let was_removed = is_whiteout(&stat);
            self.clear(parent, name, entry)?;
            fs::mkdirat(parent, os(name), Mode::RWXU).with_context(|| cannot(entry))?;
            let opened = open_dir_at(parent, os(name)).with_context(|| cannot(entry))?;
            if was_removed {
                // Removed below and made anew here: nothing of the old one may shine through.
                make_opaque(opened.as_fd()).with_context(|| cannot(entry))?;
            }
            return Ok(opened);
        }
        open_dir_at(parent, os(name)).with_context(|| cannot(entry))
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let target = meta::clean_path(&entry.link)?;
        if target.is_empty() {
            return Err(refused(entry, "is a hard link to a directory"));
        }
        let (above, target_name) = meta::split(&target);
        let missing = || {
            let target = String::from_utf8_lossy(&entry.link);
            fail(Kind::User, format!("hard link {:?} has no target in this layer: {target:?}", entry.shown()))
        };
        let from = match open_without_links(self.into, above) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(missing()),
            Err(error) => return Err(error).with_context(|| cannot(entry)),
        };
        let stat = match fs::statat(&from, os(target_name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => return Err(missing()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return Err(refused(entry, "is a hard link to a directory"));
            }
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(missing()),
            Err(error) => return Err(error).with_context(|| cannot(entry)),
        };
        if let Ok(old) = fs::statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW)
            && (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(()); // A link to itself, or made twice: clearing the name could lose the file.
        }
        let link = || fs::linkat(&from, os(target_name), parent, os(name), AtFlags::empty());
        self.replacing(parent, name, entry, link)
    }

    /// Marks `hidden` as removed. What this layer itself has under the name stays, whichever came first: a whiteout is
    /// about the layers below.
    fn whiteout(&mut self, parent: BorrowedFd<'_>, hidden: &[u8], entry: &Entry) -> Result<()> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused(entry, "removes no proper name"));
        }
        match fs::mknodat(parent, os(hidden), FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match open_dir_at(parent, os(hidden)) {
                Ok(directory) => make_opaque(directory.as_fd()).with_context(|| cannot(entry)),
                Err(_) => Ok(()),
            },
            Err(error) => Err(error).with_context(|| cannot(entry)),
        }
    }

    /// Runs `make`; if its name is taken, removes what is there and runs it again.
    fn replacing<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                self.clear(parent, name, entry)?;
                make().with_context(|| cannot(entry))
            }
            other => other.with_context(|| cannot(entry)),
        }
    }

    /// Removes what has the name, without following it; a directory only if it is empty.
    fn clear(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let stat = fs::statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW).with_context(|| cannot(entry))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            self.current = None;
            return match fs::unlinkat(parent, os(name), AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    Err(refused(entry, "would replace a directory that is not empty"))
                }
                other => other.with_context(|| cannot(entry)),
            };
        }
        if self.aside.rescue(parent, os(name), stat.st_ino)? {
            return Ok(());
        }
        fs::unlinkat(parent, os(name), AtFlags::empty()).with_context(|| cannot(entry))
    }

    /// Opens a directory of the tree, making it and those above it if the archive left them out.
    fn directory(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>> {
        if let Some((open, fd)) = &self.current
            && open == path
        {
            return Ok(fd.clone());
        }
        let opened = match open_without_links(self.into, path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.make_parents(path)?,
            other => other.with_context(|| format!("cannot open {:?} of the layer", String::from_utf8_lossy(path)))?,
        };
        let opened = Rc::new(opened);
        self.current = Some((path.to_vec(), opened.clone()));
        Ok(opened)
    }

    fn make_parents(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let shown = || format!("cannot make the directory {:?}", String::from_utf8_lossy(path));
        let mut here = open_without_links(self.into, b"").with_context(shown)?;
        let mut end = 0;
        for name in path.split(|b| *b == b'/') {
            end += name.len() + usize::from(end > 0);
            let mut removed = false;
            match fs::statat(&here, os(name), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                    here = open_dir_at(here.as_fd(), os(name)).with_context(shown)?;
                    continue;
                }
                Ok(stat) if is_whiteout(&stat) => {
                    fs::unlinkat(&here, os(name), AtFlags::empty()).with_context(shown)?;
                    removed = true;
                }
                Ok(_) => {
                    let place = String::from_utf8_lossy(&path[..end]);
                    return Err(fail(
                        Kind::User,
                        format!(
                            "the archive puts files into {place:?}, which it made no directory but a file or a link"
                        ),
                    ));
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error).with_context(shown),
            }
            fs::mkdirat(&here, os(name), Mode::RWXU).with_context(shown)?;
            here = open_dir_at(here.as_fd(), os(name)).with_context(shown)?;
            if removed {
                make_opaque(here.as_fd()).with_context(shown)?;
            }
            // No metadata is known; this is what the other tools give, with a time that does not depend on today.
            self.directories.push((path[..end].to_vec(), 0o755, (0, 0)));
        }
        Ok(here)
    }

    fn finish(mut self) -> Result<Extracted> {
        let files = self.reader.entries();
        let (digest, tar_size) = self.reader.finish()?;
        // Inner ones first: an outer one may close the way. Of several entries for one directory the last counts.
        self.directories.reverse();
        self.directories.sort_by(|a, b| b.0.cmp(&a.0));
        self.directories.dedup_by(|later, kept| later.0 == kept.0);
        for (path, mode, mtime) in &self.directories {
            let opened = match open_without_links(self.into, path) {
                // Something else took its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                other => other,
            };
            opened
                .and_then(|fd| meta::apply_mode_and_time(fd.as_fd(), *mode, *mtime))
                .with_context(|| format!("cannot set the mode of {:?}", String::from_utf8_lossy(path)))?;
        }
        let info = LayerInfo { diff_id: DiffId(digest), tar_size, content_size: self.content_size, files };
        Ok(Extracted { info, warnings: self.warnings.into_list() })
    }
}

/// Opens a directory below `root` by a clean path in which nothing may be a link.
fn open_without_links(root: &Root, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { os(b".") } else { os(path) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve)
}

fn is_whiteout(stat: &fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn make_opaque(directory: BorrowedFd<'_>) -> std::io::Result<()> {
    xattr::set(directory, OPAQUE_XATTR, b"y")
}

fn cannot(entry: &Entry) -> String {
    format!("cannot make {:?}", entry.shown())
}

fn refused(entry: &Entry, why: &str) -> anyhow::Error {
    fail(Kind::User, format!("archive entry {:?} {why}", entry.shown()))
}
