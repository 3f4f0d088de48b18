//! The walk over a build's steps: look each one up, execute what is missing, and carry configuration and layers along.
//!
//! The same walk runs twice. In the front it only looks up, and stops before the first step that must be executed: a
//! fully cached build starts no process. A worker, cloned from the front at that point, goes on from the same state with
//! an [`Executor`].

use super::args::Globals;
use super::context::Context;
use super::copy::{self, Chmod, Request, Source};
use super::execute::{Executor, Memo, StageLayer};
use super::instruction::{Instruction, Step, copy::Copy, parse_trigger, run::Run, workdir::Workdir};
use super::key::{self, Inputs};
use super::stage::{Base, Plan};
use super::state::StageState;
use super::{Network, Options, owner};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::ImageConfig;
use crate::progress::{Event, Reporter};
use crate::run::{prepare, spec, time};
use crate::store::Store;
use crate::store::image::ImageRecord;
use crate::store::layer::LayerRef;
use anyhow::Context as _;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stage as far as it has come.
#[derive(Debug, Clone)]
struct StageWork {
    state: StageState,
    /// Lowest first.
    layers: Vec<StageLayer>,
    /// The chain over the layers with which the stage began, all of them published.
    base_chain: String,
    /// How many those are.
    base_layers: usize,
    /// Time of the last layer; later metadata takes it, so that a cached rebuild gives the same image.
    clock: Option<String>,
    /// Steps still to do, in order.
    steps: std::collections::VecDeque<Step>,
    /// A step on the way was executed: what follows has a new parent.
    changed: bool,
}

/// What a walk has come to.
pub enum Progress {
    /// Every step is done.
    Done,
    /// The next step must be executed.
    NeedsWorker,
}

/// The finished target, ready to be recorded.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Finished {
    /// Configuration, without diff ids.
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<LayerRef>,
}

/// The state of a build.
pub struct Walk<'a> {
    store: &'a Store,
    options: &'a Options,
    plan: &'a Plan,
    globals: Arc<Globals>,
    context_file: &'a Path,
    context: OnceCell<Context>,
    /// Stages to do, in order; the first is the current one.
    todo: std::collections::VecDeque<usize>,
    stages: BTreeMap<usize, StageWork>,
    target: usize,
    number: usize,
    total: usize,
    announced: bool,
}

impl<'a> Walk<'a> {
    /// A walk that has done nothing yet.
    pub fn new(
        store: &'a Store,
        options: &'a Options,
        plan: &'a Plan,
        globals: Globals,
        target: usize,
        context_file: &'a Path,
    ) -> Result<Walk<'a>> {
        let needed = plan.needed(target, &globals)?;
        let total = needed.iter().map(|s| plan.stages[*s].steps.len() + 1).sum();
        Ok(Walk {
            store,
            options,
            plan,
            globals: Arc::new(globals),
            context_file,
            context: OnceCell::new(),
            todo: needed.into(),
            stages: BTreeMap::new(),
            target,
            number: 0,
            total,
            announced: false,
        })
    }

    /// Goes on: to the end, or without an executor to the first step that needs one.
    pub fn advance(&mut self, mut executor: Option<&mut Executor<'_>>, reporter: &dyn Reporter) -> Result<Progress> {
        while let Some(index) = self.todo.front().copied() {
            if !self.stages.contains_key(&index) {
                self.begin_stage(index, reporter)?;
            }
            while let Some(step) = self.work(index).steps.front().cloned() {
                self.announce(index, &step.text, reporter);
                if !self.step(index, step, executor.as_deref_mut(), reporter)? {
                    return Ok(Progress::NeedsWorker);
                }
                self.work(index).steps.pop_front();
                self.announced = false;
            }
            self.todo.pop_front();
        }
        Ok(Progress::Done)
    }

    /// The target's configuration and layers, when the walk is done.
    pub fn finish(&mut self, executor: Option<&mut Executor<'_>>) -> Result<Finished> {
        let labels = self.options.labels.clone();
        let work = self.stages.get_mut(&self.target).expect("a walk that is done has been at its target");
        let mut config = work.state.config.clone();
        if !labels.is_empty() {
            config.config.labels.get_or_insert_default().extend(labels);
        }
        config.created = Some(work.clock.clone().unwrap_or_else(|| "1970-01-01T00:00:00Z".into()));
        let layers = match executor {
            Some(executor) => executor.references(&work.layers)?,
            None => published(&work.layers)?,
        };
        Ok(Finished { config, layers })
    }

    /// Keeps what was learnt about the context's files.
    pub fn save_index(&self) {
        if let Some(context) = self.context.get() {
            // An index that cannot be written only makes the next build slower.
            let _ = context.save_index();
        }
    }

    fn work(&mut self, index: usize) -> &mut StageWork {
        self.stages.get_mut(&index).expect("a stage is begun before its steps")
    }

    fn announce(&mut self, index: usize, text: &str, reporter: &dyn Reporter) {
        if self.announced {
            return;
        }
        self.announced = true;
        self.number += 1;
        let several = self.plan.stages.len() > 1;
        let stage = several.then(|| self.plan.stages[index].name.clone().unwrap_or_else(|| index.to_string()));
        reporter.report(Event::Step { number: self.number, total: self.total, stage, text: text.to_string() });
    }

    fn begin_stage(&mut self, index: usize, reporter: &dyn Reporter) -> Result<()> {
        let stage = &self.plan.stages[index];
        let at = |message: String| self.plan.source.error(stage.from_span, message);
        let platform = self.plan.platform_of(index, &self.globals)?;
        let host = super::args::Platform::host();
        if (&platform.os, &platform.architecture) != (&host.os, &host.architecture) {
            return Err(at(format!(
                "the platform {platform} is not this machine's ({host}); others are not supported yet"
            )));
        }
        let base = self.plan.base_of(index, &self.globals)?;
        let name = stage.name.as_ref().map(|n| format!(" AS {n}")).unwrap_or_default();
        let shown = match &base {
            Base::Scratch => "scratch".to_string(),
            Base::Stage(n) => self.plan.stages[*n].name.clone().unwrap_or_else(|| n.to_string()),
            Base::Image(image) => image.clone(),
        };
        self.announce(index, &format!("FROM {shown}{name}"), reporter);
        self.announced = false;
        let mut work = match base {
            Base::Scratch => self.stage_on(scratch(&platform), Vec::new(), None),
            Base::Stage(from) => {
                let from = self.stages.get(&from).context("a stage before its base")?;
                StageWork { state: from.state.inherit(), ..from.clone() }
            }
            Base::Image(text) => {
                let image = self.store.find_image(&text).map_err(|error| missing_base(error, at, &text))?;
                let clock = Some(image.created.clone());
                self.stage_on(image.config.clone(), image.layers.clone(), clock)
            }
        };
        let triggers = work.state.take_onbuild();
        let mut steps = triggers.iter().map(|t| parse_trigger(&shown, t)).collect::<Result<Vec<_>>>()?;
        self.total += steps.len();
        steps.extend(stage.steps.iter().cloned());
        work.steps = steps.into();
        self.stages.insert(index, work);
        Ok(())
    }

    fn stage_on(&self, mut config: ImageConfig, layers: Vec<LayerRef>, clock: Option<String>) -> StageWork {
        let base_chain = layers.iter().fold(String::new(), |chain, layer| key::chain(&chain, &layer.diff_id));
        config.created = None;
        StageWork {
            state: StageState::new(config, self.globals.clone()),
            base_layers: layers.len(),
            layers: layers.into_iter().map(StageLayer::Published).collect(),
            base_chain,
            clock,
            steps: Default::default(),
            changed: false,
        }
    }

    /// Does one step; false when it needs an executor and there is none.
    fn step(
        &mut self,
        index: usize,
        mut step: Step,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        let work = self.work(index);
        step.expand(&work.state.scope())?;
        let clock = work.clock.clone();
        if step.apply(&mut work.state, clock.as_deref())? {
            return Ok(true);
        }
        match step.instruction.clone() {
            Instruction::Run(run) => self.run_step(index, &step, &run, executor, reporter),
            Instruction::Copy(copy) => self.copy_step(index, &step, &copy, executor, reporter),
            Instruction::Workdir(workdir) => self.workdir_step(index, &step, &workdir, executor, reporter),
            other => Err(step.error(format!("{other:?} cannot stand here"))),
        }
    }

    fn run_step(
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

    fn workdir_step(
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

    fn copy_step(
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

    /// Looks a step up; when it is there, takes its layer. `also` is a second set of inputs to be remembered for it.
    fn cached(
        &mut self,
        index: usize,
        inputs: &Inputs,
        also: Option<&Inputs>,
        executor: Option<&Executor<'_>>,
        created_by: &str,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        if self.options.no_cache {
            return Ok(false);
        }
        let Some(chain) = self.chain(index, executor) else { return Ok(false) };
        let Some(found) = self.store.cached_step(&inputs.key(&chain))? else { return Ok(false) };
        if let Some(also) = also {
            self.store.remember_step(&also.key(&chain), &found)?;
        }
        let short = found.layer.diff_id.trim_start_matches("sha256:").chars().take(12).collect();
        reporter.report(Event::CacheHit { layer: Some(short) });
        let work = self.work(index);
        work.layers.push(StageLayer::Published(found.layer));
        work.clock = Some(found.created.clone());
        work.state.add_history(created_by.to_string(), false, Some(&found.created));
        Ok(true)
    }

    /// The chain at which a stage stands; none while one of its layers has no digest yet, so that nothing is waited for.
    fn chain(&self, index: usize, executor: Option<&Executor<'_>>) -> Option<String> {
        let work = &self.stages[&index];
        let own = &work.layers[work.base_layers..];
        match executor {
            Some(executor) => executor.chain(&work.base_chain, own),
            None => own.iter().try_fold(work.base_chain.clone(), |chain, layer| match layer {
                StageLayer::Published(layer) => Some(key::chain(&chain, &layer.diff_id)),
                StageLayer::Made(_) => None,
            }),
        }
    }

    fn say_why(&mut self, index: usize, inputs: &Inputs, step: &Step, reporter: &dyn Reporter) {
        if self.options.no_cache {
            return;
        }
        let slot = self.slot(index, step);
        let changed = self.work(index).changed;
        let why = key::explain(inputs, self.store.previous_inputs(&slot).as_deref(), changed);
        reporter.report(Event::CacheMiss { why });
        let _ = self.store.remember_inputs(&slot, &inputs.0);
    }

    /// The place of a step, by which its last inputs are found again.
    fn slot(&self, index: usize, step: &Step) -> String {
        let file = self.context_file.to_string_lossy();
        let context = self.options.context.to_string_lossy();
        let left = self.stages[&index].steps.len();
        let place = format!("{context} {file} {index} {left} {}", step.instruction_word());
        Inputs::default().with("place", place).key("")[..24].to_string()
    }

    #[allow(clippy::too_many_arguments)]
    fn executed(
        &mut self,
        index: usize,
        number: usize,
        parents: Vec<StageLayer>,
        inputs: Inputs,
        also: Option<Inputs>,
        created_by: String,
        executor: &mut Executor<'_>,
    ) -> Result<bool> {
        let created = time::now();
        let work = self.work(index);
        work.layers.push(StageLayer::Made(number));
        work.clock = Some(created.clone());
        work.changed = true;
        work.state.add_history(created_by, false, Some(&created));
        let (base_chain, base_layers) = (work.base_chain.clone(), work.base_layers);
        executor.finish(number, Memo { parents, inputs, also, base_chain, base_layers, created })?;
        Ok(true)
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

fn published(layers: &[StageLayer]) -> Result<Vec<LayerRef>> {
    let of = |layer: &StageLayer| match layer {
        StageLayer::Published(layer) => Ok(layer.clone()),
        StageLayer::Made(_) => Err(fail(Kind::System, "a layer has no digest")),
    };
    layers.iter().map(of).collect()
}

fn published_chain(layers: &[StageLayer]) -> Option<String> {
    let layers = published(layers).ok()?;
    Some(layers.iter().fold(String::new(), |chain, layer| key::chain(&chain, &layer.diff_id)))
}

fn scratch(platform: &super::args::Platform) -> ImageConfig {
    ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    }
}

fn missing_base(error: anyhow::Error, at: impl Fn(String) -> anyhow::Error, text: &str) -> anyhow::Error {
    if crate::error::kind_of(&error) != Some(Kind::NotFound) {
        return error;
    }
    let place = at(format!("the image {text} is not in the store, and pulling is not there yet"));
    fail_with(
        Kind::NotFound,
        format!("{place:#}"),
        "Make it first: dhow build, dhow load or dhow import; `dhow images` lists what is there.",
    )
}
