//! Small JSON records: written to a temporary name, synced when they must outlive a power cut, renamed into place.
//! Reading a damaged record is an error that names the file; it never panics and never touches other records.
//!
//! A temporary file is locked by its writer until it has its place. One whose lock is free was left by a writer that was
//! killed, and goes ([`sweep`]).

use crate::error::{Kind, Result, fail};
use crate::sys::fault;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// No record of ours comes near this size; a larger file is damage.
const MAX_RECORD: u64 = 32 << 20;

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    // Long names (encoded image names) are cut, so that the temporary name stays within NAME_MAX.
    let short: String = name.chars().take(64).collect();
    path.with_file_name(format!(".{short}.{}.tmp", super::random_hex(6)))
}

/// How often a writer whose file is swept away before it has its lock makes another. Once is rare.
const TRIES: usize = 8;

/// Makes a temporary file beside `path` and locks it. From then on nobody sweeps it away.
fn make(path: &Path) -> io::Result<Pending> {
    for _ in 0..TRIES {
        let tmp = temporary(path);
        let file = File::create_new(&tmp)?;
        // From here on the file goes when this does.
        let pending = Pending { file, tmp, path: path.to_path_buf(), placed: false };
        fault::point("record.made")?;
        if lock::try_lock(&pending.file, Mode::Exclusive)? && pending.file.metadata()?.nlink() > 0 {
            return Ok(pending);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Makes and fills a temporary file beside `path`, its lock held.
fn fill(path: &Path, bytes: &[u8], durable: bool) -> io::Result<Pending> {
    let mut pending = make(path)?;
    pending.file.write_all(bytes)?;
    fault::point("record.written")?;
    if durable {
        pending.file.sync_data()?;
    }
    Ok(pending)
}

fn write(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let written = fill(path, bytes, durable).and_then(Pending::rename);
    let settled = written.and_then(|()| match path.parent() {
        Some(parent) if durable => fault::point("record.sync-folder").and_then(|()| File::open(parent)?.sync_all()),
        _ => Ok(()),
    });
    settled.with_context(|| format!("writing {}", path.display()))
}

/// Replaces `path` in one step and does not return before it is on disk.
pub fn write_durable(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, true)
}

/// Replaces `path` in one step; a power cut may lose it.
pub fn write_quick(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, false)
}

/// A record that is written but not in its place yet. Dropped, it is gone.
#[must_use]
#[derive(Debug)]
pub struct Pending {
    file: File,
    tmp: PathBuf,
    path: PathBuf,
    placed: bool,
}

/// Writes a record beside `path`. For many records with one sync: stage all, sync the file system, place all. What a
/// power cut then finds is the old record or the new one, never an empty one.
pub fn stage(path: &Path, bytes: &[u8]) -> Result<Pending> {
    fill(path, bytes, false).with_context(|| format!("writing {}", path.display()))
}

impl Pending {
    /// Puts the record in its place.
    pub fn place(self) -> Result<()> {
        let path = self.path.clone();
        self.rename().with_context(|| format!("writing {}", path.display()))
    }

    fn rename(mut self) -> io::Result<()> {
        fault::point("record.rename")?;
        fs::rename(&self.tmp, &self.path)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.tmp);
        }
    }
}

/// Removes the temporary files in a folder of records whose writers are gone. Each with its lock held: a writer that has
/// just made it finds the lock taken or its file gone, and makes another. What cannot be removed is left to the next sweep.
pub fn sweep(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| format!("listing {}", dir.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", dir.display()))?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") || !name.as_encoded_bytes().ends_with(b".tmp") {
            continue;
        }
        let path = entry.path();
        // Gone meanwhile: its writer lives.
        if let Ok(file) = File::options().read(true).write(true).open(&path)
            && lock::try_lock(&file, Mode::Exclusive)?
        {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// The record as JSON bytes.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("writing a record as JSON")
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // Most records fit; to ask for the size first would be another call for each of hundreds.
    let mut bytes = Vec::with_capacity(8 << 10);
    File::open(path)?.take(MAX_RECORD + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_RECORD { Err(io::Error::other("larger than any record of ours")) } else { Ok(bytes) }
}

/// Reads a record; `None` when there is no such file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(e) => Err(fail(Kind::System, format!("the record {} is damaged: {e}", path.display()))),
    }
}

/// The names in a folder of records, hidden and temporary ones left out, in byte order.
pub fn names(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e).with_context(|| format!("listing {}", dir.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", dir.display()))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_replaced_whole_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read::<Vec<u8>>(&path).unwrap(), None);
        write_durable(&path, b"[1,2]").unwrap();
        write_quick(&path, b"[3]").unwrap();
        assert_eq!(read::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        fs::write(&path, b"[3").unwrap();
        assert!(read::<Vec<u8>>(&path).unwrap_err().to_string().contains("a.json"));
        assert_eq!(names(dir.path()).unwrap(), ["a.json"]);
    }

    #[test]
    fn a_temporary_file_is_abandoned_when_its_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let pending = stage(&dir.path().join("a.json"), b"[]").unwrap();
        let left = dir.path().join(".b.json.0123456789ab.tmp");
        fs::write(&left, "[").unwrap();
        sweep(dir.path()).unwrap();
        assert!(!left.exists());
        pending.place().expect("its writer lives");
        let pending = stage(&dir.path().join("b.json"), b"[]").unwrap();
        drop(pending);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "what is not placed goes");
    }

    #[test]
    fn writers_beside_sweepers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sweepers = [(); 2].map(|()| {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        sweep(dir.path()).unwrap();
                    }
                })
            });
            for n in 0..2000 {
                let path = dir.path().join(format!("{}.json", n % 10));
                stage(&path, b"[]").and_then(Pending::place).unwrap_or_else(|e| panic!("{n}: {e:#}"));
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            sweepers.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(names(dir.path()).unwrap().len(), 10);
    }
}
