//! The walk over a build's steps: look each one up, execute what is missing, and carry configuration and layers along.
//!
//! The same walk runs twice. In the front it only looks up, and stops before the first step that must be executed: a
//! fully cached build starts no process. A worker, cloned from the front at that point, goes on from the same state with
//! an [`Executor`], in the order that `schedule` gives it.

use super::Options;
use super::args::Globals;
use super::context::Context;
use super::execute::{Executor, LastInputs, Memo, StageLayer, TreeInputs, published_chain};
use super::instruction::{Instruction, Step, parse_trigger};
use super::key::{self, Inputs};
use super::outcome::Outcome;
use super::stage::{Base, Plan};
use super::state::StageState;
use super::wait::Wait;
use super::why;
use crate::error::{Kind, Result, fail, fail_with, hint_of, kind_of};
use crate::image::config::ImageConfig;
use crate::progress::{Event, Reporter};
use crate::run::time;
use crate::store::Store;
use crate::store::layer::LayerRef;
use anyhow::Context as _;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stage as far as it has come.
#[derive(Debug, Clone)]
pub(super) struct StageWork {
    pub(super) state: StageState,
    /// Lowest first.
    pub(super) layers: Vec<StageLayer>,
    /// The chain over the layers with which the stage began, all of them published.
    base_chain: String,
    /// How many those are.
    base_layers: usize,
    /// How many entries of the history are the base image's.
    base_history: usize,
    /// Like a chain, but over the inputs of each step: two builds of the same have it in common before any digest is
    /// known.
    definition: String,
    /// Time of the last layer; later metadata takes it, so that a cached rebuild gives the same image.
    pub(super) clock: Option<String>,
    /// Steps still to do, in order.
    pub(super) steps: std::collections::VecDeque<Step>,
    /// A step on the way was executed: what follows has a new parent.
    changed: bool,
}

impl StageWork {
    /// The inputs of a step, and of what lies below it what no step of this build has made.
    fn explained(&self, inputs: &Inputs) -> Inputs {
        inputs.clone().with("the base image", self.base_chain.clone())
    }
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
    /// How many of them are the base image's.
    pub base_layers: usize,
    /// How many entries of the history are the base image's.
    pub base_history: usize,
}

/// The state of a build.
pub struct Walk<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
    pub(super) globals: Arc<Globals>,
    pub(super) context_file: &'a Path,
    pub(super) context: OnceCell<Context>,
    /// The contexts with a name, by their folder.
    pub(super) named: BTreeMap<PathBuf, OnceCell<Context>>,
    /// What remote sources were when this build asked for the first time: it does not ask again.
    pub(super) remotes: BTreeMap<String, String>,
    /// Stages to do, in an order in which each comes after those that it needs.
    pub(super) todo: std::collections::VecDeque<usize>,
    pub(super) stages: BTreeMap<usize, StageWork>,
    target: usize,
    number: usize,
    total: usize,
    /// The step at which a stage is, by its number.
    pub(super) announced: BTreeMap<usize, usize>,
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
            named: options.contexts.folders().map(|folder| (folder.to_path_buf(), OnceCell::new())).collect(),
            remotes: BTreeMap::new(),
            todo: needed.into(),
            stages: BTreeMap::new(),
            target,
            number: 0,
            total,
            announced: BTreeMap::new(),
        })
    }

    /// Looks steps up, to the end or to the first one that needs an executor.
    pub fn look_up(&mut self, reporter: &dyn Reporter) -> Result<Progress> {
        while let Some(index) = self.todo.front().copied() {
            if let Outcome::NeedsWorker = self.next(index, None, reporter)? {
                return Ok(Progress::NeedsWorker);
            }
        }
        Ok(Progress::Done)
    }

    /// Begins a stage, or does its next step, or ends it.
    pub(super) fn next(
        &mut self,
        index: usize,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        if !self.stages.contains_key(&index) {
            self.begin_stage(index, executor.as_deref(), reporter)?;
            // Its first step may need another stage than its base.
            return Ok(Outcome::Done);
        }
        let Some(step) = self.work(index).steps.front().cloned() else {
            self.todo.retain(|stage| *stage != index);
            return Ok(Outcome::Done);
        };
        self.announce(index, &step.text, reporter);
        let reporter = self.within(index, reporter);
        let outcome = self.step(index, step, executor, &reporter)?;
        if let Outcome::Done = outcome {
            self.step_done(index, &reporter);
        }
        Ok(outcome)
    }

    /// Goes over to the next step of a stage.
    pub(super) fn step_done(&mut self, index: usize, reporter: &dyn Reporter) {
        let work = self.work(index);
        work.steps.pop_front();
        if work.steps.is_empty() {
            self.todo.retain(|stage| *stage != index);
        }
        if let Some(number) = self.announced.remove(&index) {
            reporter.report(Event::StepDone { number });
        }
    }

    /// The target's configuration and layers, when the walk is done.
    pub fn finish(&mut self, executor: Option<&mut Executor<'_>>) -> Result<Finished> {
        let work = self.stages.get_mut(&self.target).expect("a walk that is done has been at its target");
        let mut config = work.state.config.clone();
        config.created = Some(work.clock.clone().unwrap_or_else(|| "1970-01-01T00:00:00Z".into()));
        let layers = match executor {
            Some(executor) => executor.references(&work.layers)?,
            None => published(&work.layers)?,
        };
        Ok(Finished { config, layers, base_layers: work.base_layers, base_history: work.base_history })
    }

    /// The layers in the store on which its stages stand so far.
    pub fn stands_on(&self) -> Vec<&str> {
        let all = self.stages.values().flat_map(|work| &work.layers);
        all.filter_map(|layer| match layer {
            StageLayer::Published(layer) => Some(layer.id.as_str()),
            StageLayer::Made(_) => None,
        })
        .collect()
    }

    /// Keeps what was learnt about the context's files.
    pub fn save_index(&self) {
        let main = self.context.get().filter(|_| !self.options.temporary);
        let named = self
            .named
            .values()
            .filter_map(OnceCell::get)
            .filter(|context| !context.path().starts_with(self.store.root()));
        for context in main.into_iter().chain(named) {
            // An index that cannot be written only makes the next build slower.
            let _ = context.save_index();
        }
    }

    pub(super) fn work(&mut self, index: usize) -> &mut StageWork {
        self.stages.get_mut(&index).expect("a stage is begun before its steps")
    }

    fn announce(&mut self, index: usize, text: &str, reporter: &dyn Reporter) {
        if self.announced.contains_key(&index) {
            return;
        }
        self.number += 1;
        self.announced.insert(index, self.number);
        let several = self.plan.stages.len() > 1;
        let stage = several.then(|| self.plan.stages[index].name.clone().unwrap_or_else(|| index.to_string()));
        reporter.report(Event::Step { number: self.number, total: self.total, stage, text: text.to_string() });
    }

    fn begin_stage(&mut self, index: usize, executor: Option<&Executor<'_>>, reporter: &dyn Reporter) -> Result<()> {
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
        let mut work = match base {
            Base::Scratch => self.stage_on(scratch(&platform), Vec::new(), None),
            Base::Stage(from) => {
                let from = self.stages.get(&from).context("a stage before its base")?;
                StageWork { state: from.state.inherit(), ..from.clone() }
            }
            Base::Image(text) => {
                let image = self.store.find_image(&text).map_err(|error| missing_base(error, at, &text))?;
                if let Some(executor) = executor
                    && !executor.lease(&image.layers)?
                {
                    return Err(at(format!("the image {text} was removed while the build was at work")));
                }
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
        if let Some(number) = self.announced.remove(&index) {
            reporter.report(Event::StepDone { number });
        }
        Ok(())
    }

    fn stage_on(&self, mut config: ImageConfig, layers: Vec<LayerRef>, clock: Option<String>) -> StageWork {
        let base_chain = layers.iter().fold(String::new(), |chain, layer| key::chain(&chain, &layer.diff_id));
        config.created = None;
        if self.options.result.drop_base_labels {
            config.config.labels = None;
        }
        StageWork {
            base_history: config.history.len(),
            state: StageState::new(config, self.globals.clone()),
            base_layers: layers.len(),
            layers: layers.into_iter().map(StageLayer::Published).collect(),
            definition: base_chain.clone(),
            base_chain,
            clock,
            steps: Default::default(),
            changed: false,
        }
    }

    /// Does one step.
    fn step(
        &mut self,
        index: usize,
        mut step: Step,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        let work = self.work(index);
        step.expand(&work.state.scope())?;
        let clock = work.clock.clone();
        if step.apply(&mut work.state, clock.as_deref())? {
            return Ok(Outcome::Done);
        }
        match step.instruction.clone() {
            Instruction::Run(run) => self.run_step(index, &step, &run, executor, reporter),
            Instruction::Copy(copy) => self.copy_step(index, &step, &copy, executor, reporter),
            Instruction::Workdir(workdir) => self.workdir_step(index, &step, &workdir, executor, reporter),
            other => Err(step.error(format!("{other:?} cannot stand here"))),
        }
    }

    /// Looks a step up; when it is there, takes its layer. `also` is a second set of inputs to be remembered for it.
    pub(super) fn cached(
        &mut self,
        index: usize,
        inputs: &Inputs,
        also: Option<&TreeInputs>,
        executor: Option<&Executor<'_>>,
        created_by: &str,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        if self.uncached(index) {
            return Ok(false);
        }
        let Some(chain) = self.chain(index, executor) else { return Ok(false) };
        let Some(found) = self.store.cached_step(&inputs.key(&chain))? else { return Ok(false) };
        // Without an executor nothing is protected yet: that happens when there is one, or the image is recorded.
        if let Some(executor) = executor
            && !executor.lease(std::slice::from_ref(&found.layer))?
        {
            return Ok(false);
        }
        if let Some(also) = also.and_then(|also| also.known(executor)) {
            self.store.remember_step(&also.key(&chain), &found)?;
        }
        let short = found.layer.diff_id.trim_start_matches("sha256:").chars().take(12).collect();
        reporter.report(Event::CacheHit { layer: Some(short) });
        let work = self.work(index);
        work.definition = inputs.key(&work.definition);
        work.layers.push(StageLayer::Published(found.layer));
        work.clock = Some(found.created.clone());
        work.state.add_history(created_by.to_string(), false, Some(&found.created));
        Ok(true)
    }

    /// Before a step is executed: what to do instead, if anything. It waits where the digest of its parent may still
    /// show that it need not be executed, or where another build is at the same step; and it is looked up again, since it
    /// may have been made since the last look. With nothing in the way, the turn is taken.
    pub(super) fn instead(
        &mut self,
        index: usize,
        inputs: &Inputs,
        also: Option<&TreeInputs>,
        executor: &mut Executor<'_>,
        created_by: &str,
        reporter: &dyn Reporter,
    ) -> Result<Option<Outcome>> {
        if self.uncached(index) {
            return Ok(None);
        }
        if self.chain(index, Some(executor)).is_none() && self.is_as_before(index, inputs) {
            return Ok(Some(Outcome::Waits(Wait::Digest)));
        }
        let key = inputs.key(&self.stages[&index].definition);
        if !executor.take_turn(&key)? {
            return Ok(Some(Outcome::Waits(Wait::Step(key))));
        }
        if self.cached(index, inputs, also, Some(executor), created_by, reporter)? {
            executor.give_up_turn();
            return Ok(Some(Outcome::Done));
        }
        Ok(None)
    }

    /// Whether the steps of a stage are executed in any case.
    fn uncached(&self, index: usize) -> bool {
        self.options.no_cache || self.plan.stages[index].is_one_of(&self.options.no_cache_filter)
    }

    /// Whether the step that was last done at this place had the same inputs: it only stood on something else, perhaps.
    fn is_as_before(&self, index: usize, inputs: &Inputs) -> bool {
        let Some(step) = self.stages[&index].steps.front() else { return false };
        let before = self.store.previous_inputs(&self.slot(index, step));
        before.is_some_and(|before| inputs.0.iter().all(|input| before.inputs.contains(input)))
    }

    /// The chain at which a stage stands; none while one of its layers has no digest yet.
    pub(super) fn chain(&self, index: usize, executor: Option<&Executor<'_>>) -> Option<String> {
        let work = &self.stages[&index];
        let own = &work.layers[work.base_layers..];
        match executor {
            Some(executor) => executor.chain(&work.base_chain, own),
            None => published_chain(&work.base_chain, own),
        }
    }

    /// Tells why a step is executed, if something is known of the last time. `files` are those of a COPY.
    pub(super) fn say_why(
        &mut self,
        index: usize,
        inputs: &Inputs,
        files: &[(String, String)],
        step: &Step,
        reporter: &dyn Reporter,
    ) {
        if self.uncached(index) {
            return;
        }
        let slot = self.slot(index, step);
        let work = &self.stages[&index];
        // A place that was never built to its end has nothing to explain.
        if let Some(before) = self.store.previous_inputs(&slot) {
            let now = LastInputs { inputs: work.explained(inputs), files: files.to_vec() };
            let why = why::explain(&now, &before, work.changed);
            reporter.report(Event::CacheMiss { why });
        }
    }

    /// The place of a step, by which its last inputs are found again.
    fn slot(&self, index: usize, step: &Step) -> String {
        // A folder of our own has another name each time; its builds are told apart by their Dockerfile's alone.
        let own = self.options.temporary;
        let file = if own { self.context_file.file_name().unwrap_or_default() } else { self.context_file.as_os_str() };
        let (file, context) = (file.to_string_lossy(), self.options.context.to_string_lossy());
        let context = if own { "-".into() } else { context };
        let left = self.stages[&index].steps.len();
        let place = format!("{context} {file} {index} {left} {}", step.instruction_word());
        Inputs::default().with("place", place).key("")[..24].to_string()
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn executed(
        &mut self,
        index: usize,
        number: usize,
        parents: Vec<StageLayer>,
        inputs: Inputs,
        also: Option<TreeInputs>,
        files: Vec<(String, String)>,
        created_by: String,
        executor: &mut Executor<'_>,
    ) -> Result<Outcome> {
        let created = time::now();
        let slot = self.stages[&index].steps.front().map(|step| self.slot(index, step));
        // Who asks for everything anew wants the new one.
        let asked = slot.as_ref().filter(|_| !self.uncached(index));
        let before = asked.and_then(|slot| self.store.previous_inputs(slot));
        // Other files of the context give another layer: there is nothing to compare.
        let earlier = before.filter(|last| last.files == files).map(|last| last.layer);
        let last = LastInputs { inputs: self.stages[&index].explained(&inputs), files };
        let place = slot.map(|slot| (slot, last));
        let work = self.work(index);
        work.definition = inputs.key(&work.definition);
        work.layers.push(StageLayer::Made(number));
        work.clock = Some(created.clone());
        work.changed = true;
        work.state.add_history(created_by, false, Some(&created));
        let (base_chain, base_layers) = (work.base_chain.clone(), work.base_layers);
        executor.finish(number, Memo { parents, inputs, also, base_chain, base_layers, created, place, earlier })?;
        Ok(Outcome::Done)
    }
}

fn published(layers: &[StageLayer]) -> Result<Vec<LayerRef>> {
    let of = |layer: &StageLayer| match layer {
        StageLayer::Published(layer) => Ok(layer.clone()),
        StageLayer::Made(_) => Err(fail(Kind::System, "a layer has no digest")),
    };
    layers.iter().map(of).collect()
}

fn scratch(platform: &super::args::Platform) -> ImageConfig {
    ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    }
}

pub(super) fn missing_base(error: anyhow::Error, at: impl Fn(String) -> anyhow::Error, text: &str) -> anyhow::Error {
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

/// A failure of a step, with its place in the file; kind and remedy stay.
pub(super) fn located(step: &Step, error: anyhow::Error) -> anyhow::Error {
    let kind = kind_of(&error).unwrap_or(Kind::System);
    let message = format!("{:#}", step.error(format!("{error:#}")));
    match hint_of(&error) {
        Some(hint) => fail_with(kind, message, hint),
        None => fail(kind, message),
    }
}
