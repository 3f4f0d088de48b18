//! The man pages and completions in the repository are what the program generates today.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{Sandbox, skip, source_dir};

#[test]
fn man_pages_are_fresh() {
    check_fresh("man");
}

#[test]
fn completions_are_fresh() {
    check_fresh("completions");
}

/// Compares the folder `name` of the repository with what `dhow generate name` writes.
fn check_fresh(name: &str) {
    let kept = source_dir().join(name);
    if !kept.is_dir() {
        return skip(&format!("{name}/ was never generated; `make docs` writes it"));
    }
    let sb = Sandbox::new();
    let made = sb.path(name);
    fs::create_dir_all(&made).unwrap();
    sb.dhow(["generate", name]).arg(&made).ok();

    let (kept, made) = (files(&kept), files(&made));
    assert!(!made.is_empty(), "`dhow generate {name}` wrote nothing");
    let stale: Vec<_> = kept.keys().chain(made.keys()).filter(|f| kept.get(*f) != made.get(*f)).collect();
    assert!(stale.is_empty(), "{name}/ is stale; run `make docs` and commit the result: {stale:?}");
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect()
}
