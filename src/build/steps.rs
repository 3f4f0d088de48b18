//! What the steps with files do: RUN, WORKDIR, COPY and ADD. Each names the inputs of its key, asks the walk for the
//! layer, and has it made where it is missing.
//!
//! Not here: the order of steps and the look-up (`walk`), mounts and layers (`execute`).

use super::context::Context;
use super::copy::{self, Chmod, Request, Source};
use super::execute::{Executor, StageLayer};
use super::instruction::{Step, copy::Copy, run::Run, workdir::Workdir};
use super::key::{self, Inputs};
use super::walk::{Walk, missing_base, published};
use super::{Network, owner};
use crate::error::{Kind, Result, fail, fail_with};
use crate::progress::{Event, Reporter};
use crate::run::{prepare, spec};
use crate::store::image::ImageRecord;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

impl Walk<'_> {
    pub(super) fn run_step(
        &mut self,
        index: usize,
        step: &Step,
        run: &Run,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        let network = self.network_of(run);
        let state = &self.work(index).state;
        let argv = run.argv(&state.shell());
        let user = state.config.config.user.clone().unwrap_or_default();
        let mut inputs = Inputs::default()
            .with("the command", serde_json::to_string(&argv)?)
            .with("the environment or a build argument", serde_json::to_string(&state.run_env())?)
            .with("the user", user.clone())
            .with("the working directory", state.workdir())
            .with("the network", format!("{network:?}"));
        if let Some((name, content)) = run.script() {
            inputs = inputs.with("the script", format!("{name}\n{content}"));
        }
        let created_by = run.history(state);
        if self.cached(index, &inputs, None, executor.as_deref(), &created_by, reporter)? {
            return Ok(true);
        }
        let Some(executor) = executor else { return Ok(false) };
        self.say_why(index, &inputs, step, reporter);
        let (parents, request) = self.run_request(index, run, argv, user, network, executor)?;
        let number = executor.begin(&parents)?;
        let code = executor.run(request, &parents, number, network)?;
        if code != 0 {
            let shown = run.shown(&self.work(index).state.shell());
            let place = step.error(format!("the command {shown:?} did not complete successfully: exit code {code}"));
            return Err(fail(Kind::Exit(code), format!("{place:#}")));
        }
        self.executed(index, number, parents, inputs, None, created_by, executor)
    }

    fn network_of(&self, run: &Run) -> Network {
        use super::instruction::run::Network as Word;
        match run.network {
            Some(Word::None) => Network::None,
            Some(Word::Host) => Network::Host,
            Some(Word::Default) | None => self.options.network,
        }
    }

    /// What a RUN is started with; the same profile as a container's.
    fn run_request(
        &mut self,
        index: usize,
        run: &Run,
        argv: Vec<String>,
        user: String,
        network: Network,
        executor: &Executor<'_>,
    ) -> Result<(Vec<StageLayer>, oci_spec::runtime::Spec)> {
        // A fixed name, so that a build does not depend on the machine's.
        const HOSTNAME: &str = "dhow-build";
        let work = self.work(index);
        let files = executor.folder("files")?;
        let mut mounts = prepare::host_files(&files, network, HOSTNAME)?;
        if let Some((name, content)) = run.script() {
            let dir = executor.folder("script")?;
            let path = dir.join(name);
            std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            mounts.push(spec::bind(&dir, super::instruction::run::SCRIPT_DIR, true)?);
        }
        let mut env = work.state.run_env();
        env.extend(work.state.proxy_env());
        let spec = spec::build(spec::Request {
            argv,
            env,
            cwd: work.state.workdir().to_string(),
            user,
            hostname: HOSTNAME,
            network,
            tty: false,
            read_only: false,
            cap_add: &[],
            cap_drop: &[],
            mounts,
        })?;
        Ok((work.layers.clone(), spec))
    }

    pub(super) fn workdir_step(
        &mut self,
        index: usize,
        step: &Step,
        workdir: &Workdir,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        let work = self.work(index);
        let path = workdir.resolve(work.state.workdir());
        let user = work.state.config.config.user.clone().unwrap_or_default();
        let inputs = Inputs::default().with("the folder", format!("WORKDIR {path}")).with("the user", user.clone());
        let mut after = work.state.clone();
        workdir.apply(&mut after);
        let created_by = workdir.history(&after);
        if path == "/" {
            let clock = work.clock.clone();
            work.state = after;
            work.state.add_history(created_by, true, clock.as_deref());
            return Ok(true);
        }
        if self.cached(index, &inputs, None, executor.as_deref(), &created_by, reporter)? {
            workdir.apply(&mut self.work(index).state);
            return Ok(true);
        }
        let Some(executor) = executor else { return Ok(false) };
        self.say_why(index, &inputs, step, reporter);
        let parents = self.work(index).layers.clone();
        let number = executor.begin(&parents)?;
        let root = executor.writable(&parents, number, false)?;
        let identity = crate::run::user::resolve(&user, &root).map_err(|e| step.error(format!("{e:#}")))?;
        root.create_dirs(Path::new(&path), 0o755, Some((identity.uid, identity.gid)))
            .map_err(|e| step.error(format!("making the working directory {path}: {e}")))?;
        drop(root);
        workdir.apply(&mut self.work(index).state);
        self.executed(index, number, parents, inputs, None, created_by, executor)
    }

    pub(super) fn copy_step(
        &mut self,
        index: usize,
        step: &Step,
        copy: &Copy,
        mut executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        let created_by = copy.history();
        let workdir = self.work(index).state.workdir().to_string();
        let definition = Inputs::default().with("the instruction", format!("{created_by} in {workdir}")).with(
            "the here-documents",
            serde_json::to_string(&copy.files.iter().map(|f| (&f.name, &f.content)).collect::<Vec<_>>())?,
        );
        let request = Request {
            sources: &copy.sources,
            dest: &copy.dest,
            workdir: &workdir,
            owner: None,
            chmod: copy.chmod.map(|mode| Chmod::parse(&format!("{mode:o}"))).transpose()?,
            add: copy.add,
            ..Request::default()
        };
        let source = self.source_of(index, step, copy)?;
        // A stage's tree is known by its layers: when they are the same as last time, nothing has to be read.
        let quick = match &source {
            Origin::Context => None,
            Origin::Layers(layers, chain) => {
                let chain = chain.clone().or_else(|| executor.as_deref().and_then(|e| e.chain("", layers)));
                chain.map(|c| definition.clone().with("the files", format!("tree {c}")))
            }
        };
        if let Some(quick) = &quick
            && self.cached(index, quick, None, executor.as_deref(), &created_by, reporter)?
        {
            return Ok(true);
        }
        if matches!(source, Origin::Layers(..)) && executor.is_none() {
            return Ok(false);
        }
        let tree = match (&source, executor.as_deref_mut()) {
            (Origin::Layers(layers, _), Some(executor)) => Some(executor.readable(layers)?),
            _ => None,
        };
        if tree.is_none() && !copy.sources.is_empty() {
            self.open_context()?;
        }
        let from = match (&tree, self.context.get()) {
            (Some(tree), _) => Some(Source::Tree(tree)),
            (None, Some(context)) => Some(Source::Context(context)),
            (None, None) => None,
        };
        let (selected, digest) = match &from {
            Some(from) => {
                let selected = copy::select(from, &request).map_err(|e| step.error(format!("{e:#}")))?;
                let digest = copy::digest(from, &selected, &request).map_err(|e| step.error(format!("{e:#}")))?;
                (selected, key::hex(&digest))
            }
            None => (Vec::new(), String::new()),
        };
        let inputs = definition.with("the files", digest);
        if self.cached(index, &inputs, quick.as_ref(), executor.as_deref(), &created_by, reporter)? {
            return Ok(true);
        }
        let Some(executor) = executor else { return Ok(false) };
        self.say_why(index, &inputs, step, reporter);
        let from = match (&tree, self.context.get()) {
            (Some(tree), _) => Some(Source::Tree(tree)),
            (None, Some(context)) => Some(Source::Context(context)),
            (None, None) => None,
        };
        let parents = self.stages[&index].layers.clone();
        let number = executor.begin(&parents)?;
        let dest = executor.writable(&parents, number, false)?;
        let owner = copy.chown.as_deref().map(|spec| owner::resolve_chown(spec, &dest)).transpose();
        let request = Request { owner: owner.map_err(|e| step.error(format!("{e:#}")))?, ..request };
        if let Some(from) = &from {
            let done = copy::execute(from, &selected, &request, &dest).map_err(|e| step.error(format!("{e:#}")))?;
            done.warnings.into_iter().for_each(|w| reporter.report(Event::Warning(w)));
            if let Some(path) = done.changed {
                return Err(fail_with(
                    Kind::User,
                    format!("{} changed while it was copied", path.display()),
                    "Run the build again when nothing writes to the context.",
                ));
            }
        }
        copy_inline(copy, &request, &dest, number, executor).map_err(|e| step.error(format!("{e:#}")))?;
        drop(dest);
        self.executed(index, number, parents, inputs, quick, created_by, executor)
    }

    fn open_context(&self) -> Result<&Context> {
        if self.context.get().is_none() {
            let opened = Context::open(&self.options.context, self.context_file, &self.store.context_cache())?;
            let _ = self.context.set(opened);
        }
        self.context.get().context("the context is open")
    }

    fn source_of(&self, index: usize, step: &Step, copy: &Copy) -> Result<Origin> {
        let Some(from) = &copy.from else { return Ok(Origin::Context) };
        if let Some(stage) = self.plan.source_of(step, index)? {
            let work = self.stages.get(&stage);
            let work = work.ok_or_else(|| step.error(format!("the stage {from} is not part of this build")))?;
            return Ok(Origin::Layers(work.layers.clone(), published_chain(&work.layers)));
        }
        let image: ImageRecord = self.store.find_image(from).map_err(|e| missing_base(e, |m| step.error(m), from))?;
        let layers: Vec<StageLayer> = image.layers.into_iter().map(StageLayer::Published).collect();
        let chain = published_chain(&layers);
        Ok(Origin::Layers(layers, chain))
    }
}

/// Where a COPY reads.
enum Origin {
    /// The build context.
    Context,
    /// The tree of a stage or image, and its chain when all layers have digests.
    Layers(Vec<StageLayer>, Option<String>),
}

/// Writes the here-documents of a COPY: as files of root's in a folder of their own, copied like any others.
fn copy_inline(
    copy: &Copy,
    request: &Request<'_>,
    dest: &crate::sys::path::Root,
    number: usize,
    executor: &Executor<'_>,
) -> Result<()> {
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
        names.push(name);
    }
    let tree = crate::sys::path::Root::open(&dir).context("opening the here-documents")?;
    let source = Source::Tree(&tree);
    let request = Request { sources: &names, ..request.clone() };
    let selected = copy::select(&source, &request)?;
    copy::execute(&source, &selected, &request, dest)?;
    Ok(())
}

fn published_chain(layers: &[StageLayer]) -> Option<String> {
    let layers = published(layers).ok()?;
    Some(layers.iter().fold(String::new(), |chain, layer| key::chain(&chain, &layer.diff_id)))
}
