//! Fetching, in a process of its own.
//!
//! Runs in the front, never in a worker: as the user, in the host's network, with no image mounted. A process, not a
//! thread, because the front must stay able to clone, and because a fetch that is given up can simply be killed.

use super::{Remote, git, http};
use crate::build::interrupted;
use crate::error::{Kind, Result, fail};
use crate::store::Store;
use crate::sys::process::{self, Side};
use crate::sys::userns::Crossing;
use crate::sys::{security, socket};
use anyhow::Context;
use rustix::fd::{AsFd, OwnedFd};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An answer is short; an error may carry what git said.
const MAX_ANSWER: usize = 64 << 10;

/// What to fetch, and how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The source.
    pub remote: Remote,
    /// What a file's bytes must have as digest, as the person wrote it.
    pub checksum: Option<String>,
    /// An empty folder of ours that takes the file (as [`FILE`](Request::FILE)) or the repository's tree; without it only
    /// the identity is asked for.
    pub into: Option<PathBuf>,
}

/// What a source is at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The digest of a file, or a commit.
    pub id: String,
}

impl Request {
    /// The name of a fetched file in the folder `into`.
    pub const FILE: &str = "file";
}

/// Fetches; Ctrl-C and its kin end it, by `signals` where those are blocked.
pub fn fetch(store: &Store, request: &Request, signals: Option<&OwnedFd>) -> Result<Fetched> {
    let (ours, theirs) = socket::pair().context("making a socket pair")?;
    let child = match process::clone(0).context("starting a process for the network")? {
        Side::Child => {
            drop(ours);
            let _ = security::die_with_parent();
            process::reset_signals();
            let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            let answer = serde_json::to_vec(&Crossing::pack(perform(store, request))).unwrap_or_default();
            process::exit_now(socket::send(&theirs, &answer, None).map_or(1, |()| 0))
        }
        Side::Parent(child) => child,
    };
    drop(theirs);
    let answer = loop {
        let fds = [(Some(ours.as_fd()), libc::POLLIN), (signals.map(AsFd::as_fd), libc::POLLIN)];
        let ready = process::poll(&fds, -1).context("waiting for the network")?;
        let ends = |n: &i32| matches!(*n, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT);
        if let Some(number) = signals.and_then(|fd| std::iter::from_fn(|| process::next_signal(fd)).find(ends)) {
            let _ = process::signal(&child.pidfd, libc::SIGKILL);
            break Err(interrupted(number));
        }
        if ready[0] != 0 {
            break Ok(socket::receive(&ours, MAX_ANSWER).context("listening to the process for the network")?.0);
        }
    };
    let _ = process::wait(&child);
    match serde_json::from_slice::<Crossing<Fetched>>(&answer?) {
        Ok(answer) => answer.unpack(),
        Err(_) => Err(fail(Kind::System, "the process for the network ended early")),
    }
}

fn perform(store: &Store, request: &Request) -> Result<Fetched> {
    let id = match &request.remote {
        Remote::File(url) => http::fetch(store, url, request.checksum.as_deref(), request.into.as_deref())?,
        Remote::Git(git) => match &request.into {
            Some(into) => git::check_out(git, into)?,
            None => git::commit(git)?,
        },
    };
    Ok(Fetched { id })
}
