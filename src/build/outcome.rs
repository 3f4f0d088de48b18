//! What has come of a step: done, still running, or waiting for something. Not here: how it came about (`steps`).

use super::Network;
use super::execute::{StageLayer, TreeInputs};
use super::instruction::Step;
use super::key::Inputs;
use super::mounts::{Mounted, Wanted};
use super::wait::Wait;
use crate::run::step::Running;
use oci_spec::runtime::Spec;

/// A RUN whose program runs, and what is needed when it ends.
pub(super) struct Pending {
    /// The program; first, so that it is ended before anything that it uses.
    pub(super) running: Running,
    pub(super) number: usize,
    pub(super) parents: Vec<StageLayer>,
    pub(super) inputs: Inputs,
    pub(super) also: Option<TreeInputs>,
    pub(super) created_by: String,
    /// Holds the caches.
    pub(super) mounted: Mounted,
    /// The command, for messages.
    pub(super) shown: String,
    pub(super) step: Step,
    pub(super) again: Again,
}

/// What a shell in the place of a failed program is started with.
pub(super) struct Again {
    pub(super) spec: Spec,
    pub(super) network: Network,
    pub(super) no_seccomp: bool,
    pub(super) wanted: Vec<Wanted>,
}

/// What has come of one step.
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It must be executed, and there is no executor.
    NeedsWorker,
    /// Its program runs.
    Started(Box<Pending>),
    /// Nothing yet: it is to be tried again when what it waits for has come.
    Waits(Wait),
}
