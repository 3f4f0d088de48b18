//! The rules for paths, owners and modes of COPY (docs/dockerfile-rules.md), each by a build and a look at its result.

use super::{build, refused, shell};
use crate::support::Sandbox;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A sandbox with `base`, and these files in the context `ctx`, each holding its own path.
fn with_files(names: &[&str]) -> Sandbox {
    let sb = Sandbox::with_base();
    for name in names {
        sb.write(format!("ctx/{name}"), *name);
    }
    sb
}

/// The files below `dir` in the image, sorted, on one line.
fn files(sb: &Sandbox, image: &str, dir: &str) -> String {
    let found = shell(sb, image, &format!("cd {dir} && find . -mindepth 1 ! -type d | sort"));
    found.lines().map(|l| l.trim_start_matches("./")).collect::<Vec<_>>().join(" ")
}

#[test]
fn rule_01_a_folder_means_its_contents() {
    let sb = with_files(&["d/f", "d/sub/g"]);
    let text = "FROM base\nCOPY d /a\nCOPY d/ /b/\nCOPY d/. /c\nRUN mkdir -p /e/d\nCOPY d /e\n";
    build(&sb, "ctx", text);
    for dir in ["/a", "/b", "/c", "/e"] {
        assert_eq!(files(&sb, "ctx", dir), "f sub/g", "{dir}");
    }
}

#[test]
fn rule_02_a_file_goes_into_a_folder_or_takes_the_name() {
    let sb = with_files(&["f"]);
    let text = "FROM base\nWORKDIR /w\nCOPY f /new/\nCOPY f /named\nRUN mkdir /real && ln -s real /link\nCOPY f /real\n\
        COPY f .\nCOPY f /link/g\nWORKDIR /v\nCOPY f ./\n";
    build(&sb, "ctx", text);
    let seen = shell(
        &sb,
        "ctx",
        "ls -d /new/f /named /real/f /w/f /real/g /v/f | wc -l; test -f /named && test -L /link && echo ok",
    );
    assert_eq!(seen, "6\nok");
}

#[test]
fn rule_03_several_sources_need_no_slash() {
    let sb = with_files(&["a", "b", "d/c"]);
    build(&sb, "ctx", "FROM base\nCOPY a b /one\nCOPY d a /two\n");
    assert_eq!(shell(&sb, "ctx", "cat /one; echo; ls /two"), "b\na\nc");
}

#[test]
fn rule_04_sources_stay_in_their_root() {
    let sb = with_files(&["f", "sub/g"]);
    let text = "FROM base AS s\nWORKDIR /deep/in\nRUN echo s > rel && echo r > /root-file\nFROM base\nCOPY /f ../../f sub/../f /a/\n\
        COPY --from=s root-file /b/\nCOPY --from=s ../../deep/in/rel /c/\n";
    build(&sb, "ctx", text);
    assert_eq!(shell(&sb, "ctx", "cat /a/f; echo; cat /b/root-file /c/rel"), "f\nr\ns");
    refused(&sb, "bad", "FROM base AS s\nWORKDIR /deep\nRUN echo s > rel\nFROM base\nCOPY --from=s rel /x\n", 125)
        .says("rel");
}

#[test]
fn rule_05_wildcards_match_by_component() {
    let sb = with_files(&["p/a.c", "p/.hidden.c", "p/b.h", "p/q/c.c", "p/r/d.c", "[x]", "x1"]);
    let text =
        "FROM base\nCOPY p/*.c /a/\nCOPY p/* /b/\nCOPY p/?/*.c /c/\nCOPY [[]x] /d/\nCOPY x[0-9] /e/\nCOPY p*/q /f/\n";
    build(&sb, "ctx", text);
    assert_eq!(files(&sb, "ctx", "/a"), ".hidden.c a.c");
    // The folders q and r give what is in them.
    assert_eq!(files(&sb, "ctx", "/b"), ".hidden.c a.c b.h c.c d.c");
    assert_eq!(files(&sb, "ctx", "/c"), "c.c d.c");
    assert_eq!(
        (files(&sb, "ctx", "/d"), files(&sb, "ctx", "/e"), files(&sb, "ctx", "/f")),
        ("[x]".into(), "x1".into(), "c.c".into())
    );
}

#[test]
fn rule_06_a_wildcard_may_match_nothing_a_name_may_not() {
    let sb = with_files(&["f"]);
    build(&sb, "ctx", "FROM base\nCOPY *.none /a/\nCOPY f *.none /b/\n");
    assert_eq!(files(&sb, "ctx", "/b"), "f");
    refused(&sb, "missing", "FROM base\nCOPY none /a/\n", 125).says("Dockerfile:2:1").says("none").says("not found");
}

#[test]
fn rule_07_links_on_the_way_are_followed_and_links_within_are_kept() {
    let sb = with_files(&["real/f", "real/sub/g"]);
    for (target, link) in [("real/f", "file"), ("real", "dir"), ("/real/sub", "absolute"), ("nowhere", "real/dangling")]
    {
        symlink(target, sb.path("ctx").join(link)).unwrap();
    }
    build(&sb, "ctx", "FROM base\nCOPY file /a/\nCOPY dir /b\nCOPY dir/f /c\nCOPY absolute /d\nCOPY fil* /e/\n");
    let look = "cat /a/file /c /e/file; test -L /a/file || echo; readlink /b/dangling; cat /d/g";
    assert_eq!(shell(&sb, "ctx", look), "real/freal/freal/f\nnowhere\nreal/sub/g");
}

#[test]
fn rule_08_links_in_the_destination_stay_in_the_image() {
    let sb = with_files(&["f", "d/g"]);
    let text = "FROM base\nRUN mkdir /t && ln -s /t /abs && ln -s t rel && echo old > /t/file && ln -s t/file /flink && \
        ln -s /not/there /new\nCOPY f /abs/\nCOPY d /rel\nCOPY f /flink\nCOPY f /abs/x/y\nCOPY f /new/\n";
    build(&sb, "ctx", text);
    let look =
        "cd /t; cat f g file x/y /not/there/f; for l in abs rel flink new; do echo -n \" $(readlink /$l)\"; done";
    assert_eq!(shell(&sb, "ctx", look), "fd/gfff /t t t/file /not/there");
}

#[test]
fn rule_09_files_and_folders_do_not_replace_each_other() {
    let sb = with_files(&["d/x", "e/x/y", "f"]);
    build(&sb, "ctx", "FROM base\nRUN mkdir /t && ln -s /etc/passwd /t/x\nCOPY d /t/\nCOPY d/x /t/\n");
    assert_eq!(shell(&sb, "ctx", "cat /t/x; test -L /t/x || echo; wc -l < /etc/passwd"), "d/x\n2");
    sb.write("ctx/Dockerfile", "FROM base\nCOPY d /t\nCOPY e /t\n");
    sb.dhow(["build", "--network=none", "ctx"]).fails(125).says("Dockerfile:3:1").says("cannot copy to non-directory");
    sb.write("ctx/Dockerfile", "FROM base\nCOPY e /t\nCOPY d /t\n");
    sb.dhow(["build", "--network=none", "ctx"]).fails(125).says("Dockerfile:3:1").says("cannot replace");
}

#[test]
fn rule_10_the_top_folder_is_new_and_those_below_take_the_sources_metadata() {
    let sb = with_files(&["d/sub/f"]);
    for dir in ["ctx/d", "ctx/d/sub"] {
        fs::set_permissions(sb.path(dir), fs::Permissions::from_mode(0o2750)).unwrap();
    }
    let text = "FROM base\nCOPY d /new\nRUN mkdir -p /old/sub && chmod 711 /old /old/sub && chown 7:8 /old /old/sub\n\
        COPY d /old\nCOPY --chown=3:4 d /given\n";
    build(&sb, "ctx", text);
    let look = "stat -c '%n %u:%g %a' /new /new/sub /old /old/sub /given /given/sub";
    let want = "/new 0:0 755\n/new/sub 0:0 2750\n/old 7:8 711\n/old/sub 0:0 2750\n/given 3:4 755\n/given/sub 3:4 2750";
    assert_eq!(shell(&sb, "ctx", look), want);
}

#[test]
fn rule_11_owners_come_from_chown_the_stage_or_root() {
    let sb = with_files(&["f"]);
    let text = "FROM base AS s\nRUN echo x > /owned && chown 5:6 /owned\nFROM base\nUSER user\nCOPY f /a\nCOPY --from=s /owned /b\n\
        COPY --chown=user f /c\nCOPY --chown=9 f /d\nCOPY --chown=9:staff f /e\nCOPY --chown=user:7 f /new/in/f\n\
        COPY --from=s --chown=0:0 /owned /g\n";
    build(&sb, "ctx", text);
    let look = "stat -c '%n %u:%g' /a /b /c /d /e /new /new/in /new/in/f /g";
    let want = "/a 0:0\n/b 5:6\n/c 1000:1000\n/d 9:9\n/e 9:50\n/new 1000:7\n/new/in 1000:7\n/new/in/f 1000:7\n/g 0:0";
    assert_eq!(shell(&sb, "ctx", look), want);
    refused(&sb, "bad", "FROM base\nCOPY --chown=stranger Dockerfile /x\n", 125)
        .says("Dockerfile:2:1")
        .says("stranger");
}

#[test]
fn rule_12_modes_are_kept_or_given() {
    let sb = with_files(&["f", "d/g", "d/sub/h"]);
    fs::set_permissions(sb.path("ctx/f"), fs::Permissions::from_mode(0o6751)).unwrap();
    fs::set_permissions(sb.path("ctx/d/sub"), fs::Permissions::from_mode(0o3777)).unwrap();
    symlink("g", sb.path("ctx/d/link")).unwrap();
    let text = "FROM base\nCOPY f /f\nCOPY d /d\nCOPY --chmod=4711 d /e\nARG M=0600\nCOPY --chmod=$M f /deep/er/f\n";
    build(&sb, "ctx", text);
    let look = "stat -c '%n %a' /f /d/sub /e /e/g /e/sub /e/link /deep /deep/er/f";
    let want = "/f 6751\n/d/sub 3777\n/e 4711\n/e/g 4711\n/e/sub 4711\n/e/link 777\n/deep 600\n/deep/er/f 600";
    assert_eq!(shell(&sb, "ctx", look), want);
    refused(&sb, "bad", "FROM base\nCOPY --chmod=9999 Dockerfile /x\n", 125)
        .says("Dockerfile:2:6")
        .says("--chmod=9999");
}

#[test]
fn rule_13_times_and_hard_links_are_kept() {
    let sb = with_files(&["d/f", "d/sub/g"]);
    fs::hard_link(sb.path("ctx/d/f"), sb.path("ctx/d/sub/same")).unwrap();
    sb.program("mkfifo", ["ctx/d/pipe"]).ok();
    sb.program("touch", ["-d", "2001-02-03T04:05:06.789Z", "ctx/d/f", "ctx/d/sub"]).ok();
    let _socket = std::os::unix::net::UnixListener::bind(sb.path("ctx/d/s")).unwrap();
    build(&sb, "ctx", "FROM base\nCOPY d /d\n");
    let look =
        "cd /d; stat -c '%h %Y' f; stat -c %Y sub; test f -ef sub/same && test -p pipe && test ! -e s && echo ok";
    assert_eq!(shell(&sb, "ctx", look), "2 981173106\n981173106\nok");
}
