//! Small JSON records: written to a temporary name, synced when they must outlive a power cut, renamed into place.
//! Reading a damaged record is an error that names the file; it never panics and never touches other records.
//!
//! A temporary file is locked by its writer until it has its place. One whose lock is free was left by a writer that was
//! killed ([`abandoned`]).

use crate::error::{Kind, Result, fail};
use crate::sys::fault;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// No record of ours comes near this size; a larger file is damage.
const MAX_RECORD: u64 = 32 << 20;

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    // Long names (encoded image names) are cut, so that the temporary name stays within NAME_MAX.
    let short: String = name.chars().take(64).collect();
    path.with_file_name(format!(".{short}.{}.tmp", super::random_hex(6)))
}

/// Makes and fills a temporary file beside `path`, its lock held.
fn fill(path: &Path, bytes: &[u8], durable: bool) -> io::Result<Pending> {
    let tmp = temporary(path);
    let file = File::create_new(&tmp)?;
    // From here on the file goes when this does.
    let mut pending = Pending { file, tmp, path: path.to_path_buf(), placed: false };
    fault::point("record.made")?;
    lock::try_lock(&pending.file, Mode::Exclusive)?;
    pending.file.write_all(bytes)?;
    fault::point("record.written")?;
    if durable {
        pending.file.sync_data()?;
    }
    Ok(pending)
}

fn write(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let mut written = fill(path, bytes, durable).and_then(|pending| pending.rename());
    // Swept away between its making and its lock, which is nobody's mistake.
    if written.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        written = fill(path, bytes, durable).and_then(|pending| pending.rename());
    }
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

/// The temporary files in a folder of records whose writers are gone.
pub fn abandoned(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut dead = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(dead),
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
            && !lock::is_held(&file)?
        {
            dead.push(path);
        }
    }
    Ok(dead)
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
        assert!(abandoned(dir.path()).unwrap().is_empty(), "its writer lives");
        let left = dir.path().join(".b.json.0123456789ab.tmp");
        fs::write(&left, "[").unwrap();
        assert_eq!(abandoned(dir.path()).unwrap(), [left]);
        drop(pending);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "what is not placed goes");
    }
}
