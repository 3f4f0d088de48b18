//! What killed commands, failing system calls, full disks and damaged files may do to a store: nothing that stays.
//!
//! By default each test makes a small part of its possible runs. `DHOW_FAULTS=N` asks for the long ones: every passing of
//! every fail point with every action, N random kills, a minute of mixed commands. `DHOW_SEED=N` repeats a random run.

mod check;
mod damage;
mod full;
mod kill;
mod mixed;
mod points;
mod reboot;
mod scenario;
mod signals;

use std::env;

/// Random numbers that can be had again: a 64-bit linear congruential generator (Knuth's MMIX), its upper half.
struct Random(u64);

impl Random {
    /// Seeded by `DHOW_SEED`, else by the clock; the seed is printed, and shown when the test fails.
    #[allow(clippy::print_stdout, reason = "the harness shows it when the test fails")]
    fn new() -> Random {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = env::var("DHOW_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now);
        println!("DHOW_SEED={seed}");
        Random(seed)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// How much is asked for by `DHOW_FAULTS`, where it is.
fn long_run() -> Option<usize> {
    env::var("DHOW_FAULTS").ok()?.parse().ok()
}
