//! Several commands at once on one store: who waits for whom, what is done once, and who wins. Small and deterministic:
//! the moments that matter are held open by the tests, not hit by chance.

use std::fs;
use std::time::{Duration, Instant};

use dhow::store::Store;
use dhow::sys::lock::{self, Mode};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Output, Running, Sandbox};

/// Waits until `done`; a guard against hanging, not a measurement.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < give_up, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program that a RUN waits for until the test ends it: `sleep` for ten minutes and a fraction that is this test's own.
struct Gate(String);

impl Gate {
    fn new(number: u32) -> Gate {
        Gate(format!("600.{}{number}", std::process::id()))
    }

    fn command(&self) -> String {
        format!("sleep {}", self.0)
    }

    /// The processes that stand at it.
    fn waiting(&self) -> Vec<i32> {
        let line = format!("sleep\0{}\0", self.0);
        let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|found| found == line.as_bytes()))
            .collect()
    }

    #[track_caller]
    fn await_waiting(&self, count: usize) {
        until(&format!("{count} at the gate"), || self.waiting().len() == count);
    }

    /// Lets those go who stand at it now.
    fn open(&self) {
        for pid in self.waiting() {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
        }
    }
}

fn build(sb: &Sandbox, dir: &str) -> Running {
    sb.dhow(["build", "--network", "none", "-t", dir, dir]).spawn()
}

/// Builds in the background, and waits until it waits for another.
#[track_caller]
fn build_that_waits(sb: &Sandbox, dir: &str, tag: &str) -> Running {
    let errors = sb.path(format!("{tag}.err"));
    let script = format!("exec {} build --network none -t {tag} {dir} 2>{}", sb.binary().display(), errors.display());
    let running = sb.program("sh", ["-c", &script]).spawn();
    until("it waits", || fs::read_to_string(&errors).is_ok_and(|text| text.contains("waiting for another build")));
    running
}

fn flights(sb: &Sandbox) -> usize {
    fs::read_dir(sb.store().join("flights")).map_or(0, Iterator::count)
}

fn image_id(sb: &Sandbox, name: &str) -> String {
    sb.dhow(["inspect", "-f", "{{.Id}}", name]).ok().text().to_owned()
}

#[test]
fn equal_steps_of_two_builds_run_once() {
    let sb = Sandbox::with_base();
    let (one, two) = (Gate::new(1), Gate::new(2));
    sb.write(
        "a/Dockerfile",
        format!(
            "FROM base\nRUN {}; head -c 9 /dev/urandom | base64 > /made\nRUN {}; cat /made /made > /twice\n",
            one.command(),
            two.command()
        ),
    );
    let first = build(&sb, "a");
    one.await_waiting(1);
    let second = build_that_waits(&sb, "a", "b");
    assert_eq!(one.waiting().len(), 1);
    one.open();
    // The second build gets the first step while the first build is at the second one, and waits for that.
    two.await_waiting(1);
    until("only the second step is in flight", || flights(&sb) == 1);
    two.open();
    let first = first.wait().success();
    second.wait().success();
    assert!(!first.stderr.contains("waiting for"), "{first}");
    assert_eq!(image_id(&sb, "a"), image_id(&sb, "b"), "a random file was made twice");
    assert_eq!(flights(&sb), 0);
}

#[test]
fn a_build_takes_over_the_step_of_one_that_was_killed() {
    let sb = Sandbox::with_base();
    let gate = Gate::new(3);
    sb.write("a/Dockerfile", format!("FROM base\nRUN {}; true\n", gate.command()));
    let first = build(&sb, "a");
    gate.await_waiting(1);
    let second = build_that_waits(&sb, "a", "b");
    let before = gate.waiting();
    first.signal(Signal::KILL);
    assert_eq!(first.wait().code, 137);
    until("the second build runs the step", || gate.waiting().len() == 1 && gate.waiting() != before);
    until("nobody stands at the gate", || {
        gate.open();
        gate.waiting().is_empty()
    });
    second.wait().success();
    assert_eq!(flights(&sb), 0);
    sb.dhow(["rm", "-a"]).ok();
}

#[test]
fn a_failing_step_is_run_again_by_who_waited_and_no_cache_waits_for_nobody() {
    let sb = Sandbox::with_base();
    let gate = Gate::new(4);
    sb.write("a/Dockerfile", format!("FROM base\nRUN {}; false\n", gate.command()));
    let first = build(&sb, "a");
    gate.await_waiting(1);
    let second = build_that_waits(&sb, "a", "b");
    let third = sb.dhow(["build", "--no-cache", "--network", "none", "a"]).spawn();
    gate.await_waiting(2);
    gate.open();
    third.wait().fails(1);
    first.wait().fails(1);
    gate.await_waiting(1);
    gate.open();
    second.wait().fails(1);
    assert_eq!(flights(&sb), 0);
}

#[test]
fn a_waiting_build_can_be_interrupted() {
    let sb = Sandbox::with_base();
    let gate = Gate::new(5);
    sb.write("a/Dockerfile", format!("FROM base\nRUN {}; true\n", gate.command()));
    let first = build(&sb, "a");
    gate.await_waiting(1);
    let second = build_that_waits(&sb, "a", "b");
    second.signal(Signal::INT);
    second.wait().fails(130);
    assert_eq!(gate.waiting().len(), 1, "the step of the other build goes on");
    gate.open();
    first.wait().success();
}

#[test]
fn builds_that_need_each_others_steps_do_not_wait_in_a_circle() {
    let sb = Sandbox::with_base();
    let (x, y) = (Gate::new(6), Gate::new(7));
    // The same two stages in opposite order: each build holds one when it comes to the other's.
    let stage =
        |name: &str, gate: &Gate| format!("FROM base AS {name}\nRUN {}; echo {name} > /{name}\n", gate.command());
    let end = "FROM base\nCOPY --from=x /x /\nCOPY --from=y /y /\n";
    sb.write("a/Dockerfile", format!("{}{}{end}", stage("x", &x), stage("y", &y)));
    sb.write("b/Dockerfile", format!("{}{}{end}", stage("y", &y), stage("x", &x)));
    let both = [build(&sb, "a"), build(&sb, "b")];
    x.await_waiting(1);
    y.await_waiting(1);
    x.open();
    y.open();
    for build in both {
        build.wait().success();
    }
    assert_eq!(image_id(&sb, "a").len(), 64);
    assert_eq!(flights(&sb), 0);
}

#[test]
fn one_of_eight_gets_the_name_and_the_others_hear_who() {
    let sb = Sandbox::with_base();
    let create = |_| sb.dhow(["run", "-d", "--network", "none", "--name", "web", "base", "sleep", "600"]).spawn();
    let all: Vec<_> = (0..8).map(create).collect();
    let (won, lost): (Vec<_>, Vec<_>) = all.into_iter().map(Running::wait).partition(|out| out.code == 0);
    assert_eq!(won.len(), 1);
    let winner = &won[0].text()[..12];
    for loser in lost {
        loser.fails(125).says("is already in use").says(winner);
    }
    sb.dhow(["rm", "-f", "web"]).ok();
}

#[test]
fn readers_and_starts_do_not_wait_for_who_adds_or_makes_something() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "--name", "old", "--network", "none", "base", "true"]).ok();
    let store = Store::at(&sb.store()).unwrap();
    // Somebody runs a step, writes an image to disk, and gives a layer its place.
    let _flight = store.try_flight(dhow::store::flight::Kind::Step, "ab").unwrap().unwrap();
    let shared = store.lock_shared().unwrap();
    let publishing = fs::File::create(sb.store().join("publish.lock")).unwrap();
    lock::lock(&publishing, Mode::Exclusive).unwrap();
    sb.dhow(["run", "--rm", "--network", "none", "base", "true"]).ok();
    sb.dhow(["tag", "base", "other"]).ok();
    // Somebody who removes images stands still at the worst moment: only starts and changes wait for that.
    drop(shared);
    let _alone = store.lock_exclusive().unwrap();
    for reader in
        [&["ps", "-a"][..], &["images"], &["inspect", "old"], &["history", "base"], &["logs", "old"], &["info"]]
    {
        sb.dhow(reader).ok();
    }
}

fn loaded(out: &Output) -> String {
    out.text().trim_start_matches("Loaded image: ").to_owned()
}

#[test]
fn a_layer_that_another_command_unpacks_is_waited_for_and_then_found_or_unpacked() {
    let sb = Sandbox::new();
    sb.dhow(["images"]).ok();
    let store = Store::at(&sb.store()).unwrap();
    let archive = crate::support::fixtures::base_archive();
    let errors = sb.path("load.err");
    // Which layer it is, from a load into another store.
    let other = Sandbox::new();
    let name = loaded(&other.dhow(["load", "-i"]).arg(&archive).ok());
    let layer = other.dhow(["inspect", "-f", "{{index .RootFS.Layers 0}}", &name]).ok();
    let layer = layer.text().trim_start_matches("sha256:").to_owned();
    let maker = store.try_flight(dhow::store::flight::Kind::Layer, &layer).unwrap().unwrap();
    let script = format!("exec {} load -i {} 2>{}", sb.binary().display(), archive.display(), errors.display());
    let waiting = sb.program("sh", ["-c", &script]).spawn();
    until("it says for what it waits", || fs::read_to_string(&errors).is_ok_and(|t| t.contains("waiting for a layer")));
    // The maker gives up, so the waiter does it.
    drop(maker);
    waiting.wait().success();
    assert_eq!((store.layer_ids().unwrap().len(), flights(&sb)), (1, 0));
}

#[test]
fn eight_loads_of_one_archive_store_each_layer_once() {
    let sb = Sandbox::new();
    let archive = crate::support::fixtures::base_archive();
    let all: Vec<_> = (0..8).map(|_| sb.dhow(["load", "-i"]).arg(&archive).spawn()).collect();
    // One in the middle is killed: whoever waits for it goes on.
    all[3].signal(Signal::KILL);
    let mut name = String::new();
    for (number, load) in all.into_iter().enumerate() {
        let out = load.wait();
        assert!(out.code == 0 || number == 3, "{out}");
        if number != 3 {
            name = loaded(&out);
        }
    }
    let store = Store::at(&sb.store()).unwrap();
    assert_eq!((store.layer_ids().unwrap().len(), flights(&sb)), (1, 0));
    sb.dhow(["rm", "-a"]).ok();
    sb.dhow(["run", "--rm", "--network", "none", &name, "true"]).ok();
}
