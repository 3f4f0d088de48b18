//! What COPY and ADD do: from the context, a stage, an image, or the Dockerfile's own here-documents.
//!
//! Like `steps`; which files those are and how they are written is in `copy`.

use super::context::Context;
use super::copy::{self as files, Request, Source};
use super::copy_remote;
use super::execute::{Executor, StageLayer, TreeInputs};
use super::glob;
use super::instruction::{Step, copy::Copy};
use super::key::{self, Inputs};
use super::named::Named;
use super::outcome::Outcome;
use super::owner;
use super::walk::{Walk, located, missing_base};
use super::why;
use crate::error::Result;
use crate::progress::Reporter;
use crate::store::image::ImageRecord;
use crate::sys::path::Root;
use anyhow::Context as _;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

impl Walk<'_> {
    pub(super) fn copy_step(
        &mut self,
        index: usize,
        step: &Step,
        copy: &Copy,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        let created_by = copy.history();
        let workdir = self.work(index).state.workdir().to_string();
        let (sources, remotes) = copy_remote::split(copy).map_err(|e| located(step, e))?;
        let definition = definition(copy, &created_by, &workdir)?;
        let definition = self.identify(&remotes, definition, executor.as_deref()).map_err(|e| located(step, e))?;
        // A stage's tree is known by its layers: when they are the same as last time, nothing has to be read.
        let named = copy.from.as_deref().and_then(|from| self.options.contexts.folder(from));
        let layers = match &copy.from {
            Some(from) if named.is_none() => Some(self.layers_of(index, step, from)?),
            _ => None,
        };
        let also = layers
            .map(|layers| TreeInputs { definition: definition.clone(), trees: vec![(why::FILES.to_string(), layers)] });
        if let Some(also) = &also {
            if let Some(quick) = also.known(executor.as_deref())
                && self.cached(index, &quick, None, executor.as_deref(), &created_by, reporter)?
            {
                return Ok(Outcome::Done);
            }
            if executor.is_none() {
                return Ok(Outcome::NeedsWorker);
            }
        }
        let tree = match (&also, executor.as_deref()) {
            (Some(also), Some(executor)) => Some(executor.readable(&also.trees[0].1)?),
            _ => None,
        };
        if tree.is_none() && !sources.is_empty() {
            self.open_context(named)?;
        }
        let request = Request {
            sources: &sources,
            dest: &copy.dest,
            workdir: &workdir,
            owner: None,
            chmod: copy.chmod.clone(),
            exclude: &copy.exclude,
            parents: copy.parents,
            add: copy.add,
            unpack: copy.add && copy.unpack != Some(false),
            mount: false,
        };
        // A context that an earlier step opened is none of a step without local sources.
        let from = self.files(&tree, named).filter(|_| !sources.is_empty());
        let (selected, digest) = match &from {
            Some(from) => {
                let selected = files::select(from, &request).map_err(|e| located(step, e))?;
                let digest = files::digest(from, &selected, &request).map_err(|e| located(step, e))?;
                (selected, key::hex(&digest))
            }
            None => (Vec::new(), String::new()),
        };
        let inputs = definition.with(why::FILES, digest);
        if self.cached(index, &inputs, also.as_ref(), executor.as_deref(), &created_by, reporter)? {
            return Ok(Outcome::Done);
        }
        let Some(executor) = executor else { return Ok(Outcome::NeedsWorker) };
        if let Some(instead) = self.instead(index, &inputs, also.as_ref(), executor, &created_by, reporter)? {
            return Ok(instead);
        }
        let listed = match self.files(&tree, named).filter(|_| !sources.is_empty()) {
            Some(from @ Source::Context(_)) => files::list(&from, &selected, &request).map_err(|e| located(step, e))?,
            _ => Vec::new(),
        };
        self.say_why(index, &inputs, &listed, step, reporter);
        let parents = self.work(index).layers.clone();
        let number = executor.begin(&parents)?;
        // As in BuildKit, --chmod takes the ordinary way.
        let link = copy.link && copy.chmod.is_none();
        let base = if link { Some(executor.readable(&parents)?) } else { None };
        let dest = executor.writable(if link { &[] } else { &parents }, number)?;
        let accounts = base.as_ref().unwrap_or(&dest);
        let owner = copy.chown.as_deref().map(|spec| owner::resolve_chown(spec, accounts)).transpose();
        let request = Request { owner: owner.map_err(|e| located(step, e))?, ..request };
        if let Some(from) = &self.files(&tree, named).filter(|_| !sources.is_empty()) {
            files::place(from, &selected, &request, &dest, reporter).map_err(|e| located(step, e))?;
        }
        let remotes = self.pinned(&remotes)?;
        copy_remote::execute(&remotes, copy, &request, &dest, number, executor, reporter)
            .map_err(|e| located(step, e))?;
        copy_inline(copy, &request, &dest, number, executor).map_err(|e| located(step, e))?;
        if let Some(base) = &base {
            files::keep_folders(base, &dest, &request).map_err(|e| located(step, e))?;
        }
        drop((dest, base));
        self.executed(index, number, parents, inputs, also, listed, created_by, executor)
    }

    /// Where files come from: the tree, else the context if it was opened.
    fn files<'s>(&'s self, tree: &'s Option<Root>, named: Option<&Path>) -> Option<Source<'s>> {
        tree.as_ref().map(Source::Tree).or_else(|| self.context(named).get().map(Source::Context))
    }

    /// The build's context, or the one of the folder that `--build-context` names.
    fn context(&self, named: Option<&Path>) -> &OnceCell<Context> {
        named.and_then(|folder| self.named.get(folder)).unwrap_or(&self.context)
    }

    /// Opens a context when the first step needs it.
    pub(super) fn open_context(&self, named: Option<&Path>) -> Result<&Context> {
        let cell = self.context(named);
        if cell.get().is_none() {
            let cache = self.store.context_cache();
            let opened = match (named, &self.options.ignore_file) {
                (Some(folder), _) => Context::open_named(folder, &cache)?,
                (None, Some(ignore)) => Context::open_with_ignore_file(&self.options.context, ignore, &cache)?,
                (None, None) => Context::open(&self.options.context, self.context_file, &cache)?,
            };
            let _ = cell.set(opened);
        }
        cell.get().context("the context is open")
    }

    /// The layers of the stage or image that a step names.
    pub(super) fn layers_of(&self, index: usize, step: &Step, from: &str) -> Result<Vec<StageLayer>> {
        if let Some(stage) = self.plan.source(from, step, index)? {
            let work = self.stages.get(&stage);
            let work = work.ok_or_else(|| step.error(format!("the stage {from} is not part of this build")))?;
            return Ok(work.layers.clone());
        }
        let from = match self.options.contexts.get(from) {
            Some(Named::Image(image)) => image,
            _ => from,
        };
        let image: ImageRecord = self.store.find_image(from).map_err(|e| missing_base(e, |m| step.error(m), from))?;
        Ok(image.layers.into_iter().map(StageLayer::Published).collect())
    }
}

/// What counts beside the files.
fn definition(copy: &Copy, created_by: &str, workdir: &str) -> Result<Inputs> {
    let inline: Vec<_> = copy.files.iter().map(|f| (&f.name, &f.content)).collect();
    // The history separates words by blanks, which a name may hold, too.
    let words = (created_by, copy.shown_sources(), &copy.dest, workdir);
    Ok(Inputs::default()
        .with("the instruction", serde_json::to_string(&words)?)
        .with("the here-documents", serde_json::to_string(&inline)?))
}

/// Writes the here-documents of a COPY: as files of root's in a folder of their own, copied like any others.
fn copy_inline(copy: &Copy, request: &Request<'_>, dest: &Root, number: usize, executor: &Executor<'_>) -> Result<()> {
    if copy.files.is_empty() {
        return Ok(());
    }
    let dir: PathBuf = executor.folder(&format!("inline-{number}"))?;
    let mut names = Vec::new();
    for file in &copy.files {
        let name = file.name.rsplit('/').next().unwrap_or_default().to_string();
        let path = dir.join(&name);
        std::fs::write(&path, &file.content).with_context(|| format!("writing {}", path.display()))?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        names.push(glob::literal(&name));
    }
    let tree = Root::open(&dir).context("opening the here-documents")?;
    let source = Source::Tree(&tree);
    let request = Request { sources: &names, exclude: &[], parents: false, unpack: false, ..request.clone() };
    let selected = files::select(&source, &request)?;
    files::execute(&source, &selected, &request, dest)?;
    Ok(())
}
