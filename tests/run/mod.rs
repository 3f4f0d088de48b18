//! `dhow run`: streams, terminals and signals (`process`), what the flags do (`options`), what a container can reach and
//! what it cannot (`isolation`), and containers in the background (`background`).

mod background;
mod isolation;
mod options;
mod process;

use crate::support::{Dhow, Sandbox};

/// `dhow run --rm --network=none` with `flags`, in `base`, of a script.
fn script(sb: &Sandbox, flags: &[&str], script: &str) -> Dhow {
    sb.dhow(["run", "--rm", "--network=none"]).args(flags).args(["base", "sh", "-c", script])
}
