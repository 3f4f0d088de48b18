//! Containers on their way out: taken from the store in one step, or found left behind by a command that was killed.
//!
//! The files themselves are removed by the caller, in a user namespace where all their owners are known.

use super::Store;
use super::container::short;
use super::staging::Staging;
use crate::error::Result;
use anyhow::Context;
use std::fs;
use std::io;

impl Store {
    /// Takes a container out of the store: its folder moves into `staging`, from where it is removed, and its name is
    /// free. One step for everyone who looks. False when it was gone already.
    pub fn detach_container(&self, id: &str, staging: &Staging) -> Result<bool> {
        let name = self.container(id).ok().flatten().map(|record| record.name);
        match fs::rename(self.container_dir(id), staging.path().join(id)) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e).with_context(|| format!("moving container {} aside", short(id))),
        }
        if let Some(name) = name {
            self.release_name(&name, id);
        }
        Ok(true)
    }

    /// The ids of container folders that nobody will finish or remove any more: half made or half removed ones, and those
    /// to be removed at their end whose monitor was killed. A hidden one (its maker died before it was named) counts after
    /// a minute, which no maker needs, and is given with its dot.
    pub fn abandoned_containers(&self) -> Result<Vec<String>> {
        let mut dead = Vec::new();
        for id in self.container_ids()? {
            let unwanted = match self.container(&id) {
                Ok(record) => record.is_none_or(|record| record.remove),
                // Damage is for a person to look at.
                Err(_) => false,
            };
            if unwanted && !self.is_alive(&id)? && !self.being_removed(&id) {
                dead.push(id);
            }
        }
        for entry in fs::read_dir(self.containers_dir()).into_iter().flatten().flatten() {
            let old = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            if let Ok(name) = entry.file_name().into_string()
                && name.starts_with('.')
                && old.is_some_and(|age| age.as_secs() > 60)
            {
                dead.push(name);
            }
        }
        Ok(dead)
    }

    /// A folder that has lost its lock file already is being emptied by its monitor, or was when that died: it counts as
    /// abandoned when nothing has changed in it for a minute.
    fn being_removed(&self, id: &str) -> bool {
        let dir = self.container_dir(id);
        let age = || dir.metadata().and_then(|m| m.modified()).ok()?.elapsed().ok();
        !dir.join("lock").exists() && age().is_none_or(|age| age.as_secs() < 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_made_container_is_abandoned_when_its_maker_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = "d".repeat(64);
        let held = store.create_container(&id, "x").unwrap();
        assert!(store.abandoned_containers().unwrap().is_empty());
        drop(held);
        assert_eq!(store.abandoned_containers().unwrap(), [id.as_str()]);
        let staging = store.staging().unwrap();
        assert!(store.detach_container(&id, &staging).unwrap());
        assert!(!store.detach_container(&id, &staging).unwrap(), "one of two removers wins");
        assert!(store.abandoned_containers().unwrap().is_empty());
        let other = "e".repeat(64);
        let held = store.create_container(&other, "x").expect("the name is free again");
        store.drop_dead_names().unwrap();
        let error = store.create_container(&"f".repeat(64), "x").expect_err("a living container keeps its name");
        assert!(error.to_string().contains(short(&other)), "{error}");
        std::fs::remove_dir_all(held.dir()).unwrap();
        store.drop_dead_names().unwrap();
        assert!(std::fs::symlink_metadata(store.containers_dir().join("by-name/x")).is_err());
    }
}
