//! The sweep: what killed commands and power cuts left among the store's records, found by what it is, never by guess.
//!
//! Dead staging folders and half made containers are another matter (`staging`, `leftover`): those have locks.

use super::{Store, record};
use crate::error::Result;
use crate::image::digest::Digest;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How long the inputs of a step's last run are kept for the explanation of a miss.
const EXPLANATIONS: Duration = Duration::from_secs(90 * 86400);

impl Store {
    /// Takes away records that nobody needs, and gives the folders that are to be removed in a user namespace. The caller
    /// holds the store's lock alone. What cannot be removed is left to the next sweep.
    pub(super) fn sweep_records(&self) -> Result<Vec<PathBuf>> {
        let mut rubbish = self.removed_layers()?;
        self.sweep_temporary()?;
        self.sweep_index()?;
        self.sweep_names()?;
        self.sweep_blobs()?;
        self.sweep_steps()?;
        rubbish.extend(self.removed_volumes());
        Ok(rubbish)
    }

    /// Folders of layers without record: one gets its record before its place, and loses it first of all. Where an image or
    /// a container names it the record was lost with a damaged disk, and can be made anew (`check`).
    pub(super) fn removed_layers(&self) -> Result<Vec<PathBuf>> {
        let mut without = self.layer_ids()?;
        without.retain(|id| matches!(self.layer(id), Ok(None)));
        if without.is_empty() {
            return Ok(Vec::new());
        }
        let Some(used) = self.used_layers()? else { return Ok(Vec::new()) };
        Ok(without.iter().filter(|id| !used.contains(*id)).map(|id| self.layer_dir(id)).collect())
    }

    /// Entries of the layer index that lead nowhere, or to a layer that another entry leads to.
    fn sweep_index(&self) -> Result<()> {
        let dir = self.layers_dir().join("by-diff");
        for hex in record::names(&dir)? {
            let leads = Digest::parse(&format!("sha256:{hex}"))
                .is_ok_and(|diff_id| !matches!(self.find_layer(&diff_id), Ok(None)));
            if !leads {
                let _ = fs::remove_file(dir.join(hex));
            }
        }
        Ok(())
    }

    /// Names whose image is gone. One whose image's record is damaged stays: the record may be mended.
    fn sweep_names(&self) -> Result<()> {
        for name in self.names()? {
            if matches!(self.image(&name.manifest), Ok(None)) {
                let _ = self.remove_name(&name.name);
            }
        }
        Ok(())
    }

    /// Manifests and configurations that no image names.
    fn sweep_blobs(&self) -> Result<()> {
        let mut used = HashSet::new();
        let images = self.root().join("images");
        for file in record::names(&images)?.iter().filter(|name| name.ends_with(".json")) {
            let Ok(image) = record::read::<super::image::ImageRecord>(&images.join(file)) else { return Ok(()) };
            used.extend(image.into_iter().flat_map(|image| [image.manifest, image.id]));
        }
        for hex in record::names(&self.root().join("blobs/sha256"))? {
            if let Ok(digest) = Digest::parse(&format!("sha256:{hex}"))
                && !used.contains(&digest.to_string())
            {
                let _ = self.remove_blob(&digest);
            }
        }
        Ok(())
    }

    /// Steps whose layer is gone or was lost with an earlier boot, damaged ones, and explanations that nobody has asked for
    /// in a long time.
    fn sweep_steps(&self) -> Result<()> {
        let dir = self.steps_dir();
        for name in record::names(&dir)? {
            let path = dir.join(&name);
            let found = record::read::<super::cache::StepRecord>(&path);
            // A layer with a damaged record may be mended.
            let there = |id: &str| self.layer(id).is_err() || matches!(self.usable_layer(id), Ok(Some(_)) | Err(_));
            let alive = found.is_ok_and(|step| step.is_some_and(|step| there(&step.layer.id)));
            if !alive {
                let _ = fs::remove_file(path);
            }
        }
        let now = SystemTime::now();
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let old = |meta: fs::Metadata| Some(now.duration_since(meta.modified().ok()?).ok()? > EXPLANATIONS);
            if entry.file_name().as_encoded_bytes().starts_with(b".last-")
                && entry.metadata().ok().and_then(old) == Some(true)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}
