//! What a later build does not do again, and what it says about the rest.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, SystemTime};

use super::{again, build, hits, id, shell};
use crate::support::{Sandbox, fixtures, lacks, source_dir};

/// A file changed this short a time before it is hashed is hashed again by the next build.
fn let_files_settle() {
    thread::sleep(Duration::from_millis(400));
}

/// The example that people try first, with its busybox.
fn hello(sb: &Sandbox) {
    for name in ["Dockerfile", ".dockerignore"] {
        sb.write(format!("hello/{name}"), fs::read(source_dir().join("examples/hello").join(name)).unwrap());
    }
    sb.write_script("hello/busybox", fs::read(fixtures::BUSYBOX).unwrap());
}

#[test]
fn the_example_builds_and_runs_and_builds_again_from_the_cache() {
    let sb = Sandbox::new();
    hello(&sb);
    let first = again(&sb, "hello");
    assert_eq!(hits(&first), 0);
    let out = sb.dhow(["run", "--rm", "--network", "none", "hello"]).ok();
    assert!(out.stdout.starts_with("Hello, world, from "), "{out}");
    let second = again(&sb, "hello");
    assert_eq!((hits(&second), id(&second)), (5, id(&first)), "{second}");
    let images = sb.dhow(["images", "-q"]).ok();
    assert_eq!(images.lines().len(), 1, "a cached build made another image\n{images}");
}

#[test]
fn a_cached_build_starts_no_process_and_opens_no_file_of_the_context() {
    if lacks("strace") {
        return;
    }
    let sb = Sandbox::with_base();
    sb.write("ctx/tree/content-one", "1");
    sb.write("ctx/tree/deep/content-two", "2");
    sb.write("ctx/content-three", "3");
    sb.write("ctx/.dockerignore", "ignored\n");
    sb.write("ctx/ignored/content-four", "4");
    let_files_settle();
    let first = build(
        &sb,
        "ctx",
        "FROM base AS one\nCOPY tree /tree\nRUN cat /tree/* > /all 2>/dev/null; true\n\
         FROM base\nCOPY --from=one /all /all\nCOPY content-three .\nWORKDIR /w\nADD . /ctx\n",
    );
    let trace = sb.path("trace");
    let second = sb
        .program("strace", ["-f", "-e", "trace=process,openat,open,openat2", "-o"])
        .arg(&trace)
        .arg(sb.binary())
        .args(["build", "--network", "none", "-t", "ctx", "ctx"])
        .ok();
    assert_eq!((hits(&second), id(&second)), (6, id(&first)), "{second}");
    let trace = fs::read_to_string(trace).unwrap();
    let calls = |names: &[&str]| -> Vec<&str> {
        trace.lines().filter(|l| names.iter().any(|n| l.contains(&format!(" {n}(")))).collect()
    };
    assert_eq!(calls(&["clone", "clone3", "fork", "vfork"]), Vec::<&str>::new(), "a process or thread was started");
    assert_eq!(calls(&["execve"]).len(), 1);
    let opened = calls(&["open", "openat", "openat2"]);
    assert!(opened.iter().any(|l| l.contains("Dockerfile")), "the trace is not one of file names:\n{trace}");
    // O_PATH reads nothing: it is how metadata are asked for.
    let read: Vec<_> = opened.iter().filter(|l| l.contains("content-") && !l.contains("O_PATH")).collect();
    assert!(read.is_empty(), "files were opened: {read:#?}");
}

#[test]
fn editing_one_file_repeats_only_what_depends_on_it() {
    let sb = Sandbox::with_base();
    sb.write("ctx/a", "a1");
    sb.write("ctx/b", "b1");
    let text = "FROM base\nCOPY a /a\nRUN cat /a > /a2\nCOPY b /b\nRUN cat /a2 /b > /ab\n";
    build(&sb, "ctx", text);
    sb.write("ctx/unrelated", "x");
    assert_eq!(hits(&again(&sb, "ctx")), 4);

    sb.write("ctx/b", "b2");
    let out = again(&sb, "ctx");
    let steps: Vec<&str> = out.lines().into_iter().filter(|l| l.starts_with("STEP") || l.starts_with("-->")).collect();
    assert!(steps[2].starts_with("--> Using cache") && steps[4].starts_with("--> Using cache"), "{out}");
    assert_eq!(steps[6], "--> miss: 1 file changed: b", "{out}");
    assert_eq!(steps[8], "--> miss: a step before it changed", "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /ab"), "a1b2");

    // Back to what was built before: all of it is still there.
    sb.write("ctx/b", "b1");
    assert_eq!(hits(&again(&sb, "ctx")), 4);
    let out = build(&sb, "ctx", &text.replace("cat /a >", "cat /a /a >"));
    assert!(out.stdout.contains("--> miss: the command changed"), "{out}");
}

#[test]
fn names_with_blanks_are_not_taken_for_two_names() {
    let sb = Sandbox::with_base();
    let stage = "FROM base AS s\nRUN echo 1 > /a; echo 2 > /b; echo 3 > '/a b'\nFROM base\nWORKDIR /\n";
    build(&sb, "ctx", &format!("{stage}COPY --from=s a b x/\n"));
    assert_eq!(shell(&sb, "ctx", "cat /x/*"), "1\n2");
    build(&sb, "ctx", &format!("{stage}COPY --from=s [\"a b\", \"x/\"]\n"));
    assert_eq!(shell(&sb, "ctx", "cat /x/*"), "3");
}

#[test]
fn a_base_that_was_built_anew_is_the_reason_for_what_is_done_again() {
    let sb = Sandbox::with_base();
    build(&sb, "parent", "FROM base\nRUN echo 1 > /n\n");
    build(&sb, "ctx", "FROM parent\nRUN cat /n > /m\n");
    build(&sb, "parent", "FROM base\nRUN echo 2 > /n\n");
    let out = again(&sb, "ctx");
    assert!(out.stdout.contains("--> miss: the base image changed"), "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /m"), "2");
}

#[test]
fn steps_that_change_nothing_give_an_image_that_runs_and_can_be_built_upon() {
    let sb = Sandbox::with_base();
    build(&sb, "parent", "FROM base\nRUN true\nRUN echo a > /a\nRUN : nothing\nRUN echo b > /b\nRUN : at all\n");
    assert_eq!(shell(&sb, "parent", "cat /a /b"), "a\nb");
    build(&sb, "ctx", "FROM parent\nRUN cat /a /b > /c\n");
    assert_eq!(shell(&sb, "ctx", "cat /c"), "a\nb");
    build(&sb, "copy", "FROM base\nCOPY --from=parent /a /b /\n");
    assert_eq!(shell(&sb, "copy", "cat /a /b"), "a\nb");
}

#[test]
fn times_do_not_matter_and_modes_do() {
    let sb = Sandbox::with_base();
    let file = sb.write("ctx/dir/f", "x");
    let first = build(&sb, "ctx", "FROM base\nCOPY dir /dir\nCOPY dir/f /f\n");
    let touched = fs::File::options().write(true).open(&file).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    let second = again(&sb, "ctx");
    assert_eq!((hits(&second), id(&second)), (2, id(&first)), "{second}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(hits(&again(&sb, "ctx")), 0);
    assert_eq!(shell(&sb, "ctx", "stat -c %a /f /dir/f"), "700\n700");
}

#[test]
fn a_step_counts_with_what_its_arguments_and_environment_say() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nARG who=nobody\nRUN echo $who > /who\n");
    let with = |value: &str| sb.dhow(["build", "--network=none", "-t", "ctx", "--build-arg", value, "ctx"]).ok();
    assert_eq!(hits(&with("who=me")), 0);
    assert_eq!(hits(&with("who=me")), 1);
    let out = with("who=you");
    assert!(out.stdout.contains("argument changed: who\n"), "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /who"), "you");
    assert_eq!(hits(&with("undeclared=1")), 0);
    assert_eq!(hits(&with("undeclared=2")), 1, "an argument that the Dockerfile does not declare made a difference");
}

#[test]
fn the_files_that_changed_are_named() {
    let sb = Sandbox::with_base();
    for name in ["src/a", "src/d/b", "src/c", "src/same"] {
        sb.write(format!("ctx/{name}"), "1");
    }
    build(&sb, "ctx", "FROM base\nCOPY src /src\n");
    sb.write("ctx/src/a", "2");
    fs::set_permissions(sb.path("ctx/src/d/b"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(sb.path("ctx/src/c"), sb.path("ctx/src/e")).unwrap();
    again(&sb, "ctx").has("--> miss: 4 files changed: src/a, src/c, src/d/b, src/e");
}

#[test]
fn without_cache_every_step_is_done_and_kept_for_the_next_build() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nRUN cp /uuid /copy\n";
    build(&sb, "ctx", text);
    let before = shell(&sb, "ctx", "cat /uuid");
    let out = sb.dhow(["build", "--network=none", "--no-cache", "-t", "ctx", "ctx"]).ok();
    assert_eq!(hits(&out), 0);
    let after = shell(&sb, "ctx", "cat /copy");
    assert_ne!(before, after);
    assert_eq!(hits(&again(&sb, "ctx")), 2);
    assert_eq!(shell(&sb, "ctx", "cat /uuid"), after, "the newer result is the one that counts");
}

#[test]
fn a_quiet_build_prints_the_id_alone() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nRUN echo noise; echo more >&2\n");
    let quiet = || sb.dhow(["build", "-q", "--network=none", "-t", "ctx", "--iidfile", "iid", "ctx"]).ok();
    let (first, second) = (quiet(), quiet());
    assert_eq!((first.stderr.as_str(), second.stdout.as_str()), ("", first.stdout.as_str()));
    let id = first.text();
    assert!(first.lines().len() == 1 && id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
    assert_eq!(sb.read("iid"), format!("sha256:{id}"));
    sb.dhow(["run", "--rm", "--network=none", id, "true"]).ok();
}

#[test]
fn a_hundred_and_thirty_steps_build_run_and_are_cached() {
    let sb = Sandbox::with_base();
    let steps: String = (0..130).map(|n| format!("RUN echo {n} > /f{n}\n")).collect();
    build(&sb, "many", &format!("FROM base\n{steps}"));
    assert_eq!(shell(&sb, "many", "cat /f* | sort -n | uniq | wc -l; ls -d /f* | wc -l; cat /f129"), "130\n130\n129");
    assert_eq!(hits(&again(&sb, "many")), 130);
    assert_eq!(sb.dhow(["history", "-q", "many"]).ok().lines().len(), 131 + 2, "two entries are the base's own");
}

#[test]
fn two_builds_of_one_dockerfile_at_once_both_succeed() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    sb.write("ctx/Dockerfile", "FROM base\nCOPY f /f\nRUN sleep 0.3; echo a > /a\nRUN echo b > /b\n");
    let start = |name: &str| sb.dhow(["build", "--network=none", "-t", name, "ctx"]).spawn();
    let running = [start("one"), start("two"), start("three")];
    running.into_iter().for_each(|r| drop(r.wait().success()));
    for name in ["one", "two", "three"] {
        assert_eq!(shell(&sb, name, "cat /f /a /b"), "xa\nb");
    }
    assert_eq!(hits(&again(&sb, "ctx")), 3);
    sb.assert_clean();
}
