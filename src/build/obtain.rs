//! Where a build's files come from: the folder that is named, or one of our own that holds what was unpacked, fetched, or
//! nothing at all.
//!
//! Everything happens in the front, before the build; the folder of our own goes when [`Obtained`] does.

use super::context::plain;
use super::remote::{self, Remote};
use crate::error::{Kind, Result, fail, fail_with};
use crate::layer::{compress, plain as archive};
use crate::progress::{Event, Reporter};
use crate::store::Store;
use crate::store::staging::Staging;
use crate::sys::path::{Root, remove_tree};
use anyhow::Context as _;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// No Dockerfile comes near this size.
const MAX_DOCKERFILE: u64 = 16 << 20;

/// A context folder, and the Dockerfile if it came in the folder's place.
#[derive(Debug)]
pub struct Obtained {
    /// The folder.
    pub folder: PathBuf,
    /// The Dockerfile's text.
    pub dockerfile: Option<Vec<u8>>,
    staging: Option<Staging>,
}

impl Drop for Obtained {
    fn drop(&mut self) {
        if let Some(staging) = &self.staging {
            // What cannot be removed now is swept by a later command.
            let _ = Root::open(staging.path().parent().unwrap_or(Path::new("/")))
                .and_then(|above| remove_tree(above.as_fd(), staging.path().file_name().unwrap_or_default()));
        }
    }
}

impl Obtained {
    /// Whether the folder is one of our own, which no later build sees again.
    pub fn is_temporary(&self) -> bool {
        self.staging.is_some()
    }

    fn empty(store: &Store) -> Result<Obtained> {
        let staging = store.staging()?;
        let folder = staging.path().join("context");
        std::fs::create_dir(&folder).context("making a folder for the context")?;
        Ok(Obtained { folder, dockerfile: None, staging: Some(staging) })
    }
}

/// The context that `word` names: a folder, `-` for what `input` holds (an archive, else a Dockerfile), or a URL.
pub fn context(store: &Store, word: &str, input: impl Read, reporter: &dyn Reporter) -> Result<Obtained> {
    if word == "-" {
        return stream(Obtained::empty(store)?, input, "standard input", reporter);
    }
    if remote::is_remote(word) {
        return fetched(store, word, reporter);
    }
    let path = std::path::absolute(word)?;
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => Ok(Obtained { folder: path, dockerfile: None, staging: None }),
        Ok(_) => Err(fail_with(
            Kind::User,
            format!("the context {word} is not a folder"),
            "Name the folder that COPY reads from; the Dockerfile is given with --file.",
        )),
        // As Docker has it; a folder of that name comes first.
        Err(_) if word.starts_with("github.com/") => {
            let (repository, rest) = word.split_once('#').map_or((word, ""), |(r, _)| (r, &word[r.len()..]));
            let suffix = if repository.ends_with(".git") { "" } else { ".git" };
            fetched(store, &format!("https://{repository}{suffix}{rest}"), reporter)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(fail(Kind::User, format!("the context {word} does not exist: no such file or directory")))
        }
        Err(e) => Err(fail(Kind::User, format!("the context {word}: {}", plain(&e)))),
    }
}

/// A Dockerfile from a stream.
pub fn dockerfile(input: impl Read, from: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    input
        .take(MAX_DOCKERFILE + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("reading a Dockerfile from {from}"))?;
    if text.len() as u64 > MAX_DOCKERFILE {
        return Err(fail(Kind::User, format!("the Dockerfile from {from} is larger than 16 MiB")));
    }
    Ok(text)
}

/// Fills the empty context with what a stream holds.
fn stream(mut empty: Obtained, mut input: impl Read, from: &str, reporter: &dyn Reporter) -> Result<Obtained> {
    let mut first = Vec::new();
    input.by_ref().take(compress::SNIFF).read_to_end(&mut first).with_context(|| format!("reading {from}"))?;
    let is_archive = compress::is_tar_archive(&first);
    let whole = Cursor::new(first).chain(input);
    if !is_archive {
        empty.dockerfile = Some(dockerfile(whole, from)?);
        return Ok(empty);
    }
    let root = Root::open(&empty.folder).context("opening the folder for the context")?;
    // Who owns the files does not matter: those of a context belong to root in the image.
    let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let left_out = archive::unpack_into(compress::decoder(whole)?, &root, Path::new("/"), Some(me))
        .with_context(|| format!("unpacking the context from {from}"))?;
    left_out.into_iter().for_each(|words| reporter.report(Event::Warning(words)));
    Ok(empty)
}

/// Fetches a context: a repository, an archive or a Dockerfile.
fn fetched(store: &Store, url: &str, reporter: &dyn Reporter) -> Result<Obtained> {
    let remote = Remote::parse(url)?;
    let mut obtained = Obtained::empty(store)?;
    let staging = obtained.folder.parent().unwrap_or(Path::new("/")).to_path_buf();
    let request = |into: PathBuf| remote::Request { remote: remote.clone(), checksum: None, into: Some(into) };
    match &remote {
        Remote::Git(git) => {
            remote::fetch(store, &request(obtained.folder.clone()), None)?;
            if let Some(subdir) = &git.subdir {
                obtained.folder = inside(&obtained.folder, subdir)?;
            }
            Ok(obtained)
        }
        Remote::File(_) => {
            let into = staging.join("download");
            std::fs::create_dir(&into).context("making a folder for a download")?;
            remote::fetch(store, &request(into.clone()), None)?;
            let file = into.join(remote::Request::FILE);
            let file = File::open(&file).with_context(|| format!("opening {}", file.display()))?;
            stream(obtained, file, &crate::registry::http::without_credentials(url), reporter)
        }
    }
}

/// The folder `subdir` of a repository; a link may lead to it, but not out. Nobody else writes to the repository.
fn inside(top: &Path, subdir: &str) -> Result<PathBuf> {
    let missing = || fail(Kind::NotFound, format!("the repository has no folder {subdir}"));
    let (top, found) = (top.canonicalize()?, top.join(subdir).canonicalize().map_err(|_| missing())?);
    if found.starts_with(&top) && found.is_dir() && !found.iter().any(|part| part == OsStr::new(".git")) {
        return Ok(found);
    }
    Err(missing())
}
