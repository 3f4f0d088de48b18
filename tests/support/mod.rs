//! What the tests stand on: a sandbox with a store of its own, commands that are easy to write and judge, and shared
//! fixtures. No test logic and no timing.
//!
//! Environment, all optional: `DHOW_BIN` the program under test; `CARGO_MANIFEST_DIR` the source tree;
//! `DHOW_TEST_NO_SKIP=1` turns skips into failures; `DHOW_TEST_KEEP=1` leaves the sandboxes of failed tests on disk;
//! `DHOW_TEST_FIXTURES` the folder of fixtures kept between runs.
#![allow(dead_code, unused_imports)] // a helper may wait for its first user

mod command;
pub mod fixtures;
mod process;
mod sandbox;

use std::env;
use std::io::Write;
use std::path::PathBuf;

pub use command::{Dhow, Output, Running};
pub use sandbox::Sandbox;

/// The program under test.
pub fn dhow_binary() -> PathBuf {
    env::var_os("DHOW_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_dhow")), PathBuf::from)
}

/// The source tree. Asked for at run time first: `make test` runs the tests from a copy that the test user can read.
pub fn source_dir() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// Says that this test cannot run here; the caller returns. A failure where nothing may be skipped.
#[track_caller]
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    if env::var_os("DHOW_TEST_NO_SKIP").is_some_and(|v| v == "1") {
        panic!("test would be skipped, but DHOW_TEST_NO_SKIP=1: {reason}");
    }
    // Not a print macro: those are captured, and a skip must be seen also when the test counts as passed.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
}

/// Whether `program` is missing from PATH; then the test is skipped: `if lacks("skopeo") { return }`.
#[must_use]
#[track_caller]
pub fn lacks(program: &str) -> bool {
    let missing = find_program(program).is_none();
    if missing {
        skip(&format!("{program} is not installed"));
    }
    missing
}

/// Whether a private network can be had here: pasta and the device it needs. Else the test is skipped.
#[must_use]
#[track_caller]
pub fn private_network() -> bool {
    if lacks("pasta") {
        return false;
    }
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    if let Err(error) = &tun {
        skip(&format!("/dev/net/tun cannot be opened: {error}"));
    }
    tun.is_ok()
}

/// Ends every process of a sandbox at once, as the end of power does.
pub fn kill_all(sb: &Sandbox) {
    process::kill(&sb.processes());
}

fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
}
