//! Builds an image from a Dockerfile.
//!
//! ```text
//! bytes → lines (parse) → typed instructions (instruction) → stages (stage)
//!       → walk: key, look-up, else execute → layers and configuration → image
//! ```
//! Not here: how a process is started (`run`), how layers are kept (`store`), what is printed (`cli`).

pub mod args;
pub mod change;
pub mod check;
pub mod context;
pub mod copy;
mod copy_remote;
mod copy_step;
mod execute;
pub mod expand;
pub mod glob;
mod hasher;
pub mod heredoc;
pub mod ignore;
pub mod index;
pub mod instruction;
mod key;
pub mod listing;
mod mount_step;
mod mounts;
pub mod named;
pub mod obtain;
mod outcome;
pub mod output;
pub mod owner;
pub mod parse;
mod pattern;
mod points;
pub mod remote;
pub mod result;
mod schedule;
pub mod source;
pub mod stage;
pub mod state;
mod steps;
mod wait;
mod walk;
mod why;
pub mod words;

#[cfg(test)]
mod language_tests;

use crate::error::{Kind, Result, fail, fail_with, kind_of};
use crate::image::reference::Reference;
use crate::progress::{Event, Reporter};
use crate::run::channel::{Channel, Message};
use crate::run::network;
pub use crate::run::options::{Network, UserLimit};
use crate::store::Store;
use crate::store::image::ImageRecord;
use crate::store::staging::Staging;
use crate::sys::process;
use crate::sys::security;
use crate::sys::userns::{self, Crossing, IdMap};
use anyhow::Context as _;
use execute::Executor;
pub use mounts::Secret;
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use walk::{Finished, Progress, Walk};

/// How long an interrupted worker may take to clean up, and its processes to be gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a build is begun again because something that it had found was pruned before it could be protected.
const ATTEMPTS: usize = 4;

/// Options of a build.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The context folder.
    pub context: PathBuf,
    /// The context folder is this build's alone: nothing is to be learnt about it for later.
    pub temporary: bool,
    /// The ignore file, in place of the context's.
    pub ignore_file: Option<PathBuf>,
    /// `--build-context`.
    pub contexts: named::Contexts,
    /// The Dockerfile; none means the context's.
    pub file: Option<PathBuf>,
    /// The Dockerfile's text, where it was read from standard input.
    pub file_text: Option<Vec<u8>>,
    /// Names of the result.
    pub tags: Vec<Reference>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// Execute every step.
    pub no_cache: bool,
    /// `--no-cache-filter`: execute every step of these stages, by name or number.
    pub no_cache_filter: Vec<String>,
    /// How many programs of RUN steps run at the same time.
    pub jobs: Jobs,
    /// Network of RUN.
    pub network: Network,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`: sockets of agents, by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `--allow security.insecure`: a RUN may ask for it.
    pub allow_insecure: bool,
    /// Open a shell where a RUN fails; the caller has checked that there is a terminal.
    pub shell_on_fail: bool,
    /// What every RUN is given besides.
    pub step: StepOptions,
    /// What is asked of the image besides its steps.
    pub result: result::Wanted,
    /// Where the result goes; nothing means to the store.
    pub outputs: Vec<output::Output>,
    /// `--from`: the image of the first stage.
    pub first_base: Option<String>,
}

impl Options {
    /// Whether the image is recorded: always, unless only its files or the cache are wanted and it has no name.
    fn is_recorded(&self) -> bool {
        use output::Output;
        let only_cache = self.outputs.iter().any(|output| matches!(output, Output::CacheOnly));
        self.outputs.is_empty() || self.outputs.iter().any(Output::needs_record) || !self.tags.is_empty() && !only_cache
    }
}

/// What a build gives.
#[derive(Debug)]
pub struct Built {
    /// The image; its blobs are only in the store if it is recorded.
    pub image: ImageRecord,
    /// Whether the store has the image.
    pub recorded: bool,
    /// Bytes of its manifest.
    pub manifest_size: u64,
}

/// How many programs of RUN steps may run at the same time; none means as many as there are processors, and a few at
/// least, because many of them wait for the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Jobs(pub Option<usize>);

impl Jobs {
    /// With fewer than this by default, steps that only wait would hold each other up.
    const FEW: usize = 4;

    fn most(self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.0.unwrap_or_else(|| processors().max(Jobs::FEW))
    }
}

/// What the command line gives every RUN. It belongs to the place of the build, so it is part of no key, except for
/// capabilities, which decide what a command can do.
#[derive(Debug, Clone, Default)]
pub struct StepOptions {
    /// `--add-host`: name and address.
    pub hosts: Vec<(String, String)>,
    /// `--dns`: servers in place of the host's.
    pub dns: Vec<String>,
    /// `--shm-size` in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`.
    pub limits: Vec<UserLimit>,
    /// `--cap-add`, upper case without `CAP_`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, likewise.
    pub cap_drop: Vec<String>,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=unconfined`.
    pub no_seccomp: bool,
}

/// A Dockerfile that was read and understood, with everything that is known before the first step.
struct Prepared {
    /// The options with an absolute context.
    options: Options,
    path: PathBuf,
    file: parse::Dockerfile,
    plan: stage::Plan,
    target: usize,
    globals: args::Globals,
}

fn prepare(options: &Options) -> Result<Prepared> {
    let context = std::fs::canonicalize(&options.context)
        .map_err(|e| fail(Kind::User, format!("the build context {}: {e}", options.context.display())))?;
    let options = Options { context, ..options.clone() };
    let (path, bytes) = dockerfile(&options)?;
    let shown = path.file_name().map_or_else(|| "Dockerfile".into(), |n| n.to_string_lossy().into_owned());
    let file = parse::parse(&shown, &bytes)?;
    let mut plan = stage::plan(&file, options.contexts.clone())?;
    if let Some(base) = &options.first_base {
        plan.stages[0].base = base.clone();
    }
    let target = plan.target(options.target.as_deref())?;
    let globals = plan.globals(target, &options.args, &args::Platform::host())?;
    Ok(Prepared { options, path, file, plan, target, globals })
}

impl Prepared {
    fn check(&self, store: &Store) -> Result<check::Report> {
        check::run(&check::Subject {
            df: &self.file,
            plan: &self.plan,
            globals: &self.globals,
            target: self.target,
            image: &|name| store.find_image(name).ok().map(|image| image.config),
            // An ignore file that cannot be read is the build's error, at the step that needs it.
            ignore: &|| context::Context::ignore_of(&self.options.context, &self.path).ok(),
        })
    }

    fn notes(&self) -> Vec<String> {
        let undeclared = self.plan.undeclared(&self.options.args).into_iter();
        let mut notes: Vec<String> =
            undeclared.map(|name| format!("--build-arg {name}: the Dockerfile has no ARG of this name")).collect();
        let filters = self.options.no_cache_filter.iter();
        let strangers =
            filters.filter(|word| !self.plan.stages.iter().any(|s| s.is_one_of(std::slice::from_ref(word))));
        notes.extend(
            strangers.map(|word| format!("--no-cache-filter {word}: the Dockerfile has no stage of this name")),
        );
        if let Some(other) = self.file.syntax.as_deref().filter(|s| !is_own_syntax(s)) {
            notes.push(format!("# syntax={other} is not used: dhow reads the file itself, as docker/dockerfile does"));
        }
        notes
    }
}

/// Whether `# syntax=` names the front end whose language is read here, in whatever version.
fn is_own_syntax(name: &str) -> bool {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let rest = name.strip_prefix("docker/dockerfile").map(|r| r.strip_prefix("-upstream").unwrap_or(r));
    rest.is_some_and(|r| r.is_empty() || r.starts_with([':', '@']))
}

/// Checks a Dockerfile without building anything.
pub fn check(store: &Store, options: &Options, reporter: &dyn Reporter) -> Result<check::Report> {
    let prepared = prepare(options)?;
    let report = prepared.check(store)?;
    prepared.notes().into_iter().chain(report.notes.clone()).for_each(|note| reporter.report(Event::Warning(note)));
    Ok(report)
}

/// Builds an image, records it and names it.
pub fn build(store: &Store, options: &Options, reporter: &dyn Reporter) -> Result<Built> {
    let prepared = prepare(options)?;
    let checked = prepared.check(store)?;
    let notes = prepared.notes().into_iter().chain(checked.notes.iter().cloned());
    notes.for_each(|note| reporter.report(Event::Warning(note)));
    for found in &checked.findings {
        let (rule, message) = (found.rule.to_string(), found.message.clone());
        reporter.report(Event::Check { rule, line: found.span.line, message });
    }
    checked.refuse()?;
    let Prepared { options, path, plan, target, globals, .. } = &prepared;
    for left in (0..ATTEMPTS).rev() {
        let mut walk = Walk::new(store, options, plan, globals.clone(), *target, path)?;
        let built = attempt(store, options, &mut walk, reporter);
        let lost = |id: &&str| matches!(store.usable_layer(id), Ok(None));
        match built {
            Err(_) if left > 0 && walk.stands_on().iter().any(lost) => {}
            built => return built,
        }
    }
    unreachable!("the last attempt returns")
}

/// Walks through the build and records what comes of it.
fn attempt(store: &Store, options: &Options, walk: &mut Walk<'_>, reporter: &dyn Reporter) -> Result<Built> {
    let complete = |finished: Finished, staging| result::complete(store, options, finished, staging, reporter);
    match walk.look_up(reporter)? {
        Progress::Done => {
            walk.save_index();
            complete(walk.finish(None)?, None)
        }
        Progress::NeedsWorker => {
            // A build is the command that can afford to look for what killed ones have left.
            crate::run::control::sweep(store)?;
            let staging = store.staging()?;
            // Held until the image is recorded: nobody else names the layers before.
            let image = in_worker(store, walk, &staging, reporter).and_then(|f| complete(f, Some(&staging)));
            staging.remove()?;
            if image.is_ok()
                && let Err(error) = store.cache_budget().and_then(|budget| store.trim_cache(budget))
            {
                // The image is there all the same.
                reporter.report(Event::Warning(format!("the build cache was not trimmed: {error:#}")));
            }
            image
        }
    }
}

/// Names of the Dockerfile of a context, the first that exists counts.
const NAMES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// Where the Dockerfile of a context is, whether it is there or not: for what lies beside it.
pub fn default_dockerfile(context: &Path) -> PathBuf {
    let [containerfile, dockerfile] = NAMES.map(|name| context.join(name));
    if containerfile.exists() { containerfile } else { dockerfile }
}

/// The Dockerfile's path (for its ignore file) and text.
fn dockerfile(options: &Options) -> Result<(PathBuf, Vec<u8>)> {
    if let Some(text) = &options.file_text {
        return Ok((options.context.join("Dockerfile"), text.clone()));
    }
    let candidates = match &options.file {
        // As Podman and Docker both take it: relative to the current folder, else to the context.
        Some(file) => vec![file.clone(), options.context.join(file)],
        None => NAMES.map(|name| options.context.join(name)).to_vec(),
    };
    let path = candidates.iter().find(|p| p.exists()).cloned().ok_or_else(|| match &options.file {
        Some(file) => {
            fail(Kind::User, format!("the Dockerfile {} does not exist: no such file or directory", file.display()))
        }
        None => fail_with(
            Kind::User,
            format!(
                "{} holds neither a Containerfile nor a Dockerfile: no such file or directory",
                options.context.display()
            ),
            "Write one there, or name another with -f.",
        ),
    })?;
    let bytes = std::fs::read(&path).map_err(|e| fail(Kind::User, format!("reading {}: {e}", path.display())))?;
    Ok((path, bytes))
}

/// Goes on with a walk in a worker, with all ids; the front draws what it tells.
fn in_worker(store: &Store, walk: &mut Walk<'_>, staging: &Staging, reporter: &dyn Reporter) -> Result<Finished> {
    if !store.lease(staging, &walk.stands_on())? {
        return Err(fail_with(
            Kind::System,
            "a layer that the build had found was removed by another command",
            "Run the command again.",
        ));
    }
    let map = IdMap::of_caller()?;
    let (ours, theirs) = Channel::pair()?;
    let signals = process::signal_descriptor().context("blocking signals")?;
    let worker = userns::spawn(&map, |gate| {
        if !gate.wait() {
            return 1;
        }
        let _ = security::die_with_parent();
        let _ = security::set_dumpable(false);
        let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let result = work(store, walk, &theirs, staging);
        let packed = Crossing::pack(result.and_then(|f| serde_json::to_string(&f).context("packing the result")));
        theirs.send(&Message::Built(packed)).map_or(1, |()| 0)
    })?;
    drop(theirs);
    let result = follow(store, &ours, &signals, reporter);
    if result.is_ok() {
        let _ = process::wait(&worker);
    } else {
        // A worker whose step failed has cleaned up and is gone. One that is interrupted has not: what is left goes with
        // the folder.
        process::end_family(&worker, PATIENCE);
    }
    result
}

fn follow(store: &Store, channel: &Channel, signals: &OwnedFd, reporter: &dyn Reporter) -> Result<Finished> {
    // Ended here too, in case the worker is killed.
    let mut connection = None;
    let mut patience = Patience::default();
    loop {
        let fds = [(Some(channel.as_fd()), libc::POLLIN), (Some(signals.as_fd()), libc::POLLIN)];
        let ready = process::poll(&fds, patience.left()?).context("waiting for the build")?;
        while let Some(number) = process::next_signal(signals) {
            if matches!(number, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT) {
                patience.begin(number)?;
                let _ = channel.send(&Message::Signal(number));
            }
        }
        if ready[0] == 0 {
            continue;
        }
        match channel.receive()? {
            Some(Message::Progress(event)) => reporter.report(event),
            Some(Message::Connect { pid, dir }) => {
                let result = network::connect(pid, &dir);
                connection = result.as_ref().ok().map(|pasta| network::Guard::new(*pasta));
                channel.send(&Message::Connected(Crossing::pack(result)))?;
            }
            Some(Message::Fetch(what)) => {
                let request = serde_json::from_str(&what).context("reading what is to be fetched")?;
                let fetched = remote::fetch(store, &request, Some(signals));
                // Whoever pressed Ctrl-C wants the whole build to end.
                if let Some(Kind::Exit(_)) = fetched.as_ref().err().and_then(kind_of) {
                    return Err(fetched.expect_err("just seen"));
                }
                let fetched = fetched.and_then(|f| serde_json::to_string(&f).context("packing what was fetched"));
                channel.send(&Message::Fetched(Crossing::pack(fetched)))?;
            }
            Some(Message::Built(result)) => {
                drop(connection);
                return serde_json::from_str(&result.unpack()?).context("reading the worker's result");
            }
            Some(_) => {}
            None => return Err(fail(Kind::System, "the build's worker ended unexpectedly")),
        }
    }
}

/// How long an interrupted worker is waited for: it ends its step, keeps what was finished and cleans up. A second
/// signal means that the person has no time for that.
#[derive(Default)]
struct Patience(Option<(i32, Instant)>);

impl Patience {
    fn begin(&mut self, signal: i32) -> Result<()> {
        if self.0.is_some() {
            return Err(interrupted(signal));
        }
        self.0 = Some((signal, Instant::now() + PATIENCE));
        Ok(())
    }

    /// Milliseconds to wait at most, -1 for no limit; an error when the time is over.
    fn left(&self) -> Result<i32> {
        let Some((signal, until)) = self.0 else { return Ok(-1) };
        match until.saturating_duration_since(Instant::now()).as_millis() {
            0 => Err(interrupted(signal)),
            left => Ok(i32::try_from(left).unwrap_or(i32::MAX)),
        }
    }
}

/// What an interrupted build ends with.
fn interrupted(signal: i32) -> anyhow::Error {
    fail(Kind::Exit(128 + signal), "interrupted; finished steps stay in the cache")
}

/// Tells the front over its channel.
struct Teller<'a>(&'a Channel);

impl Reporter for Teller<'_> {
    fn report(&self, event: Event) {
        let _ = self.0.send(&Message::Progress(event));
    }
}

fn work(store: &Store, walk: &mut Walk<'_>, channel: &Channel, staging: &Staging) -> Result<Finished> {
    let mut executor = Executor::new(store, channel, staging);
    let done = walk.run(&mut executor, &Teller(channel));
    walk.save_index();
    let finished = match done {
        Ok(()) => walk.finish(Some(&mut executor)),
        Err(error) => {
            // What was finished before the failing step stays in the cache.
            let _ = executor.collect(true);
            Err(error)
        }
    };
    let cleaned = executor.clean();
    let finished = finished?;
    cleaned?;
    Ok(finished)
}
