//! Volumes: folders that outlive containers. Here only what `-v NAME:/path` needs; the verbs come later.

use super::Store;
use super::container::check_name;
use crate::error::Result;
use anyhow::Context;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

impl Store {
    /// The folder that is mounted for a volume.
    pub fn volume_dir(&self, name: &str) -> PathBuf {
        self.root.join("volumes").join(name).join("_data")
    }

    /// Makes a volume if it is not there.
    pub fn make_volume(&self, name: &str) -> Result<()> {
        check_name("volume", name)?;
        let dir = self.volume_dir(name);
        if dir.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .with_context(|| format!("making {}", dir.display()))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }
}
