//! Fuzzing for everyone: each target with its seeds, the inputs that once failed, and some thousand changed ones from a
//! seeded generator, so that a run is the same everywhere. No tools needed.
//!
//! `DHOW_FUZZ_RUNS=N` makes N times as many. The long, coverage-guided run of the same targets is `make fuzz`.

mod mutate;
mod seeds;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::source_dir;
use mutate::Mutator;
use targets::Target;

#[track_caller]
fn check(target: &Target, origin: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{}: {origin} fails; the input: \"{}\"", target.name, input.escape_ascii());
    }
}

fn short_run(name: &str) {
    let target = targets::TARGETS.iter().find(|t| t.name == name).expect("a target of this name");
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        check(target, &format!("seed {number}"), seed);
    }
    let failed_once = source_dir().join("tests/fuzz/regressions").join(name);
    for entry in fs::read_dir(&failed_once).into_iter().flatten() {
        let path = entry.unwrap().path();
        check(target, &path.display().to_string(), &fs::read(&path).unwrap());
    }
    let times: u64 = std::env::var("DHOW_FUZZ_RUNS").map_or(1, |n| n.parse().expect("DHOW_FUZZ_RUNS is a number"));
    let mut mutator = Mutator::new(seeds, target.words);
    for run in 0..target.runs * times {
        check(target, &format!("run {run}"), &mutator.next());
    }
}

macro_rules! short_runs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            short_run(stringify!($name));
        })*

        #[test]
        fn every_target_has_a_short_run() {
            let run = [$(stringify!($name)),*];
            assert!(targets::TARGETS.iter().all(|t| run.contains(&t.name)), "a target is missing in short_runs!");
        }
    };
}

short_runs!(tar extract recipe decoder manifest config reference passwd dockerfile values ignore expand record store log);
