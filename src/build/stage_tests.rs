//! Stages: names, targets, bases, what a target needs.

use super::*;
use crate::build::parse::parse;

fn planned(text: &str) -> Result<Plan> {
    plan(&parse("D", text.as_bytes()).unwrap(), Contexts::default())
}

fn failure(text: &str) -> String {
    planned(text).unwrap_err().to_string().lines().next().unwrap_or_default().to_owned()
}

fn globals(plan: &Plan, args: &[(&str, &str)]) -> Globals {
    let args = args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    plan.globals(plan.stages.len() - 1, &args, &Platform::parse("linux/amd64").unwrap()).unwrap()
}

const FILE: &str = "ARG V=1
ARG IMAGE=alpine:$V
FROM $IMAGE AS base
FROM scratch AS Unused
COPY --from=0 a b
FROM base
COPY --from=1 x y
FROM base AS last
COPY --from=busybox:latest c d
COPY --from=BASE e f
";

#[test]
fn an_argument_that_no_arg_declares_is_told() {
    let given = ["V", "IN", "TYPO", "TARGETARCH", "no_proxy", "BUILDKIT_INLINE_CACHE"];
    let given = given.map(|name| (name.to_string(), String::new())).into();
    let undeclared = |text: &str| planned(text).unwrap().undeclared(&given).join(" ");
    assert_eq!(undeclared("ARG V\nFROM a\nARG X IN=1\n"), "TYPO");
    assert_eq!(undeclared("FROM a\nARG V=T\nARG ${V}YPO\n"), "", "which names these are is known only later");
}

#[test]
fn a_target_is_a_name_or_a_number() {
    let plan = planned(FILE).unwrap();
    assert_eq!(plan.target(None).unwrap(), 3);
    assert_eq!(plan.target(Some("BASE")).unwrap(), 0);
    assert_eq!(plan.target(Some("2")).unwrap(), 2);
    let error = plan.target(Some("bsae")).unwrap_err();
    assert_eq!(error.to_string(), "D: no stage named `bsae`");
    assert!(plan.target(Some("9")).is_err());
}

#[test]
fn rule_30_only_needed_stages_are_built() {
    let plan = planned(FILE).unwrap();
    let globals = globals(&plan, &[]);
    assert_eq!(plan.needed(3, &globals).unwrap(), [0, 3]);
    assert_eq!(plan.needed(2, &globals).unwrap(), [0, 1, 2]);
    assert_eq!(plan.needed(1, &globals).unwrap(), [0, 1]);
}

#[test]
fn bases_are_expanded_with_global_arguments() {
    let plan = planned(FILE).unwrap();
    assert_eq!(plan.base_of(0, &globals(&plan, &[])).unwrap(), Base::Image("alpine:1".into()));
    assert_eq!(plan.base_of(0, &globals(&plan, &[("V", "3")])).unwrap(), Base::Image("alpine:3".into()));
    assert_eq!(plan.base_of(0, &globals(&plan, &[("IMAGE", "scratch")])).unwrap(), Base::Scratch);
    assert_eq!(plan.base_of(2, &globals(&plan, &[])).unwrap(), Base::Stage(0));
    let empty = planned("FROM $X").unwrap();
    let error = empty.base_of(0, &globals(&empty, &[])).unwrap_err().to_string();
    assert!(error.starts_with("D:1:1: FROM $X: base image is empty"), "{error}");
}

#[test]
fn rule_31_the_later_of_two_names_wins_and_case_does_not_matter() {
    let plan = planned("FROM a AS x\nFROM b AS X\nFROM x\nFROM y AS x").unwrap();
    assert_eq!(plan.base_of(2, &globals(&plan, &[])).unwrap(), Base::Stage(1));
    assert_eq!(plan.target(Some("x")).unwrap(), 3);
}

#[test]
fn copying_from_where_nothing_is_yet() {
    let later = failure("FROM a\nCOPY --from=b x y\nFROM c AS b");
    assert_eq!(later, "D:2:1: stage `b` needs to be defined before the stage that copies from it");
    assert!(failure("FROM a AS b\nCOPY --from=b x y").contains("circular dependency"));
    assert!(failure("FROM a\nCOPY --from=0 x y").contains("circular dependency"));
    assert!(failure("FROM a\nCOPY --from=7 x y").contains("no stage number 7"));
    assert!(planned("FROM a AS b\nFROM c AS b\nCOPY --from=b x y").is_ok());
}

#[test]
fn rule_27_triggers_of_a_stage_add_needs() {
    let plan = planned("FROM a AS x\nFROM b AS y\nONBUILD COPY --from=x p q\nFROM y").unwrap();
    assert_eq!(plan.needed(2, &globals(&plan, &[])).unwrap(), [0, 1, 2]);
    assert_eq!(plan.needed(1, &globals(&plan, &[])).unwrap(), [1]);
}

#[test]
fn platforms_are_read_not_judged() {
    let plan = planned("FROM --platform=$BUILDPLATFORM a\nFROM --platform=linux/arm/v7 b\nFROM c").unwrap();
    let globals = globals(&plan, &[]);
    assert_eq!(plan.platform_of(0, &globals).unwrap(), Platform::host());
    assert_eq!(plan.platform_of(1, &globals).unwrap().to_string(), "linux/arm/v7");
    assert_eq!(plan.platform_of(2, &globals).unwrap(), globals.platform);
}

#[test]
fn a_file_without_stages_is_refused() {
    assert_eq!(failure("ARG A=1"), "D:1:1: the file has no FROM, so there is nothing to build");
    assert_eq!(failure("RUN x\nFROM a"), "D:1:1: no build stage yet: FROM must come before RUN");
}
