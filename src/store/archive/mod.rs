//! Images as one file: `save`, `load` and `import`.
//!
//! Two formats are spoken: Docker's (`docker save`, `podman save`) and OCI layouts in a tar. Both are tars whose members
//! are found by name. Not here: the tar of a layer (`layer`, [`super::Store::write_layer_tar`]), names on the command
//! line and what is printed (`cli`), registries.
//!
//! `load` copies the members into a staging folder before it reads them: standard input cannot be read twice, and the
//! order of members is free. So it needs the archive's size on disk for a while, but never in memory. All layers of all
//! images are unpacked and checked there before the first of them is put into the store.

mod docker;
mod import;
mod layers;
mod load;
mod oci;
mod save;
mod spool;
mod tarball;

pub use import::import;
pub use load::load;
pub use save::save;

use super::Store;
use super::staging::Staging;
use crate::error::Result;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use crate::sys::userns;
use serde::{Serialize, de::DeserializeOwned};
use std::fs;

/// The shape of a saved archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As `docker save` writes it: `manifest.json`, a file for each config and layer.
    Docker,
    /// An OCI image layout.
    Oci,
}

/// The member that lists the images of a Docker archive.
const DOCKER_LIST: &str = "manifest.json";
/// The member that lists the images of an OCI layout.
const OCI_LIST: &str = "index.json";
/// The note in an OCI layout that holds an image's tag.
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

/// Does `work` in a worker, with a staging folder that is gone afterwards whatever happens. What killed commands left
/// goes first.
fn in_worker<T: Serialize + DeserializeOwned>(store: &Store, work: impl FnOnce(&Staging) -> Result<T>) -> Result<T> {
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
