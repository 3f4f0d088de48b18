//! The targets of the test suite under libFuzzer, which follows coverage. See scripts/fuzz.
#![no_main]

#[path = "../tests/fuzz/seeds.rs"]
mod seeds;
#[path = "../tests/fuzz/targets.rs"]
#[allow(dead_code)] // how many runs the suite makes
mod targets;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

static TARGET: LazyLock<&targets::Target> = LazyLock::new(|| {
    let name = std::env::var("DHOW_FUZZ_TARGET").expect("DHOW_FUZZ_TARGET names a target");
    let target = targets::TARGETS.iter().find(|t| t.name == name);
    target.unwrap_or_else(|| panic!("no target {name}: see tests/fuzz/targets.rs"))
});

/// Writes the seeds and the dictionary where libFuzzer is told to look for them.
fn prepare() {
    let dir = PathBuf::from(std::env::var_os("DHOW_FUZZ_DIR").expect("DHOW_FUZZ_DIR is set"));
    for (number, seed) in (TARGET.seeds)().iter().enumerate() {
        fs::write(dir.join(format!("corpus/seed-{number}")), seed).expect("a seed is written");
    }
    let hex = |word: &[u8]| word.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    let words: String = TARGET.words.iter().map(|word| format!("\"{}\"\n", hex(word))).collect();
    fs::write(dir.join("words"), words).expect("the dictionary is written");
}

libfuzzer_sys::fuzz_target!(init: prepare(), |data: &[u8]| (TARGET.run)(data));
