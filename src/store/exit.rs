//! How a container ended: `exit.json`.
//!
//! A container's end is often what fills a disk, or comes of it. So that its code is known all the same, room for the
//! record is taken before the program starts: `exit.reserved`, which is written over in place and then renamed, neither
//! of which needs more room. Not here: what it means that there is no such record (`container`).

use super::{Store, record};
use crate::error::Result;
use crate::sys::fault;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};

/// Bytes that are kept for the record; more than one without an `error` needs.
const ROOM: usize = 512;

/// `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// 0 to 255; 128 + n after signal n.
    pub code: i32,
    /// RFC 3339.
    pub finished: String,
    /// Why it never ran, if it did not.
    #[serde(default)]
    pub error: String,
}

impl Store {
    /// Takes the room that [`Store::put_exit`] will need. The caller holds the container's lock.
    pub fn reserve_exit(&self, id: &str) -> Result<()> {
        let path = self.container_dir(id).join("exit.reserved");
        fs::write(&path, [b' '; ROOM]).with_context(|| format!("writing {}", path.display()))
    }

    /// Writes `exit.json`. Durable: an exit code that was reported is not forgotten. It means that the container does not
    /// run, for those who list: a new start has to remove it before anything else. The caller holds the container's lock.
    pub fn put_exit(&self, id: &str, exit: &ExitRecord) -> Result<()> {
        let text = record::to_json(exit)?;
        self.write_exit(id, &text).with_context(|| format!("writing {}", self.exit_path(id).display()))
    }

    fn write_exit(&self, id: &str, text: &[u8]) -> io::Result<()> {
        let dir = self.container_dir(id);
        let reserved = dir.join("exit.reserved");
        // Not truncated: that would give the room away.
        let mut file = File::options().write(true).create(true).truncate(false).open(&reserved)?;
        file.write_all(text)?;
        file.set_len(text.len() as u64)?;
        fault::point("exit.written")?;
        file.sync_all()?;
        fs::rename(&reserved, self.exit_path(id))?;
        fault::point("exit.placed")?;
        File::open(dir)?.sync_all()
    }

    /// Reads `exit.json`: how the last run ended, if its end was recorded.
    pub fn exit(&self, id: &str) -> Result<Option<ExitRecord>> {
        record::read(&self.exit_path(id))
    }

    fn exit_path(&self, id: &str) -> std::path::PathBuf {
        self.container_dir(id).join("exit.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_record_takes_the_place_that_was_kept_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = "c".repeat(64);
        let held = store.create_container(&id, "x").unwrap();
        store.reserve_exit(&id).unwrap();
        let reserved = fs::metadata(held.dir().join("exit.reserved")).unwrap();
        assert!(store.exit(&id).unwrap().is_none() && reserved.len() == ROOM as u64);
        let exit = ExitRecord { code: 7, finished: "2026-01-01T00:00:00.123456789Z".into(), error: String::new() };
        store.put_exit(&id, &exit).unwrap();
        assert_eq!(store.exit(&id).unwrap().as_ref(), Some(&exit));
        assert_eq!(fs::metadata(store.exit_path(&id)).unwrap().ino(), reserved.ino());
        // Without a reserve, and over a record that is there.
        store.put_exit(&id, &ExitRecord { code: 8, ..exit }).unwrap();
        assert_eq!(store.exit(&id).unwrap().unwrap().code, 8);
    }
}
