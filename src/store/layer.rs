//! Layers: trees in overlay form, keyed by the digest of their tar (diff id). One copy a diff id; never changed.
//!
//! A layer is made in a staging folder as `{fs/, layer.json[, tar.zst]}` and gets its place by one rename. Until its
//! bytes are known to be on disk its record says so with the boot id; after a reboot such a layer does not count as
//! present, unless an image names it (an image is only recorded after a sync, but the mark may come back).
//!
//! A layer goes by one step as well, which needs no room on the disk: its record is unlinked. A folder without record is
//! rubbish, and the next sweep takes it.

use super::lock::Rank;
use super::staging::Staging;
use super::{Store, boot_id, lock, random_hex, record};
use crate::error::Result;
use crate::image::digest::Digest;
use crate::layer::LayerInfo;
use crate::sys::fault;
use crate::sys::lock::Mode;
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

impl LayerRecord {
    /// The record of a tree in our own form.
    pub fn of(info: &LayerInfo) -> LayerRecord {
        LayerRecord {
            diff_id: info.diff_id.to_string(),
            tar_size: info.tar_size,
            content_size: info.content_size,
            files: info.files,
            recipe: false,
            unsynced_boot: String::new(),
        }
    }
}

impl Store {
    pub(super) fn layers_dir(&self) -> PathBuf {
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

    pub(super) fn by_diff(&self, diff_id: &Digest) -> PathBuf {
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
            // The index is not synced: a damaged entry is like none, and is overwritten.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => return Ok(None),
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
        let from_before = !found.unsynced_boot.is_empty() && found.unsynced_boot != boot_id();
        if from_before && !self.images()?.iter().any(|image| image.layers.iter().any(|layer| layer.id == id)) {
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
    /// staging folder to take with it. Either way `staging` protects the layer from now on.
    pub fn publish_layer(&self, staging: &Staging, made: &Path, mut found: LayerRecord) -> Result<LayerRef> {
        let _adding = self.lock_shared()?;
        let diff_id = Digest::parse(&found.diff_id)?;
        // One publisher at a time: of two with the same layer, the second finds the first one's.
        let _alone = lock::take(&self.root.join("publish.lock"), Rank::Publish, Mode::Exclusive)?;
        if let Some(present) = self.find_layer(&diff_id)? {
            staging.lease_ids([present.id.as_str()])?;
            return Ok(present);
        }
        found.unsynced_boot = boot_id();
        record::write_quick(&made.join("layer.json"), &record::to_json(&found)?)?;
        let id = random_hex(8);
        staging.lease_ids([id.as_str()])?;
        // The index first: an entry without a layer is like none, but a layer without an entry would never be found again.
        record::write_quick(&self.by_diff(&diff_id), id.as_bytes())?;
        let placed = fault::point("layer.place").and_then(|()| fs::rename(made, self.layer_dir(&id)));
        if let Err(error) = placed {
            let _ = fs::remove_file(self.by_diff(&diff_id));
            return Err(error).with_context(|| format!("moving {} into the store", made.display()));
        }
        Ok(LayerRef { id, diff_id: found.diff_id, tar_size: found.tar_size, content_size: found.content_size })
    }

    /// Writes the trees of these layers to disk and says so in their records. One `syncfs` for all of them.
    pub fn sync_layers(&self, layers: &[LayerRef]) -> Result<()> {
        let mut synced = Vec::new();
        for layer in layers {
            if let Some(mut found) = self.layer(&layer.id)?
                && !found.unsynced_boot.is_empty()
            {
                found.unsynced_boot = String::new();
                let path = self.layer_dir(&layer.id).join("layer.json");
                synced.push(record::stage(&path, &record::to_json(&found)?)?);
            }
        }
        if synced.is_empty() {
            return Ok(());
        }
        self.sync()?;
        synced.into_iter().try_for_each(record::Pending::place)
    }

    /// Takes layers out of the store, as far as nobody names them: no image, no container, no step of the cache and no
    /// command that is at work. Gives their folders, which are to be removed in a user namespace once the caller has
    /// nothing locked any more. While the record of an image or container is damaged nobody knows what it uses, and no
    /// layer goes.
    pub fn forget_layers(&self, candidates: &[String]) -> Result<Vec<PathBuf>> {
        let _alone = self.lock_exclusive()?;
        self.forget_unused(candidates)
    }

    /// [`Store::forget_layers`] for one who holds the store's lock.
    pub(super) fn forget_unused(&self, candidates: &[String]) -> Result<Vec<PathBuf>> {
        let Some(mut used) = self.used_layers()? else { return Ok(Vec::new()) };
        used.extend(self.steps()?.into_iter().map(|step| step.record.layer.id));
        used.extend(self.leased_layers()?);
        let mut gone = Vec::new();
        for id in candidates.iter().filter(|id| !used.contains(*id)) {
            let dir = self.layer_dir(id);
            let diff_id = self.layer(id).ok().flatten().and_then(|found| Digest::parse(&found.diff_id).ok());
            fault::point("layer.forget")?;
            match fs::remove_file(dir.join("layer.json")) {
                Ok(()) => gone.push(dir),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e).with_context(|| format!("removing {}", dir.display())),
            }
            fault::point("layer.unindex")?;
            if let Some(diff_id) = diff_id
                && fs::read_to_string(self.by_diff(&diff_id)).is_ok_and(|named| named == *id)
            {
                fs::remove_file(self.by_diff(&diff_id)).context("removing a layer from the index")?;
            }
        }
        Ok(gone)
    }

    /// The ids of all layers in the store.
    pub fn layer_ids(&self) -> Result<Vec<String>> {
        Ok(record::names(&self.layers_dir())?.into_iter().filter(|n| n != "by-diff").collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::ImageConfig;

    fn publish(store: &Store, text: &str) -> LayerRef {
        let staging = store.staging().unwrap();
        let made = staging.path().join(text);
        fs::create_dir_all(made.join("fs")).unwrap();
        let found = LayerRecord {
            diff_id: Digest::of(text.as_bytes()).to_string(),
            tar_size: 1024,
            content_size: 7,
            files: 1,
            recipe: false,
            unsynced_boot: String::new(),
        };
        store.publish_layer(&staging, &made, found).unwrap()
    }

    fn from_an_earlier_boot(store: &Store, layer: &LayerRef) {
        let path = store.layer_dir(&layer.id).join("layer.json");
        let mut found: LayerRecord = record::read(&path).unwrap().unwrap();
        found.unsynced_boot = "earlier".into();
        record::write_quick(&path, &record::to_json(&found).unwrap()).unwrap();
    }

    #[test]
    fn a_layer_from_an_earlier_boot_counts_only_if_an_image_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let (kept, lost) = (publish(&store, "kept"), publish(&store, "lost"));
        let config = ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() };
        store.record_image(config.clone(), vec![kept.clone()]).unwrap();
        from_an_earlier_boot(&store, &kept);
        from_an_earlier_boot(&store, &lost);
        assert_eq!(store.usable_layer(&lost.id).unwrap(), None);
        assert_eq!(store.usable_layer(&kept.id).unwrap().as_ref(), Some(&kept));
        // Another image on top of it takes the mark off again.
        let more = ImageConfig { author: Some("x".into()), ..config };
        store.record_image(more, vec![kept.clone()]).unwrap();
        assert!(store.layer(&kept.id).unwrap().unwrap().unsynced_boot.is_empty());
        assert_eq!(fs::read_dir(store.layer_dir(&kept.id)).unwrap().count(), 2, "nothing temporary stays");
    }

    #[test]
    fn nothing_is_taken_away_while_a_record_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let layer = publish(&store, "a");
        let damaged = dir.path().join("images/00.json");
        fs::write(&damaged, "{").unwrap();
        let forget = || store.forget_layers(std::slice::from_ref(&layer.id)).unwrap();
        assert!(forget().is_empty());
        assert!(store.usable_layer(&layer.id).unwrap().is_some());
        fs::remove_file(&damaged).unwrap();
        assert_eq!(forget(), [store.layer_dir(&layer.id)]);
        assert_eq!(store.usable_layer(&layer.id).unwrap(), None);
        assert_eq!(store.find_layer(&Digest::parse(&layer.diff_id).unwrap()).unwrap(), None);
        assert!(forget().is_empty(), "one of two removers wins");
    }

    #[test]
    fn a_layer_that_lost_its_record_is_swept_unless_somebody_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let (named, removed) = (publish(&store, "named"), publish(&store, "removed"));
        let config = ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() };
        store.record_image(config, vec![named.clone()]).unwrap();
        for layer in [&named, &removed] {
            fs::remove_file(store.layer_dir(&layer.id).join("layer.json")).unwrap();
        }
        assert_eq!(store.removed_layers().unwrap(), [store.layer_dir(&removed.id)]);
        fs::write(dir.path().join("images/00.json"), "{").unwrap();
        assert!(store.removed_layers().unwrap().is_empty(), "nobody knows what the damaged one names");
    }

    #[test]
    fn what_a_live_command_published_or_a_step_names_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let staging = store.staging().unwrap();
        let layer = publish(&store, "a");
        assert!(store.lease(&staging, &[&layer.id]).unwrap());
        let forget = || store.forget_layers(std::slice::from_ref(&layer.id)).unwrap();
        assert!(forget().is_empty(), "it is leased");
        let step = super::super::cache::StepRecord { layer: layer.clone(), created: String::new(), inputs: vec![] };
        store.remember_step("00", &step).unwrap();
        drop(staging);
        assert!(forget().is_empty(), "a step gave it");
        store.forget_step("00").unwrap();
        assert_eq!(forget().len(), 1);
    }

    #[test]
    fn the_same_layer_from_several_builds_at_once_is_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| publish(&store, "same").id)).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(store.layer_ids().unwrap(), Vec::from_iter(ids));
        assert_eq!(store.layer_ids().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_index_entry_is_like_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let layer = publish(&store, "a");
        let diff_id = Digest::parse(&layer.diff_id).unwrap();
        for damage in [&b""[..], b"\xff\xfe", b"../..", b"00000000"] {
            fs::write(store.by_diff(&diff_id), damage).unwrap();
            assert_eq!(store.find_layer(&diff_id).unwrap(), None);
        }
        assert_ne!(publish(&store, "a").id, layer.id);
        assert!(store.find_layer(&diff_id).unwrap().is_some());
    }
}
