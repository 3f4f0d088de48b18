//! Remote sources of ADD: what they are now decides about the step; their files are fetched only for a step that is
//! executed.

use super::copy::{Request, Source, place, select};
use super::execute::Executor;
use super::instruction::copy::Copy;
use super::key::Inputs;
use super::remote::{self, Fetched, Remote};
use super::walk::Walk;
use super::{context::plain, glob};
use crate::error::{Kind, Result, fail};
use crate::progress::Reporter;
use crate::sys::path::Root;
use anyhow::Context as _;
use std::path::Path;

/// Tells local sources from those that have to be fetched.
pub(super) fn split(copy: &Copy) -> Result<(Vec<String>, Vec<remote::Request>)> {
    let (mut local, mut remotes) = (Vec::new(), Vec::new());
    for source in &copy.sources {
        if !copy.add || !remote::is_remote(source) {
            local.push(source.clone());
            continue;
        }
        let mut remote = Remote::parse(source)?;
        let mut checksum = copy.checksum.clone();
        if let Remote::Git(git) = &mut remote {
            git.keep_git_dir = copy.keep_git_dir.or(git.keep_git_dir);
            if let Some(commit) = checksum.take() {
                git.set_checksum(&commit).map_err(|why| fail(Kind::User, why))?;
            }
        }
        if let (Remote::File(_), true) = (&remote, is_folder(&copy.dest)) {
            remote.file_name()?;
        }
        remotes.push(remote::Request { remote, checksum, into: None });
    }
    Ok((local, remotes))
}

/// Whether a destination is written as a folder.
fn is_folder(dest: &str) -> bool {
    matches!(dest.rsplit('/').next(), None | Some("" | "." | ".."))
}

impl Walk<'_> {
    /// Adds to a step's inputs what its remote sources are now.
    pub(super) fn identify(
        &mut self,
        remotes: &[remote::Request],
        mut inputs: Inputs,
        executor: Option<&Executor<'_>>,
    ) -> Result<Inputs> {
        for request in remotes {
            let key = serde_json::to_string(request)?;
            let id = match self.remotes.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let fetched = match executor {
                        Some(executor) => executor.fetch(request)?,
                        None => remote::fetch(self.store, request, None)?,
                    };
                    self.remotes.insert(key, fetched.id.clone());
                    fetched.id
                }
            };
            inputs = inputs.with("the remote source", id);
        }
        Ok(inputs)
    }

    /// The remote sources, each held to what it was when it was looked at.
    pub(super) fn pinned(&self, remotes: &[remote::Request]) -> Result<Vec<remote::Request>> {
        let pin = |request: &remote::Request| {
            let id =
                self.remotes.get(&serde_json::to_string(request)?).context("a remote source that nobody asked for")?;
            let mut pinned = request.clone();
            match &mut pinned.remote {
                Remote::File(_) => pinned.checksum = Some(id.clone()),
                Remote::Git(git) => git.checksum = Some(id.clone()),
            }
            Ok(pinned)
        };
        remotes.iter().map(pin).collect()
    }
}

/// Fetches the sources (already pinned) and puts their files into place.
pub(super) fn execute(
    remotes: &[remote::Request],
    copy: &Copy,
    request: &Request<'_>,
    dest: &Root,
    number: usize,
    executor: &Executor<'_>,
    reporter: &dyn Reporter,
) -> Result<()> {
    for (at, remote) in remotes.iter().enumerate() {
        let dir = executor.folder(&format!("remote-{number}-{at}"))?;
        let Fetched { .. } = executor.fetch(&remote::Request { into: Some(dir.clone()), ..remote.clone() })?;
        let source = match &remote.remote {
            Remote::File(_) => named(&dir, &remote.remote.file_name().unwrap_or_else(|_| "download".into()))?,
            Remote::Git(git) => git.subdir.as_deref().map_or("/".into(), glob::literal),
        };
        let tree = Root::open(&dir).map_err(|e| fail(Kind::System, format!("what was fetched: {}", plain(&e))))?;
        let request = Request {
            sources: &[source],
            owner: request.owner.or(Some((0, 0))),
            unpack: copy.unpack == Some(true),
            ..request.clone()
        };
        let from = Source::Tree(&tree);
        let selected = select(&from, &request)?;
        place(&from, &selected, &request, dest, reporter)?;
    }
    Ok(())
}

/// Gives a fetched file the name that it has in a folder, and that name as a source.
fn named(dir: &Path, name: &str) -> Result<String> {
    std::fs::rename(dir.join(remote::Request::FILE), dir.join(name)).context("naming a fetched file")?;
    Ok(glob::literal(name))
}
