//! Every fail point of the program, passed by some command and disturbed there: before or after, never in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;

use super::scenario::{self, Scenario};
use super::{check, long_run};
use crate::support::{Sandbox, source_dir};

const ACTIONS: [&str; 4] = ["kill", "kill-group", "error:ENOSPC", "error:EIO"];

/// The points that a scenario passes, with how often.
fn passed(sb: &Sandbox, scenario: &Scenario) -> BTreeMap<String, usize> {
    let trace = sb.path("trace");
    (scenario.before)(sb);
    (scenario.act)(sb).env("DHOW_FAULT_TRACE", &trace).ok();
    sb.until("the command's helpers are gone", || {
        !sb.dhow(["ps", "-q"]).ok().text().is_empty() || sb.processes().is_empty()
    });
    (scenario.undo)(sb);
    let mut counts = BTreeMap::new();
    for name in fs::read_to_string(&trace).unwrap_or_default().lines() {
        *counts.entry(name.to_owned()).or_insert(0) += 1;
    }
    let _ = fs::remove_file(trace);
    counts
}

/// Disturbs a command at one point and sees what is left.
fn disturb(sb: &Sandbox, scenario: &Scenario, order: &str, before: &check::Inventory) {
    let what = format!("`{}` with {order}", scenario.name);
    (scenario.before)(sb);
    let out = (scenario.act)(sb).own_group().env("DHOW_FAULT", order).run();
    assert!(!out.stderr.contains("panicked"), "{what}:\n{out}");
    if out.code == 125 {
        assert!(out.stderr.starts_with("Error: "), "{what}: a failure must say what failed\n{out}");
    }
    check::aftermath(sb, scenario, &what, before);
}

/// The orders for one scenario: all of them in a long run, else each point once, by turns with another action.
fn orders(points: &BTreeMap<String, usize>, turn: usize) -> Vec<String> {
    let mut orders = Vec::new();
    for (i, (name, count)) in points.iter().enumerate() {
        if long_run().is_some() {
            let all = (1..=*count).flat_map(|n| ACTIONS.map(|action| format!("{name}:{n}={action}")));
            orders.extend(all);
        } else {
            let at = turn + i;
            orders.push(format!("{name}:{}={}", at % count + 1, ACTIONS[at % ACTIONS.len()]));
        }
    }
    orders
}

/// The names of all points in the program's sources.
fn in_sources(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_sources(&path, found);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let calls = text.split("fault::point(\"").skip(1);
            found.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[test]
fn a_fault_at_any_point_leaves_before_or_after() {
    let mut hit = BTreeSet::new();
    thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || {
                let sb = scenario::sandbox();
                let mut hit = BTreeSet::new();
                for (turn, scenario) in scenario::ALL.iter().enumerate().filter(|(i, _)| i % 2 == half) {
                    check::tidy(&sb);
                    let points = passed(&sb, scenario);
                    check::tidy(&sb);
                    let before = check::inventory(&sb);
                    for order in orders(&points, turn) {
                        disturb(&sb, scenario, &order, &before);
                    }
                    hit.extend(points.into_keys());
                }
                hit
            })
        });
        for half in halves {
            hit.extend(half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    let mut all = BTreeSet::new();
    in_sources(&source_dir().join("src"), &mut all);
    assert!(all.len() > 10, "the sources were not found");
    let missed: Vec<_> = all.difference(&hit).collect();
    assert!(missed.is_empty(), "no scenario passes these points: {missed:?}");
}
