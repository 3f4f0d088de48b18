//! Images: values named by the digest of their manifest, and names that point to them.
//!
//! Everything that `images` prints is computed when the image is recorded. A name is one file; moving a name is one
//! rename. An image id, as people use it, is the digest of its config.

use super::layer::LayerRef;
use super::{Store, record};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `images/<hex>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Digest of the manifest blob.
    pub manifest: String,
    /// Digest of the config blob: the image id.
    pub id: String,
    /// The config, parsed, so that a start reads one file.
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<LayerRef>,
    /// Bytes of all file contents.
    pub size: u64,
    /// RFC 3339.
    pub created: String,
}

/// `images/names/<encoded>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord {
    /// The full name, `localhost/app:latest`.
    pub name: String,
    /// Digest of the manifest that it points to.
    pub manifest: String,
}

fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => out.push(c),
            '.' if !out.is_empty() => out.push(c),
            _ => out.push_str(&format!("%{:02x}", c as u32)),
        }
    }
    out
}

impl Store {
    fn name_path(&self, full: &str) -> Result<PathBuf> {
        let encoded = encode(full);
        if encoded.len() > 255 {
            return Err(fail(Kind::User, format!("the name {full} is too long for the store")));
        }
        Ok(self.root.join("images/names").join(encoded))
    }

    fn record_path(&self, manifest: &str) -> Result<PathBuf> {
        Ok(self.root.join("images").join(format!("{}.json", Digest::parse(manifest)?.hex())))
    }

    /// The image with this manifest digest.
    pub fn image(&self, manifest: &str) -> Result<Option<ImageRecord>> {
        record::read(&self.record_path(manifest)?)
    }

    /// Records an image whose blobs and layers are in the store. Layers must have been synced before. A record that is
    /// there stays, unless it is damaged or has lost a layer: making or loading the image again mends it.
    pub fn put_image(&self, image: &ImageRecord) -> Result<()> {
        let path = self.record_path(&image.manifest)?;
        let has_all = |found: &ImageRecord| found.layers.iter().all(|layer| self.layer_tree(&layer.id).is_dir());
        if let Ok(Some(found)) = record::read::<ImageRecord>(&path)
            && (found == *image || has_all(&found))
        {
            return Ok(());
        }
        record::write_durable(&path, &record::to_json(image)?)
    }

    /// Points a name to an image and gives the manifest that it pointed to before. Writes nothing when nothing changes.
    pub fn set_name(&self, reference: &Reference, manifest: &str) -> Result<Option<String>> {
        let name = reference.to_string();
        // Nobody removes an image between the look and the name.
        let _adding = self.lock_shared()?;
        if !self.record_path(manifest)?.exists() {
            return Err(fail_with(
                Kind::System,
                format!("the image that was to be named {name} was removed meanwhile"),
                "Run the command again.",
            ));
        }
        let path = self.name_path(&name)?;
        let before = record::read::<NameRecord>(&path).ok().flatten().map(|n| n.manifest);
        if before.as_deref() != Some(manifest) {
            let new = NameRecord { name, manifest: manifest.to_string() };
            record::write_durable(&path, &record::to_json(&new)?)?;
        }
        Ok(before)
    }

    /// What a full name points to.
    pub fn named(&self, reference: &Reference) -> Result<Option<String>> {
        Ok(record::read::<NameRecord>(&self.name_path(&reference.to_string())?)?.map(|n| n.manifest))
    }

    /// Removes a name.
    pub fn remove_name(&self, name: &str) -> Result<()> {
        std::fs::remove_file(self.name_path(name)?)
            .map_err(|e| fail(Kind::System, format!("removing the name {name}: {e}")))
    }

    /// All names, in byte order. A damaged one hides only itself.
    pub fn names(&self) -> Result<Vec<NameRecord>> {
        let dir = self.root.join("images/names");
        let mut all: Vec<NameRecord> = record::names(&dir)?
            .iter()
            .filter_map(|file| record::read::<NameRecord>(&dir.join(file)).ok().flatten())
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// All images, named or not. A damaged record hides only itself.
    pub fn images(&self) -> Result<Vec<ImageRecord>> {
        let dir = self.root.join("images");
        Ok(record::names(&dir)?
            .iter()
            .filter(|file| file.ends_with(".json"))
            .filter_map(|file| record::read::<ImageRecord>(&dir.join(file)).ok().flatten())
            .collect())
    }

    /// Finds an image by name, short name, id or unique id prefix (3 hex digits or more).
    pub fn find_image(&self, text: &str) -> Result<ImageRecord> {
        Ok(self.find_image_and_name(text)?.0)
    }

    /// Like [`Store::find_image`], and the full name by which it was found.
    pub fn find_image_and_name(&self, text: &str) -> Result<(ImageRecord, Option<String>)> {
        if let Ok(candidates) = Reference::candidates(text) {
            for reference in candidates {
                if let Some(found) = self.by_reference(&reference)? {
                    return Ok(found);
                }
            }
        }
        self.by_id(text)?.map(|image| (image, None)).ok_or_else(|| not_found(text))
    }

    /// The full name that `text` stands for, if its own record is damaged, or its image's is damaged or gone.
    pub fn dead_name(&self, text: &str) -> Result<Option<String>> {
        for reference in Reference::candidates(text).unwrap_or_default().iter().filter(|r| r.digest.is_none()) {
            let alive = match self.named(reference) {
                Ok(None) => continue,
                Ok(Some(manifest)) => matches!(self.image(&manifest), Ok(Some(_))),
                Err(_) => false,
            };
            return Ok((!alive).then(|| reference.to_string()));
        }
        Ok(None)
    }

    fn by_reference(&self, reference: &Reference) -> Result<Option<(ImageRecord, Option<String>)>> {
        let Some(digest) = &reference.digest else {
            let Some(manifest) = self.named(reference)? else { return Ok(None) };
            return Ok(self.image(&manifest)?.map(|image| (image, Some(reference.to_string()))));
        };
        // A digest wins over a tag: the image counts when any name of the same repository leads to it.
        let wanted = digest.to_string();
        let prefix = format!("{}:", reference.name());
        let known = self.names()?.into_iter().any(|n| n.manifest == wanted && n.name.starts_with(&prefix));
        Ok(if known { self.image(&wanted)?.map(|image| (image, Some(reference.to_string()))) } else { None })
    }

    fn by_id(&self, text: &str) -> Result<Option<ImageRecord>> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() < 3 || hex.len() > 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
            return Ok(None);
        }
        let matches = |digest: &str| digest.strip_prefix("sha256:").is_some_and(|d| d.starts_with(hex));
        let mut found: Vec<ImageRecord> =
            self.images()?.into_iter().filter(|i| matches(&i.id) || matches(&i.manifest)).collect();
        // Two manifests may share one config; for a person that is one image.
        found.dedup_by(|a, b| a.id == b.id);
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.pop()),
            n => Err(fail(Kind::User, format!("the image id {text} is ambiguous: {n} images begin with it"))),
        }
    }

    /// Removes the record of an image and its blobs; layers are another matter ([`Store::detach_layers`]).
    pub fn remove_image(&self, image: &ImageRecord) -> Result<()> {
        let _ = std::fs::remove_file(self.record_path(&image.manifest)?);
        self.remove_blob(&Digest::parse(&image.manifest)?)?;
        if !self.images()?.iter().any(|other| other.id == image.id) {
            self.remove_blob(&Digest::parse(&image.id)?)?;
        }
        Ok(())
    }
}

/// The failure that tools look for when an image is missing.
pub fn not_found(text: &str) -> anyhow::Error {
    fail_with(
        Kind::NotFound,
        format!("{text}: no such image: image not known"),
        "`dhow images` lists what is there; `dhow build -t NAME .`, `dhow load` or `dhow import` make one.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_names_are_plain_file_names() {
        assert_eq!(encode("localhost/app:latest"), "localhost%2fapp%3alatest");
        assert!(!encode("../../x").contains('/'));
    }

    #[test]
    fn an_image_that_is_gone_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let name = Reference::for_new("app").unwrap();
        let manifest = Digest::of(b"gone").to_string();
        assert!(store.set_name(&name, &manifest).unwrap_err().to_string().contains("removed meanwhile"));
        assert!(store.names().unwrap().is_empty());
    }

    #[test]
    fn recording_an_image_again_mends_its_damaged_record_and_blobs() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let config = ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() };
        let made = store.record_image(config.clone(), vec![]).unwrap();
        let path = store.record_path(&made.manifest).unwrap();
        let lost = LayerRef { id: "ab".into(), diff_id: String::new(), tar_size: 0, content_size: 0 };
        let without_layer = record::to_json(&ImageRecord { layers: vec![lost], ..made.clone() }).unwrap();
        let blob = dir.path().join("blobs/sha256").join(Digest::parse(&made.id).unwrap().hex());
        for damage in [b"{".to_vec(), without_layer] {
            std::fs::write(&path, damage).unwrap();
            std::fs::write(&blob, "x").unwrap();
            store.record_image(config.clone(), vec![]).unwrap();
            assert_eq!(store.image(&made.manifest).unwrap().unwrap(), made);
            assert!(store.get_blob(&Digest::parse(&made.id).unwrap()).is_ok());
        }
    }
}
