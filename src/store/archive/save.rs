//! Writes images into one archive or folder. Layers are written as they are in the store's manifests: not compressed, so the
//! digests in the archive are the images' own, and the same images give the same bytes.

use super::super::Store;
use super::super::image::ImageRecord;
use super::super::layer::LayerRef;
use super::sink::Sink;
use super::tarball::Tarball;
use super::{DOCKER_LIST, Format, NOTE_NAME, NOTE_TAG, OCI_LIST, blob_name};
use crate::error::{Kind, Result, fail};
use crate::image::digest::Digest;
use crate::image::manifest::{self, Descriptor, OCI_INDEX, OCI_MANIFEST, Platform};
use crate::image::reference::Reference;
use crate::progress::{Event, Reporter};
use crate::sys::userns;
use anyhow::Context;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;

/// What `save` is to write to.
pub enum Output<'a> {
    /// A stream, which is only appended to (a pipe will do).
    ///
    /// Another process does the writing, so it must be a file, pipe or terminal, perhaps buffered, never a buffer alone,
    /// and must hold nothing back when it is handed over.
    Stream(&'a mut dyn Write),
    /// An empty folder.
    Folder(PathBuf),
}

/// Writes `images`, each with the full names that the archive shall give it. What was written when an error occurs is for
/// the caller to remove.
pub fn save(
    store: &Store,
    images: &[(ImageRecord, Vec<String>)],
    format: Format,
    output: Output<'_>,
    reporter: &dyn Reporter,
) -> Result<()> {
    let images: Vec<Image<'_>> = images.iter().map(|(record, names)| image(record, names, reporter)).collect();
    userns::run(|| {
        let mut out = match output {
            Output::Stream(stream) => Sink::Tar(Tarball::new(stream)),
            Output::Folder(path) => Sink::Folder(path),
        };
        match (format, images.as_slice()) {
            (Format::Docker, images) => docker(store, images, &mut out)?,
            (Format::Oci, images) => oci(store, images, &mut out)?,
            (Format::DockerDir, [image]) => docker_dir(store, image, &mut out)?,
            (Format::DockerDir, _) => return Err(fail(Kind::User, "docker-dir has room for one image only")),
        }
        out.finish()
    })
}

struct Image<'a> {
    record: &'a ImageRecord,
    names: Vec<Reference>,
}

fn image<'a>(record: &'a ImageRecord, names: &[String], reporter: &dyn Reporter) -> Image<'a> {
    let mut kept = Vec::new();
    for name in names {
        match Reference::parse(name) {
            Ok(reference) if reference.digest.is_none() => kept.push(reference.with_default_tag()),
            _ => reporter.report(Event::Warning(format!("the name {name} has no tag; the archive is without it"))),
        }
    }
    Image { record, names: kept }
}

/// One image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// The lists come first, so that a reader of a stream knows what the members that follow are for.
fn docker(store: &Store, images: &[Image<'_>], tar: &mut Sink<'_>) -> Result<()> {
    let mut list = Vec::new();
    for image in images {
        list.push(DockerEntry {
            config: format!("{}.json", hex(&image.record.id)?),
            repo_tags: image.names.iter().map(ToString::to_string).collect(),
            layers: image
                .record
                .layers
                .iter()
                .map(|l| Ok(format!("{}.tar", hex(&l.diff_id)?)))
                .collect::<Result<_>>()?,
        });
    }
    tar.file(DOCKER_LIST, &serde_json::to_vec(&list).context("writing manifest.json")?)?;
    let mut written = HashSet::new();
    for image in images {
        let id = Digest::parse(&image.record.id)?;
        if written.insert(id) {
            tar.file(&format!("{}.json", id.hex()), &store.get_blob(&id)?)?;
        }
        layers(store, image, tar, &mut written, |digest| format!("{}.tar", digest.hex()))?;
    }
    Ok(())
}

/// `index.json` of an OCI layout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciIndex {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

fn oci(store: &Store, images: &[Image<'_>], tar: &mut Sink<'_>) -> Result<()> {
    let mut index = OciIndex { schema_version: 2, media_type: OCI_INDEX, manifests: Vec::new() };
    let mut manifests = Vec::new();
    for image in images {
        let digest = Digest::parse(&image.record.manifest)?;
        let bytes = store.get_blob(&digest)?;
        index.manifests.extend(descriptors(image, digest, bytes.len() as u64));
        manifests.push((digest, bytes));
    }
    tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tar.file(OCI_LIST, &serde_json::to_vec(&index).context("writing index.json")?)?;
    tar.folder("blobs/")?;
    tar.folder("blobs/sha256/")?;
    let mut written = HashSet::new();
    for (image, (digest, bytes)) in images.iter().zip(manifests) {
        if written.insert(digest) {
            tar.file(&blob_name(&digest), &bytes)?;
        }
        let id = Digest::parse(&image.record.id)?;
        if written.insert(id) {
            tar.file(&blob_name(&id), &store.get_blob(&id)?)?;
        }
        layers(store, image, tar, &mut written, blob_name)?;
    }
    Ok(())
}

/// The entries of an image in the index: one for each name, as a name is a note on the entry.
fn descriptors(image: &Image<'_>, manifest: Digest, size: u64) -> Vec<Descriptor> {
    let config = &image.record.config;
    let plain = Descriptor {
        platform: Some(Platform {
            os: config.os.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
        }),
        ..Descriptor::new(OCI_MANIFEST, manifest, size)
    };
    if image.names.is_empty() {
        return vec![plain];
    }
    let named = |name: &Reference| {
        // The full name in both: podman and skopeo find an image by the second, and two images may have one tag.
        let notes = [NOTE_NAME, NOTE_TAG].map(|note| (note.to_string(), name.to_string()));
        let notes = BTreeMap::from(notes);
        Descriptor { annotations: Some(notes), ..plain.clone() }
    };
    image.names.iter().map(named).collect()
}

/// A manifest in Docker's words, and its blobs by their digests. Nothing in it can hold a name.
fn docker_dir(store: &Store, image: &Image<'_>, out: &mut Sink<'_>) -> Result<()> {
    let id = Digest::parse(&image.record.id)?;
    let config = store.get_blob(&id)?;
    let layer = |layer: &LayerRef| -> Result<Descriptor> {
        Ok(Descriptor::new(manifest::DOCKER_LAYER, Digest::parse(&layer.diff_id)?, layer.tar_size))
    };
    let described = image.record.layers.iter().map(layer).collect::<Result<Vec<_>>>()?;
    let head = Descriptor::new(manifest::DOCKER_CONFIG, id, config.len() as u64);
    out.file("version", b"Directory Transport Version: 1.1\n")?;
    out.file(DOCKER_LIST, &manifest::build_docker_manifest(&head, &described))?;
    out.file(&id.hex(), &config)?;
    layers(store, image, out, &mut HashSet::from([id]), Digest::hex)
}

fn layers(
    store: &Store,
    image: &Image<'_>,
    tar: &mut Sink<'_>,
    written: &mut HashSet<Digest>,
    name: impl Fn(&Digest) -> String,
) -> Result<()> {
    for layer in &image.record.layers {
        let digest = Digest::parse(&layer.diff_id)?;
        if written.insert(digest) {
            tar.stream(&name(&digest), layer.tar_size, |out| store.write_layer_tar(layer, out))
                .with_context(|| format!("cannot save layer {digest}"))?;
        }
    }
    Ok(())
}

fn hex(digest: &str) -> Result<String> {
    Ok(Digest::parse(digest)?.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::ImageConfig;
    use std::sync::Mutex;

    struct Heard(Mutex<Vec<String>>);

    impl Reporter for Heard {
        fn report(&self, event: Event) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }

    #[test]
    fn every_name_is_an_entry_and_a_digest_is_no_name() {
        let record = ImageRecord {
            manifest: Digest::of(b"m").to_string(),
            id: Digest::of(b"c").to_string(),
            config: ImageConfig { os: "linux".into(), architecture: "arm64".into(), ..ImageConfig::default() },
            layers: Vec::new(),
            size: 0,
            created: String::new(),
        };
        let pinned = format!("quay.io/a@{}", Digest::of(b"m"));
        let heard = Heard(Mutex::default());
        let image = image(&record, &["localhost/a:1".into(), "localhost/b:2".into(), pinned], &heard);
        let entries = descriptors(&image, Digest::of(b"m"), 1);
        let notes: Vec<_> = entries.iter().map(|d| d.annotations.clone().unwrap()).collect();
        assert_eq!((notes.len(), notes[1][NOTE_TAG].as_str()), (2, "localhost/b:2"));
        assert_eq!(notes[0][NOTE_NAME], "localhost/a:1");
        assert!(heard.0.lock().unwrap()[0].contains("quay.io/a@"));
        assert!(descriptors(&Image { names: vec![], ..image }, Digest::of(b"m"), 1)[0].annotations.is_none());
    }
}
