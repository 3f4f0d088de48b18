//! How builds fail and end: what is said, with which exit code, and that nothing half made stays.

use std::fs;

use rustix::process::Signal;

use super::{again, build, hits, refused, shell};
use crate::support::Sandbox;

#[test]
fn a_mistake_in_the_dockerfile_is_shown_where_it_is() {
    let sb = Sandbox::with_base();
    refused(&sb, "ctx", "FROM base\n\nRUNN true\n", 125).says("Dockerfile:3:1").says("RUNN true").says("RUN?");
    refused(&sb, "ctx", "FROM base\nCOPY --from=later /a /b\nFROM base AS later\n", 125)
        .says("Dockerfile:2")
        .says("later");
    refused(&sb, "ctx", "", 125);
    refused(&sb, "ctx", "FROM base\nRUN --mount=type=magic true\n", 125).says("Dockerfile:2");
}

#[test]
fn what_is_missing_is_named() {
    let sb = Sandbox::with_base();
    refused(&sb, "ctx", "FROM base\nCOPY nowhere /x\n", 125).says("Dockerfile:2").says("nowhere").says("not found");
    sb.write("ctx/secret", "x");
    sb.write("ctx/.dockerignore", "sec*\n");
    refused(&sb, "ctx", "FROM base\nCOPY secret /x\n", 125).says("Dockerfile:2").says(".dockerignore");
    refused(&sb, "ctx", "FROM base\nCOPY --from=base /nowhere /x\n", 125).says("nowhere").says("not found");
    refused(&sb, "ctx", "FROM base\nCOPY --from=unknown /a /b\n", 125).says("Dockerfile:2").says("unknown");
    refused(&sb, "ctx", "FROM no-such-image\n", 125).says("Dockerfile:1").says("no-such-image").says("dhow images");
    refused(&sb, "ctx", "FROM base\nUSER nobody-here\nRUN true\n", 125).says("nobody-here");
    refused(&sb, "ctx", "FROM base\nCOPY --chown=nobody-here Dockerfile /\n", 125).says("nobody-here");
    sb.dhow(["build", "--target", "none", "ctx"]).fails(125).says("none");
    sb.dhow(["build", "ctx/nothing-here"]).fails(125).says("nothing-here").says("no such file or directory");
    fs::create_dir(sb.path("empty")).unwrap();
    sb.dhow(["build", "empty"]).fails(125).says("Dockerfile").says("-f");
    sb.dhow(["build", "-f", "absent", "ctx"]).fails(125).says("absent");
    sb.dhow(["build", "ctx/Dockerfile"]).fails(125).says("not a folder");
}

#[test]
fn a_failing_command_gives_its_code_and_leaves_the_steps_before_it() {
    let sb = Sandbox::with_base();
    let out = refused(&sb, "ctx", "FROM base\nRUN echo good > /good\nRUN echo last words >&2; exit 42\nRUN true\n", 42);
    out.says("last words").says("Dockerfile:3").says("exit code: 42");
    assert_eq!(sb.dhow(["images", "-q", "ctx"]).ok().text(), "", "a failed build made an image");
    let out = build(&sb, "ctx", "FROM base\nRUN echo good > /good\nRUN true\n");
    assert_eq!(hits(&out), 1, "{out}");
    assert!(!out.stdout.contains("no longer in the cache"), "a step that failed never had a layer: {out}");
    refused(&sb, "ctx", "FROM base\nRUN [\"/no/such/program\"]\n", 127).says("/no/such/program").says("Dockerfile:2");
    refused(&sb, "ctx", "FROM base\nRUN sh -c 'kill -9 $$'; exit $?\n", 137).says("Dockerfile:2");
    // A quiet build speaks up when it fails.
    sb.write("ctx/Dockerfile", "FROM base\nRUN echo the reason; exit 3\n");
    sb.dhow(["build", "-q", "--network=none", "ctx"]).fails(3).says("the reason");
}

#[test]
fn a_shell_opens_where_a_step_failed_and_leaves_nothing() {
    let sb = Sandbox::with_base();
    sb.write("ctx/m", "mounted");
    sb.write("ctx/Dockerfile", "FROM base\nRUN true\nRUN --mount=target=/new/m cat /new/m/m > /half; exit 5\n");
    let command = || sb.dhow(["build", "--shell-on-fail", "--network=none", "-t", "ctx", "ctx"]);
    // In a pipe nobody could type: told before anything is built.
    let out = command().fails(125).says("terminal");
    assert_eq!(out.stdout, "", "{out}");
    let out = command().tty("cat /half /new/m/m; echo; echo in-$((40+2)); touch /x; exit 0\n").wait().fails(5);
    assert!(out.stdout.contains("mountedmounted") && out.stdout.contains("in-42"), "{out}");
    assert!(out.stdout.contains("Dockerfile:3") && out.stdout.contains("exit code 5"), "{out}");
    sb.assert_clean();
    assert_eq!(sb.dhow(["images", "-q", "ctx"]).ok().text(), "");
    let out = sb.dhow(["build", "--network=none", "ctx"]).fails(5);
    assert_eq!(hits(&out), 1, "what was finished before is lost\n{out}");
}

#[test]
fn ctrl_c_ends_a_build_and_leaves_nothing() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nRUN echo first > /first\nRUN echo x > /x; sleep 1000\n");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let running = sb.dhow(["build", "--network=none", "-t", "ctx", "ctx"]).spawn();
        sb.until("the step to run", || sb.processes().iter().any(|p| p.command == "sleep 1000"));
        running.signal(signal);
        running.wait().fails(code).says("interrupted");
        sb.assert_clean();
    }
    let out = build(&sb, "ctx", "FROM base\nRUN echo first > /first\nRUN true\n");
    assert_eq!(hits(&out), 1, "the step before the interrupted one was lost\n{out}");
}

#[test]
fn a_killed_build_leaves_nothing_that_the_next_one_does_not_clean_up() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nRUN echo x > /x; chown 5:5 /x; sleep 1000\n");
    let running = sb.dhow(["build", "--network=none", "-t", "ctx", "ctx"]).spawn();
    sb.until("the step to run", || sb.processes().iter().any(|p| p.command == "sleep 1000"));
    running.signal(Signal::KILL);
    running.wait().fails(137);
    sb.until("its processes to end", || sb.processes().is_empty());
    build(&sb, "ctx", "FROM base\nRUN echo y > /y\n");
    sb.assert_clean();
    assert_eq!(shell(&sb, "ctx", "ls /x /y 2>/dev/null; true"), "/y");
}

#[test]
fn a_build_survives_a_reader_that_goes_away() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nRUN seq 1 20000\nRUN echo done > /done\n");
    let line = format!("{} build --network=none -t ctx ctx | head -n 1", sb.binary().display());
    sb.program("sh", ["-c", &line]).ok().has("STEP 1/3");
    sb.until("the image", || sb.dhow(["image", "exists", "ctx"]).run().code == 0);
    assert_eq!(hits(&again(&sb, "ctx")), 2);
}
