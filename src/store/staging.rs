//! Folders for anything half made. Each has a lock that its maker holds; one whose lock nobody holds is rubbish, which
//! the next command that writes sweeps away.
//!
//! While its lock is held, a folder also protects layers that its maker stands on or has just published and that no
//! record names yet: their ids are in its file `lease` (docs/decisions/0014).

use super::{Store, random_hex, record};
use crate::error::Result;
use crate::sys::fault;
use crate::sys::lock::{self, Mode};
use crate::sys::userns;
use anyhow::Context;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
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
        let path = self.root.join("staging").join(random_hex(8));
        let file = make_locked(&path).with_context(|| format!("making the staging folder {}", path.display()))?;
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

    /// The staging folders that nobody holds any more, and hidden ones, taken from their makers (see [`take_hidden`]).
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
        dead.extend(take_hidden(&dir)?);
        Ok(dead)
    }
}

/// How often a maker whose folder is swept away before it has its name tries again. Once is rare.
const TRIES: usize = 8;

/// Makes the folder `path` with a file `lock` in it that is locked before the folder has its name, so that whoever finds
/// the folder finds the lock held as long as the maker lives. Until then it is hidden, and belongs to who moves it first.
pub(super) fn make_locked(path: &Path) -> io::Result<File> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let hidden = parent.join(format!(".{}", name.to_string_lossy()));
    let make = || -> io::Result<File> {
        fs::DirBuilder::new().mode(0o700).create(&hidden)?;
        fault::point("folder.made")?;
        let file = File::options().read(true).write(true).create_new(true).open(hidden.join("lock"))?;
        lock::try_lock(&file, Mode::Exclusive)?;
        fault::point("folder.locked")?;
        fs::rename(&hidden, path)?;
        Ok(file)
    };
    let mut made = make();
    for _ in 1..TRIES {
        if made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) && parent.is_dir() {
            made = make();
        }
    }
    if made.is_err() {
        let _ = fs::remove_dir_all(&hidden);
    }
    made
}

/// Takes the hidden folders in `dir` from their makers, which were killed before they named them, or are just at it and
/// will make another. By a rename: a maker finds its folder either gone or untouched. Gives them under their last names.
pub(super) fn take_hidden(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("listing {}", dir.display())),
    };
    let mut taken = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            continue;
        }
        if name.ends_with(".dead") {
            taken.push(path);
            continue;
        }
        // A maker that tries again takes the same name: the one before may still be there.
        let dead = dir.join(format!("{name}.{}.dead", random_hex(4)));
        match fs::rename(&path, &dead) {
            Ok(()) => taken.push(dead),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).with_context(|| format!("taking {} away", path.display())),
        }
    }
    Ok(taken)
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

    #[test]
    fn makers_and_sweepers_at_once_do_not_disturb_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                for _ in 0..200 {
                    for path in store.abandoned_staging().unwrap() {
                        let _ = fs::remove_dir_all(path);
                    }
                }
            });
            let makers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let staging = store.staging().unwrap();
                            assert!(staging.path().join("lock").exists(), "a held folder was taken away");
                            // Taken by the sweeper as soon as its lock file is gone, at the latest.
                            let _ = fs::remove_dir_all(staging.path());
                        }
                    })
                })
                .collect();
            sweeper.join().unwrap();
            makers.into_iter().for_each(|maker| maker.join().unwrap());
        });
        store.abandoned_staging().unwrap().iter().for_each(|path| fs::remove_dir_all(path).unwrap());
        assert_eq!(fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
    }
}
