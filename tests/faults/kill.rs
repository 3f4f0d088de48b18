//! kill -9 at random moments: of the front, of a worker, of all.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Random, check, long_run, scenario};

/// The longest time after which a command is killed; most are through before.
const LATEST: usize = 100_000;

#[test]
fn killed_at_any_moment_leaves_before_or_after() {
    let mut random = Random::new();
    let sb = scenario::sandbox();
    // Once undisturbed, so that what a first run makes (folders, the index of the context) is there.
    for scenario in scenario::ALL {
        (scenario.before)(&sb);
        (scenario.act)(&sb).ok();
        (scenario.undo)(&sb);
    }
    for _ in 0..long_run().unwrap_or(24) {
        let scenario = &scenario::ALL[random.below(scenario::ALL.len())];
        let (victim, after) = (random.below(3), random.below(LATEST));
        let what = format!("`{}` with victim {victim} killed after {after} µs", scenario.name);
        check::tidy(&sb);
        let before = check::inventory(&sb);
        (scenario.before)(&sb);
        let present = sb.processes();
        let running = (scenario.act)(&sb).own_group().spawn();
        sleep(Duration::from_micros(after as u64));
        let front = Pid::from_raw(running.pid()).unwrap();
        // Each may be gone already, which is a moment, too.
        let _ = match victim {
            0 => kill_process(front, Signal::KILL),
            1 => {
                let mut workers = sb.processes().into_iter().filter(|p| !present.contains(p) && p.pid != running.pid());
                workers.next_back().map_or(Ok(()), |p| kill_process(Pid::from_raw(p.pid).unwrap(), Signal::KILL))
            }
            _ => kill_process_group(front, Signal::KILL),
        };
        let out = running.wait();
        assert!(!out.stderr.contains("panicked"), "{what}:\n{out}");
        check::aftermath(&sb, scenario, &what, &before);
    }
}
