//! What instructions make of the configuration.

use super::*;
use crate::build::args::Platform;
use crate::build::instruction::{Instruction, parse_step, parse_trigger};
use crate::build::parse::parse;
use std::collections::BTreeMap;

fn state(build_args: &[(&str, &str)], globals: &[(&str, &str)]) -> StageState {
    let given: BTreeMap<_, _> = build_args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut all = Globals::new(&given, &Platform::parse("linux/amd64").unwrap(), "default");
    globals.iter().for_each(|(name, default)| all.declare(name, Some(default)));
    StageState::new(ImageConfig::default(), Arc::new(all))
}

/// Runs the lines' metadata instructions as the engine would.
fn run(state: &mut StageState, text: &str) {
    let df = parse("D", text.as_bytes()).unwrap();
    for line in &df.lines {
        let mut step = parse_step(line, &df).unwrap();
        step.expand(&state.scope()).unwrap();
        match &step.instruction {
            Instruction::Workdir(workdir) => drop(workdir.apply(state)),
            Instruction::Run(run) => state.add_history(run.history(state), false, None),
            _ => assert!(step.apply(state, None).unwrap(), "{}", step.text),
        }
    }
}

fn built(text: &str) -> StageState {
    let mut state = state(&[], &[]);
    run(&mut state, text);
    state
}

fn history(state: &StageState) -> Vec<&str> {
    state.config.history.iter().map(|h| h.created_by.as_deref().unwrap_or("?")).collect()
}

#[test]
fn rule_19_path_gets_a_default_unless_the_image_has_one() {
    assert_eq!(built("USER x").config.config.env.unwrap(), [format!("PATH={DEFAULT_PATH}")]);
    let mut base = ImageConfig::default();
    base.config.env = Some(vec!["PATH=/x".into()]);
    let globals = state(&[], &[]).globals;
    assert_eq!(StageState::new(base, globals).config.config.env.unwrap(), ["PATH=/x"]);
}

#[test]
fn rule_25_entrypoint_resets_an_inherited_cmd_only() {
    let mut base = built("CMD [\"a\"]").inherit();
    run(&mut base, "ENTRYPOINT [\"e\"]");
    assert_eq!((base.config.config.cmd, base.config.config.entrypoint), (None, Some(vec!["e".into()])));
    let same = built("CMD [\"a\"]\nENTRYPOINT e").config.config;
    assert_eq!(same.cmd.unwrap(), ["a"]);
    assert_eq!(same.entrypoint.unwrap(), ["/bin/sh", "-c", "e"]);
    let cleared = built("ENTRYPOINT [\"x\"]\nENTRYPOINT []\nCMD []").config.config;
    assert_eq!((cleared.entrypoint, cleared.cmd), (None, Some(vec![])));
}

#[test]
fn shell_forms_use_the_shell_in_force() {
    let config = built("CMD a\nSHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT b  c").config.config;
    assert_eq!(config.cmd.unwrap(), ["/bin/sh", "-c", "a"]);
    assert_eq!(config.entrypoint.unwrap(), ["/bin/bash", "-ec", "b  c"]);
}

#[test]
fn env_sees_the_values_before_the_line_and_keeps_its_place() {
    let state = built("ENV a=1 b=2\nENV a=3 c=$a\nENV d e  $c\nENV b=\"x y\"");
    assert_eq!(state.config.config.env.unwrap()[1..], ["a=3", "b=x y", "c=1", "d=e  1"]);
}

#[test]
fn rule_29_args_come_from_the_caller_the_default_the_global_scope() {
    let mut state = state(&[("A", ""), ("G", "given"), ("U", "u")], &[("G", "g"), ("H", "h")]);
    run(&mut state, "ARG A=x B=b G H N\nARG B\nENV e=$A-$B-$G-$H-$N-$U");
    assert_eq!(state.env("e"), Some("-b-given-h--"));
    assert!(!state.run_env().iter().any(|e| e.starts_with("N=") || e.starts_with("U=")));
    assert!(state.run_env().contains(&"B=b".to_owned()));
}

#[test]
fn rule_29_env_wins_over_arg_in_either_order() {
    let state = built("ENV x=env\nARG x=arg\nARG y=arg\nENV y=env\nLABEL l=$x$y");
    assert_eq!(state.config.config.labels.as_ref().unwrap()["l"], "envenv");
    assert_eq!(state.run_env().iter().filter(|e| e.starts_with("x=") || e.starts_with("y=")).count(), 2);
    let child = state.inherit();
    assert_eq!(child.arg("y"), Some("arg"));
}

#[test]
fn platform_and_proxy_arguments() {
    let mut state = state(&[("http_proxy", "p"), ("NO_PROXY", "n")], &[]);
    run(&mut state, "ARG TARGETARCH NO_PROXY\nLABEL a=$TARGETARCH b=$http_proxy");
    assert_eq!(state.config.config.labels.as_ref().unwrap()["a"], "amd64");
    assert_eq!(state.config.config.labels.as_ref().unwrap()["b"], "");
    assert_eq!(state.proxy_env(), ["http_proxy=p"]);
}

#[test]
fn rule_28_history_tells_what_others_would() {
    let state = built(
        "ARG A=1\nARG B\nENV e=f A=2\nLABEL l=\"x y\"\nEXPOSE 80 90/udp\nCMD a\nVOLUME /a /b\nUSER u\nONBUILD RUN x\nRUN a  b\nRUN [\"a\", \"b\"]\nSTOPSIGNAL TERM\nMAINTAINER me\nHEALTHCHECK --interval=1m CMD true",
    );
    assert_eq!(
        history(&state),
        [
            "ARG A=1",
            "ARG B",
            "ENV e=f A=2",
            "LABEL l=x y",
            "EXPOSE map[80/tcp:{} 90/udp:{}]",
            "CMD [\"/bin/sh\" \"-c\" \"a\"]",
            "VOLUME [/a /b]",
            "USER u",
            "RUN |2 A=2 B= /bin/sh -c a  b # buildkit",
            "RUN |2 A=2 B= a b # buildkit",
            "STOPSIGNAL TERM",
            "MAINTAINER me",
            "HEALTHCHECK --interval=60s [\"CMD-SHELL\" \"true\"]",
        ]
    );
    assert!(state.config.history[0].empty_layer && !state.config.history[8].empty_layer);
    assert_eq!(state.config.author.as_deref(), Some("me"));
}

#[test]
fn metadata_reaches_the_configuration() {
    let text = "ENV P=90-92\nEXPOSE 80 $P/UDP 1.2.3.4:8080:81\nVOLUME [\"/a b\"]\nSTOPSIGNAL 9\nUSER a:b\nHEALTHCHECK --retries=3 --timeout=100ms CMD [\"t\"]";
    let config = built(text).config.config;
    let ports: Vec<String> = config.exposed_ports.unwrap().into_keys().collect();
    assert_eq!(ports, ["80/tcp", "81/tcp", "90/udp", "91/udp", "92/udp"]);
    assert!(config.volumes.unwrap().contains_key("/a b"));
    assert_eq!((config.stop_signal.as_deref(), config.user.as_deref()), (Some("9"), Some("a:b")));
    let check = config.healthcheck.unwrap();
    assert_eq!(check.test.unwrap(), ["CMD", "t"]);
    assert_eq!((check.retries, check.timeout, check.interval), (Some(3), Some(100_000_000), None));
    assert_eq!(built("HEALTHCHECK NONE").config.config.healthcheck.unwrap().test.unwrap(), ["NONE"]);
}

#[test]
fn workdir_is_cleaned_and_joined() {
    assert_eq!(built("WORKDIR a/./b/\nWORKDIR ../c").workdir(), "/a/c");
    assert_eq!(built("WORKDIR /x/../../y//").workdir(), "/y");
    assert_eq!(built("ENV D=/d\nWORKDIR $D/e").workdir(), "/d/e");
    assert_eq!(built("USER x").workdir(), "/");
}

#[test]
fn rule_27_triggers_are_taken_once() {
    let mut state = built("ENV a=1\nONBUILD RUN <<E\necho $a\nE\nONBUILD  env b=$a");
    let triggers = state.take_onbuild();
    assert_eq!(triggers, ["RUN <<E\necho $a\nE", "env b=$a"]);
    assert!(state.take_onbuild().is_empty());
    let Instruction::Run(step) = parse_trigger("img", &triggers[0]).unwrap().instruction else { panic!() };
    assert_eq!(step.argv(&["sh".into(), "-c".into()]), ["sh", "-c", "echo $a\n"]);
    let error = parse_trigger("img", "FROM x").unwrap_err().to_string();
    assert!(error.starts_with("ONBUILD of img:1:1: FROM cannot be a trigger"), "{error}");
    assert!(parse_trigger("img", "RUN a\nRUN b").is_err());
}
