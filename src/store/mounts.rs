//! Folders that `RUN --mount=type=cache` shows to steps: contents that outlive builds and belong to no layer.
//!
//! ```text
//! cache/mounts/<id>/data         what a step sees; owned by ids of the user namespace
//! cache/mounts/<id>/mount.json   whose it is ([`CacheMountRecord`])
//! cache/mounts/<id>.lock         shared by those who use it together, exclusive for one alone, and for its removal
//! ```
//! The lock lies beside the folder, never in it: a step cannot reach it, and removing the folder does not remove it. Its
//! time of change is that of the last use. Which step gets which folder is decided in `build`; nothing is mounted here.

use super::{Store, record};
use crate::error::Result;
use crate::image::digest::Digest;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// `cache/mounts/<id>/mount.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMountRecord {
    /// The name that the Dockerfile gives it.
    pub name: String,
    /// RFC 3339 time at which it was made.
    pub created: String,
}

/// A cache mount in use, until it is dropped.
#[must_use]
#[derive(Debug)]
pub struct CacheMount {
    folder: PathBuf,
    lock: File,
}

impl CacheMount {
    /// The folder that a step sees; it exists once [`CacheMount::exists`] says so.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Whether it was made already.
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// Takes a folder that holds `data` and adds the record. Another user of the same mount may have been first: then
    /// that one's is used, and `made` stays where it is.
    pub fn publish(&self, made: &Path, record: &CacheMountRecord) -> Result<()> {
        fs::write(made.join("mount.json"), record::to_json(record)?)
            .with_context(|| format!("writing {}", made.join("mount.json").display()))?;
        match fs::rename(made, &self.folder) {
            Ok(()) => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => Ok(()),
            Err(e) => Err(e).with_context(|| format!("making {}", self.folder.display())),
        }
    }
}

impl Drop for CacheMount {
    fn drop(&mut self) {
        // Explicitly, because a process cloned meanwhile has the descriptor, too.
        let _ = lock::unlock(&self.lock);
    }
}

/// The folder name of a cache mount: a digest of all that tells it from others, so that no name can be a path.
pub fn cache_mount_id(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        text.push_str(&format!("{}:{part}", part.len()));
    }
    Digest::of(text.as_bytes()).hex()[..32].to_owned()
}

impl Store {
    /// Takes a cache mount into use; nothing if somebody else's use stands in the way. `id` is of [`cache_mount_id`],
    /// perhaps with a number behind it.
    pub fn try_cache_mount(&self, id: &str, mode: Mode) -> Result<Option<CacheMount>> {
        let dir = self.root.join("cache/mounts");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let path = dir.join(format!("{id}.lock"));
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let lock = lock.with_context(|| format!("opening {}", path.display()))?;
        if !lock::try_lock(&lock, mode).with_context(|| format!("locking {}", path.display()))? {
            return Ok(None);
        }
        // Only for who looks for what has not been used for long.
        let _ = lock.set_modified(std::time::SystemTime::now());
        Ok(Some(CacheMount { folder: dir.join(id), lock }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_used_together_or_alone_and_free_when_its_user_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = cache_mount_id(&["x"]);
        let take = |mode| store.try_cache_mount(&id, mode).unwrap();
        let (one, two) = (take(Mode::Shared).unwrap(), take(Mode::Shared).unwrap());
        assert!(take(Mode::Exclusive).is_none());
        drop((one, two));
        let alone = take(Mode::Exclusive).unwrap();
        assert!(take(Mode::Shared).is_none() && take(Mode::Exclusive).is_none());
        drop(alone);
        assert!(take(Mode::Shared).is_some());
    }

    #[test]
    fn who_comes_second_uses_what_the_first_made() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let mount = store.try_cache_mount("i", Mode::Shared).unwrap().unwrap();
        assert!(!mount.exists());
        let record = CacheMountRecord { name: "n".into(), created: "t".into() };
        for content in ["first", "second"] {
            let made = dir.path().join(content);
            fs::create_dir_all(made.join("data")).unwrap();
            fs::write(made.join("data/f"), content).unwrap();
            mount.publish(&made, &record).unwrap();
        }
        assert!(mount.exists());
        assert_eq!(fs::read_to_string(mount.data().join("f")).unwrap(), "first");
    }

    #[test]
    fn names_become_folder_names_without_collisions() {
        assert_ne!(cache_mount_id(&["ab", "c"]), cache_mount_id(&["a", "bc"]));
        assert!(cache_mount_id(&["../../etc"]).bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
