//! The rules of COPY and ADD, one test each: `rule_NN_…` (docs/dockerfile-rules.md lists them all). Each builds, and looks
//! at what is in the image.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::{BZIP2, XZ, again, build, hits, refused, shell};
use crate::support::Sandbox;

/// The names in `dir` of the image `ctx`.
#[track_caller]
fn names(sb: &Sandbox, dir: &str) -> String {
    shell(sb, "ctx", &format!("cd {dir} && find . ! -type d | sort | tr '\\n' ' '"))
}

fn mode(sb: &Sandbox, name: &str, mode: u32) {
    fs::set_permissions(sb.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn rule_01_a_folder_means_its_contents() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/sub/f", "x");
    build(&sb, "ctx", "FROM base\nCOPY d /a\nCOPY d/ /b\nCOPY d/. /c/\nCOPY ./d /new/deep/\n");
    assert_eq!(shell(&sb, "ctx", "ls /a /b /c /new/deep | tr '\\n' ' '").matches("sub").count(), 4);
}

#[test]
fn rule_02_a_file_goes_into_a_folder_or_becomes_the_destination() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = "FROM base\nWORKDIR /w\nCOPY f /slash/\nCOPY f .\nCOPY f /tmp\nCOPY f /plain\nRUN ln -s /home /h\nCOPY f /h\n\
        COPY f sub/name\n";
    build(&sb, "ctx", text);
    let out =
        shell(&sb, "ctx", "ls -d /slash/f /w/f /tmp/f /plain /home/f /w/sub/name | wc -l; [ -L /h ] && echo link");
    assert_eq!(out, "6\nlink");
}

#[test]
fn rule_03_several_sources_need_no_slash() {
    let sb = Sandbox::with_base();
    sb.write("ctx/a", "a");
    sb.write("ctx/b", "b");
    build(&sb, "ctx", "FROM base\nCOPY a b /x\nCOPY a b /y/\n");
    assert_eq!(shell(&sb, "ctx", "cat /x; ls /y"), "ba\nb");
}

#[test]
fn rule_04_sources_stop_at_the_root() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/f", "x");
    let text = "FROM base AS s\nWORKDIR /deep/er\nRUN echo s > /root-file\nFROM base\nCOPY ../../d/f /1\nCOPY /d/f /2\n\
        COPY --from=s root-file /3\nCOPY --from=s ../../../root-file /4\n";
    build(&sb, "ctx", text);
    assert_eq!(shell(&sb, "ctx", "cat /1 /2 /3 /4"), "xxs\ns");
}

#[test]
fn rule_05_wildcards_match_by_component() {
    let sb = Sandbox::with_base();
    for name in ["s/a/1", "s/b/2", "s/.dot/3", "s/plain", "s/deep/er/4", "[x]", "s/q1", "s/q22"] {
        sb.write(format!("ctx/{name}"), name);
    }
    build(
        &sb,
        "ctx",
        "FROM base\nCOPY s/* /all/\nCOPY s/q? /one/\nCOPY [[]x] /bracket/\nCOPY s/*/er /two/\nCOPY s/[a-b]/* /class/\n",
    );
    assert_eq!(names(&sb, "/all"), "./1 ./2 ./3 ./er/4 ./plain ./q1 ./q22");
    assert_eq!(names(&sb, "/one"), "./q1");
    assert_eq!(names(&sb, "/bracket"), "./[x]");
    assert_eq!(names(&sb, "/two"), "./4");
    assert_eq!(names(&sb, "/class"), "./1 ./2");
}

#[test]
fn rule_06_a_wildcard_may_match_nothing_and_a_name_may_not() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    build(&sb, "ctx", "FROM base\nCOPY no*thing /x\nCOPY --parents no/*/thing /y/\n");
    assert_eq!(shell(&sb, "ctx", "ls -d /x /y 2>/dev/null | wc -l"), "0");
    refused(&sb, "ctx", "FROM base\nCOPY nothing /x\n", 125).says("Dockerfile:2").says("nothing: not found");
    refused(&sb, "ctx", "FROM base\nCOPY --parents f no/thing /x/\n", 125).says("not found");
}

#[test]
fn rule_07_links_to_a_source_are_followed_and_links_in_it_are_not() {
    let sb = Sandbox::with_base();
    sb.write("ctx/real/f", "content");
    symlink("real/f", sb.path("ctx/link")).unwrap();
    symlink("/real", sb.path("ctx/linkdir")).unwrap();
    symlink("/absolute/nowhere", sb.path("ctx/real/dangling")).unwrap();
    symlink("f", sb.path("ctx/real/relative")).unwrap();
    symlink("/etc/hostname", sb.path("ctx/out")).unwrap();
    build(&sb, "ctx", "FROM base\nCOPY link /1\nCOPY linkdir /2\nCOPY linkdir/f /3\nCOPY lin[k] /4/\n");
    assert_eq!(
        shell(&sb, "ctx", "cat /1 /3 /4/link; [ ! -L /1 ] && readlink /2/dangling && readlink /2/relative"),
        "contentcontentcontent/absolute/nowhere\nf"
    );
    refused(&sb, "ctx", "FROM base\nCOPY out /x\n", 125).says("not found");
}

#[test]
fn rule_08_links_in_the_destination() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "new");
    let base = "FROM base\nRUN mkdir /t /u && chmod 1777 /u && ln -s /t /dirlink && echo old > /file && ln -s /file /filelink \
        && ln -s /made/by /far\n";
    build(&sb, "ctx", &format!("{base}COPY f /dirlink/\nCOPY f /filelink\nCOPY f /far/\n"));
    assert_eq!(
        shell(&sb, "ctx", "cat /t/f /file /made/by/f; for l in /dirlink /filelink /far; do readlink $l; done"),
        "newnewnew/t\n/file\n/made/by"
    );
    // With --link nothing below is looked at: what is in the way is replaced, and folders keep what they had.
    build(
        &sb,
        "ctx",
        &format!("{base}COPY --link f /dirlink/\nCOPY --link f /filelink\nCOPY --link --chown=user f /u/\n"),
    );
    assert_eq!(
        shell(
            &sb,
            "ctx",
            "cat /dirlink/f /filelink /file; ls /t; [ -L /dirlink ] || stat -c '%a %u' /u /u/f | tr '\\n' ' '"
        ),
        "newnewold\n1777 0 644 1000"
    );
}

#[test]
fn rule_09_conflicts_of_kind() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "new");
    sb.write("ctx/d/x/y", "new");
    let base = "FROM base\nRUN echo old > /file && mkdir -p /dir/f/full /e && ln -s /file /e/x\n";
    refused(&sb, "ctx", &format!("{base}COPY d /file\n"), 125).says("cannot copy to non-directory");
    refused(&sb, "ctx", &format!("{base}COPY d /e\n"), 125).says("cannot copy to non-directory");
    refused(&sb, "ctx", &format!("{base}COPY f /dir/\n"), 125).says("cannot replace to directory");
    fs::rename(sb.path("ctx/d/x/y"), sb.path("ctx/d/z")).unwrap();
    fs::remove_dir(sb.path("ctx/d/x")).unwrap();
    sb.write("ctx/d/x", "new");
    build(&sb, "ctx", &format!("{base}COPY d /e\n"));
    assert_eq!(shell(&sb, "ctx", "cat /e/x /file; [ -L /e/x ] || echo replaced"), "newold\nreplaced");
}

#[test]
fn rule_10_metadata_of_folders() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/sub/f", "x");
    mode(&sb, "ctx/d", 0o700);
    mode(&sb, "ctx/d/sub", 0o711);
    let text = "FROM base\nRUN mkdir -p /old/sub && chmod 750 /old /old/sub && chown user /old /old/sub\nCOPY d /new\nCOPY d /old\n\
        COPY --chown=7 --chmod=751 d /asked\n";
    build(&sb, "ctx", text);
    let out = shell(&sb, "ctx", "stat -c '%n %a %u' /new /new/sub /old /old/sub /asked /asked/sub");
    assert_eq!(out, "/new 755 0\n/new/sub 711 0\n/old 750 1000\n/old/sub 711 0\n/asked 751 7\n/asked/sub 751 7");
}

#[test]
fn rule_11_owners() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = "FROM base AS s\nRUN echo x > /owned && chown 12:13 /owned\nFROM base\nUSER user\nCOPY f /0\nCOPY --chown=user f /1\n\
        COPY --chown=7 f /2\nCOPY --chown=user:staff f /3\nCOPY --chown=7:50 f /up/per/4\nCOPY --from=s owned /5\n\
        ARG WHO=user\nCOPY --chown=${WHO} f /6\n";
    build(&sb, "ctx", text);
    let out = shell(&sb, "ctx", "stat -c '%n %u:%g' /0 /1 /2 /3 /up /up/per /up/per/4 /5 /6 | tr '\\n' ' '");
    assert_eq!(out, "/0 0:0 /1 1000:1000 /2 7:7 /3 1000:50 /up 7:50 /up/per 7:50 /up/per/4 7:50 /5 12:13 /6 1000:1000");
    refused(&sb, "ctx", "FROM base\nCOPY --chown=nobody f /x\n", 125).says("no user \"nobody\"");
}

#[test]
fn rule_12_modes() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/f", "x");
    mode(&sb, "ctx/d/f", 0o4750);
    sb.write("ctx/d/sub/g", "x");
    mode(&sb, "ctx/d/sub", 0o1700);
    mode(&sb, "ctx/d/sub/g", 0o640);
    symlink("f", sb.path("ctx/d/l")).unwrap();
    build(
        &sb,
        "ctx",
        "FROM base\nCOPY d /kept\nCOPY --chmod=0604 d/f /octal/\nCOPY --chmod=go=u,+X d /sym\nARG M=u=rw,go=\nADD --chmod=$M d/f /var\n",
    );
    let out = shell(
        &sb,
        "ctx",
        "stat -c '%n %a' /kept/f /kept/sub /kept/sub/g /octal /octal/f /sym/f /sym/sub /sym/sub/g /var",
    );
    assert_eq!(
        out,
        "/kept/f 4750\n/kept/sub 1700\n/kept/sub/g 640\n/octal 604\n/octal/f 604\n/sym/f 4777\n/sym/sub 1777\n/sym/sub/g 666\n\
         /var 600"
    );
    for bad in ["9999", "10000", "u+q"] {
        refused(&sb, "ctx", &format!("FROM base\nCOPY --chmod={bad} d /x\n"), 125).says("Dockerfile:2").says("--chmod");
    }
}

#[test]
fn rule_13_times_hard_links_and_special_files() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/f", "x");
    sb.write("ctx/d/sub/g", "x");
    fs::hard_link(sb.path("ctx/d/f"), sb.path("ctx/d/sub/twin")).unwrap();
    let touch = |name: &str| {
        let path = sb.path(name);
        assert!(
            Command::new("touch")
                .args(["-d", "2001-02-03 04:05:06.123456789 UTC"])
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    };
    rustix::fs::mknodat(rustix::fs::CWD, sb.path("ctx/d/fifo"), rustix::fs::FileType::Fifo, 0o640.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(sb.path("ctx/d/socket")).unwrap();
    touch("ctx/d/f");
    touch("ctx/d/sub");
    build(&sb, "ctx", "FROM base\nCOPY d /d\n");
    let out = shell(
        &sb,
        "ctx",
        "TZ=UTC stat -c '%y %h' /d/f; TZ=UTC stat -c '%y' /d/sub; [ /d/f -ef /d/sub/twin ] && echo same; \
        [ -p /d/fifo ] && echo fifo; ls /d",
    );
    assert_eq!(
        out,
        "2001-02-03 04:05:06.123456789 +0000 2\n2001-02-03 04:05:06.123456789 +0000\nsame\nfifo\nf\nfifo\nsub"
    );
}

#[test]
fn rule_14_everything_and_what_is_excluded() {
    let sb = Sandbox::with_base();
    for name in ["a.md", ".hidden", "sub/b.md", "sub/keep.txt", "sub/deep/c.md", ".dockerignore"] {
        sb.write(format!("ctx/{name}"), "");
    }
    build(
        &sb,
        "ctx",
        "FROM base\nCOPY . /all\nCOPY --exclude=*.md sub /top\nCOPY --exclude=**/*.md --exclude=!deep/c.md sub /some\n",
    );
    assert_eq!(
        names(&sb, "/all"),
        "./.dockerignore ./.hidden ./Dockerfile ./a.md ./sub/b.md ./sub/deep/c.md ./sub/keep.txt"
    );
    assert_eq!(names(&sb, "/top"), "./deep/c.md ./keep.txt");
    assert_eq!(names(&sb, "/some"), "./deep/c.md ./keep.txt");
}

#[test]
fn rule_15_parents() {
    let sb = Sandbox::with_base();
    for name in ["x/a/1.txt", "x/a/b/2.txt", "x/c/3.md", "y/4.txt"] {
        sb.write(format!("ctx/{name}"), name);
    }
    mode(&sb, "ctx/x/a", 0o711);
    let text = "FROM base\nCOPY --parents x/a/1.txt y /1/\nCOPY --parents x/./a/b/*.txt /2/\nCOPY --parents ./x/**/*.txt /3/\n\
        COPY --parents x/./**/*.txt /4\nCOPY x/a/1.txt y /5/\n";
    build(&sb, "ctx", text);
    assert_eq!(names(&sb, "/1"), "./x/a/1.txt ./y/4.txt");
    assert_eq!(names(&sb, "/2"), "./a/b/2.txt");
    assert_eq!(names(&sb, "/3"), "./x/a/1.txt ./x/a/b/2.txt");
    assert_eq!(names(&sb, "/4"), "./a/1.txt ./a/b/2.txt");
    assert_eq!(names(&sb, "/5"), "./1.txt ./4.txt");
    assert_eq!(shell(&sb, "ctx", "stat -c %a /1/x/a /4/a | tr '\\n' ' '"), "711 711");
}

#[test]
fn rule_16_local_archives_are_unpacked_by_content() {
    let sb = Sandbox::with_base();
    sb.write("tree/d/f", "packed");
    sb.write("ctx/empty.tar", "");
    for (name, form) in [("plain", "-c"), ("gz.txt", "-cz"), ("zst", "-c --zstd")] {
        let words = ["-C", "tree", "--owner=7", "--group=8", "--mode=640", "--mtime=@1000000000"];
        let file = sb.path(format!("ctx/{name}"));
        sb.program("tar", words).args(form.split(' ')).arg("-f").arg(file).arg("d/f").ok();
    }
    sb.program("sh", ["-c", "echo no archive | gzip > ctx/text.tar.gz"]).ok();
    let text = "FROM base\nRUN mkdir /t && ln -s /t /link\nADD plain /1\nADD gz.txt /2/\nADD zst /link\nADD text.tar.gz empty.tar /4/\n\
        ADD --chown=9 plain /5\nADD --unpack=false plain /6\nCOPY plain /7\n\
        ADD xz bzip2 /8\n";
    fs::write(sb.path("ctx/xz"), XZ).unwrap();
    fs::write(sb.path("ctx/bzip2"), BZIP2).unwrap();
    build(&sb, "ctx", text);
    let out = shell(
        &sb,
        "ctx",
        "cat /1/d/f /2/d/f /t/d/f; echo; ls /4; stat -c '%n %a %u:%g' /1 /1/d/f /5/d/f; stat -c %Y /1/d/f; \
        cmp /6 /7 && echo same; ls /8",
    );
    assert_eq!(
        out,
        "packedpackedpacked\nempty.tar\ntext.tar.gz\n/1 755 0:0\n/1/d/f 640 7:8\n/5/d/f 640 9:9\n1000000000\nsame\nf"
    );
}

#[test]
fn rule_32_only_what_is_selected_counts() {
    let sb = Sandbox::with_base();
    for name in ["d/f", "other", "d/skip.md"] {
        sb.write(format!("ctx/{name}"), "x");
    }
    build(&sb, "ctx", "FROM base\nCOPY --exclude=*.md --chown=user d /d\n");
    sb.write("ctx/other", "changed");
    sb.write("ctx/d/skip.md", "changed");
    assert!(Command::new("touch").args(["-d", "2001-01-01"]).arg(sb.path("ctx/d/f")).status().unwrap().success());
    assert_eq!(hits(&again(&sb, "ctx")), 1, "times and files that are not selected count");
    mode(&sb, "ctx/d/f", 0o755);
    assert_eq!(hits(&again(&sb, "ctx")), 0, "a mode does not count");
    fs::rename(sb.path("ctx/d/f"), sb.path("ctx/d/g")).unwrap();
    assert_eq!(hits(&again(&sb, "ctx")), 0, "a name does not count");
    sb.write("ctx/d/g", "y");
    again(&sb, "ctx").has("1 file changed: d/g");
}

#[test]
fn rule_34_a_rebuilt_stage_with_the_same_files_is_a_hit() {
    let sb = Sandbox::with_base();
    let text = |n: u32| {
        format!(
            "FROM base AS s\nRUN : {n} && mkdir /o && echo same > /o/f && touch -d 2001-01-01 /o/f /o && echo {n} > /junk\n\
            FROM base\nLABEL n={n}\nCOPY   --from=s /o/ /o/ \nRUN cat /o/f\n"
        )
    };
    build(&sb, "ctx", &text(1));
    assert_eq!(hits(&build(&sb, "ctx", &text(2))), 2);
}
