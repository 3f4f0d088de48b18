//! Each check finds what it is for, at its line, and nothing in files that are well.

use super::*;
use crate::build::args::Platform;
use crate::build::parse::parse;
use crate::build::stage::plan;

fn report(text: &str, args: &[(&str, &str)]) -> Result<Report> {
    let df = parse("Dockerfile", text.as_bytes())?;
    let plan = plan(&df, Default::default())?;
    let args = args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let target = plan.stages.len() - 1;
    let globals = plan.globals(target, &args, &Platform::parse("linux/amd64").unwrap())?;
    let image = |name: &str| {
        let mut config = ImageConfig { os: "linux".into(), architecture: "amd64".into(), ..ImageConfig::default() };
        config.config.env = Some(vec!["INHERITED=1".into()]);
        config.config.on_build = Some(vec!["ENV TRIGGERED=1".into()]);
        match name {
            "known" => Some(config),
            "arm" => Some(ImageConfig { architecture: "arm64".into(), ..config }),
            _ => None,
        }
    };
    let ignore = || Ignore::parse(".dockerignore", b"*.log\nout\n!out/kept\n").ok();
    run(&Subject { df: &df, plan: &plan, globals: &globals, target, image: &image, ignore: &ignore })
}

/// `Rule:line` of all that is found.
fn found(text: &str) -> Vec<String> {
    let report = report(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
    report.findings.iter().map(|f| format!("{}:{}", f.rule, f.span.line)).collect()
}

#[test]
fn each_check_finds_what_it_is_for() {
    for (text, want) in [
        ("FROM a AS Build", vec!["StageNameCasing:1"]),
        ("FROM a as build", vec!["FromAsCasing:1"]),
        ("from a AS build", vec!["FromAsCasing:1"]),
        ("FROM a\nRUN x \\\n\n y", vec!["NoEmptyContinuation:3"]),
        ("FROM a\nrun x\nRUN y\nRun z", vec!["ConsistentInstructionCasing:2", "ConsistentInstructionCasing:4"]),
        ("from a\nrun x\nUSER y", vec!["ConsistentInstructionCasing:3"]),
        ("FROM a AS b\nFROM a AS c\nFROM a AS b", vec!["DuplicateStageName:3"]),
        ("FROM a AS context", vec!["ReservedStageName:1"]),
        ("FROM a AS scratch", vec!["ReservedStageName:1"]),
        ("FROM a\nCMD x y\nENTRYPOINT x", vec!["JSONArgsRecommended:2", "JSONArgsRecommended:3"]),
        ("FROM a\nMAINTAINER me", vec!["MaintainerDeprecated:2"]),
        ("FROM a:$TAG", vec!["UndefinedArgInFrom:1"]),
        ("ARG P=linux/amd64\nFROM --platform=$Q a", vec!["UndefinedArgInFrom:2"]),
        ("FROM a\nWORKDIR x\nWORKDIR y", vec!["WorkdirRelativePath:2"]),
        ("FROM known\nENV x=$y\nLABEL $x=${z}", vec!["UndefinedVar:2", "UndefinedVar:3"]),
        ("FROM scratch\nCOPY <<E <<'F' /\n$a\nE\n$b\nF", vec!["UndefinedVar:2"]),
        ("FROM known\nCOPY --chown=$u x $v", vec!["UndefinedVar:2", "UndefinedVar:2"]),
        ("FROM a\nCMD [\"x\"]\nCMD [\"y\"]", vec!["MultipleInstructionsDisallowed:2"]),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK NONE", vec!["MultipleInstructionsDisallowed:2"]),
        ("FROM a\nENV k v\nLABEL k v", vec!["LegacyKeyValueFormat:2", "LegacyKeyValueFormat:3"]),
        ("FROM arm", vec!["InvalidBaseImagePlatform:1"]),
        ("FROM --platform=$TARGETPLATFORM a", vec!["RedundantTargetPlatform:1"]),
        ("FROM a\nARG API_KEY\nENV token=x", vec!["SecretsUsedInArgOrEnv:2", "SecretsUsedInArgOrEnv:3"]),
        ("FROM a\nENV a=b A_PASSWORD=y", vec!["SecretsUsedInArgOrEnv:2"]),
        ("ARG TAG\nFROM a:$TAG", vec!["InvalidDefaultArgInFrom:2"]),
        ("ARG I=A\nFROM $I", vec!["InvalidDefaultArgInFrom:2"]),
        ("FROM --platform=linux/arm64 a AS b", vec!["FromPlatformFlagConstDisallowed:1"]),
        ("FROM a\nCOPY x.log out /", vec!["CopyIgnoredFile:2"]),
        ("FROM a\nADD ./x.log /", vec!["CopyIgnoredFile:2"]),
        ("FROM a\nEXPOSE 80/TCP 81/udp", vec!["ExposeProtoCasing:2"]),
        ("FROM a\nEXPOSE 127.0.0.1:80:80", vec!["ExposeInvalidFormat:2"]),
    ] {
        assert_eq!(found(text), want, "{text}");
    }
}

#[test]
fn what_is_well_is_left_alone() {
    for text in [
        "FROM a AS build-1\nFROM build-1\nRUN x $y \\\n # comment\n z\nCMD [\"x\"]",
        "from a as b\nrun x",
        "FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nCMD x",
        "FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nFROM 0",
        "FROM a AS s\nSHELL [\"/bin/bash\", \"-c\"]\nWORKDIR /x\nFROM s\nENTRYPOINT x\nWORKDIR y",
        "ARG S=Made\nFROM a AS made\nFROM $S",
        "ARG TAG=1\nFROM a:$TAG\nFROM a:${TAG:-x}\nFROM --platform=$BUILDPLATFORM a",
        "FROM unknown\nENV x=$whatever",
        "FROM known\nARG a\nENV x=$a y=$PATH z=$INHERITED t=$TRIGGERED p=$http_proxy d=${n:-x} e=${n+x}\nUSER $x",
        "FROM known AS s\nARG v=1\nFROM s\nLABEL l=$v",
        "FROM --platform=linux/arm64 a AS b_arm64",
        "FROM a\nCOPY out *.log x /\nCOPY --from=b x.log /",
        "FROM a\nARG PUBLIC_KEY\nENV MONKEY=1 KEYBOARD=2",
        "FROM a\nENV P=1\nEXPOSE ${P:-80} 80/tcp 90-91",
        "FROM a\nCMD [\"x\"]\nFROM a\nCMD [\"x\"]",
        "FROM known\nENV q='$single' r=\\$escaped\nRUN echo $shell",
        "# x the argument\nARG x=1\n# about something else\n\nFROM a AS b\n# fine\nARG y",
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_description_names_what_it_describes() {
    let file = "# check=experimental=InvalidDefinitionDescription\n# one\nARG x\n# y is two\nARG y=1\n# no\nFROM a AS b\n\
        # whatever\nRUN x\n";
    assert_eq!(found(file), ["InvalidDefinitionDescription:3", "InvalidDefinitionDescription:7"]);
}

#[test]
fn checks_are_skipped_for_the_file_the_line_or_by_the_caller() {
    let text = "FROM a AS B\nMAINTAINER me\nENV k v";
    assert_eq!(found(text).len(), 3);
    assert_eq!(found(&format!("# check=skip=StageNameCasing\n{text}")).len(), 2);
    assert_eq!(found(&format!("# check=skip=all;error=true\n{text}")).len(), 0);
    let line = "FROM a AS B\n# check=skip=LegacyKeyValueFormat\nENV k v\nENV l w\n# check=skip=all\nMAINTAINER me";
    assert_eq!(found(line), ["StageNameCasing:1", "LegacyKeyValueFormat:4"]);
    let given = [(ARGUMENT, "skip=StageNameCasing,MaintainerDeprecated;error=true")];
    let report = report(&format!("# check=skip=all\n{text}"), &given).unwrap();
    assert_eq!(report.findings.len(), 1);
    let error = report.refuse().unwrap_err();
    assert_eq!(error.to_string(), "Dockerfile: build checks failed: LegacyKeyValueFormat");
}

#[test]
fn wrong_options_are_errors_at_their_place_and_misspelt_rules_are_told() {
    let wrong = report("# syntax=x\n# check=skip\nFROM a", &[]).unwrap_err().to_string();
    assert!(wrong.starts_with("Dockerfile:2:1: invalid check option `skip`"), "{wrong}");
    assert!(report("FROM a", &[(ARGUMENT, "error=x")]).unwrap_err().to_string().contains(ARGUMENT));
    let notes = report("# check=skip=UndefinedVars\nFROM a", &[]).unwrap().notes;
    assert_eq!(notes, ["check: there is no rule UndefinedVars (did you mean UndefinedVar?)"]);
}

#[test]
fn nearest_names_are_told() {
    let told = |text| report(text, &[]).unwrap().findings.remove(0).message;
    assert_eq!(told("FROM known\nARG version\nENV x=$versoin"), "$versoin has no value here (did you mean $version?)");
    assert!(told("ARG TAG=1\nFROM a:$TGA").ends_with("(did you mean TAG?)"));
}

#[test]
fn a_hostile_file_is_checked_in_bounded_time() {
    let long =
        format!("FROM known\nENV {}x=y\n", (0..2000).map(|n| format!("K{n}_KEY=$v{n} \\\n")).collect::<String>());
    assert_eq!(found(&long).len(), 2 * MAX_PER_LINE);
    let report = report(&"FROM a\n".repeat(MAX_LINES + 1), &[]).unwrap();
    assert!(report.findings.is_empty() && report.notes[0].contains("more than 10000"));
}

#[test]
fn every_rule_is_listed_once() {
    let mut names: Vec<String> = Rule::ALL.iter().map(Rule::to_string).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 22);
}
