//! Files on their way into an image: COPY, ADD, the ignore file, what a RUN deletes, and what must not get in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{again, build, field, hits, shell};
use crate::support::Sandbox;

#[test]
fn copied_files_have_the_owner_and_mode_asked_for() {
    let sb = Sandbox::with_base();
    sb.write("ctx/dir/sub/file", "x");
    fs::set_permissions(sb.path("ctx/dir/sub"), fs::Permissions::from_mode(0o2751)).unwrap();
    sb.write_script("ctx/tool", "#!/bin/sh\necho tool\n");
    symlink("tool", sb.path("ctx/link")).unwrap();
    symlink("/etc/hostname", sb.path("ctx/dir/outward")).unwrap();
    sb.write("ctx/with space", "s");
    let text = "FROM base\nCOPY --chown=user dir /named\nCOPY --chown=12:staff --chmod=0640 dir/sub/file /new/deep/\n\
        COPY dir /plain\nCOPY tool link /bin/\nCOPY [\"with space\", \"/spaced name\"]\nCOPY to* /glob/\n";
    build(&sb, "ctx", text);
    let out = shell(
        &sb,
        "ctx",
        "stat -c '%n %u:%g %a' /named /named/sub /named/sub/file /new/deep /new/deep/file /plain/sub /bin/tool /bin/link; \
         readlink /plain/outward; cat '/spaced name'; echo; ls /glob; tool",
    );
    assert_eq!(
        out,
        "/named 1000:1000 755\n/named/sub 1000:1000 2751\n/named/sub/file 1000:1000 644\n/new/deep 12:50 640\n\
         /new/deep/file 12:50 640\n/plain/sub 0:0 2751\n/bin/tool 0:0 755\n/bin/link 0:0 755\n/etc/hostname\ns\ntool\ntool"
    );
}

#[test]
fn the_ignore_file_keeps_files_out_and_exceptions_in() {
    let sb = Sandbox::with_base();
    for name in ["keep", "a.log", "logs/b.log", "logs/keep.log", "node_modules/x/y", "deep/node_modules/z", "src/m.c"] {
        sb.write(format!("ctx/{name}"), name);
    }
    sb.write("ctx/.dockerignore", "# comment\n**/*.log\n!logs/keep.log\n**/node_modules\n.dockerignore\n");
    build(&sb, "ctx", "FROM base\nCOPY . /all\n");
    let list = "find /all -type f | sort";
    assert_eq!(shell(&sb, "ctx", list), "/all/Dockerfile\n/all/keep\n/all/logs/keep.log\n/all/src/m.c");
    // What is ignored is no reason to build again; a file's own ignore file takes the place of the common one.
    sb.write("ctx/c.log", "new");
    assert_eq!(hits(&again(&sb, "ctx")), 1);
    sb.write("ctx/Dockerfile.dockerignore", "*\n!keep\n");
    again(&sb, "ctx");
    assert_eq!(shell(&sb, "ctx", list), "/all/keep");
}

#[test]
fn an_archive_that_is_added_is_unpacked_and_a_copied_one_is_not() {
    let sb = Sandbox::with_base();
    sb.write("tree/in/file", "packed");
    fs::create_dir(sb.path("ctx")).unwrap();
    sb.program("tar", ["-C", "tree", "--owner=7", "--group=8", "-czf", "ctx/a.tar.gz", "in"]).ok();
    build(&sb, "ctx", "FROM base\nADD a.tar.gz /added/\nCOPY a.tar.gz /copied/\nADD Dockerfile /plain\n");
    let out = shell(&sb, "ctx", "cat /added/in/file; stat -c ' %u:%g' /added/in/file; ls /copied; head -n 1 /plain");
    assert_eq!(out, "packed 7:8\na.tar.gz\nFROM base");
}

#[test]
fn an_archive_cannot_write_outside_the_image() {
    let sb = Sandbox::with_base();
    let planted = sb.path("planted");
    fs::create_dir(&planted).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, link: Option<&Path>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(if link.is_none() { 4 } else { 0 });
        // Written by hand: the library refuses names with dots.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        tar.append(&header, &b"evil"[..if link.is_none() { 4 } else { 0 }]).unwrap();
    };
    add(tar::EntryType::Symlink, "out", Some(&planted));
    add(tar::EntryType::Regular, "out/through-a-link", None);
    add(tar::EntryType::Link, "hard", Some(&sb.path("ctx/Dockerfile")));
    sb.write("ctx/links.tar", tar.into_inner().unwrap());
    sb.write("ctx/Dockerfile", "FROM base\nADD links.tar /d/\n");
    // The hard link leads to nothing inside the image.
    sb.dhow(["build", "--network=none", "ctx"]).fails(125).says("Dockerfile:2").says("hard");

    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4);
    let name = b"../../../up";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.append(&header, &b"evil"[..]).unwrap();
    sb.write("ctx/links.tar", tar.into_inner().unwrap());
    sb.dhow(["build", "--network=none", "ctx"]).fails(125).says("Dockerfile:2").says("up");
    assert_eq!(fs::read_dir(&planted).unwrap().count(), 0);
    sb.assert_clean();
}

#[test]
fn what_lies_outside_the_context_is_out_of_reach() {
    let sb = Sandbox::with_base();
    sb.write("secret", "the secret");
    sb.write("ctx/f", "inside");
    symlink(sb.path("secret"), sb.path("ctx/absolute")).unwrap();
    symlink("../secret", sb.path("ctx/relative")).unwrap();
    for source in ["absolute", "relative", "../secret"] {
        sb.write("ctx/Dockerfile", format!("FROM base\nCOPY {source} /x\n"));
        sb.dhow(["build", "--network=none", "ctx"]).fails(125).says("not found");
    }
    // A link inside a copied folder stays a link, which inside the image leads nowhere.
    build(&sb, "ctx", "FROM base\nCOPY . /all\n");
    assert_eq!(shell(&sb, "ctx", "cat /all/absolute /all/relative 2>/dev/null; cat /all/../../all/f"), "inside");
}

#[test]
fn what_a_step_deletes_is_gone_in_the_image_and_what_replaces_a_folder_hides_it() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/old", "x");
    sb.write("ctx/f", "x");
    let text = "FROM base\nCOPY d /d\nCOPY f /f\nCOPY d /e\n\
        RUN rm /f && rm -r /d && mkdir /d && echo n > /d/new && rm -r /e && echo file > /e\n";
    build(&sb, "ctx", text);
    let look = "ls /d; cat /e; ls /f 2>/dev/null; true";
    assert_eq!(shell(&sb, "ctx", look), "new\nfile");
    assert_eq!(field(&sb, "ctx", "{{len .RootFS.Layers}}"), "5");
    // The same for a stage that is copied as a whole.
    build(&sb, "copy", "FROM ctx AS c\nFROM scratch\nCOPY --from=c / /\nENV PATH=/bin\n");
    assert_eq!(shell(&sb, "copy", look), "new\nfile");
}

#[test]
fn what_a_start_needs_leaves_no_trace_in_the_layers() {
    let sb = Sandbox::with_base();
    build(&sb, "ctx", "FROM base AS made\nRUN true\nFROM scratch\nCOPY --from=made / /\n");
    let layers = fs::read_dir(sb.store().join("layers")).unwrap().flatten().map(|e| e.path().join("fs"));
    for layer in layers.filter(|l| l.is_dir()) {
        for name in ["dev", "proc", "sys", "etc/hosts", "etc/resolv.conf", "etc/hostname", "run"] {
            assert!(fs::symlink_metadata(layer.join(name)).is_err(), "{name} is in the layer {}", layer.display());
        }
    }
}

#[test]
fn links_in_an_image_do_not_lead_a_build_astray() {
    let sb = Sandbox::with_base();
    let planted = sb.path("planted");
    fs::create_dir(&planted).unwrap();
    let text = format!("FROM base\nRUN ln -s {0} /out && ln -s ../../../../../../..{0} /up\n", planted.display());
    build(&sb, "links", &text);
    sb.write("ctx/f", "x");
    build(&sb, "ctx", "FROM links\nCOPY f /out/f\nCOPY f /up/g\nWORKDIR /out/made\nRUN echo x > /up/h\n");
    assert_eq!(fs::read_dir(&planted).unwrap().count(), 0, "a build wrote outside its image");
    assert_eq!(shell(&sb, "ctx", "cd /out/; ls; pwd -P").replace(planted.to_str().unwrap(), "."), "f\ng\nh\nmade\n.");
}
