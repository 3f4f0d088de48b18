//! Reads what an OCI layout lists: `index.json`, blobs by digest, each checked against its descriptor.
//!
//! (OCI image-spec `image-layout.md`.) Where several entries have one name, or an entry is itself an index, this
//! machine's platform decides; layers' `urls` are never followed.

use super::source::Source;
use super::{Found, LayerFile, NOTE_NAME, NOTE_TAG, OCI_LIST, blob_name, layer_of};
use crate::error::{Kind, Result, fail};
use crate::image::manifest::{
    Descriptor, Document, Index, MAX_CONFIG, MAX_MANIFEST, Manifest, OCI_INDEX, Platform, parse_document,
};
use crate::image::reference::Reference;
use anyhow::Context;

/// How many indexes may be nested.
const MAX_DEPTH: usize = 4;

/// The images of the layout for this platform, in its order.
pub fn images(source: &Source) -> Result<Vec<Found>> {
    let list = parse_document(&source.read(OCI_LIST, MAX_MANIFEST)?, Some(OCI_INDEX));
    let Document::Index(index) = list.with_context(|| format!("the archive's {OCI_LIST}"))? else {
        return Err(fail(Kind::User, format!("the archive's {OCI_LIST} is an image where an index should be")));
    };
    let mut images = Vec::new();
    for (name, entry) in choose(index)? {
        let manifest = resolve(source, &entry, 0)?;
        let config = read(source, &manifest.config, MAX_CONFIG)?;
        let layers = manifest.layers.iter().map(layer).collect::<Result<_>>()?;
        images.push(Found { config, layers, names: name.into_iter().collect() });
    }
    Ok(images)
}

/// One entry for each name, and those without a name.
fn choose(index: Index) -> Result<Vec<(Option<Reference>, Descriptor)>> {
    let mut groups: Vec<(Option<Reference>, Vec<Descriptor>)> = Vec::new();
    for entry in index.manifests {
        let name = name_of(&entry)?;
        let is_one = |d: &Descriptor| d.platform.is_some() && d.platform != entry.platform;
        match groups.iter_mut().find(|(known, _)| *known == name) {
            // Nameless entries are one image only if they differ by platform.
            Some((_, group)) if name.is_some() || entry.platform.is_some() && group.iter().all(is_one) => {
                group.push(entry);
            }
            _ => groups.push((name, vec![entry])),
        }
    }
    let one = |(name, mut group): (Option<Reference>, Vec<Descriptor>)| match group.len() {
        1 => Ok((name, group.remove(0))),
        _ => {
            let index = Index { media_type: OCI_INDEX.into(), manifests: group };
            Ok((name, index.choose(&Platform::host())?.clone()))
        }
    };
    groups.into_iter().map(one).collect()
}

/// The name as either note gives it. containerd's holds full names. In the other, podman and skopeo write full names,
/// and some tools a bare word, which is a local name for podman, too; a word that can be no name names nothing.
fn name_of(entry: &Descriptor) -> Result<Option<Reference>> {
    let Some(notes) = &entry.annotations else { return Ok(None) };
    let name = match (notes.get(NOTE_NAME), notes.get(NOTE_TAG)) {
        (Some(text), _) => Reference::parse(text).map(Reference::with_default_tag),
        (None, Some(text)) if text.contains('@') => Reference::parse(text),
        (None, Some(text)) if text.contains(['/', ':']) => Reference::for_new(text),
        (None, Some(text)) => return Ok(Reference::for_new(text).ok()),
        (None, None) => return Ok(None),
    };
    Ok(Some(name.context("the archive names an image wrongly")?).filter(|n| n.digest.is_none()))
}

fn resolve(source: &Source, entry: &Descriptor, depth: usize) -> Result<Manifest> {
    if depth > MAX_DEPTH {
        return Err(fail(Kind::User, "the archive's indexes are nested too deeply"));
    }
    let announced = Some(entry.media_type.as_str()).filter(|t| !t.is_empty());
    let document = parse_document(&read(source, entry, MAX_MANIFEST)?, announced);
    match document.with_context(|| blob_name(&entry.digest))? {
        Document::Image(manifest) => Ok(manifest),
        Document::Index(index) => resolve(source, index.choose(&Platform::host())?, depth + 1),
    }
}

fn read(source: &Source, entry: &Descriptor, max: u64) -> Result<Vec<u8>> {
    source.read_blob(&blob_name(&entry.digest), entry.digest, entry.size, max)
}

fn layer(entry: &Descriptor) -> Result<LayerFile> {
    layer_of(entry, blob_name(&entry.digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::Digest;
    use crate::image::manifest::{OCI_LAYER_GZIP, OCI_MANIFEST};
    use std::collections::BTreeMap;

    fn entry(what: &str, notes: &[(&str, &str)], arch: Option<&str>) -> Descriptor {
        let notes: BTreeMap<_, _> = notes.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        Descriptor {
            annotations: Some(notes),
            platform: arch.map(|a| Platform { os: "linux".into(), architecture: a.into(), variant: None }),
            ..Descriptor::new(OCI_MANIFEST, Digest::of(what.as_bytes()), 1)
        }
    }

    fn chosen(entries: Vec<Descriptor>) -> Vec<(String, Digest)> {
        let chosen = choose(Index { media_type: OCI_INDEX.into(), manifests: entries }).unwrap();
        chosen.into_iter().map(|(n, d)| (n.map(|n| n.to_string()).unwrap_or_default(), d.digest)).collect()
    }

    #[test]
    fn either_note_names_an_image() {
        let name = |notes: &[(&str, &str)]| name_of(&entry("x", notes, None)).unwrap().map(|n| n.to_string());
        assert_eq!(name(&[(NOTE_TAG, "latest")]).unwrap(), "localhost/latest:latest");
        assert_eq!(name(&[(NOTE_TAG, "app:1")]).unwrap(), "localhost/app:1");
        assert_eq!((name(&[(NOTE_TAG, "V1")]), name(&[])), (None, None));
        assert_eq!(name(&[(NOTE_TAG, "localhost/a:1")]).unwrap(), "localhost/a:1");
        assert_eq!(name(&[(NOTE_NAME, "docker.io/library/a:2"), (NOTE_TAG, "2")]).unwrap(), "docker.io/library/a:2");
        assert!(name_of(&entry("x", &[(NOTE_NAME, "../../a")], None)).is_err());
    }

    #[test]
    fn platforms_of_one_name_are_one_image_and_other_entries_are_several() {
        let here = Platform::host().architecture;
        let list = |notes: &[(&str, &str)]| {
            chosen(vec![entry("far", notes, Some("s390x")), entry("here", notes, Some(here.as_str()))])
        };
        assert_eq!(list(&[(NOTE_NAME, "a/b:1")]), [("docker.io/a/b:1".into(), Digest::of(b"here"))]);
        assert_eq!(list(&[]), [(String::new(), Digest::of(b"here"))]);
        let two = chosen(vec![entry("one", &[], None), entry("two", &[], None)]);
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_is_no_tar_is_no_layer() {
        let of_type = |media_type: &str| layer(&Descriptor::new(media_type, Digest::of(b""), 0)).is_ok();
        assert!(of_type(OCI_LAYER_GZIP) && of_type("application/vnd.docker.image.rootfs.diff.tar.gzip"));
        assert!(!of_type("application/vnd.in-toto+json") && !of_type(&format!("{OCI_LAYER_GZIP}+encrypted")));
    }
}
