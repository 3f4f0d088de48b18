//! Digests of finished layers, computed beside the next step by one child process for the whole build. It also says
//! whether a layer differs from an earlier one in nothing but times.
//!
//! A process, not a thread: the worker must stay single-threaded to clone the next step.

use crate::error::{Kind, Result, fail};
use crate::layer::{LayerInfo, diff};
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Side};
use crate::sys::userns::Crossing;
use crate::sys::{security, socket};
use anyhow::Context;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The child and how many answers it owes.
#[derive(Debug)]
pub struct Hasher {
    child: Child,
    socket: OwnedFd,
    owed: usize,
}

#[derive(Serialize, Deserialize)]
struct Job {
    layer: usize,
    tree: PathBuf,
    earlier: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    layer: usize,
    info: Crossing<LayerInfo>,
    as_before: bool,
}

/// What is known of a layer.
#[derive(Debug)]
pub struct Hashed {
    /// Its number.
    pub layer: usize,
    /// Digest and sizes.
    pub info: LayerInfo,
    /// It is the same as the earlier one, but for times.
    pub as_before: bool,
}

impl Hasher {
    /// Starts the child. It ends when its socket does, or with its parent.
    pub fn start() -> Result<Hasher> {
        let (ours, theirs) = socket::pair().context("making a socket pair")?;
        match process::clone(0).context("starting the hashing process")? {
            Side::Child => {
                drop(ours);
                let _ = security::die_with_parent();
                process::exit_now(serve(&theirs))
            }
            Side::Parent(child) => Ok(Hasher { child, socket: ours, owed: 0 }),
        }
    }

    /// Asks for the digest of a tree, and whether it is as the earlier one.
    pub fn submit(&mut self, layer: usize, tree: &Path, earlier: Option<PathBuf>) -> Result<()> {
        let job = serde_json::to_vec(&Job { layer, tree: tree.to_path_buf(), earlier })?;
        socket::send(&self.socket, &job, None).context("talking to the hashing process")?;
        self.owed += 1;
        Ok(())
    }

    /// Readable when an answer has come.
    pub fn answers(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next answer: waits for it if `wait`, else gives `None` when there is none yet. `None` too when none is owed.
    pub fn next(&mut self, wait: bool) -> Result<Option<Hashed>> {
        if self.owed == 0 {
            return Ok(None);
        }
        let ready = process::poll(&[(Some(self.socket.as_fd()), libc::POLLIN)], if wait { -1 } else { 0 })?;
        if ready[0] == 0 {
            return Ok(None);
        }
        let (bytes, _) = socket::receive(&self.socket, 64 << 10).context("listening to the hashing process")?;
        if bytes.is_empty() {
            return Err(fail(Kind::System, "the hashing process ended early"));
        }
        self.owed -= 1;
        let answer: Answer = serde_json::from_slice(&bytes).context("reading the hashing process's answer")?;
        let Answer { layer, info, as_before } = answer;
        Ok(Some(Hashed { layer, info: info.unpack()?, as_before }))
    }

    /// Ends the child.
    pub fn stop(self) {
        let _ = process::signal(&self.child.pidfd, libc::SIGKILL);
        let _ = process::wait(&self.child);
    }
}

fn serve(socket: &OwnedFd) -> i32 {
    loop {
        let Ok((bytes, _)) = socket::receive(socket, 64 << 10) else { return 1 };
        if bytes.is_empty() {
            return 0;
        }
        let Ok(job) = serde_json::from_slice::<Job>(&bytes) else { return 1 };
        let info = Root::open(&job.tree)
            .with_context(|| format!("opening {}", job.tree.display()))
            .and_then(|tree| diff::digest(&tree, &[]))
            .context("computing a layer's digest");
        // One that cannot be read is just another one.
        let as_before = job.earlier.is_some_and(|earlier| same(&job.tree, &earlier).unwrap_or(false));
        let answer = serde_json::to_vec(&Answer { layer: job.layer, info: Crossing::pack(info), as_before });
        if answer.map_or(true, |bytes| socket::send(socket, &bytes, None).is_err()) {
            return 1;
        }
    }
}

fn same(tree: &Path, earlier: &Path) -> Result<bool> {
    let open = |path: &Path| Root::open(path).with_context(|| format!("opening {}", path.display()));
    diff::same_but_for_times(&open(tree)?, &open(earlier)?)
}
