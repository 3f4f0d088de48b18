//! Files behind a URL: fetched once, then asked for with the server's own marks, and not at all where the person pinned
//! the digest and the bytes are known.

use super::Request;
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::digest::Digest;
use crate::registry::http::{self, without_credentials};
use crate::store::Store;
use crate::store::download::{Download, copy_hashing};
use anyhow::Context;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The digest of the file at `url`, which is put into the folder `into`, if one is given: mode 0600, with the time that
/// the server tells (1970 if it tells none). `checksum` is the digest that it must have.
pub fn fetch(store: &Store, url: &str, checksum: Option<&str>, into: Option<&Path>) -> Result<String> {
    let wanted = checksum.map(parse_checksum).transpose()?;
    let shown = without_credentials(url);
    let mut known = store.download(&shown);
    if known.as_ref().is_none_or(|known| Some(known.digest) != wanted) {
        known = Some(ask(store, url, &shown, known, wanted)?);
    }
    let mut download = known.context("a download without a record")?;
    if let Some(into) = into {
        let file = into.join(Request::FILE);
        if !store.copy_download(&download.digest, &file)? {
            download = ask(store, url, &shown, None, Some(download.digest))?;
            store.copy_download(&download.digest, &file)?;
        }
        finish(&file, download.modified.as_deref())?;
    }
    Ok(download.digest.to_string())
}

fn parse_checksum(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|error| fail(Kind::User, format!("--checksum: {error}")))
}

/// Asks the server for the file, or for news since `known`.
fn ask(store: &Store, url: &str, shown: &str, known: Option<Download>, wanted: Option<Digest>) -> Result<Download> {
    let mut headers = Vec::new();
    if let Some(known) = &known {
        headers.extend(known.etag.as_deref().map(|etag| ("If-None-Match", etag)));
        headers.extend(known.modified.as_deref().map(|time| ("If-Modified-Since", time)));
    }
    // With both, the mark decides and the time is ignored (RFC 9110, section 13.1.3).
    let answer = http::get(&http::Request { url, headers: &headers })?;
    let download = match known {
        Some(known) if answer.status == 304 => known,
        _ => receive(store, answer, shown, wanted)?,
    };
    match wanted {
        Some(wanted) if wanted != download.digest => Err(differs(shown, wanted, download.digest)),
        _ => Ok(download),
    }
}

/// Takes the bytes into the cache, unless they are not the ones that are wanted.
fn receive(store: &Store, answer: http::Answer, shown: &str, wanted: Option<Digest>) -> Result<Download> {
    if answer.status == 304 {
        return Err(fail(Kind::System, format!("{shown}: the server says that nothing changed, but it was not asked")));
    }
    let (etag, modified) =
        (answer.header("etag").map(str::to_string), answer.header("last-modified").map(str::to_string));
    let staging = store.staging()?;
    let file = staging.path().join("download");
    let kept = copy_hashing(&mut answer.into_reader(), &file)
        .with_context(|| format!("{shown}: downloading"))
        .and_then(|digest| match wanted {
            Some(wanted) if wanted != digest => Err(differs(shown, wanted, digest)),
            _ => {
                let download = Download { url: shown.to_string(), digest, etag, modified };
                store.keep_download(&download, &file).map(|()| download)
            }
        });
    let _ = fs::remove_dir_all(staging.path());
    kept
}

fn differs(shown: &str, wanted: Digest, found: Digest) -> anyhow::Error {
    fail_with(
        Kind::User,
        format!("{shown}: digest mismatch: expected {wanted}, found {found}"),
        "The file is not the one that was pinned: it changed on the server, or someone is in between.",
    )
}

fn finish(file: &Path, modified: Option<&str>) -> Result<()> {
    let seconds =
        modified.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map_or(0, |t| t.timestamp().as_second());
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let set = || -> std::io::Result<()> {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
        File::options().write(true).open(file)?.set_modified(time)
    };
    set().with_context(|| format!("finishing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_17_mode_and_time_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        for (modified, seconds) in [(Some("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777), (Some("?"), 0), (None, 0)] {
            fs::write(&file, "x").unwrap();
            finish(&file, modified).unwrap();
            let meta = fs::metadata(&file).unwrap();
            assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
            assert_eq!(meta.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), "{modified:?}");
        }
    }
}
