//! The rules for the key of a step (docs/dockerfile-rules.md): what makes it run again, and what does not.

use super::{again, build, hits, id, shell};
use crate::support::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Builds a changed Dockerfile in `ctx`, and gives how many steps came from the cache.
fn hits_of(sb: &Sandbox, text: &str) -> usize {
    hits(&build(sb, "ctx", text))
}

#[test]
fn rule_32_a_copy_counts_by_the_content_it_takes() {
    let sb = Sandbox::with_base();
    sb.write("ctx/d/f", "1");
    sb.write("ctx/other", "1");
    sb.write("ctx/.dockerignore", "d/ignored\n");
    let text = "FROM base\nCOPY d /d\n";
    assert_eq!(hits_of(&sb, text), 0);
    sb.write("ctx/other", "2");
    sb.write("ctx/d/ignored", "2");
    sb.program("touch", ["-d", "2001-02-03", "ctx/d/f", "ctx/d"]).ok();
    assert_eq!(hits(&again(&sb, "ctx")), 1, "a file that is not taken, or a time");
    assert_eq!(hits_of(&sb, "FROM base\nCOPY --chown=1 d /d\n"), 0, "another owner");
    assert_eq!(hits_of(&sb, "FROM base\nCOPY d /e\n"), 0, "another destination");
    fs::set_permissions(sb.path("ctx/d/f"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(hits_of(&sb, text), 0, "another mode");
    fs::rename(sb.path("ctx/d/f"), sb.path("ctx/d/g")).unwrap();
    assert_eq!(hits_of(&sb, text), 0, "another name");
    fs::create_dir(sb.path("ctx/d/empty")).unwrap();
    assert_eq!(hits_of(&sb, text), 0, "an empty folder more");
}

#[test]
fn rule_33_a_run_counts_by_what_it_can_see() {
    let sb = Sandbox::with_base();
    let run = "RUN true\n";
    assert_eq!(hits_of(&sb, &format!("FROM base\n{run}")), 0);
    for same in
        ["LABEL a=b", "EXPOSE 80", "CMD [\"x\"]", "ENTRYPOINT [\"x\"]", "STOPSIGNAL 9", "VOLUME /v", "# nothing"]
    {
        assert_eq!(hits_of(&sb, &format!("FROM base\n{same}\n{run}")), 1, "{same}");
    }
    for other in ["ENV a=b", "ARG c=d", "USER user", "SHELL [\"/bin/sh\", \"-e\", \"-c\"]"] {
        assert_eq!(hits_of(&sb, &format!("FROM base\n{other}\n{run}")), 0, "{other}");
    }
    assert_eq!(hits_of(&sb, "FROM base\nRUN  true\n"), 1, "blanks before the text");
    assert_eq!(hits_of(&sb, "FROM base\nRUN true \\\n  && true\n"), 0, "another text");
    sb.write("ctx/Dockerfile", format!("FROM base\n{run}"));
    let with = |arg: &str| hits(&sb.dhow(["build", "--network=none", "--build-arg", arg, "ctx"]).ok());
    assert_eq!((with("http_proxy=a"), with("HTTPS_PROXY=b"), with("undeclared=1")), (1, 1, 1));
    sb.write("ctx/Dockerfile", format!("FROM base\nARG http_proxy\n{run}"));
    assert_eq!((with("http_proxy=a"), with("http_proxy=a"), with("http_proxy=b")), (0, 1, 0));
}

#[test]
fn rule_34_what_a_stage_gives_counts_not_how() {
    let sb = Sandbox::with_base();
    let text = |how: &str, copy: &str| format!("FROM base AS s\n{how}\nFROM base\n{copy}\nRUN cat /f\n");
    assert_eq!(hits_of(&sb, &text("RUN echo same > /f", "COPY --from=s /f /f")), 0);
    // The stage runs anew and gives the same bytes: what is copied from it, and what follows, is there.
    assert_eq!(hits_of(&sb, &text("RUN true && echo same > /f; touch -d 2001-02-03 /f", "COPY --from=s /f /f")), 2);
    assert_eq!(hits_of(&sb, &text("RUN echo other > /f", "COPY --from=s /f /f")), 0);
    let respelled = "# comment\nfrom  base  as  S\nLABEL x=y\nrun echo same > /f\nFROM base\nCopy   --from=S  /f   /f\nrun cat /f\n";
    assert_eq!(hits_of(&sb, respelled), 3);
}

#[test]
fn rule_36_a_cached_build_gives_the_same_image() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = "FROM base AS s\nARG a=1\nRUN echo $a > /made\nFROM s\nCOPY f /f\nWORKDIR /w\nCOPY --from=s /made /m\nCMD [\"x\"]\n";
    let first = build(&sb, "ctx", text);
    let second = again(&sb, "ctx");
    assert_eq!((id(&first), hits(&first), hits(&second)), (id(&second), 0, 4));
}

#[test]
fn rule_34_a_step_that_gives_the_same_again_repeats_nothing_after_it() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = |how: &str| format!("FROM base\nRUN {how} > /r\nRUN cat /r > /s\nCOPY f /f\nWORKDIR /w\n");
    build(&sb, "ctx", &text("echo 1"));
    let out = build(&sb, "ctx", &text("sleep 0.01; echo 1"));
    assert_eq!(hits(&out), 3, "the first step gave the same, but for times\n{out}");
    assert_eq!(hits(&again(&sb, "ctx")), 4);
    let out = build(&sb, "ctx", &text("echo 2"));
    assert_eq!(hits(&out), 0, "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /r /s"), "2\n2");
    // Owner and mode count.
    let out = build(&sb, "ctx", &text("chmod 700 /etc; echo 2"));
    assert_eq!(hits(&out), 0, "{out}");
}

#[test]
fn rule_35_single_stages_are_built_anew_and_written_to_the_cache() {
    let sb = Sandbox::with_base();
    let text = "FROM base AS One\nRUN cat /proc/sys/kernel/random/uuid > /a\n\
        FROM base AS two\nRUN echo 2 > /b\nFROM base\nCOPY --from=one /a /a\nCOPY --from=two /b /b\n";
    build(&sb, "ctx", text);
    let before = shell(&sb, "ctx", "cat /a");
    let filtered =
        |words: &str| sb.dhow(["build", "--network=none", "--no-cache-filter", words, "-t", "ctx", "ctx"]).ok();
    assert_eq!(hits(&filtered("ONE,nothing").says("nothing")), 1, "two alone comes from the cache");
    let after = shell(&sb, "ctx", "cat /a");
    assert_ne!(before, after);
    assert_eq!(hits(&again(&sb, "ctx")), 4);
    assert_eq!(shell(&sb, "ctx", "cat /a"), after);
}
