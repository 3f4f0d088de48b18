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
use crate::sys::fault;
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

/// A file name of ours, where the escaped one would not leave room for that of a temporary file beside it.
const MAX_FILE_NAME: usize = 200;

/// A name as the name of a file: escaped, or for a very long one its digest, which no escaped one looks like.
pub(super) fn encode(name: &str) -> String {
    let escaped = escape(name);
    if escaped.len() <= MAX_FILE_NAME { escaped } else { format!("%%{}", Digest::of(name.as_bytes()).hex()) }
}

fn escape(name: &str) -> String {
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
    fn name_path(&self, full: &str) -> PathBuf {
        self.root.join("images/names").join(encode(full))
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
        let path = self.name_path(&name);
        let before = record::read::<NameRecord>(&path).ok().flatten().map(|n| n.manifest);
        if before.as_deref() != Some(manifest) {
            let new = NameRecord { name, manifest: manifest.to_string() };
            record::write_durable(&path, &record::to_json(&new)?)?;
        }
        Ok(before)
    }

    /// What a full name points to.
    pub fn named(&self, reference: &Reference) -> Result<Option<String>> {
        Ok(record::read::<NameRecord>(&self.name_path(&reference.to_string()))?.map(|n| n.manifest))
    }

    /// Removes a name.
    pub fn remove_name(&self, name: &str) -> Result<()> {
        fault::point("name.remove")?;
        std::fs::remove_file(self.name_path(name))
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
        let candidates = Reference::candidates(text);
        for reference in candidates.as_deref().unwrap_or_default() {
            if let Some(found) = self.by_reference(reference)? {
                return Ok(found);
            }
        }
        match (self.by_id(text)?, candidates) {
            (Some(image), _) => Ok((image, None)),
            (None, Ok(_)) => Err(not_found(text)),
            // What can be neither a name nor an id is missing, too, but there is more to say.
            (None, Err(why)) if !text.bytes().all(|b| b.is_ascii_hexdigit()) => Err(no_name(text, &why)),
            (None, Err(_)) => Err(not_found(text)),
        }
    }

    /// Takes names away from an image, all of them if none is given; it stays, without a name if need be. Nothing changes
    /// when one of `names` is not the image's.
    pub fn untag(&self, text: &str, names: &[String]) -> Result<()> {
        // Nobody moves a name between the look and its end.
        let _alone = self.lock_exclusive()?;
        let image = self.find_image(text)?;
        let own: Vec<String> =
            self.names()?.into_iter().filter(|n| n.manifest == image.manifest).map(|n| n.name).collect();
        let mut gone = Vec::new();
        for name in names {
            let candidates: Vec<String> = Reference::candidates(name)?.iter().map(ToString::to_string).collect();
            match candidates.iter().find(|candidate| own.contains(candidate)) {
                Some(found) => gone.push(found.clone()),
                None => {
                    let message = format!("{}: tag not known: it is no name of the image {text}", candidates[0]);
                    return Err(fail(Kind::NotFound, message));
                }
            }
        }
        if names.is_empty() {
            gone = own;
        }
        gone.sort();
        gone.dedup();
        gone.iter().try_for_each(|name| self.remove_name(name))
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
        let mut found = self.image_lines()?;
        found.retain(|image| matches(&image.id) || matches(&image.manifest));
        // Two manifests may share one config; for a person that is one image.
        found.sort_by(|a, b| (&a.id, &a.manifest).cmp(&(&b.id, &b.manifest)));
        found.dedup_by(|a, b| a.id == b.id);
        match found.as_slice() {
            [] => Ok(None),
            [only] => self.image(&only.manifest),
            several => Err(fail_with(
                Kind::User,
                format!("the image id {text} is ambiguous: {} images begin with it", several.len()),
                "Give more digits of it; `dhow images --no-trunc` shows them all.",
            )),
        }
    }

    /// Removes the record of an image and its blobs; layers are another matter ([`Store::detach_layers`]).
    pub fn remove_image(&self, image: &ImageRecord) -> Result<()> {
        fault::point("image.remove")?;
        let _ = std::fs::remove_file(self.record_path(&image.manifest)?);
        fault::point("image.remove-blobs")?;
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

/// The same for a text that cannot be an image's name.
fn no_name(text: &str, why: &anyhow::Error) -> anyhow::Error {
    let shown: String = text.chars().take(300).collect();
    fail_with(
        Kind::NotFound,
        format!("{shown}: no such image: image not known"),
        format!("Not a possible name: {why}."),
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

    fn config(author: &str) -> ImageConfig {
        ImageConfig {
            author: Some(author.into()),
            architecture: "amd64".into(),
            os: "linux".into(),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn the_longest_names_are_kept_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let image = store.record_image(config("a"), vec![]).unwrap();
        let path = "a/".repeat(121) + "b";
        for tag in ["t".repeat(128), "t".repeat(127) + "u"] {
            let text = format!("reg.io:5000/{path}:{tag}");
            let name = Reference::for_new(&text).unwrap();
            assert_eq!(name.name().len(), 255);
            store.set_name(&name, &image.manifest).unwrap();
            assert_eq!(store.find_image_and_name(&text).unwrap().1.as_deref(), Some(text.as_str()));
        }
        assert_eq!(store.names().unwrap().len(), 2);
    }

    #[test]
    fn ids_are_found_by_unique_prefixes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let image = store.record_image(config("a"), vec![]).unwrap();
        // Many manifests, with ids that begin alike; two share their config.
        let put = |manifest: &str, id: &str| {
            let (manifest, id) = (manifest.repeat(64), format!("{id:0<64}"));
            let (manifest, id) = (format!("sha256:{manifest}"), format!("sha256:{id}"));
            store.put_image(&ImageRecord { manifest, id, ..image.clone() }).unwrap();
        };
        put("1", "abcd1");
        put("2", "abcd2");
        put("3", "abcd1");
        let hex = &image.id[7..];
        for text in [hex, &hex[..3], &hex[..12], &image.id, &image.manifest, &image.id[..12]] {
            assert_eq!(store.find_image(text).unwrap().id, image.id, "{text}");
        }
        assert_eq!(store.find_image("abcd1").unwrap().manifest, format!("sha256:{}", "1".repeat(64)));
        let error = store.find_image("abcd").unwrap_err().to_string();
        assert!(error.contains("abcd is ambiguous: 2 images"), "{error}");
        for text in ["ab", "sha256:", &hex.to_uppercase(), "", "abcd3"] {
            let error = store.find_image(text).unwrap_err();
            assert_eq!(crate::error::kind_of(&error), Some(Kind::NotFound), "{text}: {error}");
        }
        let hint = crate::error::hint_of(&store.find_image("App").unwrap_err()).unwrap().to_string();
        assert!(hint.contains("lower case"), "{hint}");
    }

    #[test]
    fn a_digest_wins_over_a_tag_and_belongs_to_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let (old, new) =
            (store.record_image(config("a"), vec![]).unwrap(), store.record_image(config("b"), vec![]).unwrap());
        let name = |text: &str| Reference::for_new(text).unwrap();
        store.set_name(&name("app:1"), &old.manifest).unwrap();
        store.set_name(&name("app:2"), &new.manifest).unwrap();
        for text in [format!("app@{}", old.manifest), format!("localhost/app:2@{}", old.manifest)] {
            assert_eq!(store.find_image(&text).unwrap().id, old.id, "{text}");
        }
        assert!(store.find_image(&format!("other@{}", old.manifest)).is_err());
        // A name that moves leaves the image that it had.
        store.set_name(&name("app:1"), &new.manifest).unwrap();
        assert_eq!(store.find_image("app:1").unwrap().id, new.id);
        assert_eq!(store.find_image(&old.id).unwrap().id, old.id);
    }

    #[test]
    fn names_are_taken_away_and_the_image_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let image = store.record_image(config("a"), vec![]).unwrap();
        for text in ["one", "two", "docker.io/three"] {
            store.set_name(&Reference::for_new(text).unwrap(), &image.manifest).unwrap();
        }
        let left = || store.names().unwrap().len();
        let error = store.untag("one", &["two".into(), "four".into()]).unwrap_err().to_string();
        assert!(error.contains("localhost/four:latest: tag not known") && left() == 3, "{error}");
        store.untag("one", &["three".into(), "one".into(), "one:latest".into()]).unwrap();
        assert_eq!(store.names().unwrap()[0].name, "localhost/two:latest");
        store.untag(&image.id, &[]).unwrap();
        assert_eq!(left(), 0);
        assert_eq!(store.find_image(&image.id[..19]).unwrap().id, image.id);
    }

    #[test]
    fn of_many_who_name_at_once_the_last_wins_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let images: Vec<_> = (0..8).map(|n| store.record_image(config(&n.to_string()), vec![]).unwrap()).collect();
        let name = Reference::for_new("app").unwrap();
        std::thread::scope(|scope| {
            for image in &images {
                scope.spawn(|| (0..20).for_each(|_| drop(store.set_name(&name, &image.manifest).unwrap())));
            }
            for _ in 0..200 {
                // Never half: it is not there yet, or leads to one of them.
                assert!(store.named(&name).unwrap().is_none_or(|m| images.iter().any(|image| image.manifest == m)));
            }
        });
        assert_eq!(store.names().unwrap().len(), 1);
        assert!(images.contains(&store.find_image("app").unwrap()));
        assert_eq!(std::fs::read_dir(dir.path().join("images/names")).unwrap().count(), 1, "nothing temporary stays");
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
