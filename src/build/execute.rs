//! Executes steps: RUN, COPY, ADD and WORKDIR, each into an upper folder that then becomes a layer by one rename.
//!
//! Lives in the worker, with all ids. A finished step's tree stays in the build's staging folder until its digest is
//! known; the next step already stands on it there. Not here: which step runs and whether it must (`walk`).

use super::hasher::{Hashed, Hasher};
use super::key::{self, Inputs};
use super::points;
use super::remote;
use crate::error::{Kind, Result, fail};
use crate::run::channel::{Channel, Message};
use crate::run::prepare::{is_folder, lower_dirs, mount_overlay, resemble};
use crate::run::step::{self, Running};
use crate::store::Store;
use crate::store::cache::{LastTime, StepRecord};
use crate::store::flight::{self, Flight};
use crate::store::layer::{LayerRecord, LayerRef};
use crate::store::staging::Staging;
use crate::sys::path::Root;
use crate::sys::process::{self, Side};
use crate::sys::{fault, mount, security};
use anyhow::Context;
use oci_spec::runtime::Spec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One layer of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageLayer {
    /// In the store.
    Published(LayerRef),
    /// Made by this build, number `n`; perhaps published meanwhile.
    Made(usize),
}

/// What is to be remembered of a step once its layer has its digest.
#[derive(Debug)]
pub struct Memo {
    /// The layers below it.
    pub parents: Vec<StageLayer>,
    /// The inputs of its key.
    pub inputs: Inputs,
    /// Another set of inputs that leads to the same layer.
    pub also: Option<TreeInputs>,
    /// The chain that the stage began with.
    pub base_chain: String,
    /// How many of `parents` that chain covers.
    pub base_layers: usize,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Where in the Dockerfile it stands, and what is to be known of it there the next time.
    pub place: Option<(String, LastInputs)>,
    /// What the step at this place gave the last time.
    pub earlier: Option<LayerRef>,
}

/// What a step was made from, in the words of explanations.
#[derive(Debug, Clone, Default)]
pub struct LastInputs {
    /// Its inputs and what it stands on.
    pub inputs: Inputs,
    /// The files that a COPY took.
    pub files: Vec<(String, String)>,
}

/// The inputs of a step that takes files from stages or images, where each whole tree stands for the files that are taken
/// from it: known once every layer of the trees has its digest.
#[derive(Debug, Clone)]
pub struct TreeInputs {
    /// What else counts.
    pub definition: Inputs,
    /// The name of each input, and the tree, lowest first.
    pub trees: Vec<(String, Vec<StageLayer>)>,
}

impl TreeInputs {
    /// The inputs, if every layer of the trees has its digest by now.
    pub fn known(&self, executor: Option<&Executor<'_>>) -> Option<Inputs> {
        self.trees.iter().try_fold(self.definition.clone(), |inputs, (name, layers)| {
            let chain = match executor {
                Some(executor) => executor.chain("", layers),
                None => published_chain("", layers),
            };
            Some(inputs.with(name, format!("tree {}", chain?)))
        })
    }
}

/// The chain over layers that are all in the store.
pub fn published_chain(base: &str, layers: &[StageLayer]) -> Option<String> {
    layers.iter().try_fold(base.to_string(), |chain, layer| match layer {
        StageLayer::Published(layer) => Some(key::chain(&chain, &layer.diff_id)),
        StageLayer::Made(_) => None,
    })
}

/// A step's tree in the making or made.
struct Made {
    /// `staging/<id>/<n>`: holds `fs/`, and is renamed into the store.
    dir: PathBuf,
    memo: Option<Memo>,
    published: Option<LayerRef>,
    /// Keeps other builds from making the same; they find it once it is remembered.
    flight: Option<Flight>,
}

/// The worker's tools for a build.
pub struct Executor<'a> {
    store: &'a Store,
    channel: &'a Channel,
    staging: &'a Staging,
    hasher: Option<Hasher>,
    made: Vec<Made>,
    /// The turn of making the next layer.
    turn: Option<Flight>,
    network: Option<(OwnedFd, crate::run::network::Guard)>,
    /// Copies of context files for mounts, by what they are copies of.
    pub copies: BTreeMap<String, PathBuf>,
    /// Whether one more program may run.
    pub room: bool,
    scratches: usize,
}

/// A program to run, and what it sees.
pub struct Program<'a> {
    /// The process and what every container gets.
    pub spec: Spec,
    /// The layers below it.
    pub parents: &'a [StageLayer],
    /// The layer that it writes.
    pub number: usize,
    /// Its network.
    pub network: super::Network,
    /// Absolute targets and detached trees, in the order in which they are attached.
    pub trees: Vec<(PathBuf, OwnedFd)>,
    /// Without a seccomp program.
    pub no_seccomp: bool,
}

impl<'a> Executor<'a> {
    /// Makes the tools; nothing is started before it is needed.
    pub fn new(store: &'a Store, channel: &'a Channel, staging: &'a Staging) -> Executor<'a> {
        Executor {
            store,
            channel,
            staging,
            hasher: None,
            made: Vec::new(),
            turn: None,
            network: None,
            copies: BTreeMap::new(),
            room: true,
            scratches: 0,
        }
    }

    /// Protects layers on which the build is going to stand; false when one of them is gone.
    pub fn lease(&self, layers: &[LayerRef]) -> Result<bool> {
        self.store.lease(self.staging, &layers.iter().map(|layer| layer.id.as_str()).collect::<Vec<_>>())
    }

    /// Takes the turn of making the step `key`, for the layer that is begun next; false while another build has it. The
    /// caller then looks the step up again.
    pub fn take_turn(&mut self, key: &str) -> Result<bool> {
        self.turn = self.store.try_flight(flight::Kind::Step, key)?;
        Ok(self.turn.is_some())
    }

    /// Whether it is worth trying again to take a turn.
    pub fn may_take_turn(&self, key: &str) -> Result<bool> {
        Ok(self.store.try_flight(flight::Kind::Step, key)?.is_some())
    }

    /// Who makes the step `key`, as far as that can be seen.
    pub fn maker(&self, key: &str) -> String {
        self.store.flight_maker(flight::Kind::Step, key)
    }

    /// Gives the turn back: the step need not be made.
    pub fn give_up_turn(&mut self) {
        self.turn = None;
    }

    /// Sleeps, and fails if the front says meanwhile that it is over.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let ready = process::poll(&[(Some(self.channel.as_fd()), libc::POLLIN)], milliseconds)?;
        if ready[0] == 0 { Ok(()) } else { Err(self.stopped()) }
    }

    /// The other end of the conversation: when it is readable the build is to end.
    pub fn front(&self) -> &Channel {
        self.channel
    }

    /// Readable when the digest of a layer has come.
    pub fn answers(&self) -> Option<BorrowedFd<'_>> {
        self.hasher.as_ref().map(Hasher::answers)
    }

    /// Why the front spoke: during a step it has only one thing to say.
    pub fn stopped(&self) -> anyhow::Error {
        match self.channel.receive() {
            Ok(Some(Message::Signal(number))) => super::interrupted(number),
            _ => fail(Kind::System, "the build's front is gone"),
        }
    }

    /// Begins a layer on top of `parents`; gives its number. Its root folder takes after the one below.
    pub fn begin(&mut self, parents: &[StageLayer]) -> Result<usize> {
        let number = self.made.len();
        let dir = self.staging.path().join(number.to_string());
        for sub in [dir.join("fs"), self.work(number)] {
            fs::create_dir_all(&sub).with_context(|| format!("making {}", sub.display()))?;
        }
        fs::set_permissions(dir.join("fs"), fs::Permissions::from_mode(0o755))?;
        if let Some(below) = parents.last() {
            resemble(&self.store.root().join(self.layer_path(below)), &dir.join("fs"))?;
        }
        fault::point("step.begin")?;
        self.made.push(Made { dir, memo: None, published: None, flight: self.turn.take() });
        Ok(number)
    }

    fn work(&self, number: usize) -> PathBuf {
        self.staging.path().join(format!("work-{number}"))
    }

    /// Path of a layer's tree relative to the store.
    fn layer_path(&self, layer: &StageLayer) -> String {
        let published = match layer {
            StageLayer::Published(layer) => Some(layer),
            StageLayer::Made(n) => self.made[*n].published.as_ref(),
        };
        match (published, layer) {
            (Some(layer), _) => format!("layers/{}/fs", layer.id),
            (None, StageLayer::Made(n)) => self.relative(&self.made[*n].dir.join("fs")),
            (None, StageLayer::Published(_)) => unreachable!("a published layer has a reference"),
        }
    }

    /// A path in the store, relative to it, as overlays take them.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.store.root()).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The root file system on which layer `number` is written.
    pub fn writable(&self, parents: &[StageLayer], number: usize) -> Result<Root> {
        let upper = self.made[number].dir.join("fs");
        if parents.is_empty() {
            return Root::open(&upper).with_context(|| format!("opening {}", upper.display()));
        }
        let lower = lower_dirs(parents.iter().map(|l| self.layer_path(l)), false);
        let (upper, work) = (self.relative(&upper), self.relative(&self.work(number)));
        Ok(Root::from_fd(mount_overlay(self.store, &lower, Some((&upper, &work)), true)?))
    }

    /// The tree of a stage or an image, to read from.
    pub fn readable(&self, layers: &[StageLayer]) -> Result<Root> {
        let published = layers.iter().filter_map(|layer| match layer {
            StageLayer::Published(layer) => Some(layer.clone()),
            StageLayer::Made(_) => None,
        });
        if !self.lease(&published.collect::<Vec<_>>())? {
            return Err(fail(Kind::System, "an image that the build reads from was removed meanwhile"));
        }
        match self.lower(layers).as_slice() {
            [only] => Root::open(&self.store.root().join(only)).context("opening a layer"),
            several => Ok(Root::from_fd(self.readable_overlay(several)?)),
        }
    }

    /// The folders, topmost first, that make up a tree, relative to the store; at least one.
    pub fn lower(&self, layers: &[StageLayer]) -> Vec<String> {
        let lower = lower_dirs(layers.iter().map(|l| self.layer_path(l)), false);
        if lower.is_empty() { vec![self.relative(&self.store.empty())] } else { lower }
    }

    /// A read-only mount of several folders.
    pub fn readable_overlay(&self, lower: &[String]) -> Result<OwnedFd> {
        mount_overlay(self.store, lower, None, false)
    }

    /// A mount of folders that can be written, with what is written going to a place of its own.
    pub fn overlay(&mut self, lower: Vec<String>) -> Result<OwnedFd> {
        let over = self.scratch("over")?;
        let (upper, work) = (over.join("fs"), over.join("work"));
        for dir in [&upper, &work] {
            fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        if let Some(top) = lower.first() {
            resemble(&self.store.root().join(top), &upper)?;
        }
        mount_overlay(self.store, &lower, Some((&self.relative(&upper), &self.relative(&work))), true)
    }

    /// A new folder for things of this build that are no layer.
    pub fn scratch(&mut self, what: &str) -> Result<PathBuf> {
        self.scratches += 1;
        self.folder(&format!("{what}-{}", self.scratches))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.store
    }

    /// A folder that mounts may cover for a moment: nothing is ever bound from below the stub.
    pub fn anchor(&self) -> Result<CString> {
        Ok(mount::c_path(&self.store.stub())?)
    }

    /// Has the front fetch something.
    pub fn fetch(&self, request: &remote::Request) -> Result<remote::Fetched> {
        let answer = self.channel.fetch(serde_json::to_string(request)?)?;
        serde_json::from_str(&answer).context("reading what the front fetched")
    }

    /// A folder for things of this build that are no layer.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let dir = self.staging.path().join(name);
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        Ok(dir)
    }

    /// Starts a program.
    pub fn start(&mut self, program: Program<'_>) -> Result<Running> {
        let work = self.work(program.number);
        self.with_request(program, &work, step::start)
    }

    /// Runs a program with the person at its terminal, in what a failed one has left of its layer.
    pub fn interact(&mut self, program: Program<'_>) -> Result<()> {
        // The step will not be made here: who waits for it need not wait for a person.
        self.made[program.number].flight = None;
        // The kernel does not take a work folder again that a volatile mount has used.
        let work = self.scratch("shell-work")?;
        let channel = self.channel;
        self.with_request(program, &work, |request| step::interact(request, channel))
    }

    /// Mounts what a program sees and has `act` use it.
    fn with_request<T>(
        &mut self,
        program: Program<'_>,
        work: &Path,
        act: impl FnOnce(&step::Request<'_>) -> Result<T>,
    ) -> Result<T> {
        use super::Network;
        if program.network == Network::Private {
            self.connect()?;
        }
        let (root, trees) = self.root_for(&program, work)?;
        let anchor = self.anchor()?;
        act(&step::Request {
            spec: program.spec,
            root: &root,
            trees: &trees,
            anchor: &anchor,
            network: match (program.network, &self.network) {
                (Network::Host, _) => step::Network::Host,
                (Network::Private, Some((fd, _))) => step::Network::Shared(fd.as_fd()),
                _ => step::Network::None,
            },
            no_seccomp: program.no_seccomp,
        })
    }

    /// The root file system of a program, with every mount point, and where its trees go.
    fn root_for(&mut self, program: &Program<'_>, work: &Path) -> Result<(Root, Vec<step::Tree>)> {
        let root = self.root_over(program, None, work)?;
        let mounts = program.spec.mounts().iter().flatten().map(|m| (m.destination().as_path(), is_folder(m)));
        let mut targets: Vec<(&Path, bool)> = mounts.collect();
        let own = targets.len();
        for (target, tree) in &program.trees {
            let stat = rustix::fs::fstat(tree).context("looking at a mount")?;
            targets.push((target, FileType::from_raw_mode(stat.st_mode) == FileType::Directory));
        }
        let points = points::find(&root, &targets)?;
        let trees = points[own..]
            .iter()
            .zip(&program.trees)
            .map(|(point, (_, tree))| Ok(step::Tree { tree: tree.try_clone()?, target: mount::c_path(&point.path)? }));
        let trees = trees.collect::<Result<Vec<_>>>()?;
        if points.iter().all(|p| !p.missing) {
            return Ok((root, trees));
        }
        let layer = self.scratch("points")?;
        fs::set_permissions(&layer, fs::Permissions::from_mode(0o755))?;
        points::make(&points, &root, &layer)?;
        drop(root);
        let work = self.scratch("points-work")?;
        Ok((self.root_over(program, Some(&layer), &work)?, trees))
    }

    /// Mounts the root file system of a program, with a layer of mount points right below its own.
    fn root_over(&self, program: &Program<'_>, points: Option<&Path>, work: &Path) -> Result<Root> {
        let mut lower = lower_dirs(program.parents.iter().map(|l| self.layer_path(l)), true);
        if let Some(points) = points {
            lower.insert(0, self.relative(points));
        }
        let upper = self.relative(&self.made[program.number].dir.join("fs"));
        let root = mount_overlay(self.store, &lower, Some((&upper, &self.relative(work))), true)?;
        Ok(Root::from_fd(root))
    }

    /// Makes the build's network namespace, once, and has the front connect it.
    fn connect(&mut self) -> Result<()> {
        if self.network.is_some() {
            return Ok(());
        }
        // A short-lived child makes the namespace, so that this process stays in the host's.
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe")?;
        let holder = match process::clone(libc::CLONE_NEWNET).context("making the build's network namespace")? {
            Side::Child => {
                let _ = security::die_with_parent();
                let _ = security::set_dumpable(true);
                let _ = rustix::io::write(&write, b"x");
                loop {
                    let _ = process::poll(&[], -1);
                }
            }
            Side::Parent(child) => child,
        };
        let _ = rustix::io::read(&read, &mut [0u8; 1]);
        let connected = self.channel.connect_network(holder.pid, self.staging.path()).and_then(|pasta| {
            let fd = rustix::fs::open(
                format!("/proc/{}/ns/net", holder.pid),
                rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            )
            .context("opening the build's network namespace")?;
            Ok((fd, crate::run::network::Guard::new(pasta)))
        });
        let _ = process::signal(&holder.pidfd, libc::SIGKILL);
        let _ = process::wait(&holder);
        self.network = Some(connected?);
        Ok(())
    }

    /// Layer `number` is finished: its digest is computed beside what follows, then it is published and remembered.
    pub fn finish(&mut self, number: usize, memo: Memo) -> Result<()> {
        fault::point("step.finish")?;
        // One that is gone, or goes while it is looked at, is another one.
        let memo = Memo { earlier: self.still_there(memo.earlier)?, ..memo };
        let earlier = memo.earlier.as_ref().map(|layer| self.store.layer_tree(&layer.id));
        self.made[number].memo = Some(memo);
        let tree = self.made[number].dir.join("fs");
        let hasher = match &mut self.hasher {
            Some(hasher) => hasher,
            none => none.insert(Hasher::start()?),
        };
        hasher.submit(number, &tree, earlier)?;
        self.collect(false)
    }

    /// The layer, protected from now on, if it is in the store.
    fn still_there(&self, layer: Option<LayerRef>) -> Result<Option<LayerRef>> {
        let Some(layer) = layer else { return Ok(None) };
        let usable = self.store.usable_layer(&layer.id)?.is_some_and(|found| found == layer);
        Ok(if usable && self.lease(std::slice::from_ref(&layer))? { Some(layer) } else { None })
    }

    /// Publishes the layers whose digests have come; with `all`, waits for every one.
    pub fn collect(&mut self, all: bool) -> Result<()> {
        while let Some(hasher) = &mut self.hasher {
            let Some(Hashed { layer: number, info, as_before }) = hasher.next(all)? else { break };
            // What stands on it is then known, too.
            let earlier = self.made[number].memo.as_mut().and_then(|memo| memo.earlier.take()).filter(|_| as_before);
            if let Some(layer) = earlier {
                self.made[number].published = Some(layer.clone());
                self.remember(number, layer)?;
                self.made[number].flight = None;
                continue;
            }
            let record = LayerRecord {
                diff_id: info.diff_id.to_string(),
                tar_size: info.tar_size,
                content_size: info.content_size,
                files: info.files,
                recipe: false,
                unsynced_boot: String::new(),
            };
            let layer = self.store.publish_layer(self.staging, &self.made[number].dir, record)?;
            self.made[number].published = Some(layer.clone());
            self.remember(number, layer)?;
            self.made[number].flight = None;
        }
        Ok(())
    }

    /// Digests come in the order in which layers were finished, so every parent is published before its child.
    fn remember(&mut self, number: usize, layer: LayerRef) -> Result<()> {
        let Some(memo) = self.made[number].memo.take() else { return Ok(()) };
        let Some(chain) = self.chain(&memo.base_chain, &memo.parents[memo.base_layers..]) else {
            return Err(fail(Kind::System, "a layer was published before its parent"));
        };
        if let Some((slot, last)) = memo.place {
            // Only what was done counts as the last time: a step that failed has left nothing to compare with.
            let last = LastTime { inputs: last.inputs.0, layer: layer.clone(), files: last.files };
            let _ = self.store.remember_inputs(&slot, &last);
        }
        let record = StepRecord { layer, created: memo.created, inputs: memo.inputs.0.clone() };
        self.store.remember_step(&memo.inputs.key(&chain), &record)?;
        // The tree it was copied from was finished before it, so its digests came before this one.
        if let Some(also) = memo.also.and_then(|also| also.known(Some(self))) {
            self.store.remember_step(&also.key(&chain), &record)?;
        }
        Ok(())
    }

    /// The chain over these layers, if all of them have their digests.
    pub fn chain(&self, base: &str, layers: &[StageLayer]) -> Option<String> {
        layers.iter().try_fold(base.to_string(), |chain, layer| {
            let diff_id = match layer {
                StageLayer::Published(layer) => &layer.diff_id,
                StageLayer::Made(n) => &self.made[*n].published.as_ref()?.diff_id,
            };
            Some(key::chain(&chain, diff_id))
        })
    }

    /// References of these layers; waits for digests that are still missing.
    pub fn references(&mut self, layers: &[StageLayer]) -> Result<Vec<LayerRef>> {
        self.collect(true)?;
        let of = |layer: &StageLayer| match layer {
            StageLayer::Published(layer) => Some(layer.clone()),
            StageLayer::Made(n) => self.made[*n].published.clone(),
        };
        layers.iter().map(|l| of(l).ok_or_else(|| fail(Kind::System, "a layer has no digest"))).collect()
    }

    /// Ends the helper processes and removes what is left in the staging folder; what it protects is still needed.
    pub fn clean(self) -> Result<()> {
        if let Some(hasher) = self.hasher {
            hasher.stop();
        }
        drop(self.network);
        self.staging.empty_here()
    }
}
