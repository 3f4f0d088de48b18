//! The content digest of a selection: all that decides what a COPY writes, and nothing else.
//!
//! Names, kinds, modes and owners as they will be, link targets, attributes and bytes count; times, inode numbers and the
//! place of the context on the disk do not, so that a fresh checkout finds the cache of an old one. The top folder counts by its
//! contents alone, because its own metadata are not copied.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};

use super::resolve::{join, kind};
use super::select::{Piece, Selected};
use super::tree::{Entry, What};
use super::{Request, Source};
use crate::build::context::plain;
use crate::build::index::{ContentDigest, Hashed, hash_file, with_xattrs};
use crate::build::key::hex;
use crate::error::{Kind, Result, fail_with};
use crate::sys::path::Root;

/// Below this many bytes, or this many files, a second thread costs more than it brings.
const PARALLEL_BYTES: u64 = 4 << 20;
const PARALLEL_FILES: usize = 256;
/// More threads than this only queue at the disk.
const MAX_THREADS: usize = 8;

/// The digest of what `selected` would write. Files of the context are read only if the index does not know them.
pub fn digest(source: &Source, selected: &[Selected], request: &Request) -> Result<ContentDigest> {
    let mut contents = contents(source, selected, request)?.into_iter();
    let mut feed = Feed { hasher: Sha256::new(), request, owner: request.owner_from(source) };
    feed.hasher.update(b"dhow copy 1\0");
    for piece in selected {
        for (path, stat) in &piece.above {
            feed.hasher.update(b"A");
            feed.bytes(path.as_os_str().as_bytes());
            feed.meta(stat, true);
        }
        match &piece.what {
            Piece::File(entry) => {
                feed.hasher.update(b"F");
                feed.entry(entry, &mut contents);
            }
            Piece::Folder(tree) => {
                feed.hasher.update(b"T");
                for (folder, entries) in tree.folders() {
                    feed.hasher.update(b"D");
                    feed.bytes(folder.path.as_os_str().as_bytes());
                    feed.hasher.update(with_xattrs(&[0; 32], &folder.xattrs));
                    for entry in entries.iter().filter(|entry| tree.takes(entry)) {
                        feed.entry(entry, &mut contents);
                    }
                }
            }
        }
    }
    Ok(feed.hasher.finalize().into())
}

/// Of more files than this no list is kept.
const MOST_LISTED: usize = 4096;

/// The names of what `selected` would write, each with a short digest of all that counts of it; nothing if there are too
/// many. For explanations only: the digests are too short to decide anything.
pub fn list(source: &Source, selected: &[Selected], request: &Request) -> Result<Vec<(String, String)>> {
    let mut contents = contents(source, selected, request)?.into_iter();
    let owner = request.owner_from(source);
    let mut all = Vec::new();
    let mut add = |path: PathBuf, entry: &Entry| {
        let mut feed = Feed { hasher: Sha256::new(), request, owner };
        feed.entry(entry, &mut contents);
        let digest: [u8; 32] = feed.hasher.finalize().into();
        all.push((path.to_string_lossy().into_owned(), hex(&digest[..8])));
    };
    for piece in selected {
        match &piece.what {
            Piece::File(entry) => add(piece.path.clone(), entry),
            Piece::Folder(tree) => {
                for (folder, entries) in tree.folders() {
                    let taken = entries.iter().filter(|entry| tree.takes(entry));
                    taken.for_each(|entry| add(join(&piece.path, &folder.path).join(&entry.name), entry));
                }
            }
        }
    }
    if all.len() > MOST_LISTED {
        all.clear();
    }
    Ok(all)
}

/// Writes records whose ends are known, so that no two selections look alike.
struct Feed<'a> {
    hasher: Sha256,
    request: &'a Request<'a>,
    owner: Option<(u32, u32)>,
}

impl Feed<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update((bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    /// Kind, mode and owner, as they will be.
    fn meta(&mut self, stat: &Stat, is_dir: bool) {
        let (uid, gid) = self.owner.unwrap_or((stat.st_uid, stat.st_gid));
        // A link has no mode of its own.
        let link = kind(stat) == FileType::Symlink;
        let mode = if link { 0 } else { self.request.mode_for(stat.st_mode, is_dir) };
        for number in [stat.st_mode & 0o170000, mode, uid, gid] {
            self.hasher.update(number.to_le_bytes());
        }
    }

    fn entry(&mut self, entry: &Entry, contents: &mut impl Iterator<Item = ContentDigest>) {
        let stat = &entry.stat;
        self.hasher.update(b"E");
        self.bytes(entry.name.as_bytes());
        self.meta(stat, matches!(entry.what, What::Folder(_)));
        match &entry.what {
            What::File => {
                self.hasher.update((stat.st_size as u64).to_le_bytes());
                self.hasher.update(contents.next().unwrap_or_default());
            }
            What::Link(target) => self.bytes(target),
            What::Special => self.hasher.update(stat.st_rdev.to_le_bytes()),
            What::Folder(_) => {}
        }
    }
}

/// A file whose content is asked for.
struct Job<'a> {
    path: PathBuf,
    stat: &'a Stat,
}

/// The content digests of all regular files, in the order of the selection.
fn contents(source: &Source, selected: &[Selected], request: &Request) -> Result<Vec<ContentDigest>> {
    let mut known = Vec::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut places = Vec::new();
    let mut index = match source {
        Source::Context(context) => Some(context.index().borrow_mut()),
        Source::Tree(_) => None,
    };
    each_file(selected, |top, folder, entry| {
        let found = index.as_mut().and_then(|index| index.lookup(&entry.stat));
        if found.is_none() {
            let path = folder.map_or_else(|| top.to_path_buf(), |folder| join(top, folder).join(&entry.name));
            places.push(known.len());
            jobs.push(Job { path, stat: &entry.stat });
        }
        known.push(found.unwrap_or_default());
    });
    let hashed = hash_all(source.root(), &jobs).map_err(|(path, error)| {
        fail_with(
            Kind::User,
            format!("{}: cannot read {} in {}: {}", request.word(), path.display(), source.describe(), plain(&error)),
            "Make it readable, or leave it out by .dockerignore.",
        )
    })?;
    for ((hashed, job), place) in hashed.iter().zip(&jobs).zip(places) {
        known[place] = hashed.digest;
        if let Some(index) = index.as_mut() {
            index.record(job.stat, hashed);
        }
    }
    Ok(known)
}

/// Calls `visit` with (top, folder below it, entry) for every regular file, in the order that [`digest`] meets them.
fn each_file<'a>(selected: &'a [Selected], mut visit: impl FnMut(&'a Path, Option<&'a Path>, &'a Entry)) {
    for piece in selected {
        match &piece.what {
            Piece::File(entry) if matches!(entry.what, What::File) => visit(&piece.path, None, entry),
            Piece::File(_) => {}
            Piece::Folder(tree) => {
                for (folder, entries) in tree.folders() {
                    for entry in entries.iter().filter(|entry| matches!(entry.what, What::File)) {
                        visit(&piece.path, Some(&folder.path), entry);
                    }
                }
            }
        }
    }
}

fn hash_all(root: &Root, jobs: &[Job]) -> Result<Vec<Hashed>, (PathBuf, io::Error)> {
    let one = |job: &Job| {
        open(root, &job.path).and_then(|file| hash_file(&file, job.stat)).map_err(|error| (job.path.clone(), error))
    };
    let bytes: u64 = jobs.iter().map(|job| job.stat.st_size as u64).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    if cores == 1 || jobs.len() < 2 || (bytes < PARALLEL_BYTES && jobs.len() < PARALLEL_FILES) {
        return jobs.iter().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < jobs.len()) {
                    let result = one(&jobs[at]);
                    if result.is_err() {
                        next.store(jobs.len(), Ordering::Relaxed);
                    }
                    mine.push((at, result));
                }
                done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).append(&mut mine);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Opens a regular file for reading; never waits for a FIFO that took its place, never follows a link at the end.
pub(super) fn open(root: &Root, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(root.open_at(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file any more"));
    }
    Ok(file)
}
