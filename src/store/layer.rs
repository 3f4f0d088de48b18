//! Layers: trees in overlay form, keyed by the digest of their tar (diff id). One copy a diff id; never changed.
//!
//! A layer is made in a staging folder as `{fs/, layer.json[, tar.zst]}` and gets its place by one rename. Until its
//! bytes are known to be on disk its record says so with the boot id; after a reboot such a layer does not count as
//! present, unless an image names it (an image is only recorded after a sync).

use super::staging::Staging;
use super::{Store, boot_id, random_hex, record};
use crate::error::Result;
use crate::image::digest::Digest;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// `layers/<id>/layer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Digest of the layer's tar, `sha256:…`.
    pub diff_id: String,
    /// Bytes of the tar.
    pub tar_size: u64,
    /// Bytes of file contents.
    pub content_size: u64,
    /// Number of entries.
    pub files: u64,
    /// True when `tar.zst` holds the recipe of the exact tar that the layer came from; else the tar is the canonical
    /// one of the tree.
    #[serde(default)]
    pub recipe: bool,
    /// The boot in which it was written; empty once it is known to be on disk.
    #[serde(default)]
    pub unsynced_boot: String,
}

/// A layer as an image or a step names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRef {
    /// Folder name below `layers/`.
    pub id: String,
    /// Digest of the tar, `sha256:…`.
    pub diff_id: String,
    /// Bytes of the tar.
    pub tar_size: u64,
    /// Bytes of file contents.
    pub content_size: u64,
}

impl Store {
    fn layers_dir(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// The folder of a layer.
    pub fn layer_dir(&self, id: &str) -> PathBuf {
        self.layers_dir().join(id)
    }

    /// The tree of a layer, in overlay form.
    pub fn layer_tree(&self, id: &str) -> PathBuf {
        self.layer_dir(id).join("fs")
    }

    fn by_diff(&self, diff_id: &Digest) -> PathBuf {
        self.layers_dir().join("by-diff").join(diff_id.hex())
    }

    /// The record of a layer, `None` when it is not there.
    pub fn layer(&self, id: &str) -> Result<Option<LayerRecord>> {
        record::read(&self.layer_dir(id).join("layer.json"))
    }

    /// The layer with this diff id, when it is there and known to be whole.
    pub fn find_layer(&self, diff_id: &Digest) -> Result<Option<LayerRef>> {
        let id = match fs::read_to_string(self.by_diff(diff_id)) {
            Ok(id) => id,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).context("reading the layer index"),
        };
        Ok(self.usable_layer(&id)?.filter(|l| l.diff_id == diff_id.to_string()))
    }

    /// A layer by its id, when it is there and not lost with an earlier boot.
    pub fn usable_layer(&self, id: &str) -> Result<Option<LayerRef>> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some(found) = self.layer(id).ok().flatten() else { return Ok(None) };
        if !found.unsynced_boot.is_empty() && found.unsynced_boot != boot_id() {
            return Ok(None);
        }
        Ok(Some(LayerRef {
            id: id.to_string(),
            diff_id: found.diff_id,
            tar_size: found.tar_size,
            content_size: found.content_size,
        }))
    }

    /// Moves a finished layer from staging into its place. `made` holds `fs/` (and `tar.zst` if the record says so).
    ///
    /// When the store already has the diff id, that layer is given and `made` stays where it is, for the caller's
    /// staging folder to take with it.
    pub fn publish_layer(&self, _staging: &Staging, made: &Path, mut found: LayerRecord) -> Result<LayerRef> {
        let _adding = self.lock_shared()?;
        let diff_id = Digest::parse(&found.diff_id)?;
        if let Some(present) = self.find_layer(&diff_id)? {
            return Ok(present);
        }
        found.unsynced_boot = boot_id();
        record::write_quick(&made.join("layer.json"), &record::to_json(&found)?)?;
        let id = random_hex(8);
        fs::rename(made, self.layer_dir(&id)).with_context(|| format!("moving {} into the store", made.display()))?;
        record::write_quick(&self.by_diff(&diff_id), id.as_bytes())?;
        Ok(LayerRef { id, diff_id: found.diff_id, tar_size: found.tar_size, content_size: found.content_size })
    }

    /// Writes the trees of these layers to disk and says so in their records. One `syncfs` for all of them.
    pub fn sync_layers(&self, layers: &[LayerRef]) -> Result<()> {
        let mut unsynced = Vec::new();
        for layer in layers {
            match self.layer(&layer.id)? {
                Some(found) if !found.unsynced_boot.is_empty() => unsynced.push((layer, found)),
                _ => {}
            }
        }
        if unsynced.is_empty() {
            return Ok(());
        }
        self.sync()?;
        for (layer, mut found) in unsynced {
            found.unsynced_boot = String::new();
            record::write_quick(&self.layer_dir(&layer.id).join("layer.json"), &record::to_json(&found)?)?;
        }
        Ok(())
    }

    /// Moves the layers that neither an image nor a container names into a staging folder, from where they are removed.
    /// `candidates` narrows it to these ids; the step cache does not count as a user.
    pub fn detach_layers(&self, candidates: &[String], staging: &Staging) -> Result<usize> {
        let _alone = self.lock_exclusive()?;
        let mut used = std::collections::HashSet::new();
        for image in self.images()? {
            used.extend(image.layers.into_iter().map(|l| l.id));
        }
        for container in self.containers()? {
            used.extend(container.layers);
        }
        let mut moved = 0;
        for id in candidates {
            let dir = self.layer_dir(id);
            if used.contains(id) || !dir.exists() {
                continue;
            }
            if let Ok(Some(found)) = self.layer(id)
                && let Ok(diff_id) = Digest::parse(&found.diff_id)
                && fs::read_to_string(self.by_diff(&diff_id)).is_ok_and(|named| named == *id)
            {
                fs::remove_file(self.by_diff(&diff_id)).context("removing a layer from the index")?;
            }
            fs::rename(&dir, staging.path().join(id)).with_context(|| format!("moving {} aside", dir.display()))?;
            moved += 1;
        }
        Ok(moved)
    }

    /// The ids of all layers in the store.
    pub fn layer_ids(&self) -> Result<Vec<String>> {
        Ok(record::names(&self.layers_dir())?.into_iter().filter(|n| n != "by-diff").collect())
    }
}
