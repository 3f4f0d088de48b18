//! The store's format and the place it lies in: a store of the first format is understood by every later program, one of
//! a newer format is left alone, and a place that cannot hold a store is refused before anything is there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use dhow::sys::lock;

use crate::support::{Sandbox, lacks, skip, source_dir};

/// Puts a store as the first format has it in the sandbox: the image `small` from scratch with two files and a RUN, what
/// its build left in the cache, an ended container, a volume.
fn first_store(sb: &Sandbox) {
    let packed = fs::read(source_dir().join("tests/golden/store-1.tar.zst")).unwrap();
    sb.write("store.tar", zstd::decode_all(packed.as_slice()).unwrap());
    // Not by a crate: times to the nanosecond are part of a layer's digest.
    sb.program("tar", ["-xpf", "store.tar", "-C"]).arg(sb.store().parent().unwrap()).ok();
}

#[test]
fn a_store_of_the_first_format_is_whole_and_can_be_used() {
    let sb = Sandbox::new();
    first_store(&sb);
    sb.dhow(["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok().has("localhost/small:latest");
    sb.dhow(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).ok().has("ended Exited (0)");
    sb.dhow(["volume", "ls", "-q"]).ok().has("kept");
    sb.dhow(["system", "check"]).ok().has("3 layers, 1 images, 1 containers: nothing is wrong");
    sb.dhow(["inspect", "--format", "{{index .Config.Labels \"made\"}}", "small"]).ok().has("by-format-1");
    // Its only program is for this machine type.
    if cfg!(target_arch = "x86_64") {
        sb.dhow(["run", "--rm", "--network=none", "small"]).ok();
    }
    sb.dhow(["tag", "small", "other"]).ok();
    sb.dhow(["rm", "ended"]).ok();
    sb.dhow(["volume", "rm", "kept"]).ok();
    sb.dhow(["rmi", "small", "other"]).ok();
    sb.dhow(["builder", "prune", "-a", "-f"]).ok();
    sb.dhow(["system", "check"]).ok().has("0 layers, 0 images, 0 containers: nothing is wrong");
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let sb = Sandbox::new();
    first_store(&sb);
    for (version, number) in [("2\n", 2), ("2 from 1\n", 2), ("7 with a word\n", 7)] {
        fs::write(sb.store().join("version"), version).unwrap();
        for words in [&["images"][..], &["rmi", "small"], &["system", "check", "--repair"], &["rm", "ended"]] {
            let out = sb.dhow(words).fails(125);
            assert!(out.stderr.contains(&format!("has format {number}; this dhow knows format 1")), "{out}");
            assert!(out.stderr.contains("Use a newer dhow"), "{out}");
        }
        assert_eq!(fs::read_to_string(sb.store().join("version")).unwrap(), version);
    }
    fs::write(sb.store().join("version"), "1\n").unwrap();
    sb.dhow(["system", "check"]).ok().has("nothing is wrong");
}

#[test]
fn who_is_in_a_store_keeps_its_format() {
    let sb = Sandbox::with_base();
    let in_it = || {
        let version = fs::File::options().read(true).write(true).open(sb.store().join("version")).unwrap();
        lock::is_held(&version).unwrap()
    };
    assert!(!in_it());
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "100"]).ok();
    assert!(in_it(), "the monitor of a container");
    sb.dhow(["rm", "-f", "-t", "0", "box"]).ok();
    sb.until("the monitor is gone", || !in_it());
}

#[test]
fn a_store_that_others_could_enter_is_closed() {
    let sb = Sandbox::new();
    sb.dhow(["images"]).ok();
    fs::set_permissions(sb.store(), fs::Permissions::from_mode(0o755)).unwrap();
    let out = sb.dhow(["images"]).ok();
    assert!(out.stderr.contains("was open to others (mode 0755)"), "{out}");
    assert_eq!(fs::metadata(sb.store()).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(sb.dhow(["images"]).ok().stderr, "");
}

#[test]
fn a_file_system_that_cannot_hold_a_store_is_refused_at_once() {
    if lacks("unshare") {
        return;
    }
    let sb = Sandbox::new();
    fs::create_dir(sb.path("disk")).unwrap();
    let on = |mount: &str| {
        sb.write("script", format!("{mount} || {{ echo no mount; exit 9; }}\nexec \"$dhow\" images\n"));
        sb.program("unshare", ["--user", "--mount", "--map-root-user", "sh", "script"])
            .env("DHOW_ROOT", sb.path("disk/store"))
            .env("dhow", sb.binary())
            .run()
    };
    let without = on("mount -t ramfs none disk");
    if without.code == 9 {
        return skip("file systems cannot be mounted in a user namespace");
    }
    assert_eq!(without.code, 125, "{without}");
    assert!(without.stderr.contains("its file system lacks user attributes"), "{without}");
    assert!(without.stderr.contains("DHOW_ROOT"), "{without}");
    let read_only = on("mount --bind disk disk && mount -o remount,bind,ro disk");
    assert_eq!(read_only.code, 125, "{read_only}");
    assert!(read_only.stderr.contains("ead-only file system"), "{read_only}");
    assert!(read_only.stderr.contains("DHOW_ROOT"), "{read_only}");
    assert_eq!(fs::read_dir(sb.path("disk")).unwrap().count(), 0, "nothing is left");
}
