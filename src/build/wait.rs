//! What a step may have to wait for. Not here: the waiting (`schedule`).

use crate::sys::lock::Mode;
use std::time::Duration;

/// How often a thing that another process holds is tried again. Waiting in the kernel would hold up the other stages.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// Another build makes the step with this key.
    Step(String),
    /// Somebody uses the cache mount.
    Cache {
        /// Its id in the store.
        id: String,
        /// Its name in the Dockerfile.
        name: String,
        /// How it is wanted.
        mode: Mode,
    },
    /// The digest of a layer of its own stage, with which the step may be found in the cache.
    Digest,
    /// As many programs run as may.
    Room,
}
