//! The mounts of a RUN: what of them counts for its key, and, where the step is executed, the trees themselves.
//!
//! ```text
//! bind     files of the context (copied, `bind`), a stage or an image (their layers, read-only; `bind`)
//! cache    a folder of the store, locked as its sharing asks (`cache`)
//! tmpfs    a new one
//! secret   a file in a tmpfs, or a variable; ssh: the agent's socket (`secret`)
//! ```
//! Every tree is mounted here, detached, before the step exists, and found by descriptors: nothing that a step or an image
//! can bend is looked up by path later. Not here: the words (`instruction::mount`), the step that has them (`mount_step`), where in the root file system a tree
//! goes (`points`), attaching it (`run::init`).

pub(super) mod bind;
pub(super) mod cache;
pub(super) mod secret;

pub use secret::Secret;

use super::copy::{self as files, Request, Selected, Source, clean};
use super::execute::StageLayer;
use super::instruction::mount::{Access, Kind, Origin};
use super::key;
use crate::error::Result;
use crate::store::mounts::CacheMount;
use crate::sys::mount::{self, Attr};
use anyhow::Context as _;
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// A mount of a step, on its way from words to a tree.
pub(super) struct Wanted {
    /// Absolute; nothing where there is only a variable.
    pub(super) target: Option<PathBuf>,
    pub(super) kind: Kind,
    /// Where `from=` leads, if that is a stage or an image.
    pub(super) layers: Option<Vec<StageLayer>>,
    /// Where `from=` leads, if that is a folder given by `--build-context`.
    pub(super) folder: Option<PathBuf>,
    /// The files of a bind, once they have been looked at.
    pub(super) found: Option<Found>,
}

/// Files that are to be mounted, and the digest of their content.
pub(super) struct Found {
    pub(super) selected: Vec<Selected>,
    pub(super) digest: String,
}

/// What a step is given.
#[derive(Default)]
pub(super) struct Mounted {
    /// Absolute targets and detached trees, in the order in which they are attached.
    pub(super) trees: Vec<(PathBuf, OwnedFd)>,
    /// Variables.
    pub(super) env: Vec<String>,
    /// Held until the step has ended.
    pub(super) caches: BTreeMap<String, CacheMount>,
}

impl Wanted {
    pub(super) fn shown(&self) -> String {
        self.target.as_deref().unwrap_or(Path::new("")).display().to_string()
    }

    /// The name of its files among the inputs of a key.
    pub(super) fn files(&self) -> String {
        format!("the files mounted on {}", self.shown())
    }

    /// What of the mount itself counts: never what is in a cache or a secret, nor who shares it.
    pub(super) fn definition(&self) -> Result<String> {
        let target = self.shown();
        let ids = |a: &Access| (a.uid, a.gid, a.mode);
        Ok(match &self.kind {
            Kind::Bind { origin, writable } => {
                serde_json::to_string(&("bind", target, clean(Path::new(&origin.source)), writable))
            }
            Kind::Cache { read_only, .. } => serde_json::to_string(&("cache", target, read_only)),
            Kind::Tmpfs { size } => serde_json::to_string(&("tmpfs", target, size)),
            Kind::Secret { id, env, access, .. } => serde_json::to_string(&("secret", target, id, env, ids(access))),
            Kind::Ssh { id, access, .. } => serde_json::to_string(&("ssh", target, id, ids(access))),
        }?)
    }

    /// The tree whose content counts, with its name among the inputs.
    pub(super) fn tree(&self) -> Option<(String, Vec<StageLayer>)> {
        let layers = self.layers.clone().filter(|_| matches!(self.kind, Kind::Bind { .. }))?;
        Some((self.files(), layers))
    }
}

/// Finds the files of a bind and computes the digest of their content.
pub(super) fn look(source: &Source<'_>, origin: &Origin) -> Result<Found> {
    let sources = [origin.source.clone()];
    let request = Request { sources: &sources, mount: true, ..Request::default() };
    let selected = files::select(source, &request)?;
    if selected.is_empty() {
        return Err(crate::error::fail(
            crate::error::Kind::User,
            format!("the mount source {:?} was not found: no such file or directory", origin.source),
        ));
    }
    let mut digest = key::hex(&files::digest(source, &selected, &request)?);
    if let (Source::Tree(root), Some(first)) = (source, selected.first()) {
        // Unlike with COPY, the top folder itself is seen.
        let stat = root.stat(&Path::new("/").join(&first.path))?;
        digest.push_str(&format!(" {:o} {}:{}", stat.st_mode, stat.st_uid, stat.st_gid));
    }
    Ok(Found { selected, digest })
}

/// A new file system in memory.
pub(super) fn memory(size: Option<u64>) -> Result<OwnedFd> {
    let mut options = vec![(c"mode".to_owned(), c"1777".to_owned())];
    if let Some(size) = size {
        options.push((c"size".to_owned(), CString::new(size.to_string())?));
    }
    let attr = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV;
    mount::filesystem(c"tmpfs", &options, attr).context("making a tmpfs")
}

/// Gives a tree what every mount of a step has, read-only if asked.
fn restrict(tree: OwnedFd, read_only: bool) -> Result<OwnedFd> {
    let mut attr = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV;
    if read_only {
        attr |= Attr::MOUNT_ATTR_RDONLY;
    }
    mount::make_private(tree.as_fd(), attr, true).context("restricting a mount")?;
    Ok(tree)
}
