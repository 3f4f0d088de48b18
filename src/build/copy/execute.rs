//! Writing a selection into a root file system.
//!
//! Runs as root of a user namespace; everything is confined to the destination's [`Root`]. Links in the path of the
//! destination are followed inside it, links met below a copied folder are conflicts or are replaced, never followed.
//! This module does not look at the cache.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, linkat, openat, statat};

use super::files::{self, Meta, Mover};
use super::resolve::{Resolved, join, kind, resolve};
use super::select::{Piece, Selected};
use super::tree::{Entry, Tree, What};
use super::{Request, Source, archive, digest};
use crate::build::context::plain;
use crate::build::index::{kept_xattrs, same_state};
use crate::error::{Kind, Result, fail};
use crate::sys::path::Root;

/// The mode of folders that are made on the way.
const NEW_FOLDER: u32 = 0o755;

/// What happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first source file that was no longer what it was when it was selected. What was written may then differ from
    /// what [`super::digest`] told, so the step must not be recorded under that digest.
    pub changed: Option<PathBuf>,
    /// What was left out of an unpacked archive, for the person.
    pub warnings: Vec<String>,
}

/// Writes `selected` to the destination of `request` in `dest`.
pub fn execute(source: &Source, selected: &[Selected], request: &Request, dest: &Root) -> Result<Outcome> {
    let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let owner = request.owner_from(source);
    let mut writer = Writer {
        source,
        request,
        dest,
        owner,
        me,
        mover: Mover::new(),
        links: HashMap::new(),
        above: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    for piece in selected {
        match &piece.what {
            Piece::File(entry) => writer.file(piece, entry)?,
            Piece::Folder(tree) => writer.tree(piece, tree)?,
        }
    }
    writer.finish_above()?;
    Ok(writer.outcome)
}

struct Writer<'a> {
    source: &'a Source<'a>,
    request: &'a Request<'a>,
    dest: &'a Root,
    owner: Option<(u32, u32)>,
    /// Who makes new files.
    me: (u32, u32),
    mover: Mover,
    /// Source (device, inode) of files with several names → where the first was put, and its inode there.
    links: HashMap<(u64, u64), (PathBuf, u64)>,
    /// Folders made for `--parents`, as paths of the destination, and whose metadata they take at the end.
    above: BTreeMap<PathBuf, Stat>,
    outcome: Outcome,
}

/// A folder of the destination that is open.
struct Place<'a> {
    fd: BorrowedFd<'a>,
    /// Relative to the root of the destination, without links.
    path: &'a Path,
    /// New files take its group.
    setgid: bool,
}

impl<'a> Place<'a> {
    fn new(fd: &'a OwnedFd, path: &'a Path) -> io::Result<Place<'a>> {
        let setgid = fstat(fd)?.st_mode & 0o2000 != 0;
        Ok(Place { fd: fd.as_fd(), path, setgid })
    }
}

impl Writer<'_> {
    /// A file that a source names: into the destination if that is a folder, else under its name.
    fn file(&mut self, piece: &Selected, entry: &Entry) -> Result<()> {
        let (target, as_folder) = self.target(piece)?;
        let open = || digest::open(self.source.root(), &piece.path);
        let wrong = |path: &Path, error: io::Error| self.wrong(&piece.path, path, &error);
        if self.request.unpack && matches!(entry.what, What::File) {
            let found = open().and_then(archive::archive).map_err(|error| wrong(&target.path, error))?;
            if let Some(found) = found {
                let mut left_out =
                    archive::unpack(found, self.dest, &target.path, self.request.owner).with_context(|| {
                        format!("ADD {}: cannot unpack it to /{}", piece.path.display(), target.path.display())
                    })?;
                self.outcome.warnings.append(&mut left_out);
                return Ok(());
            }
        }
        let inside = as_folder || target.is_dir();
        let parent = if inside { target.path.as_path() } else { target.path.parent().unwrap_or(Path::new("")) };
        let name = if inside { entry.name.as_os_str() } else { target.path.file_name().unwrap_or_default() };
        let path = parent.join(name);
        let fd = self.new_folders(parent).map_err(|error| wrong(&path, error))?;
        let place = Place::new(&fd, parent).map_err(|error| wrong(&path, error))?;
        self.put(&place, name, entry, &piece.path, open).map_err(|error| self.wrong(&piece.path, &path, &error))
    }

    /// The contents of a folder that a source names.
    fn tree(&mut self, piece: &Selected, tree: &Tree) -> Result<()> {
        let (target, _) = self.target(piece)?;
        if target.found.is_some() && !target.is_dir() {
            let error = io::Error::other("cannot copy to non-directory: it exists and is no folder");
            return Err(self.wrong(&piece.path, &target.path, &error));
        }
        let top = self.new_folders(&target.path).map_err(|error| self.wrong(&piece.path, &target.path, &error))?;
        let top = Root::from_fd(top);
        for (folder, entries) in tree.folders() {
            let from = join(&piece.path, &folder.path);
            let to = join(&target.path, &folder.path);
            let opened = files::open_folder(self.source.root(), &from)
                .and_then(|from| Ok((from, files::open_folder(&top, &folder.path)?)))
                .map_err(|error| self.wrong(&from, &to, &error))?;
            let place = Place::new(&opened.1, &to).map_err(|error| self.wrong(&from, &to, &error))?;
            for entry in entries.iter().filter(|entry| tree.takes(entry)) {
                let open = || open_in(opened.0.as_fd(), &entry.name);
                let from = || join(&from, Path::new(&entry.name));
                self.put(&place, &entry.name, entry, &from(), open)
                    .map_err(|error| self.wrong(&from(), &to.join(&entry.name), &error))?;
            }
        }
        // Deepest first, and after all is written: making an entry changes the times of its folder.
        for (folder, _) in tree.folders().rev().filter(|(folder, _)| !folder.path.as_os_str().is_empty()) {
            let meta = self.meta(&folder.stat, true);
            files::open_folder(&top, &folder.path)
                .and_then(|fd| files::finish(fd, &meta, false, &folder.xattrs))
                .map_err(|error| {
                    self.wrong(&join(&piece.path, &folder.path), &join(&target.path, &folder.path), &error)
                })?;
        }
        Ok(())
    }

    /// Where a piece goes, and whether that was written as a folder; what `--parents` puts between is made.
    fn target(&mut self, piece: &Selected) -> Result<(Resolved, bool)> {
        let (written, as_folder) = self.request.destination();
        let mut target = resolve(self.dest, &written).map_err(|error| {
            let word = self.request.word();
            fail(Kind::User, format!("{word}: destination /{}: {}", written.display(), plain(&error)))
        })?;
        let Some((last, stat)) = piece.above.last() else { return Ok((target, as_folder)) };
        let wrong = |error: io::Error| self.wrong(&piece.path, &target.path.join(last), &error);
        let base = Root::from_fd(self.new_folders(&target.path).map_err(wrong)?);
        for (path, _) in &piece.above {
            let parent = path.parent().unwrap_or(Path::new(""));
            files::open_folder(&base, parent)
                .and_then(|parent| files::make_folder(parent.as_fd(), path.file_name().unwrap_or_default()))
                .map_err(wrong)?;
        }
        for (path, stat) in &piece.above {
            self.above.entry(target.path.join(path)).or_insert(*stat);
        }
        target.path.push(last);
        target.found = Some(*stat);
        Ok((target, true))
    }

    /// Gives the folders of `--parents` their metadata, deepest first.
    fn finish_above(&self) -> Result<()> {
        for (path, stat) in self.above.iter().rev() {
            files::open_folder(self.dest, path)
                .and_then(|fd| files::finish(fd, &self.meta(stat, true), false, &[]))
                .map_err(|error| self.wrong(path, path, &error))?;
        }
        Ok(())
    }

    /// Makes the folder `path` of the destination and those above it, where they are missing.
    fn new_folders(&self, path: &Path) -> io::Result<OwnedFd> {
        let mode = self.request.chmod.as_ref().and_then(|chmod| chmod.for_new_folder()).unwrap_or(NEW_FOLDER);
        let owner = self.owner.filter(|owner| *owner != self.me);
        self.dest.create_dirs(&Path::new("/").join(path), mode, owner)
    }

    fn meta<'b>(&self, stat: &'b Stat, is_dir: bool) -> Meta<'b> {
        Meta {
            owner: self.owner.unwrap_or((stat.st_uid, stat.st_gid)),
            mode: self.request.mode_for(stat.st_mode, is_dir),
            times: stat,
        }
    }

    /// Puts one entry under `name`; a folder is only made, what is in it comes later.
    fn put(
        &mut self,
        place: &Place,
        name: &OsStr,
        entry: &Entry,
        from: &Path,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        let meta = self.meta(&entry.stat, false);
        match &entry.what {
            What::Folder(_) => files::make_folder(place.fd, name),
            What::Link(target) => files::make_link(place.fd, name, target, &meta),
            What::Special => files::make_special(place.fd, name, &entry.stat, &meta),
            What::File => {
                if entry.stat.st_nlink > 1 && self.link(place, name, entry)? {
                    return Ok(());
                }
                let source = open()?;
                let file = files::create(place.fd, name)?;
                self.mover.copy(&source, &file, entry.stat.st_size as u64)?;
                let owned = meta.owner == self.me && !place.setgid;
                files::finish(&file, &meta, owned, &kept_xattrs(&source)?)?;
                if entry.stat.st_nlink > 1 {
                    let key = (entry.stat.st_dev, entry.stat.st_ino);
                    self.links.insert(key, (place.path.join(name), fstat(&file)?.st_ino));
                }
                if self.outcome.changed.is_none() && !same_state(&entry.stat, &fstat(&source)?) {
                    self.outcome.changed = Some(from.to_path_buf());
                }
                Ok(())
            }
        }
    }

    /// Makes `name` another name of a file that this COPY has already put somewhere. False if it must be copied instead.
    fn link(&mut self, place: &Place, name: &OsStr, entry: &Entry) -> io::Result<bool> {
        let Some((path, ino)) = self.links.get(&(entry.stat.st_dev, entry.stat.st_ino)) else { return Ok(false) };
        let Ok((dir, old)) = self.dest.resolve_parent(&Path::new("/").join(path)) else { return Ok(false) };
        // A later source may have put something else there.
        let same = |stat: Stat| kind(&stat) == FileType::RegularFile && stat.st_ino == *ino;
        if !statat(&dir, &old, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(same) {
            return Ok(false);
        }
        // The name itself must not be removed to make room for its own twin.
        if *path == place.path.join(name) {
            return Ok(true);
        }
        match files::replace(place.fd, name, || linkat(&dir, &old, place.fd, name, AtFlags::empty())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Other => Err(error),
            // Too many names, or a file system that has none: two copies are as good.
            Err(_) => Ok(false),
        }
    }

    fn wrong(&self, from: &Path, to: &Path, error: &io::Error) -> anyhow::Error {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let kind = if full { Kind::System } else { Kind::User };
        let (from, to) = (from.display(), to.display());
        fail(kind, format!("{}: {from} to /{to}: {}", self.request.word(), plain(error)))
    }
}

/// Opens the regular file `name` of a source folder; see [`digest::open`].
fn open_in(dir: BorrowedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::empty())?;
    if kind(&fstat(&fd)?) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file any more"));
    }
    Ok(File::from(fd))
}
