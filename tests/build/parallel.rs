//! Stages that do not need each other are built at the same time, and end together when one of them fails.

use super::{again, build, hits, shell};
use crate::support::Sandbox;
use rustix::process::Signal;

/// A RUN that says that it is there and waits for another one, which must run at the same time.
fn meets(own: &str, other: &str, then: &str) -> String {
    let wait = format!("for i in $(seq 400); do [ -e /m/{other} ] && break; sleep 0.05; done; [ -e /m/{other} ]");
    format!("RUN --mount=type=cache,target=/m touch /m/{own}; {wait} && {then}\n")
}

fn two_stages(one: &str, two: &str) -> String {
    format!(
        "FROM base AS one\n{one}FROM base AS two\n{two}FROM base\nCOPY --from=one /r /one\nCOPY --from=two /r /two\n"
    )
}

#[test]
fn independent_stages_run_at_the_same_time_and_their_lines_say_whose_they_are() {
    let sb = Sandbox::with_base();
    let text = two_stages(
        &meets("a", "b", "echo from one; echo 1 > /r; touch /m/done; while ! [ -e /m/end ]; do sleep 0.05; done"),
        &meets("b", "a", "while ! [ -e /m/done ]; do sleep 0.05; done; printf 'from two'; echo 2 > /r; touch /m/end"),
    );
    let out = build(&sb, "ctx", &text);
    assert!(out.lines().contains(&"[one] from one") && out.stdout.contains("from two"), "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /one /two"), "1\n2");
    assert_eq!(hits(&again(&sb, "ctx")), 4);
    sb.assert_clean();
}

#[test]
fn a_step_waits_for_the_stages_it_takes_from_and_its_stage_for_no_others() {
    let sb = Sandbox::with_base();
    // The last stage's first step meets a stage from which its second one copies.
    let text = format!(
        "FROM base AS one\n{}FROM base\n{}COPY --from=one /r /r\n",
        meets("a", "b", "echo 1 > /r"),
        meets("b", "a", "true")
    );
    build(&sb, "ctx", &text);
    assert_eq!(shell(&sb, "ctx", "cat /r"), "1");
}

#[test]
fn with_one_job_one_program_runs_at_a_time() {
    let sb = Sandbox::with_base();
    let alone = "RUN --mount=type=cache,target=/m mkdir /m/alone && sleep 0.3 && rmdir /m/alone && touch /r\n";
    sb.write("ctx/Dockerfile", two_stages(alone, &alone.replace("touch", ": > /other; touch")));
    sb.dhow(["build", "--network=none", "--jobs=1", "-t", "ctx", "ctx"]).ok();
}

#[test]
fn stages_that_want_the_same_cache_alone_take_turns() {
    let sb = Sandbox::with_base();
    let alone =
        "RUN --mount=type=cache,target=/m,sharing=locked mkdir /m/alone && sleep 0.3 && rmdir /m/alone && touch /r\n";
    let out = build(&sb, "ctx", &two_stages(alone, &alone.replace("touch", ": > /other; touch")));
    assert!(out.stderr.contains("waiting for the cache mount /m"), "{out}");
}

#[test]
fn a_stage_that_fails_ends_the_others_and_its_error_is_the_one_that_is_shown() {
    let sb = Sandbox::with_base();
    let text = two_stages(
        &format!("RUN touch /first\n{}", meets("a", "b", "exit 7")),
        &format!("RUN touch /r\n{}", meets("b", "a", "sleep 1000")),
    );
    sb.write("ctx/Dockerfile", &text);
    let out = sb.dhow(["build", "--network=none", "ctx"]).fails(7);
    assert!(out.stderr.contains("Dockerfile:3") && !out.stderr.contains("Dockerfile:6"), "{out}");
    sb.assert_clean();
    assert_eq!(hits(&build(&sb, "ctx", "FROM base\nRUN touch /first\n")), 1, "a finished step was lost");
    assert_eq!(hits(&build(&sb, "ctx", "FROM base\nRUN touch /r\n")), 1, "a finished step of the other stage was lost");
}

#[test]
fn an_interrupt_ends_all_running_steps_and_keeps_the_finished_ones() {
    let sb = Sandbox::with_base();
    let text = two_stages(
        &format!("RUN touch /first\n{}", meets("a", "b", "touch /m/1; sleep 1000")),
        &format!("RUN touch /r\n{}", meets("b", "a", "touch /m/2; sleep 1000")),
    );
    sb.write("ctx/Dockerfile", text);
    let running = sb.dhow(["build", "--network=none", "ctx"]).spawn();
    sb.until("both run", || {
        let sleeping = sb.processes().into_iter().filter(|p| p.command.starts_with("sleep 1000"));
        sleeping.count() == 2
    });
    running.signal(Signal::INT);
    running.wait().fails(130);
    sb.assert_clean();
    assert_eq!(hits(&build(&sb, "ctx", "FROM base\nRUN touch /first\n")), 1);
    assert_eq!(hits(&build(&sb, "ctx", "FROM base\nRUN touch /r\n")), 1);
}
