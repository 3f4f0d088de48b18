//! Manifests and configs by digest. Layers are not blobs here: they live as trees (`layer`).

use super::{Store, record};
use crate::error::{Kind, Result, fail};
use crate::image::digest::Digest;
use anyhow::Context;
use std::fs;
use std::path::PathBuf;

impl Store {
    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join("sha256").join(digest.hex())
    }

    /// Stores a small blob and gives its digest; storing it again changes nothing, but mends a damaged one.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.blob_path(&digest);
        if !fs::read(&path).is_ok_and(|present| present == bytes) {
            record::write_durable(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Whether the blob is there.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Reads a blob and checks its digest.
    pub fn get_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        if Digest::of(&bytes) != *digest {
            return Err(fail(Kind::System, format!("the blob {} does not match its digest", path.display())));
        }
        Ok(bytes)
    }

    /// Removes a blob; one that is not there is fine.
    pub fn remove_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}
