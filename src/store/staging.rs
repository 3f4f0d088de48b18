//! Folders for anything half made. Each has a lock that its maker holds; one whose lock nobody holds is rubbish, which
//! the next command that writes sweeps away.
//!
//! While its lock is held, a folder also protects layers that its maker stands on or has just published and that no
//! record names yet: their ids are in its file `lease` (docs/decisions/0014).

use super::leftover::is_stale;
use super::{Store, random_hex, record};
use crate::error::Result;
use crate::sys::lock::{self, Mode};
use crate::sys::userns;
use anyhow::Context;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A staging folder of this process and its children; alive as long as one of them has it.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    _lock: File,
}

impl Staging {
    /// The folder; on the store's file system, so that what is made in it can be renamed into place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lease_path(&self) -> PathBuf {
        self.path.join("lease")
    }

    /// Adds to what the folder protects. The caller holds the store's lock, shared, from the look at the layers on.
    pub(super) fn lease_ids<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let text: String = ids.into_iter().map(|id| format!("{id}\n")).collect();
        let add = || File::options().create(true).append(true).open(self.lease_path())?.write_all(text.as_bytes());
        add().with_context(|| format!("writing {}", self.lease_path().display()))
    }

    /// Protects no layer any more: before the maker takes back what it has published.
    pub fn end_leases(&self) {
        let _ = fs::remove_file(self.lease_path());
    }

    /// Removes everything in the folder but what protects layers. Only for a worker: all ids must be mapped.
    pub fn empty_here(&self) -> Result<()> {
        let kept = |name: &std::ffi::OsStr| name == "lock" || name == "lease";
        let entries = fs::read_dir(&self.path).with_context(|| format!("listing {}", self.path.display()))?;
        let rubbish: Vec<PathBuf> =
            entries.flatten().filter(|entry| !kept(&entry.file_name())).map(|entry| entry.path()).collect();
        userns::remove_trees_here(&rubbish)
    }

    /// Removes the folder, in a user namespace if there is still something of other ids in it.
    pub fn remove(self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Ok(()) => Ok(()),
            Err(_) => userns::remove_trees(std::slice::from_ref(&self.path)),
        }
    }
}

impl Store {
    /// Makes a staging folder. Its contents must be removed by the maker, inside the user namespace where other ids own
    /// some of it; if the maker dies before that, the next command does it.
    pub fn staging(&self) -> Result<Staging> {
        // The folder appears under a hidden name first: a sweeper must not see it before its lock is held.
        let id = random_hex(8);
        let hidden = self.root.join("staging").join(format!(".{id}"));
        let path = self.root.join("staging").join(&id);
        let make = || -> std::io::Result<File> {
            fs::DirBuilder::new().mode(0o700).create(&hidden)?;
            let file = File::options().read(true).write(true).create_new(true).open(hidden.join("lock"))?;
            lock::try_lock(&file, Mode::Exclusive)?;
            fs::rename(&hidden, &path)?;
            Ok(file)
        };
        let file = make().with_context(|| format!("making the staging folder {}", path.display()))?;
        Ok(Staging { path, _lock: file })
    }

    /// Protects these layers for as long as the folder is held, if all of them are still there; else protects none of
    /// them and gives false.
    pub fn lease(&self, staging: &Staging, ids: &[&str]) -> Result<bool> {
        let _adding = self.lock_shared()?;
        for id in ids {
            if self.usable_layer(id)?.is_none() {
                return Ok(false);
            }
        }
        staging.lease_ids(ids.iter().copied())?;
        Ok(true)
    }

    /// The layers that live commands protect. Asked with the store's lock held alone, nobody adds to them meanwhile.
    pub(super) fn leased_layers(&self) -> Result<HashSet<String>> {
        let dir = self.root.join("staging");
        let mut leased = HashSet::new();
        for name in record::names(&dir)? {
            let path = dir.join(name);
            let held = match File::open(path.join("lock")) {
                Ok(file) => lock::is_held(&file)?,
                Err(_) => false,
            };
            if held {
                // One that is not there, or was cut short with its maker, protects nothing.
                let text = fs::read(path.join("lease")).unwrap_or_default();
                leased.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
            }
        }
        Ok(leased)
    }

    /// The staging folders that nobody holds any more. A hidden one (its maker died before it was named) counts after a
    /// minute, which no maker needs.
    pub fn abandoned_staging(&self) -> Result<Vec<PathBuf>> {
        let dir = self.root.join("staging");
        let mut dead = Vec::new();
        for name in record::names(&dir)? {
            let path = dir.join(name);
            match File::open(path.join("lock")) {
                Ok(file) if lock::is_held(&file)? => {}
                _ => dead.push(path),
            }
        }
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if hidden && entry.metadata().is_ok_and(|meta| is_stale(&meta)) {
                dead.push(entry.path());
            }
        }
        Ok(dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staging_folder_is_abandoned_when_its_maker_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let staging = store.staging().unwrap();
        let path = staging.path().to_path_buf();
        assert!(store.abandoned_staging().unwrap().is_empty());
        drop(staging);
        assert_eq!(store.abandoned_staging().unwrap(), [path]);
    }

    #[test]
    fn leases_last_as_long_as_their_maker() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let staging = store.staging().unwrap();
        assert!(!store.lease(&staging, &["ab"]).unwrap(), "a layer that is not there cannot be protected");
        staging.lease_ids(["ab", "cd"]).unwrap();
        staging.lease_ids(["ef"]).unwrap();
        assert_eq!(store.leased_layers().unwrap(), ["ab", "cd", "ef"].map(String::from).into());
        staging.end_leases();
        assert!(store.leased_layers().unwrap().is_empty());
        staging.lease_ids(["ab"]).unwrap();
        let left = staging.path().to_path_buf();
        drop(staging);
        assert!(left.exists() && store.leased_layers().unwrap().is_empty());
    }
}
