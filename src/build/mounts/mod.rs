//! The mounts of a RUN: what of them counts for its key, and, where the step is executed, the trees themselves.
//!
//! ```text
//! bind     files of the context (copied, `bind`), a stage or an image (their layers, read-only; `bind`)
//! cache    a folder of the store, locked as its sharing asks (`cache`)
//! tmpfs    a new one
//! secret   a file in a tmpfs, or a variable; ssh: the agent's socket (`secret`)
//! ```
//! Every tree is mounted here, detached, before the step exists, and found by descriptors: nothing that a step or an image
//! can bend is looked up by path later. Not here: the words (`instruction::mount`), where in the root file system a tree
//! goes (`points`), attaching it (`run::init`).

mod bind;
mod cache;
mod secret;

pub use secret::Secret;

use super::copy::{self as files, Request, Selected, Source, clean};
use super::execute::{Executor, StageLayer};
use super::instruction::Step;
use super::instruction::mount::{Access, Kind, Origin};
use super::instruction::run::Run;
use super::key::{self, Inputs};
use super::schedule::Wait;
use super::walk::{Walk, located};
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
    target: Option<PathBuf>,
    kind: Kind,
    /// Where `from=` leads, if that is a stage or an image.
    layers: Option<Vec<StageLayer>>,
    /// Where `from=` leads, if that is a folder given by `--build-context`.
    folder: Option<PathBuf>,
    /// The files of a bind, once they have been looked at.
    found: Option<Found>,
}

/// Files that are to be mounted, and the digest of their content.
struct Found {
    selected: Vec<Selected>,
    digest: String,
}

/// What a step is given.
#[derive(Default)]
pub(super) struct Mounted {
    /// Absolute targets and detached trees, in the order in which they are attached.
    pub(super) trees: Vec<(PathBuf, OwnedFd)>,
    /// Variables.
    pub(super) env: Vec<String>,
    /// Held until the step has ended.
    caches: BTreeMap<String, CacheMount>,
}

impl Wanted {
    fn shown(&self) -> String {
        self.target.as_deref().unwrap_or(Path::new("")).display().to_string()
    }

    /// The name of its files among the inputs of a key.
    fn files(&self) -> String {
        format!("the files mounted on {}", self.shown())
    }

    /// What of the mount itself counts: never what is in a cache or a secret, nor who shares it.
    fn definition(&self) -> Result<String> {
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

impl Walk<'_> {
    /// The mounts of a step in the order of their targets, and what counts of them as far as it is known without a
    /// worker: files of the context are looked at, those of stages and images are not.
    pub(super) fn wanted(
        &mut self,
        index: usize,
        step: &Step,
        run: &Run,
        mut inputs: Inputs,
    ) -> Result<(Vec<Wanted>, Inputs)> {
        let workdir = self.work(index).state.workdir().to_string();
        let mut all = Vec::new();
        for (number, mount) in run.mounts.iter().enumerate() {
            let what = mount.what().with_context(|| step.error("a mount was not expanded"))?;
            let mut target = what.target.clone();
            if target.is_empty() && matches!(what.kind, Kind::Ssh { .. }) {
                target = format!("/run/buildkit/ssh_agent.{number}");
            }
            let target =
                (!target.is_empty()).then(|| Path::new("/").join(clean(&Path::new("/").join(&workdir).join(&target))));
            if target.as_deref() == Some(Path::new("/")) {
                return Err(step.error("a mount's target cannot be the root folder"));
            }
            let folder = mount.from().and_then(|from| self.options.contexts.folder(from)).map(Path::to_path_buf);
            if folder.is_some() && matches!(what.kind, Kind::Cache { .. }) {
                return Err(step.error("a cache mount cannot begin with a folder given by --build-context"));
            }
            let layers = match mount.from() {
                Some(from) if folder.is_none() => Some(self.layers_of(index, step, from)?),
                _ => None,
            };
            all.push(Wanted { target, kind: what.kind.clone(), layers, folder, found: None });
        }
        // A mount inside another one comes after it, in whatever order they were written.
        all.sort_by(|a, b| a.target.cmp(&b.target));
        for wanted in &mut all {
            inputs = inputs.with(&format!("the mount {}", wanted.shown()), wanted.definition()?);
            if let (Kind::Bind { origin, .. }, None) = (&wanted.kind, &wanted.layers) {
                let context = self.open_context(wanted.folder.as_deref())?;
                let found = look(&Source::Context(context), origin).map_err(|e| located(step, e))?;
                inputs = inputs.with(&wanted.files(), found.digest.clone());
                wanted.found = Some(found);
            }
        }
        Ok((all, inputs))
    }

    /// Adds the content of files in stages and images to the inputs.
    pub(super) fn tree_inputs(
        &self,
        step: &Step,
        all: &[Wanted],
        mut inputs: Inputs,
        executor: &Executor<'_>,
    ) -> Result<Inputs> {
        for wanted in all {
            if let (Kind::Bind { origin, .. }, Some(layers)) = (&wanted.kind, &wanted.layers) {
                let root = executor.readable(layers)?;
                let found = look(&Source::Tree(&root), origin).map_err(|e| located(step, e))?;
                inputs = inputs.with(&wanted.files(), found.digest);
            }
        }
        Ok(inputs)
    }

    /// Mounts everything; or nothing, and says for which cache to wait.
    pub(super) fn mount(&self, all: &[Wanted], executor: &mut Executor<'_>) -> Result<Result<Mounted, Wait>> {
        let caches = match cache::take(all, executor)? {
            Ok(caches) => caches,
            Err(wait) => return Ok(Err(wait)),
        };
        let mut mounted = Mounted { caches, ..Mounted::default() };
        let mut agents = 0;
        for wanted in all {
            let tree = match &wanted.kind {
                Kind::Bind { origin, writable } => match (&wanted.layers, &wanted.found) {
                    (Some(layers), _) => Some(bind::of_layers(layers, origin, *writable, executor)?),
                    (None, Some(found)) => {
                        let context = self.open_context(wanted.folder.as_deref())?;
                        Some(bind::of_context(context, origin, found, *writable, executor)?)
                    }
                    (None, None) => None,
                },
                Kind::Cache { read_only, .. } => {
                    let mount = cache::id(wanted, executor).and_then(|id| mounted.caches.get(&id));
                    let mount = mount.context("a cache mount was not taken")?;
                    Some(bind::of_folder(&cache::folder(wanted, mount)?, *read_only)?)
                }
                Kind::Tmpfs { size } => Some(memory(*size)?),
                Kind::Secret { id, env, required, access } => {
                    let Some(secret) = secret::find(&self.options.secrets, id, *required)? else { continue };
                    mounted.env.extend(env.as_ref().map(|name| secret.variable(name)).transpose()?);
                    let file = wanted.target.as_ref().map(|_| secret::file(secret, *access, executor));
                    file.transpose()?
                }
                Kind::Ssh { id, required, access } => {
                    let Some(socket) = secret::agent(&self.options.ssh, id, *required, *access)? else { continue };
                    // The first is the one that programs find by themselves.
                    if agents == 0 {
                        mounted.env.push(format!("SSH_AUTH_SOCK={}", wanted.shown()));
                    }
                    agents += 1;
                    Some(socket)
                }
            };
            if let (Some(target), Some(tree)) = (&wanted.target, tree) {
                mounted.trees.push((target.clone(), tree));
            }
        }
        Ok(Ok(mounted))
    }
}

/// Finds the files of a bind and computes the digest of their content.
fn look(source: &Source<'_>, origin: &Origin) -> Result<Found> {
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
fn memory(size: Option<u64>) -> Result<OwnedFd> {
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
