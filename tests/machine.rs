//! Machines that lack something: one clear error naming what and the remedy, and nothing half made in the store.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Sandbox;

/// What must not be there after a command that could not even begin.
fn nothing_half_made(sb: &Sandbox) {
    for folder in ["staging", "containers", "images/names", "layers"] {
        let left: Vec<_> = fs::read_dir(sb.store().join(folder))
            .map(|entries| {
                entries.map(|e| e.unwrap().file_name()).filter(|n| n != "by-name" && n != "by-diff").collect()
            })
            .unwrap_or_default();
        assert!(left.is_empty(), "{folder} holds {left:?}");
    }
}

fn context(sb: &Sandbox) {
    sb.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
}

#[test]
fn without_sub_ids_the_command_that_adds_them_is_named() {
    let sb = Sandbox::new();
    context(&sb);
    sb.write("etc/subuid", "somebody-else:100000:65536\n");
    sb.write("etc/subgid", "");
    let out = sb.dhow(["build", "ctx"]).env("DHOW_TEST_ETC", sb.path("etc").to_str().unwrap()).fails(125);
    assert!(out.stderr.contains("/etc/subuid") && out.stderr.contains("usermod --add-subuids"), "{out}");
    nothing_half_made(&sb);
}

#[test]
fn without_newuidmap_the_package_is_named() {
    let sb = Sandbox::new();
    context(&sb);
    fs::create_dir(sb.path("bin-empty")).unwrap();
    let out = sb.dhow(["build", "ctx"]).env("DHOW_TEST_HELPERS", sb.path("bin-empty").to_str().unwrap()).fails(125);
    assert!(out.stderr.contains("newuidmap is not installed") && out.stderr.contains("uidmap"), "{out}");
    nothing_half_made(&sb);
}

#[test]
fn a_helper_that_refuses_is_quoted() {
    let sb = Sandbox::new();
    context(&sb);
    for helper in ["newuidmap", "newgidmap"] {
        sb.write_script(format!("helpers/{helper}"), "#!/bin/sh\necho \"$0: range not allowed\" >&2\nexit 1\n");
    }
    let out = sb.dhow(["build", "ctx"]).env("DHOW_TEST_HELPERS", sb.path("helpers").to_str().unwrap()).fails(125);
    assert!(out.stderr.contains("range not allowed"), "{out}");
    nothing_half_made(&sb);
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let sb = Sandbox::new();
    context(&sb);
    fs::create_dir(sb.path("closed")).unwrap();
    fs::set_permissions(sb.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let place = sb.path("closed/store");
    let out = sb.dhow(["images"]).env("DHOW_ROOT", place.to_str().unwrap()).fails(125);
    assert!(out.stderr.contains(place.to_str().unwrap()) && out.stderr.contains("DHOW_ROOT"), "{out}");
    assert!(!place.exists());
    sb.write("a-file", "");
    let file = sb.path("a-file");
    let out = sb.dhow(["images"]).env("DHOW_ROOT", file.to_str().unwrap()).fails(125);
    assert!(out.stderr.contains(file.to_str().unwrap()), "{out}");
}

#[test]
fn a_store_that_became_unwritable_says_so_and_keeps_what_it_has() {
    let sb = Sandbox::with_base();
    let close = |mode| fs::set_permissions(sb.store().join("containers"), fs::Permissions::from_mode(mode)).unwrap();
    close(0o555);
    let out = sb.dhow(["run", "--rm", "--network=none", "base", "true"]).fails(125);
    close(0o700);
    assert!(out.stderr.contains("containers") && out.stderr.contains("ermission"), "{out}");
    sb.dhow(["run", "--rm", "--network=none", "base", "true"]).ok();
}
