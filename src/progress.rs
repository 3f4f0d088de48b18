//! What long work tells while it goes on. Lower layers report [`Event`]s; only the command line draws them.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// One piece of news from a long operation. Serialisable, because a worker process sends it to the front by a pipe.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// A build step begins: `STEP 2/5: RUN make`.
    Step {
        /// 1-based number of the step.
        number: usize,
        /// How many steps the build has.
        total: usize,
        /// The name or number of the stage, if there are several.
        stage: Option<String>,
        /// The instruction as written, on one line.
        text: String,
    },
    /// News of one of the steps, which go on at the same time.
    Of(
        /// Its number.
        usize,
        /// The news.
        Box<Event>,
    ),
    /// A build step is done.
    StepDone {
        /// Its number.
        number: usize,
    },
    /// The step was found in the cache.
    CacheHit {
        /// The layer it gave, shortened, or nothing for a step without files.
        layer: Option<String>,
    },
    /// The step was not found in the cache, and why.
    CacheMiss {
        /// What differed.
        why: String,
    },
    /// Output of a running step, as it came.
    Output {
        /// True for standard error.
        stderr: bool,
        /// Raw bytes.
        bytes: Vec<u8>,
    },
    /// A build check found something. Shown when the build is over, so that it is not lost above the steps.
    Check {
        /// Name of the check.
        rule: String,
        /// Line of the Dockerfile.
        line: u32,
        /// What is wrong there.
        message: String,
    },
    /// The step waits for somebody else; says for whom.
    Waiting(String),
    /// A warning for the person.
    Warning(String),
    /// Bytes of a long transfer: what, how many done, how many in all.
    Bytes {
        /// What is being read or written.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
}

/// Takes events. The default is silent.
pub trait Reporter {
    /// Takes one event; must not block for long and must not fail.
    fn report(&self, event: Event);
}

/// Passes on what one step of a build reports.
pub struct Within<'a> {
    step: usize,
    to: &'a dyn Reporter,
}

impl<'a> Within<'a> {
    /// For the step with this number.
    pub fn new(step: usize, to: &'a dyn Reporter) -> Within<'a> {
        Within { step, to }
    }
}

impl Reporter for Within<'_> {
    fn report(&self, event: Event) {
        self.to.report(Event::Of(self.step, Box::new(event)));
    }
}

/// Reports nothing.
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _event: Event) {}
}

/// Who shows notices; see [`on_notice`].
static NOTICES: OnceLock<fn(&str)> = OnceLock::new();

/// Sets, once for the process and those cloned from it, who shows what [`notice`] says.
pub fn on_notice(show: fn(&str)) {
    let _ = NOTICES.set(show);
}

/// Says something that a person should know at once and that is nobody's result, from a place deep below that has no
/// reporter: why a command stands still. Silent until the command line has said who shows it.
pub fn notice(text: &str) {
    if let Some(show) = NOTICES.get() {
        show(text);
    }
}
