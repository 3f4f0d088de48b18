//! Volumes: folders that outlive containers. Nothing but the verbs that name them removes one.
//!
//! A volume is `volumes/<name>/_data`. It goes by a rename to a hidden name, which any prune clears away.

use super::container::{ContainerRecord, check_name};
use super::{Store, random_hex, record};
use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::fault;
use anyhow::Context;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

/// Whether a volume was made for one container without a name of its own: 64 hex digits, as the peers name them.
pub fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

/// Whether a container mounts the volume.
pub fn mounts(container: &ContainerRecord, volume: &str) -> bool {
    container.mounts.iter().any(|mount| mount.kind == "volume" && mount.name == volume)
}

impl Store {
    fn volumes_dir(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// The folder that is mounted for a volume.
    pub fn volume_dir(&self, name: &str) -> PathBuf {
        self.volumes_dir().join(name).join("_data")
    }

    /// Makes a volume if it is not there.
    pub fn make_volume(&self, name: &str) -> Result<()> {
        check_name("volume", name)?;
        let dir = self.volume_dir(name);
        if dir.is_dir() {
            return Ok(());
        }
        fault::point("volume.make")?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .with_context(|| format!("making {}", dir.display()))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The names of all volumes, in byte order.
    pub fn volumes(&self) -> Result<Vec<String>> {
        Ok(record::names(&self.volumes_dir())?.into_iter().filter(|name| check_name("volume", name).is_ok()).collect())
    }

    /// Whether there is a volume of that name.
    pub fn has_volume(&self, name: &str) -> bool {
        check_name("volume", name).is_ok() && self.volumes_dir().join(name).is_dir()
    }

    /// Takes a volume that no container mounts out of the store, and gives the folder that is to be removed in a user
    /// namespace.
    pub fn forget_volume(&self, name: &str) -> Result<PathBuf> {
        let _alone = self.lock_exclusive()?;
        if !self.has_volume(name) {
            return Err(no_volume(name));
        }
        let users: Vec<String> =
            self.containers()?.into_iter().filter(|container| mounts(container, name)).map(|c| c.name).collect();
        if let Some(first) = users.first() {
            return Err(fail_with(
                Kind::InUse,
                format!("volume {name} is being used by the following container(s): {}", users.join(", ")),
                format!("Remove the container first: `dhow rm {first}`."),
            ));
        }
        let (dir, aside) = (self.volumes_dir().join(name), self.volumes_dir().join(format!(".{}", random_hex(8))));
        match fs::rename(&dir, &aside) {
            Ok(()) => Ok(aside),
            // No room for one more name: then it goes where it is, which takes more than one step.
            Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Ok(dir),
            Err(e) => Err(e).with_context(|| format!("moving {} aside", dir.display())),
        }
    }

    /// Folders of volumes whose remover was killed.
    pub(super) fn removed_volumes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.volumes_dir()).into_iter().flatten().flatten();
        entries.filter(|e| e.file_name().as_encoded_bytes().starts_with(b".")).map(|e| e.path()).collect()
    }
}

/// The failure that tools look for when a volume is missing.
pub fn no_volume(name: &str) -> anyhow::Error {
    if let Err(bad) = check_name("volume", name) {
        return bad;
    }
    fail_with(
        Kind::NotFound,
        format!("no volume with name {name:?} found: no such volume"),
        "`dhow volume ls` lists all volumes.",
    )
}

/// The failure of making a volume that is there.
pub fn volume_exists(name: &str) -> anyhow::Error {
    fail(Kind::InUse, format!("volume with name {name} already exists: volume already exists"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_goes_in_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        store.make_volume("data").unwrap();
        assert_eq!(store.volumes().unwrap(), ["data"]);
        let left = store.forget_volume("data").unwrap();
        assert!(left.is_dir() && store.volumes().unwrap().is_empty() && !store.has_volume("data"));
        assert_eq!(store.removed_volumes(), [left]);
        assert_eq!(crate::error::kind_of(&store.forget_volume("data").unwrap_err()), Some(Kind::NotFound));
        assert!(!store.has_volume("../layers") && is_anonymous(&"0a".repeat(32)) && !is_anonymous("data"));
    }
}
