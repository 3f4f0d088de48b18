//! Folders for anything half made. Each has a lock that its maker holds; one whose lock nobody holds is rubbish, which
//! the next command that writes sweeps away.

use super::{Store, random_hex, record};
use crate::error::Result;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use std::fs::{self, File};
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
            let old = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            if entry.file_name().as_encoded_bytes().starts_with(b".") && old.is_some_and(|age| age.as_secs() > 60) {
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
}
