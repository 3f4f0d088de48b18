//! One program in a root file system that somebody else has mounted: a build's RUN. No record, no log, no terminal.
//!
//! Runs in a worker; same plan, same init and same profile as a container's.

use super::channel::Channel;
use super::init::{self, Start, Streams};
use super::launch::{explain, read_report};
use super::monitor::{self, Io};
use super::plan::{self, Plan};
use super::prepare;
use crate::error::Result;
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Side};
use crate::sys::tty;
use anyhow::Context;
use oci_spec::runtime::Spec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{CStr, CString};

/// The network namespace of a step.
#[derive(Debug, Clone, Copy)]
pub enum Network<'a> {
    /// The worker's own, which is the host's.
    Host,
    /// A new one with nothing but loopback.
    None,
    /// One that exists.
    Shared(BorrowedFd<'a>),
}

/// A program that was started. Dropping it kills it, with all that it started.
#[derive(Debug)]
pub struct Running {
    /// Until it was waited for.
    child: Option<Child>,
    pipes: [Option<OwnedFd>; 2],
}

/// A mounted tree, and where a step is to see it.
#[derive(Debug)]
pub struct Tree {
    /// The tree, detached: a folder or a file.
    pub tree: OwnedFd,
    /// Path in the step's root, without a leading slash and without links.
    pub target: CString,
}

/// What a step is run with.
pub struct Request<'a> {
    /// The process and what every container gets.
    pub spec: Spec,
    /// The root file system; the targets of all mounts are in it, or in a mount before them.
    pub root: &'a Root,
    /// Mounts besides those of `spec`, in order.
    pub trees: &'a [Tree],
    /// A folder of the host that is no mount source.
    pub anchor: &'a CStr,
    /// The network.
    pub network: Network<'a>,
    /// Without a seccomp program.
    pub no_seccomp: bool,
}

/// Starts the process, with nothing to read and its output in pipes.
pub fn start(request: &Request<'_>) -> Result<Running> {
    let (out, err) = (pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?);
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let streams = Streams { fds: [null.as_fd(), out.1.as_fd(), err.1.as_fd()], terminal: None, devpts: None };
    let child = launch(request, streams)?;
    Ok(Running { child: Some(child), pipes: [Some(out.0), Some(err.0)] })
}

impl Running {
    /// What becomes readable when there is something to do: output, or the end.
    pub fn awaited(&self) -> [Option<BorrowedFd<'_>>; 3] {
        let [out, err] = &self.pipes;
        // While a pipe is open the end can wait: there may be output to read before.
        let open = out.is_some() || err.is_some();
        let end = self.child.as_ref().filter(|_| !open).map(|child| child.pidfd.as_fd());
        [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd), end]
    }

    /// Reads a piece of output; `stderr` says of which stream, which must be readable. Nothing at its end.
    pub fn read<'b>(&mut self, stderr: bool, buffer: &'b mut [u8]) -> &'b [u8] {
        let pipe = &mut self.pipes[usize::from(stderr)];
        let read = pipe.as_ref().map(|pipe| rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *buffer)));
        match read {
            Some(Ok(n)) if n > 0 => &buffer[..n],
            _ => {
                *pipe = None;
                &[]
            }
        }
    }

    /// Waits for the end, which must be near, and gives the exit code.
    pub fn wait(&mut self) -> Result<i32> {
        let child = self.child.take().context("a step is waited for once")?;
        process::wait(&child).context("waiting for a step")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = process::signal(&child.pidfd, libc::SIGKILL);
            // Until it is gone its files are in use.
            let _ = process::wait(&child);
        }
    }
}

/// Runs the process on a terminal of its own, which is shown on the caller's, and waits for its end. The process of the
/// request must ask for a terminal.
pub fn interact(request: &Request<'_>, front: &Channel) -> Result<()> {
    let mut io = Io::with_terminal()?;
    let child = launch(request, io.streams())?;
    io.close_container_side();
    let raw = tty::RawMode::enter(process::standard(0)).context("switching the terminal to raw mode")?;
    let ended = monitor::watch(&child, io, Some(monitor::Front::Channel(front)));
    drop(raw);
    ended.map(drop)
}

/// Makes the process; gives it once its program has been executed.
fn launch(request: &Request<'_>, streams: Streams<'_>) -> Result<Child> {
    let (plan, network) = (plan_of(request)?, request.network);
    let trees: Vec<BorrowedFd<'_>> = request.trees.iter().map(|t| t.tree.as_fd()).collect();
    let (report_read, report) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    let mut namespaces =
        libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;
    if matches!(network, Network::None) {
        namespaces |= libc::CLONE_NEWNET;
    }
    let child = match process::clone(namespaces).context("making the step's first process")? {
        Side::Child => {
            drop(report_read);
            init::run(&Start {
                plan: &plan,
                root: request.root.as_fd(),
                trees: &trees,
                anchor: request.anchor,
                network: if let Network::Shared(fd) = network { Some(fd) } else { None },
                loopback: matches!(network, Network::None),
                go: None,
                streams,
                report: report.as_fd(),
            })
        }
        Side::Parent(child) => child,
    };
    drop(report);
    if let Some(failed) = read_report(report_read) {
        let _ = process::wait(&child);
        let program = plan.command.argv.strings().first().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        return Err(explain(&plan, failed, &program));
    }
    Ok(child)
}

fn plan_of(request: &Request<'_>) -> Result<Plan> {
    let mut spec = request.spec.clone();
    prepare::settle_user(&mut spec, request.root)?;
    // What is unmasked is so as a whole.
    let masks = spec.linux().as_ref().is_some_and(|l| l.masked_paths().is_some());
    let mut plan = plan::plan(&spec, if masks { prepare::cpus() } else { 0 })?;
    plan.attach(request.trees.iter().map(|t| t.target.clone()));
    if request.no_seccomp {
        plan.credentials.seccomp = Default::default();
    }
    Ok(plan)
}
