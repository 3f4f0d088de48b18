//! Files that builds fetched by a URL, kept so that the next build only asks whether they changed.
//!
//! `cache/remote/<digest of the URL>.json` says what the server told of a URL, `cache/remote/<digest>.file` holds bytes.
//! Both are a cache: what is missing or damaged is fetched again. Talking to servers is not done here.

use super::{Store, record};
use crate::error::Result;
use crate::image::digest::{Digest, Hasher};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What was learnt about a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// The address, without credentials.
    pub url: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The server's `ETag`.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub modified: Option<String>,
}

impl Store {
    fn downloads(&self) -> PathBuf {
        self.root.join("cache/remote")
    }

    fn download_record(&self, url: &str) -> PathBuf {
        self.downloads().join(format!("{}.json", Digest::of(url.as_bytes()).hex()))
    }

    fn download_file(&self, digest: &Digest) -> PathBuf {
        self.downloads().join(format!("{}.file", digest.hex()))
    }

    /// What is known of `url` (without credentials), if its bytes are still there.
    pub fn download(&self, url: &str) -> Option<Download> {
        let found: Download = record::read(&self.download_record(url)).ok().flatten()?;
        (found.url == url && self.download_file(&found.digest).is_file()).then_some(found)
    }

    /// Takes `file`, which holds the bytes of `download` and lies on the store's file system.
    pub fn keep_download(&self, download: &Download, file: &Path) -> Result<()> {
        fs::create_dir_all(self.downloads()).context("making the folder for downloads")?;
        let place = self.download_file(&download.digest);
        fs::rename(file, &place).with_context(|| format!("keeping {}", place.display()))?;
        record::write_quick(&self.download_record(&download.url), &record::to_json(download)?)
    }

    /// Copies the bytes with this digest to the new file `to`. False if they are not there, or are damaged: then they are
    /// forgotten.
    pub fn copy_download(&self, digest: &Digest, to: &Path) -> Result<bool> {
        let place = self.download_file(digest);
        let mut from = match File::open(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.with_context(|| format!("opening {}", place.display()))?,
        };
        if copy_hashing(&mut from, to)? == *digest {
            return Ok(true);
        }
        // Not synced when it was written, and then the power went.
        let _ = fs::remove_file(&place);
        fs::remove_file(to).with_context(|| format!("removing {}", to.display()))?;
        Ok(false)
    }
}

/// Writes all that comes from `from` into the new file `to`; gives its digest. A file that could not be finished is
/// removed.
pub fn copy_hashing(from: &mut dyn Read, to: &Path) -> Result<Digest> {
    let mut file = File::create_new(to).with_context(|| format!("writing {}", to.display()))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    let written = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                if let Err(error) = file.write_all(&buffer[..n]) {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Err(error) = written {
        let _ = fs::remove_file(to);
        return Err(error.into());
    }
    Ok(hasher.finish().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_bytes_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let staged = dir.path().join("staged");
        let digest = copy_hashing(&mut &b"bytes"[..], &staged).unwrap();
        assert_eq!(digest, Digest::of(b"bytes"));
        let download = Download { url: "http://h/x".into(), digest, etag: Some("e".into()), modified: None };
        store.keep_download(&download, &staged).unwrap();
        assert_eq!(store.download("http://h/x"), Some(download));
        assert_eq!(store.download("http://h/y"), None);
        let copy = dir.path().join("copy");
        assert!(store.copy_download(&digest, &copy).unwrap());
        assert_eq!(fs::read(&copy).unwrap(), b"bytes");
        fs::remove_file(&copy).unwrap();
        fs::write(store.download_file(&digest), "other").unwrap();
        assert!(!store.copy_download(&digest, &copy).unwrap());
        assert!(!copy.exists() && store.download("http://h/x").is_none());
    }
}
