//! Where a build's files come from: standard input, URLs, and contexts with a name. What was unpacked or fetched is gone
//! when the build is over: every sandbox asks for it.

use std::fs;
use std::os::unix::fs::symlink;

use super::remote::{Repository, Server};
use super::{BZIP2, XZ, build, hits, shell};
use crate::support::{Sandbox, lacks};

/// A context as a tar, packed with the words `form`.
fn packed(sb: &Sandbox, form: &str) -> Vec<u8> {
    sb.write("tree/sub/f", "content");
    sb.write("tree/left/out", "x");
    sb.write("tree/.dockerignore", "left\n");
    sb.write("tree/Dockerfile", "FROM base\nCOPY . /all\n");
    sb.write("tree/Other", "FROM base\nCOPY sub/f /other\n");
    sb.program("tar", form.split(' ')).args(["-f", "tree.tar", "-C", "tree", "."]).ok();
    fs::read(sb.path("tree.tar")).unwrap()
}

#[test]
fn standard_input_as_an_archive() {
    let sb = Sandbox::with_base();
    for form in ["-c", "-cz", "-c --zstd"] {
        let tar = packed(&sb, form);
        sb.dhow(["build", "--network=none", "-t", "ctx", "-"]).stdin(tar).ok();
        let out = shell(&sb, "ctx", "cd /all; find . -type f | sort | tr '\\n' ' '; stat -c %u:%g sub/f");
        assert_eq!(out, "./.dockerignore ./Dockerfile ./Other ./sub/f 0:0", "{form}");
    }
    let tar = packed(&sb, "-cz");
    let again = sb.dhow(["build", "--network=none", "-t", "ctx", "-"]).stdin(tar.clone()).ok();
    assert_eq!(hits(&again), 1, "the same files from another archive are a hit");
    // The name is the archive's, whatever lies here.
    sb.write("Other", "nonsense");
    sb.dhow(["build", "--network=none", "-t", "ctx", "-f", "Other", "-"]).stdin(tar).ok();
    assert_eq!(shell(&sb, "ctx", "cat /other"), "content");
    // Archives of one file without a Dockerfile, so this is not read as one.
    for tar in [XZ, BZIP2] {
        sb.dhow(["build", "-"]).stdin(tar).fails(125).says("neither a Containerfile nor a Dockerfile");
    }
    let index = fs::read_dir(sb.store().join("cache/context")).unwrap().count();
    assert!(index <= 1, "{index} indexes: nothing is to be learnt about a folder that goes");
}

#[test]
fn standard_input_as_a_dockerfile() {
    let sb = Sandbox::with_base();
    sb.write("f", "x");
    sb.dhow(["build", "--network=none", "-t", "ctx", "-"]).stdin("FROM base\nENV A=b\nCOPY . /all\n").ok();
    assert_eq!(shell(&sb, "ctx", "echo $A; ls -A /all"), "b");
    sb.dhow(["build", "-"]).stdin("FROM base\nCOPY f /f\n").fails(125).says("not found");
    sb.dhow(["build", "--network=none", "-t", "ctx", "-f", "-", "."]).stdin("FROM base\nCOPY f /f\n").ok();
    assert_eq!(shell(&sb, "ctx", "cat /f"), "x");
    sb.dhow(["build", "-f", "-", "-"]).stdin("FROM base\n").fails(125).says("both");
}

#[test]
fn an_archive_cannot_write_outside_its_folder() {
    let sb = Sandbox::with_base();
    let planted = sb.path("planted");
    fs::create_dir(&planted).unwrap();
    sb.write("tree/Dockerfile", "FROM base\nCOPY . /all\n");
    symlink(&planted, sb.path("tree/link")).unwrap();
    sb.write("one/link/evil", "x");
    sb.program("tar", ["-cf", "t.tar", "-C", "tree", "Dockerfile", "link", "-C", "../one", "link/evil"]).ok();
    sb.dhow(["build", "--network=none", "-t", "ctx", "-"]).stdin(fs::read(sb.path("t.tar")).unwrap()).run();
    assert_eq!(fs::read_dir(&planted).unwrap().count(), 0);
    sb.program("tar", ["-cPf", "t.tar", "-C", "tree", "Dockerfile", "../planted"]).ok();
    sb.dhow(["build", "-"]).stdin(fs::read(sb.path("t.tar")).unwrap()).fails(125).says("planted");
    // An archive that is cut off is none.
    let tar = packed(&sb, "-cz");
    sb.dhow(["build", "-"]).stdin(&tar[..tar.len() / 2]).fails(125).says("standard input");
    sb.assert_clean();
}

#[test]
fn a_url_as_context() {
    let sb = Sandbox::with_base();
    let server = Server::new();
    server.put("/tree.tgz", packed(&sb, "-cz"));
    server.put("/Dockerfile", "FROM base\nENV A=url\n");
    sb.dhow(["build", "--network=none", "-t", "ctx", &server.url("/tree.tgz")]).ok();
    assert_eq!(shell(&sb, "ctx", "cat /all/sub/f"), "content");
    sb.dhow(["build", "--network=none", "-t", "ctx", &server.url("/Dockerfile")]).ok();
    assert_eq!(shell(&sb, "ctx", "echo $A"), "url");
    sb.dhow(["build", &server.url("/none")]).fails(125).says("not found on the server");
}

#[test]
fn a_repository_as_context() {
    if lacks("git") {
        return;
    }
    let sb = Sandbox::with_base();
    sb.write("served/r.git/dir/Dockerfile", "FROM base\nCOPY . /all\n");
    let Repository { url, .. } = &Repository::new(&sb);
    sb.dhow(["build", "--network=none", "-t", "ctx", &format!("{url}#main:dir")]).ok();
    assert_eq!(shell(&sb, "ctx", "ls -A /all"), "Dockerfile\ntool");
    sb.dhow(["build", &format!("{url}#main:none")]).fails(125).says("no folder none");
    sb.dhow(["build", &format!("{url}#main:.git")]).fails(125).says("no folder .git");
}

#[test]
fn named_contexts_replace_stages_and_images() {
    let sb = Sandbox::with_base();
    sb.write("other/f", "other");
    sb.write("other/skipped", "x");
    sb.write("other/.dockerignore", "skipped\n");
    sb.write("ctx/.dockerignore", "f\n");
    build(&sb, "second", "FROM base\nRUN echo second > /which\n");
    let text = "FROM base AS stage\nRUN exit 3\nFROM alpine AS last\nCOPY --from=stage . /from/\nCOPY --from=unknown /which /copied\n";
    sb.write("ctx/Dockerfile", text);
    let named = ["stage=other", "alpine:latest=docker-image://second", "unknown=docker-image://second"];
    let words = named.iter().flat_map(|n| ["--build-context", n]);
    sb.dhow(["build", "--network=none", "-t", "ctx"]).args(words.clone()).arg("ctx").ok();
    assert_eq!(
        shell(&sb, "ctx", "cd /from; ls -A; cat f; cat /which /copied"),
        ".dockerignore\nf\nothersecond\nsecond"
    );
    // What is in it counts.
    sb.write("other/skipped", "changed");
    assert_eq!(hits(&sb.dhow(["build", "--network=none"]).args(words.clone()).arg("ctx").ok()), 2);
    sb.write("other/f", "changed");
    sb.dhow(["build", "--network=none"]).args(words).arg("ctx").ok().has("1 file changed: f");
    sb.dhow(["build", "--build-context", "x=nowhere", "ctx"]).fails(125).says("nowhere");
    sb.dhow(["build", "--build-context", "nowhere", "ctx"]).fails(125).says("name=value");
}

#[test]
fn a_mount_takes_files_of_a_named_context() {
    let sb = Sandbox::with_base();
    sb.write("other/sub/f", "other");
    sb.write("other/skipped", "x");
    sb.write("other/.dockerignore", "skipped\n");
    build(&sb, "second", "FROM base\nRUN echo second > /which\n");
    // Neither a stage behind nor one before counts where there is a context of that name.
    let text = "FROM base AS before\nRUN exit 3\nFROM base\n\
        RUN --mount=from=before,target=/m cat /m/sub/f > /a; ls /m/* >> /a; ! touch /m/x\n\
        RUN --mount=from=before,source=sub/f,target=/f,rw echo more >> /f; cat /f > /b\n\
        RUN --mount=from=image,source=/which,target=/w cat /w > /c\n\
        COPY --from=behind sub/f /d\n\
        FROM base AS behind\nRUN exit 3\n";
    sb.write("ctx/Dockerfile", text);
    let named = ["before=other", "behind=other", "image=docker-image://second"];
    let words = named.iter().flat_map(|n| ["--build-context", n]);
    let command =
        || sb.dhow(["build", "--network=none", "-t", "ctx", "--target=1"]).args(words.clone()).arg("ctx").ok();
    command();
    assert_eq!(shell(&sb, "ctx", "cat /a /b /c /d"), "otherf\nothermore\nsecond\nother");
    assert_eq!(sb.read("other/sub/f"), "other");
    sb.write("other/skipped", "changed");
    assert_eq!(hits(&command()), 4);
    sb.write("other/sub/g", "new");
    assert_eq!(hits(&command()), 0);
    let text = "FROM base\nRUN --mount=type=cache,from=before,target=/c true\n";
    sb.write("ctx/Dockerfile", text);
    sb.dhow(["build", "--build-context=before=other", "ctx"]).fails(125).says("Dockerfile:2").says("cache mount");
    sb.write("ctx/Dockerfile", "FROM before\n");
    sb.dhow(["build", "--build-context=before=other", "ctx"])
        .fails(125)
        .says("Dockerfile:1")
        .says("only be copied from");
}

#[test]
fn an_image_of_a_layout_as_a_named_context() {
    let sb = Sandbox::with_base();
    build(&sb, "second", "FROM base\nRUN echo second > /which\n");
    sb.dhow(["save", "--format", "oci-dir", "-o", "layout", "second"]).ok();
    sb.dhow(["rmi", "second"]).ok();
    sb.write("ctx/Dockerfile", "FROM named\nCOPY --from=named /which /copied\nRUN cat /which > /ran\n");
    for value in ["oci-layout://layout", "oci-layout://./layout:latest"] {
        let word = format!("named={value}");
        sb.dhow(["build", "--network=none", "-t", "ctx", "--build-context", &word, "ctx"]).ok();
        assert_eq!(shell(&sb, "ctx", "cat /which /copied /ran"), "second\nsecond\nsecond");
    }
    let names = sb.dhow(["images", "--format", "{{.Repository}}"]).ok();
    assert!(!names.stdout.contains("second"), "the layout's own name was taken over\n{names}");
    let with = |value: &str| sb.dhow(["build", "--build-context", value, "ctx"]).fails(125);
    with("named=oci-layout://layout:other").says("no image with the tag other");
    with("named=oci-layout://nowhere").says("nowhere");
    with("named=oci-layout://ctx").says("index.json");
}

#[test]
fn an_ignore_file_that_is_named_wins() {
    let sb = Sandbox::with_base();
    for name in ["a", "b", "c"] {
        sb.write(format!("ctx/{name}"), name);
    }
    sb.write("ctx/.dockerignore", "a\n");
    sb.write("ctx/.containerignore", "b\n");
    sb.write("mine", "c\nDockerfile\n.*\n");
    sb.write("ctx/Dockerfile", "FROM base\nCOPY . /all\n");
    sb.dhow(["build", "--network=none", "-t", "ctx", "--ignorefile", "mine", "ctx"]).ok();
    assert_eq!(shell(&sb, "ctx", "ls -A /all"), "a\nb");
    sb.dhow(["build", "--network=none", "-t", "ctx", "ctx"]).ok();
    assert_eq!(shell(&sb, "ctx", "ls /all"), "Dockerfile\na\nc");
    sb.dhow(["build", "--ignorefile", "none", "ctx"]).fails(125).says("none: no such file");
}
