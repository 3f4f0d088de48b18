//! Reads an image from what podman and skopeo call `dir:`: `manifest.json`, which is the manifest itself, and its blobs
//! by their hexadecimal digests.
//!
//! (containers/image, containers-transports(5).) An index has its manifests beside it as `<hex>.manifest.json`. The
//! format has no place for a name.

use super::source::Source;
use super::{DOCKER_LIST, Found, LayerFile, layer_of};
use crate::error::{Kind, Result, fail};
use crate::image::manifest::{Document, MAX_CONFIG, MAX_MANIFEST, Platform, parse_document};
use anyhow::Context;

/// Whether a `manifest.json` is a manifest, and not the list of a Docker archive.
pub fn is_manifest(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

/// The image of the folder.
pub fn images(source: &Source, manifest: &[u8]) -> Result<Vec<Found>> {
    let manifest = match parse_document(manifest, None).with_context(|| format!("the archive's {DOCKER_LIST}"))? {
        Document::Image(manifest) => manifest,
        Document::Index(index) => {
            let entry = index.choose(&Platform::host())?;
            let name = format!("{}.manifest.json", entry.digest.hex());
            let bytes = source.read_blob(&name, entry.digest, entry.size, MAX_MANIFEST)?;
            match parse_document(&bytes, Some(&entry.media_type)).with_context(|| name.clone())? {
                Document::Image(manifest) => manifest,
                Document::Index(_) => return Err(fail(Kind::User, format!("{name} is an index in an index"))),
            }
        }
    };
    let config = &manifest.config;
    let config = source.read_blob(&config.digest.hex(), config.digest, config.size, MAX_CONFIG)?;
    let layer = |entry| -> Result<LayerFile> { layer_of(entry, entry.digest.hex()) };
    let layers = manifest.layers.iter().map(layer).collect::<Result<_>>()?;
    Ok(vec![Found { config, layers, names: Vec::new() }])
}
