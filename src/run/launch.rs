//! The front's and the worker's side of a start: who makes whom, and who tells whom what.
//!
//! front clones the worker and maps its ids; meanwhile the worker makes the container's folder and record and moves into
//! the namespaces that init will share. Then it mounts, clones init, and stays as the container's monitor.

use super::channel::{Channel, Message};
use super::init::{self, Report, Stage, Start};
use super::monitor::{self, Io};
use super::options::{Network, Options};
use super::plan::{Command, Plan, Step};
use super::prepare::{Draft, Ready};
use super::signal::{Meaning, meaning};
use super::{network, profile, time};
use crate::error::{Kind, Result, fail};
use crate::store::container::{ContainerLock, StateRecord, short};
use crate::store::exit::ExitRecord;
use crate::store::image::ImageRecord;
use crate::store::lock::Held;
use crate::store::{Store, boot_id};
use crate::sys::process::{self, Child, Side};
use crate::sys::userns::{self, Crossing, IdMap};
use crate::sys::{fault, security, tty};
use anyhow::Context;
use rustix::fd::{AsFd, OwnedFd};

/// How a `run` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The container.
    pub id: String,
    /// The program's exit code; none when it goes on in the background.
    pub code: Option<i32>,
}

/// Runs a container: until its end, or until it is started when it is detached.
pub fn run(store: &Store, options: &Options) -> Result<Outcome> {
    let (image, name) = store.find_image_and_name(&options.image)?;
    let shown = name.unwrap_or_else(|| short(&image.id).to_string());
    let map = IdMap::of_caller()?;
    let (ours, theirs) = Channel::pair()?;
    let mut ours = Some(ours);
    // Blocked before the clone: a signal must find either side ready for it.
    let signals = process::signal_descriptor().context("blocking signals")?;
    // Before the program can say or read a word: what passes a cooked terminal is changed and echoed twice.
    let own = process::standard(0);
    let wants_raw = options.tty && options.interactive && !options.detach && tty::is_terminal(own);
    let raw = if wants_raw { tty::RawMode::enter(own).ok() } else { None };
    let child = {
        let worker_end = &theirs;
        userns::spawn(&map, |gate| {
            // The copy that the clone brought along: with it open here, the worker would never see the front's death.
            drop(ours.take());
            work(store, options, &image, &shown, worker_end, gate)
        })?
    };
    drop(theirs);
    let Some(channel) = ours else { return Err(fail(Kind::System, "our end of the channel is gone")) };
    Front { channel, signals, worker: child, options, id: String::new(), raw }.follow()
}

/// The front while its container runs.
struct Front<'a> {
    channel: Channel,
    signals: OwnedFd,
    worker: Child,
    options: &'a Options,
    id: String,
    raw: Option<tty::RawMode>,
}

impl Front<'_> {
    fn follow(mut self) -> Result<Outcome> {
        loop {
            let fds = [(Some(self.channel.as_fd()), libc::POLLIN), (Some(self.signals.as_fd()), libc::POLLIN)];
            let ready = process::poll(&fds, -1).context("waiting for the container")?;
            if ready[1] != 0 {
                self.forward_signals();
            }
            if ready[0] == 0 {
                continue;
            }
            match self.channel.receive()? {
                Some(Message::Connect { pid, dir }) => {
                    let result = network::connect(pid, &dir);
                    self.channel.send(&Message::Connected(Crossing::pack(result)))?;
                }
                Some(Message::Started { id }) => {
                    self.id = id;
                    if let Some(path) = &self.options.cidfile {
                        std::fs::write(path, &self.id).with_context(|| format!("writing {}", path.display()))?;
                    }
                    if self.options.detach {
                        return Ok(Outcome { id: self.id, code: None });
                    }
                }
                Some(Message::Ended(result)) => {
                    drop(self.raw.take());
                    return Ok(Outcome { id: self.id, code: Some(result.unpack()?) });
                }
                Some(_) => {}
                None => {
                    drop(self.raw.take());
                    let code = process::wait(&self.worker).unwrap_or(137);
                    return Err(fail(
                        Kind::System,
                        format!("the container's monitor ended unexpectedly (code {code})"),
                    ));
                }
            }
        }
    }

    fn forward_signals(&self) {
        while let Some(number) = process::next_signal(&self.signals) {
            let message = match meaning(number) {
                Meaning::Forward(number) => Message::Signal(number),
                Meaning::Resize => Message::Resize,
                Meaning::Ignore => continue,
            };
            let _ = self.channel.send(&message);
        }
    }
}

/// The worker's whole life; its result is the worker's exit code.
fn work(
    store: &Store,
    options: &Options,
    image: &ImageRecord,
    shown: &str,
    channel: &Channel,
    gate: userns::Gate,
) -> i32 {
    let mut rubbish = None;
    let result = prepare_and_run(store, options, image, shown, channel, gate, &mut rubbish);
    let failed = result.is_err();
    let _ = channel.send(&Message::Ended(Crossing::pack(result)));
    // After the front was told: it need not wait for the removal of files that nobody can see any more. Killed here, we
    // leave a folder without a record, whose lock is free then, and the next sweep takes it.
    if let Some((id, _lock)) = rubbish {
        let _ = userns::remove_trees_here(&store.container_rubbish(&id));
    }
    i32::from(failed)
}

fn prepare_and_run(
    store: &Store,
    options: &Options,
    image: &ImageRecord,
    shown: &str,
    channel: &Channel,
    gate: userns::Gate,
    rubbish: &mut Option<Rubbish>,
) -> Result<i32> {
    // Beside the id mapping: what needs no ids. The kernel makes a network namespace in about the time that the mapping
    // takes, so it costs nothing here.
    let mut draft = match Draft::make(store, options, image, shown) {
        Ok(draft) => draft,
        Err(error) => {
            // The front is mapping our ids: gone before that is done, it would see a failure of the mapping.
            gate.wait();
            return Err(error);
        }
    };
    let shared = process::unshare(shared_namespaces(options.network)).context("making the container's namespaces");
    let mapped = gate.wait();
    let ready = shared.and_then(|()| match mapped {
        true => draft.finish(store),
        false => Err(fail(Kind::System, "the ids were not mapped")),
    });
    let result = ready.and_then(|ready| Worker { store, options, channel, draft: &draft }.run(ready));
    *rubbish = put_away(store, draft, options, &result);
    result
}

/// The namespaces that worker and init share. The worker's life is the container's, and nothing of the worker's own can
/// be reached through them (it has no abstract sockets and no System V objects).
fn shared_namespaces(network: Network) -> i32 {
    let own = libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;
    if network == Network::Host { own } else { own | libc::CLONE_NEWNET }
}

/// A container whose files are to be removed, and the lock by which it is ours.
type Rubbish = (String, ContainerLock);

/// Records the end and frees the lock; or takes the container out of the store, and gives its folder to be removed.
fn put_away(store: &Store, draft: Draft, options: &Options, result: &Result<i32>) -> Option<Rubbish> {
    let Draft { record, lock } = draft;
    match result {
        Ok(code) if !options.remove => {
            let exit = ExitRecord { code: *code, finished: time::now(), error: String::new() };
            let _ = fault::point("run.end");
            // A detached one was synced when it was reported.
            let _ = if options.detach { Ok(()) } else { store.sync_container(&record) };
            let _ = store.put_exit(&record.id, &exit);
            let _ = fault::point("run.unlock");
            let _ = crate::sys::lock::unlock(lock.file());
            None
        }
        _ => {
            let _ = std::fs::remove_file(lock.dir().join("container.json"));
            let _ = fault::point("run.release");
            store.release_name(&record.name, &record.id);
            Some((record.id, lock))
        }
    }
}

/// The worker of one container, its root file system ready.
struct Worker<'a> {
    store: &'a Store,
    options: &'a Options,
    channel: &'a Channel,
    draft: &'a Draft,
}

impl Worker<'_> {
    fn run(&self, ready: Ready) -> Result<i32> {
        let id = &self.draft.record.id;
        let mut io = Io::new(self.options, self.draft.lock.dir())?;
        self.channel.check_interrupted()?;
        let Init { child, report, go } = start_init(&ready, &io)?;
        io.close_container_side();
        // Beside init's mounts; the program starts when both are through.
        let pasta = match self.beside_init(ready.adding) {
            Ok(pasta) => pasta,
            Err(error) => {
                let _ = process::signal(&child.pidfd, libc::SIGKILL);
                let _ = process::wait(&child);
                return Err(error);
            }
        };
        let start_time = process::start_time(child.pid).unwrap_or(0);
        let _ = rustix::io::write(&go, b"x");
        drop(ready.root);
        if let Some(failed) = read_report(report) {
            let _ = process::wait(&child);
            return Err(explain(&ready.plan, failed, &self.draft.record.argv[0]));
        }
        fault::point("run.started")?;
        if !self.options.remove {
            self.store.reserve_exit(id)?;
        }
        let state = StateRecord { pid: child.pid, start_time, boot: boot_id(), started: time::now() };
        self.store.put_state(id, &state)?;
        if self.options.detach && !self.options.remove {
            self.store.sync_container(&self.draft.record)?;
        }
        if self.options.detach {
            // Before the front ends: its caller may be waiting for the end of what we would still hold open.
            monitor::detach()?;
        }
        // A front that is gone by now is no reason to end the container.
        let _ = self.channel.send(&Message::Started { id: id.clone() });
        let front = (!self.options.detach).then_some(monitor::Front::Channel(self.channel));
        let code = monitor::watch(&child, io, front)?;
        drop(pasta);
        Ok(code)
    }
}

impl Worker<'_> {
    /// What the worker does while init mounts: the record, by which the container is listed and its layers are kept, and
    /// the network. Gives the hold on pasta, if there is one.
    fn beside_init(&self, adding: Held) -> Result<Option<network::Guard>> {
        fault::point("run.record")?;
        self.store.put_container(&self.draft.record)?;
        drop(adding);
        if self.options.network != Network::Host {
            set_kernel_parameters();
        }
        let pasta = match self.options.network {
            Network::Private => {
                let own = rustix::process::getpid().as_raw_nonzero().get();
                Some(network::Guard::new(self.channel.connect_network(own, self.draft.lock.dir())?))
            }
            _ => {
                bring_up_loopback(self.options.network)?;
                None
            }
        };
        security::set_dumpable(false).context("hiding the worker")?;
        Ok(pasta)
    }
}

/// Sets the profile's kernel parameters: those of the network namespace that this process has just made. Where /proc/sys
/// cannot be written (inside another container) the kernel's own defaults hold, as they would without us.
fn set_kernel_parameters() {
    for (name, value) in profile::SYSCTLS {
        let _ = std::fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value);
    }
}

fn bring_up_loopback(network: Network) -> Result<()> {
    if network == Network::None {
        crate::sys::net::bring_up_loopback().context("bringing up the loopback interface")?;
    }
    Ok(())
}

/// An init on its way.
struct Init {
    child: Child,
    /// On which it reports a failure.
    report: OwnedFd,
    /// By which it is told to start the program.
    go: OwnedFd,
}

/// Clones init.
fn start_init(ready: &Ready, io: &Io) -> Result<Init> {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe");
    let ((read, write), (go_read, go)) = (pipe()?, pipe()?);
    match process::clone(libc::CLONE_NEWPID | libc::CLONE_NEWNS).context("making the container's first process")? {
        Side::Child => {
            // Whether the worker still has its ends tells init whether the worker lives.
            drop((read, go));
            init::run(&Start {
                plan: &ready.plan,
                root: ready.root.as_fd(),
                trees: &[],
                anchor: &ready.anchor,
                network: None,
                loopback: false,
                go: Some(go_read.as_fd()),
                streams: io.streams(),
                report: write.as_fd(),
            })
        }
        Side::Parent(child) => Ok(Init { child, report: read, go }),
    }
}

/// Waits until init has become the program (nothing) or has failed (its report).
pub fn read_report(report: OwnedFd) -> Option<Report> {
    let mut bytes = [0u8; 8];
    let n = rustix::io::retry_on_intr(|| rustix::io::read(&report, &mut bytes)).unwrap_or(0);
    Report::decode(&bytes[..n])
}

/// Turns a report into words and an exit code (126: not executable, 127: not found; both as the peers have them).
pub fn explain(plan: &Plan, report: Report, program: &str) -> anyhow::Error {
    if report.stage != Stage::Step {
        return explain_process(&plan.command, report, program);
    }
    let what = plan.steps.get(report.detail as usize).map_or_else(|| "a mount".into(), describe);
    let link = if report.errno == libc::ELOOP { ": the image has a link there" } else { "" };
    failed(&what, report.errno, link)
}

/// [`explain`] for everything after the mounts, which exec shares.
pub fn explain_process(command: &Command, report: Report, program: &str) -> anyhow::Error {
    match report.stage {
        Stage::Exec => explain_exec(report.errno, program),
        Stage::Step | Stage::Root => failed("entering the root file system", report.errno, ""),
        Stage::Credentials => {
            let unmapped = report.errno == libc::EINVAL;
            let why =
                if unmapped { ": its user and groups must be among the ids that are mapped (subuid(5))" } else { "" };
            failed("taking on the container's identity", report.errno, why)
        }
        Stage::Directory => {
            let (cwd, cause) = (command.cwd.to_string_lossy(), std::io::Error::from_raw_os_error(report.errno));
            fail(Kind::Exit(126), format!("entering the working directory {cwd} failed: {cause}"))
        }
    }
}

fn failed(what: &str, errno: i32, why: &str) -> anyhow::Error {
    fail(Kind::System, format!("{what} failed: {}{why}", std::io::Error::from_raw_os_error(errno)))
}

/// The failure of an exec in words.
pub fn explain_exec(errno: i32, program: &str) -> anyhow::Error {
    match errno {
        libc::ENOENT | libc::ENOTDIR => fail(
            Kind::Exit(127),
            format!(
                "executable file {program:?} not found in the container (or its interpreter is missing): no such file or directory"
            ),
        ),
        errno => {
            let cause = std::io::Error::from_raw_os_error(errno);
            fail(Kind::Exit(126), format!("the program {program:?} cannot be executed: {cause}"))
        }
    }
}

fn describe(step: &Step) -> String {
    match step {
        Step::Filesystem { kind, target, .. } => {
            format!("mounting {} on /{}", kind.to_string_lossy(), target.to_string_lossy())
        }
        Step::Bind { source, target, .. } => {
            format!("mounting {} on /{}", source.to_string_lossy(), target.to_string_lossy())
        }
        Step::Attach { target, .. } => format!("mounting onto /{}", target.to_string_lossy()),
        Step::Devices => "filling /dev".into(),
        Step::Console => "making /dev/console".into(),
        Step::Mask(path) => format!("masking /{}", path.to_string_lossy()),
        Step::ReadOnly(path) => format!("making /{} read-only", path.to_string_lossy()),
        Step::ReadOnlyRoot => "making the root read-only".into(),
    }
}
