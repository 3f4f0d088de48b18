//! Advisory locks that belong to an open file description (OFD locks, Linux 3.15).
//!
//! Chosen over `flock` because a lock can be *tested* without taking it, and over POSIX record locks because closing
//! another descriptor of the same file does not drop them. A forked child shares its parent's lock; the lock ends
//! when the last copy of the descriptor is closed, so the death of its holders frees it, whatever killed them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With others that also share it.
    Shared,
    /// Alone. The descriptor must be open for writing.
    Exclusive,
}

fn request(kind: libc::c_int) -> libc::flock {
    // SAFETY: `flock` is a plain C structure of integers for which all zero bytes are a valid value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock
}

fn fcntl(fd: impl AsFd, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    loop {
        // SAFETY: `fd` is a live descriptor for the duration of the call and `lock` points to an initialised structure
        // of the type that these commands expect.
        let done = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), command, lock as *mut libc::flock) };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn kind(mode: Mode) -> libc::c_int {
    match mode {
        Mode::Shared => libc::F_RDLCK,
        Mode::Exclusive => libc::F_WRLCK,
    }
}

/// Takes the lock on the whole file, waiting for it as long as it needs.
pub fn lock(fd: impl AsFd, mode: Mode) -> io::Result<()> {
    fcntl(fd, libc::F_OFD_SETLKW, &mut request(kind(mode)))
}

/// Takes the lock if nobody holds it against us; false when somebody does.
pub fn try_lock(fd: impl AsFd, mode: Mode) -> io::Result<bool> {
    match fcntl(fd, libc::F_OFD_SETLK, &mut request(kind(mode))) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Lets go of the lock while the descriptor stays open (in this process and in every one that shares it).
pub fn unlock(fd: impl AsFd) -> io::Result<()> {
    fcntl(fd, libc::F_OFD_SETLK, &mut request(libc::F_UNLCK))
}

/// Whether another open file description holds a lock on the file (of either mode). Takes nothing.
pub fn is_held(fd: impl AsFd) -> io::Result<bool> {
    conflict(fd).map(|mode| mode.is_some())
}

/// How another open file description holds the file, if one does. Takes nothing.
pub fn conflict(fd: impl AsFd) -> io::Result<Option<Mode>> {
    let mut lock = request(libc::F_WRLCK);
    fcntl(fd, libc::F_OFD_GETLK, &mut lock)?;
    Ok(match libc::c_int::from(lock.l_type) {
        libc::F_UNLCK => None,
        libc::F_RDLCK => Some(Mode::Shared),
        _ => Some(Mode::Exclusive),
    })
}

/// The processes that hold a lock on the file, each with its name, by their descriptors in /proc: the kernel tells no pid
/// for these locks. Only processes that we may look into are seen; a worker is none.
pub fn holders(file: &File) -> Vec<(u32, String)> {
    let Ok(wanted) = file.metadata() else { return Vec::new() };
    let same = |fd: &Path| fs::metadata(fd).is_ok_and(|m| (m.dev(), m.ino()) == (wanted.dev(), wanted.ino()));
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let dir = process.path();
        // `lock:` lines are in fdinfo since Linux 4.1.
        let locked = |number: &std::ffi::OsStr| {
            fs::read_to_string(dir.join("fdinfo").join(number)).is_ok_and(|text| text.contains("\nlock:"))
        };
        let holds = |fd: fs::DirEntry| same(&fd.path()) && locked(&fd.file_name());
        if fs::read_dir(dir.join("fd")).into_iter().flatten().flatten().any(holds) {
            let name = fs::read_to_string(dir.join("comm")).unwrap_or_default();
            found.push((pid, name.trim_end().escape_debug().to_string()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_by_others_and_ends_with_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let holder = open();
        let other = open();
        assert!(!is_held(&other).unwrap());
        lock(&holder, Mode::Exclusive).unwrap();
        assert!(is_held(&other).unwrap());
        assert!(!try_lock(&other, Mode::Shared).unwrap());
        let copy = holder.try_clone().unwrap();
        drop(holder);
        assert!(is_held(&other).unwrap(), "a duplicate keeps the lock");
        drop(copy);
        assert!(try_lock(&other, Mode::Exclusive).unwrap());
    }
}
