//! Containers on their way out: taken from the store in one step, or found left behind by a command that was killed.
//!
//! The files themselves are removed by the caller, in a user namespace where all their owners are known.

use super::container::{ContainerRecord, short};
use super::{Store, record, staging};
use crate::error::{Kind, Result, fail};
use crate::sys::fault;
use anyhow::Context;
use std::fs;
use std::io;
use std::path::PathBuf;

impl Store {
    /// Takes a container out of the store: without its record it is none, and its name is free. One step for everyone who
    /// looks, which needs no room on the disk; what is left is [`Store::container_rubbish`]. The caller holds the
    /// container's lock. False when it was gone already.
    pub fn forget_container(&self, id: &str) -> Result<bool> {
        let name = self.container(id).ok().flatten().map(|record| record.name);
        match fs::remove_file(self.container_dir(id).join("container.json")) {
            Ok(()) => fault::point("container.forgotten")?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e).with_context(|| format!("removing the record of container {}", short(id))),
        }
        if let Some(name) = name {
            self.release_name(&name, id);
        }
        Ok(true)
    }

    /// To be asked after a container's files were read without its lock: if it is still there, so were all its files and
    /// layers, because its record goes first.
    pub fn check_still_there(&self, container: &ContainerRecord) -> Result<()> {
        fault::point("container.read")?;
        match self.container(&container.id) {
            Ok(None) => Err(fail(
                Kind::NotFound,
                format!("container {} was removed while its files were read: no such container", container.name),
            )),
            _ => Ok(()),
        }
    }

    /// What is to be removed, in this order, of a container that has no record any more. The lock goes last: until then
    /// everyone sees whether somebody is at it.
    pub fn container_rubbish(&self, id: &str) -> Vec<PathBuf> {
        let dir = self.container_dir(id);
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = entries.filter(|e| e.file_name() != "lock").map(|e| e.path()).collect();
        all.push(dir);
        all
    }

    /// The ids of container folders that nobody will finish or remove any more: half made or half removed ones, and those
    /// to be removed at their end whose monitor was killed. Hidden ones, whose makers died before they were named or are
    /// just at it, are given with their dot; a maker whose folder is moved away makes another.
    pub fn abandoned_containers(&self) -> Result<Vec<String>> {
        let mut dead = Vec::new();
        for id in self.container_ids()? {
            if self.is_abandoned(&id)? {
                dead.push(id);
            }
        }
        let hidden = staging::take_hidden(&self.containers_dir())?;
        dead.extend(hidden.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_string)));
        Ok(dead)
    }

    /// The id that `text` (name, id or unique beginning) stands for, if that container's record cannot be read.
    pub fn damaged_container(&self, text: &str) -> Result<Option<String>> {
        let (_, mut damaged) = self.containers_and_damaged()?;
        let owner = self.owner_of(text);
        damaged.retain(|id| owner.as_ref().map_or(!text.is_empty() && id.starts_with(text), |owner| id == owner));
        Ok(if damaged.len() == 1 { damaged.pop() } else { None })
    }

    /// Removes the temporary files of records whose writers were killed.
    pub fn sweep_temporary(&self) -> Result<()> {
        let records = ["", "images", "images/names", "blobs/sha256", "layers/by-diff", "cache/steps"];
        let caches = ["cache", "cache/context", "cache/lists", "cache/remote"];
        records.into_iter().chain(caches).try_for_each(|name| record::sweep(&self.root.join(name)))?;
        self.layer_ids()?.iter().try_for_each(|id| record::sweep(&self.layer_dir(id)))?;
        self.container_ids()?.iter().try_for_each(|id| record::sweep(&self.container_dir(id)))
    }

    /// Whether nobody will finish or remove this container any more. Asked in this order: a maker writes the record with
    /// the lock held, and lets go of it only when the record says what is to be done.
    pub(super) fn is_abandoned(&self, id: &str) -> Result<bool> {
        if self.is_alive(id)? {
            return Ok(false);
        }
        // Damage is for a person to look at.
        Ok(self.container(id).is_ok_and(|record| record.is_none_or(|record| record.remove)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_removers_wins_and_the_lock_goes_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = "d".repeat(64);
        let held = store.create_container(&id, "x").unwrap();
        std::fs::write(held.dir().join("container.json"), "{").unwrap();
        assert!(store.forget_container(&id).unwrap());
        assert!(!store.forget_container(&id).unwrap());
        std::fs::create_dir(held.dir().join("upper")).unwrap();
        assert_eq!(store.container_rubbish(&id), [held.dir().join("upper"), held.dir().to_path_buf()]);
        assert!(store.abandoned_containers().unwrap().is_empty(), "its remover still holds it");
        drop(held);
        assert_eq!(store.abandoned_containers().unwrap(), [id]);
    }

    #[test]
    fn a_half_made_container_is_abandoned_when_its_maker_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = "d".repeat(64);
        let held = store.create_container(&id, "x").unwrap();
        assert!(store.abandoned_containers().unwrap().is_empty());
        drop(held);
        assert_eq!(store.abandoned_containers().unwrap(), [id.as_str()]);
        let other = "e".repeat(64);
        let held = store.create_container(&other, "x").expect("the name of one without record and maker is free");
        assert_eq!(store.abandoned_containers().unwrap(), [id.as_str()]);
        for path in store.container_rubbish(&id) {
            let _ = std::fs::remove_dir_all(path);
        }
        assert!(store.abandoned_containers().unwrap().is_empty());
        store.drop_dead_names().unwrap();
        let error = store.create_container(&"f".repeat(64), "x").expect_err("a living container keeps its name");
        assert!(error.to_string().contains(short(&other)), "{error}");
        std::fs::remove_dir_all(held.dir()).unwrap();
        store.drop_dead_names().unwrap();
        assert!(std::fs::symlink_metadata(store.containers_dir().join("by-name/x")).is_err());
    }
}
