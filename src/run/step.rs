//! One program in a root file system that somebody else has mounted: a build's RUN. No record, no log, no terminal.
//!
//! Runs in a worker; same plan, same init and same profile as a container's.

use super::init::{self, Start, Streams};
use super::launch::{explain, read_report};
use super::{plan, prepare};
use crate::error::Result;
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Side};
use anyhow::Context;
use oci_spec::runtime::Spec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::CStr;

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

/// What happens while the program runs.
#[derive(Debug)]
pub enum News<'a> {
    /// Output as it came; true for standard error.
    Output(bool, &'a [u8]),
    /// The descriptor `beside` is readable.
    Beside,
}

/// What else is watched while the program runs.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// When it becomes readable the program is killed.
    pub stop: BorrowedFd<'a>,
    /// Work that goes on meanwhile.
    pub beside: Option<BorrowedFd<'a>>,
}

/// Runs the process of `spec` in `root` and gives its exit code, none when it was stopped. `anchor` is a folder of the host
/// that is no mount source. `news` answers whether what it was told of is still to be watched.
pub fn run(
    mut spec: Spec,
    root: &Root,
    anchor: &CStr,
    network: Network<'_>,
    watched: Watched<'_>,
    news: &mut dyn FnMut(News<'_>) -> bool,
) -> Result<Option<i32>> {
    prepare::settle_user(&mut spec, root)?;
    for mount in spec.mounts().iter().flatten() {
        prepare::make_target(root, mount)?;
    }
    let plan = plan::plan(&spec, prepare::cpus())?;
    let (report_read, report) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    let (out, err) = (pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?);
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
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
                root: root.as_fd(),
                anchor,
                network: if let Network::Shared(fd) = network { Some(fd) } else { None },
                loopback: matches!(network, Network::None),
                go: None,
                streams: Streams { fds: [null.as_fd(), out.1.as_fd(), err.1.as_fd()], terminal: None, devpts: None },
                report: report.as_fd(),
            })
        }
        Side::Parent(child) => child,
    };
    drop((report, out.1, err.1));
    if let Some(failed) = read_report(report_read) {
        let _ = process::wait(&child);
        let program = plan.command.argv.strings().first().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        return Err(explain(&plan, failed, &program));
    }
    follow(&child, [out.0, err.0], watched, news)
}

/// Passes output on until both pipes have ended and the program too.
fn follow(
    child: &Child,
    pipes: [OwnedFd; 2],
    watched: Watched<'_>,
    news: &mut dyn FnMut(News<'_>) -> bool,
) -> Result<Option<i32>> {
    let mut pipes = pipes.map(Some);
    let mut beside = watched.beside;
    let mut buffer = vec![0u8; 32 << 10];
    while pipes.iter().any(Option::is_some) {
        let fds = [
            (pipes[0].as_ref().map(AsFd::as_fd), libc::POLLIN),
            (pipes[1].as_ref().map(AsFd::as_fd), libc::POLLIN),
            (Some(watched.stop), libc::POLLIN),
            (beside, libc::POLLIN),
        ];
        let ready = process::poll(&fds, -1).context("waiting for a step's output")?;
        if ready[2] != 0 {
            let _ = process::signal(&child.pidfd, libc::SIGKILL);
            process::wait(child).context("waiting for a step")?;
            return Ok(None);
        }
        if ready[3] != 0 && !news(News::Beside) {
            beside = None;
        }
        for (stream, events) in ready.into_iter().take(2).enumerate() {
            let Some(pipe) = pipes[stream].as_ref().filter(|_| events != 0) else { continue };
            match rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut buffer)) {
                Ok(n) if n > 0 && news(News::Output(stream == 1, &buffer[..n])) => {}
                _ => pipes[stream] = None,
            }
        }
    }
    process::wait(child).context("waiting for a step").map(Some)
}
