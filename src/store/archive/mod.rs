//! Images as one file: `save`, `load` and `import`.
//!
//! Three formats are spoken: Docker's (`docker save`, `podman save`), OCI layouts, and the folder that podman and skopeo
//! call `dir:`. Each is a set of files found by name, in a tar or in a folder. Not here: the tar of a layer (`layer`, [`super::Store::write_layer_tar`]), names on the command
//! line and what is printed (`cli`), registries.
//!
//! `load` reads a folder or a file in place, and a stream as it passes, once; there is no copy of the archive, on disk or
//! in memory. All layers of all images are unpacked and checked in a staging folder before the first of them is put into
//! the store.

mod arrival;
mod docker;
mod folder;
mod import;
mod layers;
mod load;
mod names;
mod oci;
mod save;
mod sink;
mod source;
mod tarball;

pub use import::import;
pub use load::{load, load_unnamed};
pub use save::{Output, save};
pub use source::Input;

use super::Store;
use super::staging::Staging;
use crate::error::{Kind, Result, fail};
use crate::image::digest::Digest;
use crate::image::manifest::Descriptor;
use crate::image::reference::Reference;
use crate::sys::process::Interrupts;
use crate::sys::userns;
use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use std::fs;

/// The shape of a saved archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As `docker save` writes it: `manifest.json`, a file for each config and layer.
    Docker,
    /// An OCI image layout.
    Oci,
    /// What podman and skopeo call `dir:`, for one image.
    DockerDir,
}

/// The member that lists the images of a Docker archive.
const DOCKER_LIST: &str = "manifest.json";
/// The member that lists the images of an OCI layout.
const OCI_LIST: &str = "index.json";
/// The note in an OCI layout that names an image: a full name from podman and skopeo, a tag from Docker.
const NOTE_TAG: &str = "org.opencontainers.image.ref.name";
/// The note that holds its full name; containerd's, and since then everyone's.
const NOTE_NAME: &str = "io.containerd.image.name";

/// Where an OCI layout keeps a blob.
fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// An image as an archive lists it, its configuration read, its layers not yet.
#[derive(Debug)]
struct Found {
    config: Vec<u8>,
    /// Lowest first.
    layers: Vec<LayerFile>,
    names: Vec<Reference>,
}

/// A layer's place in an archive.
#[derive(Debug, Clone)]
struct LayerFile {
    member: String,
    /// Digest and size of the member itself, where the archive states them.
    blob: Option<(Digest, u64)>,
}

/// The layer of a manifest, kept as `member`. What is compressed is seen by its bytes; the media type only tells what is
/// no layer that we could read.
fn layer_of(entry: &Descriptor, member: String) -> Result<LayerFile> {
    let known = entry.media_type.contains(".tar") && !entry.media_type.contains("encrypted");
    if !known {
        return Err(fail(
            Kind::User,
            format!("layer {} has the media type {:.100?}, which is not supported", entry.digest, entry.media_type),
        ));
    }
    Ok(LayerFile { member, blob: Some((entry.digest, entry.size)) })
}

/// Does `work` in a worker, with a staging folder that is gone afterwards whatever happens. What killed commands left
/// goes first.
fn in_worker<T: Serialize + DeserializeOwned>(store: &Store, work: impl FnOnce(&Staging) -> Result<T>) -> Result<T> {
    // From before there is anything to clear away until it is gone; the worker's caller is told of a signal.
    let _held = Interrupts::hold().context("holding signals back")?;
    let staging = store.staging()?;
    let path = staging.path().to_path_buf();
    let result = userns::run(|| {
        let done = store.abandoned_staging().and_then(|left| userns::remove_trees_here(&left));
        let done = done.and_then(|()| work(&staging));
        let swept = userns::remove_trees_here(std::slice::from_ref(&path));
        done.and_then(|value| swept.map(|()| value))
    });
    // Only there when the worker never began or was killed.
    if path.exists() && fs::remove_dir_all(&path).is_err() {
        let _ = userns::remove_trees(&[path]);
    }
    result
}
