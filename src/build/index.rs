//! The context index: content digests of files that did not change since an earlier build, so that a warm build asks the
//! file system for metadata only.
//!
//! It is a cache and never more: a file that is missing, damaged or of another version is an empty index, and a failure to
//! write it loses time, not truth. An entry is trusted as long as the inode's size, mtime and ctime are what they were.
//! Git's "racy" rule holds: a file changed so shortly before it was read that a later change could leave the same time
//! stamps is not recorded.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use sha2::{Digest, Sha256};

use crate::sys::xattr;

/// What a file holds: SHA-256 of its bytes, or of those and its attributes if it has some that are copied.
pub type ContentDigest = [u8; 32];

const MAGIC: &[u8; 8] = b"dhowidx1";
/// Magic, number of records, SHA-256 of the records.
const HEADER: usize = 8 + 8 + 32;
/// Device, inode, size, mtime and ctime in nanoseconds, digest.
const RECORD: usize = 5 * 8 + 32;
/// A larger file is not ours (10 million files).
const MAX_FILE: u64 = (HEADER + 10_000_000 * RECORD) as u64;
/// Entries of files that no recent build looked at, beyond as many as were looked at; more than that are forgotten.
const MAX_IDLE: usize = 50_000;
/// The kernel stamps with the time of its last tick: 10 ms at most, and some file systems add their own delay.
const RACY_NS: i64 = 100_000_000;
/// A stamp without nanoseconds comes from a file system that counts in seconds, or in two.
const RACY_COARSE_NS: i64 = 2_500_000_000;
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// The identity of an inode's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    mtime: i64,
    ctime: i64,
}

#[derive(Debug)]
struct Entry {
    state: State,
    digest: ContentDigest,
    used: bool,
}

/// Digests of the files of one context folder.
#[derive(Debug)]
pub struct ContextIndex {
    file: PathBuf,
    entries: HashMap<(u64, u64), Entry>,
    changed: bool,
}

/// The digest of a file that was read, and whether it may be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Hashed {
    /// The digest of what was read.
    pub digest: ContentDigest,
    lasting: bool,
}

impl ContextIndex {
    /// Loads the index of the folder `context` (its absolute path) from the folder `dir`.
    pub fn open(dir: &Path, context: &Path) -> ContextIndex {
        let name = hex(&Sha256::digest(context.as_os_str().as_bytes()).into());
        let file = dir.join(format!("{name}.idx"));
        let entries = load(&file).unwrap_or_default();
        ContextIndex { file, entries, changed: false }
    }

    /// The recorded digest of a file in this state.
    pub fn lookup(&mut self, stat: &Stat) -> Option<ContentDigest> {
        let state = state_of(stat)?;
        let entry = self.entries.get_mut(&(stat.st_dev, stat.st_ino)).filter(|entry| entry.state == state)?;
        entry.used = true;
        Some(entry.digest)
    }

    /// Records what [`hash_file`] found for a file in this state, unless it could be out of date unnoticed.
    pub fn record(&mut self, stat: &Stat, hashed: &Hashed) {
        let Some(state) = state_of(stat).filter(|_| hashed.lasting) else { return };
        self.entries.insert((stat.st_dev, stat.st_ino), Entry { state, digest: hashed.digest, used: true });
        self.changed = true;
    }

    /// The digest of the file with these metadata: the recorded one, or else of what `open` gives.
    pub fn digest_of(&mut self, stat: &Stat, open: impl FnOnce() -> io::Result<File>) -> io::Result<ContentDigest> {
        if let Some(digest) = self.lookup(stat) {
            return Ok(digest);
        }
        let hashed = hash_file(&open()?, stat)?;
        self.record(stat, &hashed);
        Ok(hashed.digest)
    }

    /// Writes the index if it changed. It is written beside and renamed, not synced: after a power loss its checksum tells.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let used = self.entries.values().filter(|entry| entry.used).count();
        if self.entries.len() - used > used + MAX_IDLE {
            self.entries.retain(|_, entry| entry.used);
        }
        let mut records = Vec::with_capacity(self.entries.len() * RECORD);
        for ((dev, ino), entry) in &self.entries {
            for number in [*dev, *ino, entry.state.size] {
                records.extend_from_slice(&number.to_le_bytes());
            }
            for time in [entry.state.mtime, entry.state.ctime] {
                records.extend_from_slice(&time.to_le_bytes());
            }
            records.extend_from_slice(&entry.digest);
        }
        let mut bytes = Vec::with_capacity(HEADER + records.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&records));
        bytes.append(&mut records);
        self.write(&bytes)?;
        self.changed = false;
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        crate::store::record::write_quick(&self.file, bytes).map_err(io::Error::other)
    }
}

/// Reads a regular file and tells its digest; `stat` is what the caller knows of it. The digest covers the attributes that
/// [`kept_xattrs`] names: a change of them changes the ctime, so that one index entry answers for both.
pub fn hash_file(file: &File, stat: &Stat) -> io::Result<Hashed> {
    let before = now_ns();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER.min(usize::try_from(stat.st_size).unwrap_or(0) + 1)];
    let mut reader = file;
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                total += n as u64;
                // There was room for more, and nothing more is expected; the size is looked at once more below.
                if n < buffer.len() && total == stat.st_size as u64 {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut digest: ContentDigest = hasher.finalize().into();
    let attributes = kept_xattrs(file)?;
    if !attributes.is_empty() {
        digest = with_xattrs(&digest, &attributes);
    }
    let after = rustix::fs::fstat(file)?;
    let lasting = same_state(stat, &after) && state_of(&after).is_some_and(|state| !racy(&state, before));
    Ok(Hashed { digest, lasting })
}

/// The attributes that COPY carries over: the user's own and file capabilities. Labels of security modules and overlay's
/// own marks belong to the place, not to the file.
pub fn kept_xattrs(file: impl std::os::fd::AsFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let fd = file.as_fd();
    let mut kept = Vec::new();
    for name in xattr::list(fd)? {
        let user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if !user && name != b"security.capability" {
            continue;
        }
        if let Some(value) = xattr::get(fd, &name)? {
            kept.push((name, value));
        }
    }
    Ok(kept)
}

/// The digest of bytes together with attributes, whose order does not matter.
pub fn with_xattrs(content: &ContentDigest, attributes: &[(Vec<u8>, Vec<u8>)]) -> ContentDigest {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort();
    let mut hasher = Sha256::new();
    hasher.update(b"with attributes\0");
    hasher.update(content);
    for part in sorted.into_iter().flat_map(|(name, value)| [name, value]) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Whether both describe the same inode in the same state.
pub fn same_state(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino, a.st_mode) == (b.st_dev, b.st_ino, b.st_mode)
        && state_of(a).is_some()
        && state_of(a) == state_of(b)
}

/// The state of an inode; none where its times do not fit (before 1678, after 2262).
#[allow(clippy::unnecessary_cast)] // the types of the fields differ by architecture
fn state_of(stat: &Stat) -> Option<State> {
    let ns = |seconds: i64, ns: u64| seconds.checked_mul(1_000_000_000)?.checked_add(i64::try_from(ns).ok()?);
    let (mtime, ctime) =
        (ns(stat.st_mtime as i64, stat.st_mtime_nsec as u64)?, ns(stat.st_ctime as i64, stat.st_ctime_nsec as u64)?);
    Some(State { size: stat.st_size as u64, mtime, ctime })
}

/// Whether a change at or after the moment `now` could leave these stamps as they are.
fn racy(state: &State, now: i64) -> bool {
    [state.mtime, state.ctime].into_iter().any(|stamp| {
        let window = if stamp % 1_000_000_000 == 0 { RACY_COARSE_NS } else { RACY_NS };
        stamp > now.saturating_sub(window) && stamp <= now
    }) || state.ctime > now
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// Reads an index; nothing if anything about it is wrong.
fn load(path: &Path) -> Option<HashMap<(u64, u64), Entry>> {
    let file = File::open(path).ok()?;
    let len = file.metadata().ok().filter(|m| m.is_file() && m.len() <= MAX_FILE)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(len).ok()?);
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    let (header, records) = bytes.split_at_checked(HEADER)?;
    let count = usize::try_from(number(header, 8)?).ok()?;
    let sound = header.starts_with(MAGIC)
        && Some(records.len()) == count.checked_mul(RECORD)
        && header[16..] == Sha256::digest(records)[..];
    if !sound {
        return None;
    }
    let mut entries = HashMap::with_capacity(count);
    for record in records.chunks_exact(RECORD) {
        let field = |i: usize| number(record, i * 8);
        let state = State { size: field(2)?, mtime: field(3)? as i64, ctime: field(4)? as i64 };
        let digest = record[40..].try_into().ok()?;
        entries.insert((field(0)?, field(1)?), Entry { state, digest, used: false });
    }
    Some(entries)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn hex(bytes: &ContentDigest) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stat(path: &Path) -> Stat {
        rustix::fs::lstat(path).unwrap()
    }

    fn fail_open() -> io::Result<File> {
        Err(io::Error::other("the file was read though it is in the index"))
    }

    #[test]
    fn warm_index_reads_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let mut index = ContextIndex::open(&dir.path().join("cache"), dir.path());
        let first = index.digest_of(&stat(&file), || File::open(&file)).unwrap();
        assert_eq!(first, <ContentDigest>::from(Sha256::digest(b"x")));
        index.save().unwrap();
        let mut index = ContextIndex::open(&dir.path().join("cache"), dir.path());
        assert_eq!(index.digest_of(&stat(&file), fail_open).unwrap(), first);
        assert!(ContextIndex::open(&dir.path().join("cache"), Path::new("/other")).lookup(&stat(&file)).is_none());
        std::fs::write(&file, "y").unwrap();
        assert_ne!(index.digest_of(&stat(&file), || File::open(&file)).unwrap(), first);
    }

    #[test]
    fn fresh_file_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        let mut index = ContextIndex::open(dir.path(), dir.path());
        index.digest_of(&stat(&file), || File::open(&file)).unwrap();
        assert!(index.lookup(&stat(&file)).is_none());
    }

    #[test]
    fn racy_rule() {
        let now = 5_000_000_000_000_000_123;
        let at = |mtime, ctime| State { size: 1, mtime, ctime };
        assert!(!racy(&at(now - RACY_NS, now - RACY_NS), now));
        assert!(racy(&at(now - RACY_NS + 1, now - RACY_NS), now));
        assert!(racy(&at(0, now), now) && racy(&at(0, now + 1), now));
        assert!(!racy(&at(now + 1_000_001, 7), now), "a time set into the future says nothing, the ctime does");
        let second = now - now % 1_000_000_000;
        assert!(racy(&at(second - 2_000_000_000, 7), now));
        assert!(!racy(&at(second - 3_000_000_000, 7), now));
    }

    #[test]
    fn file_that_changes_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let old = stat(&file);
        let mut index = ContextIndex::open(dir.path(), dir.path());
        let open = || {
            std::fs::write(&file, "longer").unwrap();
            File::open(&file)
        };
        index.digest_of(&old, open).unwrap();
        assert!(index.lookup(&old).is_none() && index.lookup(&stat(&file)).is_none());
    }

    #[test]
    fn damaged_index_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let mut index = ContextIndex::open(dir.path(), dir.path());
        index.digest_of(&stat(&file), || File::open(&file)).unwrap();
        index.save().unwrap();
        let good = std::fs::read(&index.file).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&index.file, &bad).unwrap();
            assert!(load(&index.file).is_none(), "byte {at}");
        }
        std::fs::write(&index.file, &good[..good.len() - 1]).unwrap();
        assert!(load(&index.file).is_none());
        std::fs::write(&index.file, &good).unwrap();
        assert_eq!(load(&index.file).unwrap().len(), 1);
    }

    #[test]
    fn attributes_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        let plain = hash_file(&file, &stat(&path)).unwrap().digest;
        if xattr::set(std::os::fd::AsFd::as_fd(&file), b"user.note", b"1").is_err() {
            return; // no user attributes here
        }
        assert_ne!(hash_file(&File::open(&path).unwrap(), &stat(&path)).unwrap().digest, plain);
    }
}
