//! The mounts of a RUN in its build: where `from=` leads, what counts for the step's key, and mounting them when it is
//! executed. Not here: the trees themselves (`mounts`).

use super::copy::{Source, clean};
use super::execute::Executor;
use super::instruction::Step;
use super::instruction::mount::Kind;
use super::instruction::run::Run;
use super::key::Inputs;
use super::mounts::{Mounted, Wanted, bind, cache, look, memory, secret};
use super::wait::Wait;
use super::walk::{Walk, located};
use crate::error::Result;
use anyhow::Context as _;
use std::path::Path;

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
