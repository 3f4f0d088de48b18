//! Build checks as the person meets them: `--check`, the end of a build, and a build that they fail. What each check
//! finds is shown by the unit tests.

use super::{build, field, refused};
use crate::support::Sandbox;

const FILE: &str = "FROM base AS Made\nENV x=$INHERITED y=$nothing\nCMD echo\n";

#[test]
fn a_check_shows_places_builds_nothing_and_ends_with_one() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", FILE);
    let out = sb.dhow(["build", "--check", "-t", "ctx", "ctx"]).fails(1);
    let out = out.has("4 warnings have been found!").has("WARNING: StageNameCasing - ").has("Dockerfile:1:14: ");
    out.has("    2 | ENV x=$INHERITED y=$nothing\n      |                    ^\n").has("JSONArgsRecommended");
    sb.dhow(["image", "exists", "ctx"]).fails(1);

    let out = sb.dhow(["build", "--call=check,format=json", "ctx"]).fails(1);
    let json: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 4);
    assert_eq!(json["warnings"][0]["ruleName"], "StageNameCasing");
    assert_eq!(json["warnings"][3]["location"]["ranges"][0]["start"]["line"], 3);

    sb.write("ctx/Dockerfile", "FROM base\nCMD [\"echo\"]\n");
    sb.dhow(["build", "--check", "ctx"]).ok().has("Check complete, no warnings found.");
    sb.dhow(["build", "--call=outline", "ctx"]).fails(125).says("build or check");
    // What is no Dockerfile at all is an error, as in a build.
    sb.write("ctx/Dockerfile", "FROM base\nRUM x\n");
    sb.dhow(["build", "--check", "ctx"])
        .fails(125)
        .says("Dockerfile:2:1: unknown instruction: RUM (did you mean RUN?)");
}

#[test]
fn a_check_knows_the_variables_of_the_base_image() {
    let sb = Sandbox::with_base();
    build(&sb, "parent", "FROM base\nENV INHERITED=1\nONBUILD ENV TRIGGERED=1\n");
    sb.write("ctx/Dockerfile", "FROM parent\nLABEL l=$INHERITED$TRIGGERED$PATH\n");
    sb.dhow(["build", "--check", "ctx"]).ok();
    sb.write("ctx/Dockerfile", "FROM unknown\nLABEL l=$INHERITED$NOTHING\n");
    sb.dhow(["build", "--check", "ctx"]).ok();
}

#[test]
fn a_build_ends_with_what_the_checks_found_unless_it_is_quiet_or_they_are_skipped() {
    let sb = Sandbox::with_base();
    let out = build(&sb, "ctx", FILE);
    let said = out.says("4 warnings found").says(" - UndefinedVar: $nothing has no value here (line 2)");
    assert!(said.stdout.ends_with(&format!("{}\n", field(&sb, "ctx", "{{.Id}}").trim_start_matches("sha256:"))));
    let said = sb.dhow(["build", "-q", "ctx"]).ok();
    assert_eq!(said.stderr, "");
    let said = build(&sb, "ctx", &format!("# check=skip=all\n{FILE}"));
    assert_eq!(said.stderr, "");
    build(&sb, "ctx", &format!("# check=skip=Undefinedvar\n{FILE}")).says("no rule Undefinedvar");
    build(&sb, "ctx", &format!("# syntax=example.com/other\n{FILE}")).says("# syntax=example.com/other is not used");
}

#[test]
fn findings_fail_a_build_before_its_first_step_where_that_is_wanted() {
    let sb = Sandbox::with_base();
    let failing = "# check=skip=JSONArgsRecommended,StageNameCasing;error=true\nFROM base AS Made\nRUN exit 9\n\
                   LABEL x=$nothing\nCMD x\n";
    let out = refused(&sb, "ctx", failing, 1).says("build checks failed: UndefinedVar").says("(line 4)");
    assert!(!out.stdout.contains("STEP"), "{out}");
    // The caller's word replaces the file's.
    let given = |value: &str| sb.dhow(["build", "--network=none", "--build-arg", value, "ctx"]);
    given("BUILDKIT_DOCKERFILE_CHECK=skip=all").fails(9);
    given("BUILDKIT_DOCKERFILE_CHECK=error=perhaps").fails(125).says("error is true or false");
    refused(&sb, "ctx", "# check=skip\nFROM base\n", 125).says("Dockerfile:1:1: invalid check option");
}

#[test]
fn a_context_is_listed_with_the_lines_that_decide() {
    let sb = Sandbox::new();
    sb.write("ctx/src/main.c", "12345");
    sb.write("ctx/old/x", "x");
    sb.write("ctx/.dockerignore", "old\n");
    let want = "IN    SIZE       PATH\nyes   4 B        .dockerignore\nno               old/   (.dockerignore:1: old)\n\
                yes   5 B        src/main.c\n2 files of 9 B can go in; 1 path left out\n";
    assert_eq!(sb.dhow(["builder", "context", "ctx"]).ok().stdout, want);
    assert_eq!(sb.dhow(["build", "context", "ctx"]).ok().stdout, want);
    assert_eq!(sb.dhow(["build", "context"]).cwd("ctx").ok().stdout, want);
    // Listing needs no store, and a Dockerfile's own ignore file goes first.
    assert!(!sb.store().exists());
    sb.write("ctx/My", "FROM scratch\n");
    sb.write("ctx/My.dockerignore", "src\n");
    let out = sb.dhow(["build", "context", "-f", "ctx/My", "ctx"]).ok().has("no               src/   (");
    assert!(out.stdout.contains("/ctx/My.dockerignore:1: src)"), "{out}");
    sb.dhow(["build", "context", "-f", "none", "ctx"]).fails(125).says("none");
    // A folder of that name, or a name for the result, means a build.
    sb.dhow(["build", "-t", "x", "context"]).fails(125).says("does not exist");
    sb.write("context/Dockerfile", "FROM scratch\nLABEL a=b\n");
    sb.dhow(["build", "context"]).ok().has("STEP 2/2: LABEL a=b");
    sb.dhow(["build", "context", "ctx"]).ok().has("src/main.c");
    sb.dhow(["build", "ctx", "other"]).fails(125).says("one context");
    sb.dhow(["builder", "context", "nowhere"]).fails(125).says("nowhere");
}
