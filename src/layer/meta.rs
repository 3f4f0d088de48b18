//! What both ways of unpacking share: checked paths, owners, modes, attributes, times, and warnings.
//!
//! Metadata goes only onto a descriptor of the very inode just made, or onto a name without following it: a path could
//! have become a link meanwhile (CVE-2026-33056, CVE-2021-32760).

use super::entry::Entry;
use super::reader::TarReader;
use super::{MAX_DEPTH, MAX_NAME, MAX_PATH};
use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::{path, xattr};
use anyhow::Context;
use rustix::fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

/// Warnings are for people: after this many only their number is told.
const MAX_WARNINGS: usize = 20;

/// The only attribute outside `user.*` that layers carry.
pub const CAPABILITY: &[u8] = b"security.capability";

/// Things left out, in words.
#[derive(Default)]
pub struct Warnings {
    list: Vec<String>,
    more: usize,
}

impl Warnings {
    pub fn add(&mut self, text: String) {
        if self.list.len() < MAX_WARNINGS {
            self.list.push(text);
        } else {
            self.more += 1;
        }
    }

    pub fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.list.push(format!("{} more warnings of this sort are not shown", self.more));
        }
        self.list
    }
}

/// A path of bytes as the system takes it.
pub fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The path of an entry relative to the tree's top: no empty, `.` or `..` parts; empty for the top itself.
pub fn clean_path(raw: &[u8]) -> Result<Vec<u8>> {
    let refuse = |why: &str| {
        let shown = String::from_utf8_lossy(&raw[..raw.len().min(300)]);
        fail(Kind::User, format!("archive entry {shown:?} {why}"))
    };
    if raw.len() > MAX_PATH {
        return Err(refuse(&format!("has a path of {} bytes; {MAX_PATH} are possible", raw.len())));
    }
    let mut clean = Vec::with_capacity(raw.len());
    let mut depth = 0;
    for part in raw.split(|b| *b == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err(refuse("has `..` in its path")),
            _ if part.contains(&0) => return Err(refuse("has a NUL in its path")),
            _ if part.len() > MAX_NAME => return Err(refuse(&format!("has a name longer than {MAX_NAME} bytes"))),
            _ => {}
        }
        depth += 1;
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(part);
    }
    if depth > MAX_DEPTH {
        return Err(refuse(&format!("is nested deeper than {MAX_DEPTH}")));
    }
    Ok(clean)
}

/// The directory part and the last name of a clean path that is not empty.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// The target of a symbolic link, checked for what the kernel would refuse with less clear words.
pub fn link_target(entry: &Entry) -> Result<&OsStr> {
    if entry.link.is_empty() || entry.link.len() > MAX_PATH {
        return Err(fail(Kind::User, format!("symbolic link {:?} has an empty or too long target", entry.shown())));
    }
    Ok(os(&entry.link))
}

/// Copies the content of the current entry into a new file; what is between the parts of a sparse one becomes holes.
pub fn write_content<R: Read>(reader: &mut TarReader<'_, R>, file: &mut File, entry: &Entry) -> Result<()> {
    let what = || format!("cannot write {:?}", entry.shown());
    let whole = [(0, entry.size)];
    for (offset, length) in entry.sparse.as_ref().map_or(&whole[..], |sparse| &sparse.pieces) {
        if *offset > 0 {
            file.seek(SeekFrom::Start(*offset)).with_context(what)?;
        }
        let mut left = *length;
        while left > 0 {
            let chunk = reader.content_at_most(left)?;
            file.write_all(chunk).with_context(what)?;
            left -= chunk.len() as u64;
        }
    }
    if let Some(sparse) = &entry.sparse {
        file.set_len(sparse.size).with_context(what)?;
    }
    Ok(())
}

/// Gives an open file or directory its owner and attributes (in this order: a change of owner drops capabilities).
pub fn apply_owner_and_xattrs(fd: BorrowedFd<'_>, entry: &Entry, owner: (u32, u32), w: &mut Warnings) -> Result<()> {
    fs::fchown(fd, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))
        .map_err(|error| owner_error(error, entry, owner))?;
    for (name, value) in &entry.xattrs {
        if !is_kept_xattr(name) {
            continue;
        }
        let shown = || format!("attribute {} of {:?}", String::from_utf8_lossy(name), entry.shown());
        let plain = if name == CAPABILITY { Some(capability_v2(value)) } else { None };
        match xattr::set(fd, name, plain.as_deref().unwrap_or(value)) {
            Ok(()) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EPERM)) => {
                w.add(format!("{} is left out: {error}", shown()));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot set {}", shown())),
        }
    }
    Ok(())
}

/// Gives an open file or directory its mode and time, the last things to do to it.
pub fn apply_mode_and_time(fd: BorrowedFd<'_>, mode: u32, mtime: (i64, u32)) -> rustix::io::Result<()> {
    fs::fchmod(fd, Mode::from_raw_mode(mode))?;
    fs::futimens(fd, &timestamps(mtime))
}

/// Gives what cannot be opened (a symbolic link, a FIFO) its owner, mode and time, without following it.
pub fn apply_by_name(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    owner: (u32, u32),
    mode: Option<u32>,
) -> Result<()> {
    let what = || format!("cannot set the metadata of {:?}", entry.shown());
    fs::chownat(parent, name, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| owner_error(error, entry, owner))?;
    if let Some(mode) = mode {
        path::chmod_no_follow(parent, name, mode).with_context(what)?;
    }
    fs::utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).with_context(what)
}

fn timestamps(mtime: (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: mtime.0, tv_nsec: mtime.1.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn owner_error(error: Errno, entry: &Entry, (uid, gid): (u32, u32)) -> anyhow::Error {
    let what = format!("cannot give {:?} to user {uid}, group {gid}", entry.shown());
    if !matches!(error, Errno::INVAL | Errno::PERM) {
        return anyhow::Error::new(std::io::Error::from(error)).context(what);
    }
    let needed = uid.max(gid);
    fail_with(
        Kind::System,
        format!("{what}: the id is outside the ids that this user may use"),
        format!(
            "Give this user a range of more than {needed} ids in /etc/subuid and /etc/subgid (`usermod --add-subuids`, `--add-subgids`)."
        ),
    )
}

/// `user.*` but nothing that overlayfs would obey, and file capabilities.
pub fn is_kept_xattr(name: &[u8]) -> bool {
    (name.starts_with(b"user.") && !name.starts_with(b"user.overlay.")) || name == CAPABILITY
}

/// File capabilities without the root id of another user namespace: version 3 to version 2 (`linux/capability.h`). The
/// kernel adds the id of ours again.
pub fn capability_v2(value: &[u8]) -> Vec<u8> {
    const V2: u32 = 0x0200_0000;
    const V3: u32 = 0x0300_0000;
    const FLAGS: u32 = 0x00ff_ffff;
    let mut out = value.to_vec();
    if let Some(magic) = value.first_chunk::<4>().map(|m| u32::from_le_bytes(*m))
        && magic & !FLAGS == V3
        && value.len() == 24
    {
        out.truncate(20);
        out[..4].copy_from_slice(&(V2 | magic & FLAGS).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        assert_eq!(clean_path(b"./a//b/./c/").unwrap(), b"a/b/c");
        assert_eq!(clean_path(b"/etc/x").unwrap(), b"etc/x");
        assert_eq!(clean_path(b"./").unwrap(), b"");
        assert_eq!(clean_path(b"..a/b..").unwrap(), b"..a/b..");
        let long = vec![b'x'; 256];
        let deep = b"d/".repeat(1025);
        for bad in [&b"../x"[..], b"a/../b", b"a/..", b"a\0b", &long, &deep] {
            assert!(clean_path(bad).is_err());
        }
    }

    #[test]
    fn capabilities_lose_their_namespace() {
        let mut v3 = vec![1, 0, 0, 3];
        v3.extend([9; 20]);
        let v2 = capability_v2(&v3);
        assert_eq!((v2.len(), v2[0], v2[3]), (20, 1, 2));
        assert_eq!(capability_v2(&v2), v2);
        assert_eq!(capability_v2(b"x"), b"x");
    }

    #[test]
    fn overlay_attributes_are_dropped() {
        assert!(is_kept_xattr(b"user.note") && is_kept_xattr(CAPABILITY));
        for name in [&b"user.overlay.redirect"[..], b"trusted.overlay.opaque", b"security.selinux", b"trusted.x"] {
            assert!(!is_kept_xattr(name));
        }
    }
}
