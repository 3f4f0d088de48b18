//! Putting one thing into a folder: bytes by the cheapest way the file systems offer, then owner, attributes, mode, times.
//!
//! All by descriptor and by a single name, so that nothing here can be led elsewhere. Which things go where is decided in
//! [`super::execute`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::resolve::kind;
use crate::sys::{path, xattr};

/// A clone shares whole blocks and costs a transaction of the file system; a small file is sooner written.
const CLONE_FROM: u64 = 32 * 1024;
/// Bytes moved by one call.
const CHUNK: usize = 256 * 1024;
const RANGE_CHUNK: usize = 1 << 30;

/// What a new file, folder or link is given.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a> {
    /// (uid, gid).
    pub owner: (u32, u32),
    /// Twelve bits; without meaning for a link.
    pub mode: u32,
    /// Whose times it takes.
    pub times: &'a Stat,
}

/// Moves bytes, and remembers which ways this pair of file systems refused.
pub struct Mover {
    clone: bool,
    range: bool,
    buffer: Vec<u8>,
}

impl Mover {
    /// Every way is still open.
    pub fn new() -> Mover {
        Mover { clone: true, range: true, buffer: vec![0; CHUNK] }
    }

    /// Copies `from`, of about `size` bytes, into the empty file `to`: shares blocks, or lets the kernel copy, or copies.
    pub fn copy(&mut self, mut from: &File, mut to: &File, size: u64) -> io::Result<()> {
        if self.clone && size >= CLONE_FROM {
            match fs::ioctl_ficlone(to, from) {
                Ok(()) => return Ok(()),
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::IO)) => return Err(error.into()),
                Err(_) => self.clone = false,
            }
        }
        if self.range && size >= CLONE_FROM {
            loop {
                match fs::copy_file_range(from, None, to, None, RANGE_CHUNK) {
                    Ok(0) => break,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::FBIG)) => return Err(error.into()),
                    Err(_) => {
                        self.range = false;
                        break;
                    }
                }
            }
        }
        // Both positions moved along, so this takes over wherever the kernel stopped.
        loop {
            match from.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    to.write_all(&self.buffer[..n])?;
                    if n < self.buffer.len() && size < CLONE_FROM {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Makes `name` in `dir` by `make`; a file or link that has the name is removed first, a folder is an error.
pub fn replace<T>(dir: BorrowedFd, name: &OsStr, make: impl Fn() -> Result<T, Errno>) -> io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {}
        other => return Ok(other?),
    }
    if kind(&fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?) == FileType::Directory {
        let name = name.display();
        return Err(io::Error::other(format!("cannot replace to directory {name} with file")));
    }
    fs::unlinkat(dir, name, AtFlags::empty())?;
    Ok(make()?)
}

/// Makes an empty file for writing.
pub fn create(dir: BorrowedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    replace(dir, name, || fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))).map(File::from)
}

/// Makes a folder where there is none; a file or a link in its place is an error. Its final mode comes later, because
/// things still have to be put into it.
pub fn make_folder(dir: BorrowedFd, name: &OsStr) -> io::Result<()> {
    match fs::mkdirat(dir, name, Mode::from_raw_mode(0o700)) {
        Err(Errno::EXIST) => {}
        other => return Ok(other?),
    }
    if kind(&fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?) == FileType::Directory {
        return Ok(());
    }
    Err(io::Error::other(format!("cannot copy to non-directory: {} exists and is no folder", name.display())))
}

/// Makes a symbolic link.
pub fn make_link(dir: BorrowedFd, name: &OsStr, target: &[u8], meta: &Meta) -> io::Result<()> {
    replace(dir, name, || fs::symlinkat(target, dir, name))?;
    give_by_name(dir, name, meta)
}

/// Makes a FIFO or a device.
pub fn make_special(dir: BorrowedFd, name: &OsStr, like: &Stat, meta: &Meta) -> io::Result<()> {
    let kind = kind(like);
    replace(dir, name, || fs::mknodat(dir, name, kind, Mode::from_raw_mode(0o600), like.st_rdev)).map_err(|error| {
        let refused = kind != FileType::Fifo && error.kind() == io::ErrorKind::PermissionDenied;
        if refused { io::Error::other("it is a device, which only the real root can make") } else { error }
    })?;
    give_by_name(dir, name, meta)?;
    path::chmod_no_follow(dir, name, meta.mode)?;
    Ok(fs::utimensat(dir, name, &times(meta.times), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn give_by_name(dir: BorrowedFd, name: &OsStr, meta: &Meta) -> io::Result<()> {
    let (uid, gid) = meta.owner;
    fs::chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| cannot_give(meta.owner, error))?;
    Ok(fs::utimensat(dir, name, &times(meta.times), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Gives an open file or folder its owner (unless it has it already), attributes, mode and times, in this order: a change
/// of owner drops set-id bits and capabilities, and a file that is read-only refuses attributes to its owner.
pub fn finish(file: impl AsFd, meta: &Meta, owned: bool, xattrs: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    let fd = file.as_fd();
    if !owned {
        let (uid, gid) = meta.owner;
        fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|error| cannot_give(meta.owner, error))?;
    }
    for (name, value) in xattrs {
        match xattr::set(fd, name, value) {
            // Best effort: not every file system, nor every user, may have them.
            Err(error) if best_effort(&error) => {}
            other => other?,
        }
    }
    fs::fchmod(fd, Mode::from_raw_mode(meta.mode))?;
    Ok(fs::futimens(fd, &times(meta.times))?)
}

fn best_effort(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

fn cannot_give((uid, gid): (u32, u32), error: Errno) -> io::Error {
    match error {
        Errno::INVAL | Errno::PERM | Errno::OVERFLOW => io::Error::other(format!(
            "cannot give it to {uid}:{gid}, which is outside of the ids that /etc/subuid and /etc/subgid grant you"
        )),
        other => other.into(),
    }
}

#[allow(clippy::unnecessary_cast)] // the types of the fields differ by architecture
fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, ns: u64| Timespec { tv_sec: seconds as _, tv_nsec: ns as _ };
    Timestamps {
        last_access: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
        last_modification: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
    }
}

/// Opens the folder `path` (never a link) below `top`.
pub fn open_folder(top: &path::Root, path: &std::path::Path) -> io::Result<OwnedFd> {
    top.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}
