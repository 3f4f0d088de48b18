//! `system check`: what was changed behind dhow's back is found, told with its place, and mended or removed as asked.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, fixtures};

/// The folder of the store's only layer.
fn only_layer(sb: &Sandbox) -> PathBuf {
    let layers = fs::read_dir(sb.store().join("layers")).unwrap().map(|e| e.unwrap().path());
    let mut layers: Vec<PathBuf> = layers.filter(|path| !path.ends_with("by-diff")).collect();
    assert_eq!(layers.len(), 1, "{layers:?}");
    layers.remove(0)
}

/// A sandbox with an image that came in an archive, whose exact tar is kept as a recipe.
fn loaded() -> Sandbox {
    let sb = Sandbox::new();
    sb.dhow(["load", "-q", "-i"]).arg(fixtures::base_archive()).ok();
    let listed = sb.dhow(["images", "-q"]).ok();
    sb.dhow(["tag", listed.text(), "base"]).ok();
    sb
}

fn only_record(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    let files: Vec<PathBuf> = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Flips a bit in the middle of a file, as a disk might: its times stay.
fn flip(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mode = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
    File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_sound_store_with_a_running_container_is_clean_and_left_alone() {
    let sb = loaded();
    sb.build("app", "FROM base\nRUN echo x > /x && chown 7:8 /x && chmod 4711 /x && rm /etc/group\n");
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "100"]).ok();
    sb.dhow(["system", "check", "--repair", "--force"]).ok().has("2 layers, 2 images, 1 containers: nothing is wrong");
    sb.dhow(["exec", "box", "true"]).ok();
    sb.dhow(["rm", "-f", "box"]).ok();
}

#[test]
fn max_is_refused_with_what_does_its_work() {
    let out = Sandbox::new().dhow(["system", "check", "--max", "1h"]).fails(125);
    assert!(out.stderr.contains("builder prune"), "{out}");
}

#[test]
fn one_flipped_byte_is_found_and_the_image_goes_only_by_force() {
    for sb in [Sandbox::with_base(), loaded()] {
        sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "100"]).ok();
        flip(&only_layer(&sb).join("fs/etc/passwd"));
        sb.dhow(["system", "check", "--quick"]).ok();
        sb.dhow(["system", "check"]).fails(1).has("its files are not what they were").has("/base:latest");
        sb.dhow(["system", "check", "--repair"]).fails(1).has("1 wrong, 0 repaired");
        sb.dhow(["exec", "box", "true"]).ok();
        sb.dhow(["system", "check", "--repair", "--force"]).ok().has("done: remove the images");
        sb.dhow(["system", "check"]).ok().has("0 layers, 0 images, 0 containers: nothing is wrong");
    }
}

#[test]
fn a_damaged_layer_that_nobody_needs_goes_by_repair_alone() {
    let sb = Sandbox::with_base();
    sb.build("app", "FROM base\nRUN echo text > /file\nRUN echo more > /more\n");
    sb.dhow(["tag", "app", "kept"]).ok();
    let file = fs::read_dir(sb.store().join("layers")).unwrap().map(|e| e.unwrap().path().join("fs/more"));
    let file = file.into_iter().find(|path| path.exists()).unwrap();
    // The image goes, its layers stay for the cache until somebody collects them.
    let records = fs::read_dir(sb.store().join("images")).unwrap().map(|e| e.unwrap().path());
    for record in records.filter(|path| path.is_file()) {
        if fs::read_to_string(&record).unwrap().contains("/more") {
            fs::remove_file(record).unwrap();
        }
    }
    flip(&file);
    let out = sb.dhow(["system", "check", "--repair"]).ok();
    out.has("done: remove the layer").has("the image that it names is gone");
    sb.dhow(["system", "check"]).ok().has("nothing is wrong");
    sb.dhow(["run", "--rm", "--network=none", "base", "true"]).ok();
}

#[test]
fn every_change_of_a_loaded_layer_is_named() {
    let sb = loaded();
    let tree = only_layer(&sb).join("fs");
    let time = fs::metadata(tree.join("etc")).unwrap().modified().unwrap();
    fs::set_permissions(tree.join("etc/group"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(tree.join("etc/new"), "").unwrap();
    fs::remove_file(tree.join("bin/sh")).unwrap();
    File::open(tree.join("etc")).unwrap().set_modified(time).unwrap();
    rustix::fs::setxattr(tree.join("etc/passwd"), "user.x", b"y", rustix::fs::XattrFlags::empty()).unwrap();
    let out = sb.dhow(["system", "check"]).fails(1);
    out.has("\"etc/group\" has mode 0600")
        .has("\"etc/new\" was not there")
        .has("\"bin/sh\" is missing")
        .has("\"etc/passwd\" has other attributes");
}

#[test]
fn records_and_folders_are_mended_and_nothing_is_lost() {
    let sb = loaded();
    sb.build("app", "FROM base\nRUN echo x > /x\nENV a=b\n");
    let store = sb.store();
    let step = only_record(&store.join("cache/steps"));
    for entry in fs::read_dir(store.join("images")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        fs::write(entry, "{\"manifest\":").unwrap();
    }
    let entry = fs::read_dir(store.join("layers/by-diff")).unwrap().next().unwrap().unwrap().path();
    fs::write(entry, "no id").unwrap();
    fs::write(step, "noise \u{1b}[31m").unwrap();
    fs::write(store.join("images/names/localhost%2fghost%3alatest"), "\0\0").unwrap();
    fs::set_permissions(store.join("images"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir(store.join("cache/context")).ok();
    fs::write(store.join("stub/etc/hosts"), "127.0.0.1 evil").unwrap();
    let out = sb.dhow(["system", "check"]).fails(1);
    assert!(!out.stdout.contains('\u{1b}'), "escaped: {out}");
    let again = sb.dhow(["system", "check", "--format=json"]).fails(1);
    let json: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len() + 1, out.lines().len());
    sb.dhow(["system", "check", "--repair"]).ok();
    sb.dhow(["system", "check"]).ok().has("2 layers, 2 images, 0 containers: nothing is wrong");
    assert_eq!(fs::metadata(store.join("images")).unwrap().permissions().mode() & 0o777, 0o700);
    sb.dhow(["run", "--rm", "--network=none", "app", "cat", "/x"]).ok().has("x");
}

#[test]
fn the_record_of_a_layer_is_written_anew_from_its_files() {
    for sb in [Sandbox::with_base(), loaded()] {
        let record = only_layer(&sb).join("layer.json");
        fs::write(&record, "").unwrap();
        sb.dhow(["system", "check", "--repair"]).ok().has("done: write its record anew");
        sb.dhow(["system", "check"]).ok().has("nothing is wrong");
        sb.dhow(["run", "--rm", "--network=none", "base", "true"]).ok();
    }
}

#[test]
fn a_damaged_container_record_is_told_and_its_files_go_only_by_force() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "--network=none", "--name=box", "base", "touch", "/mine"]).ok();
    let listed = sb.dhow(["ps", "-aq", "--no-trunc"]).ok();
    let dir = sb.store().join("containers").join(listed.text());
    fs::write(dir.join("container.json"), "{}").unwrap();
    sb.dhow(["system", "check", "--repair"]).fails(1).has("--repair --force will remove the container");
    assert!(dir.join("upper/mine").exists());
    sb.dhow(["system", "check", "--repair", "--force"]).ok();
    sb.dhow(["system", "check"]).ok().has("nothing is wrong");
}
