//! The rules for configuration, history, arguments and stages (docs/dockerfile-rules.md), each by a build and a look at
//! its result.

use super::{build, field, refused, shell};
use crate::support::Sandbox;
use serde_json::{Value, json};

fn config(sb: &Sandbox, image: &str) -> Value {
    serde_json::from_str(&field(sb, image, "{{json .Config}}")).unwrap()
}

#[test]
fn rule_25_an_entrypoint_clears_the_cmd_of_the_base_only() {
    let sb = Sandbox::with_base();
    build(&sb, "both", "FROM base\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n");
    assert_eq!(config(&sb, "both")["Cmd"], json!(["c"]));
    assert_eq!(config(&sb, "both")["Entrypoint"], json!(["e"]));
    build(&sb, "child", "FROM both\nENTRYPOINT [\"new\"]\n");
    assert_eq!(config(&sb, "child")["Cmd"], Value::Null);
    build(&sb, "order", "FROM both\nENTRYPOINT [\"new\"]\nCMD [\"d\"]\n");
    assert_eq!(config(&sb, "order")["Cmd"], json!(["d"]));
    build(&sb, "cleared", "FROM both\nENTRYPOINT []\n");
    assert_eq!(config(&sb, "cleared")["Entrypoint"], Value::Null);
    build(&sb, "shells", "FROM base\nCMD one  two\nSHELL [\"/bin/sh\", \"-ec\"]\nENTRYPOINT a \"$b\"\n");
    assert_eq!(config(&sb, "shells")["Cmd"], json!(["/bin/sh", "-c", "one  two"]));
    assert_eq!(config(&sb, "shells")["Entrypoint"], json!(["/bin/sh", "-ec", "a \"$b\""]));
    // The stage, not the file: a stage that begins with another one has its CMD from a base.
    build(&sb, "stages", "FROM base AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]\n");
    assert_eq!(config(&sb, "stages")["Cmd"], Value::Null);
}

#[test]
fn rule_26_docker_fields_survive_in_oci_images() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nSHELL [\"/bin/sh\", \"-ec\"]\nHEALTHCHECK --interval=1m30s --timeout=2s --start-period=1s \
        --start-interval=500ms --retries=4 CMD [\"true\"]\nONBUILD RUN echo $x\n";
    build(&sb, "ctx", text);
    build(&sb, "none", "FROM ctx\nHEALTHCHECK NONE\n");
    sb.dhow(["save", "--format", "oci-archive", "-o", "both.tar", "ctx"]).ok();
    sb.dhow(["rmi", "-f", "ctx"]).ok();
    sb.dhow(["load", "-i", "both.tar"]).ok();
    let kept = config(&sb, "ctx");
    let check = json!({"Test": ["CMD", "true"], "Interval": 90_000_000_000_u64, "Timeout": 2_000_000_000_u64,
        "StartPeriod": 1_000_000_000_u64, "StartInterval": 500_000_000, "Retries": 4});
    assert_eq!((&kept["Healthcheck"], &kept["Shell"]), (&check, &json!(["/bin/sh", "-ec"])));
    assert_eq!(kept["OnBuild"], json!(["RUN echo $x"]));
    assert_eq!(config(&sb, "none")["Healthcheck"], json!({"Test": ["NONE"]}));
}

#[test]
fn rule_27_labels_and_triggers_go_where_they_belong() {
    let sb = Sandbox::with_base();
    let text = "FROM base AS other\nLABEL only=other\nENV only=other\nRUN echo x > /x\n\
        FROM base AS parent\nONBUILD COPY --from=other /x /triggered\nONBUILD ENV order=1\nONBUILD LABEL n=1\n\
        FROM parent AS child\nLABEL seen=$order a=file\nFROM child\nRUN test -e /triggered\n";
    sb.write("ctx/Dockerfile", text);
    let labels = ["--label", "a=caller", "--label", "b=caller"];
    sb.dhow(["build", "--network=none", "-t", "ctx"]).args(labels).arg("ctx").ok();
    let made = config(&sb, "ctx");
    // The trigger ran first, once, and is gone; nothing but the file came from the stage it copied from.
    assert_eq!(made["Labels"], json!({"seen": "1", "a": "caller", "b": "caller", "n": "1"}));
    assert_eq!((made["OnBuild"].is_null(), made["Env"].to_string().contains("only")), (true, false));
    assert_eq!(shell(&sb, "ctx", "cat /triggered; echo $order"), "x\n1");
}

#[test]
fn rule_28_every_instruction_has_its_history() {
    let sb = Sandbox::with_base();
    sb.write("ctx/file", "x");
    let text = "FROM base\nARG A=1\nARG B\nENV e=f\nLABEL l=m\nEXPOSE 80\nUSER root\nVOLUME /v\nSTOPSIGNAL TERM\n\
        MAINTAINER me\nHEALTHCHECK NONE\nONBUILD RUN x\nWORKDIR /\nRUN true\nCOPY file /f\nADD --chmod=600 file /g\n\
        WORKDIR /made\nSHELL [\"/bin/sh\", \"-c\"]\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n";
    build(&sb, "ctx", text);
    let history: Vec<Value> = serde_json::from_str(&field(&sb, "ctx", "{{json .History}}")).unwrap();
    let base: Vec<Value> = serde_json::from_str(&field(&sb, "base", "{{json .History}}")).unwrap();
    let own = &history[base.len()..];
    let by: Vec<&str> = own.iter().map(|h| h["created_by"].as_str().unwrap()).collect();
    let want = [
        "ARG A=1",
        "ARG B",
        "ENV e=f",
        "LABEL l=m",
        "EXPOSE map[80/tcp:{}]",
        "USER root",
        "VOLUME [/v]",
        "STOPSIGNAL TERM",
        "MAINTAINER me",
        "HEALTHCHECK [\"NONE\"]",
        "WORKDIR /",
        "RUN |2 A=1 B= /bin/sh -c true # buildkit",
        "COPY file /f # buildkit",
        "ADD --chmod=600 file /g # buildkit",
        "WORKDIR /made",
        "SHELL [/bin/sh -c]",
        "CMD [\"c\"]",
        "ENTRYPOINT [\"e\"]",
    ];
    assert_eq!(by, want);
    assert!(own.iter().all(|h| h["comment"] == "buildkit.dockerfile.v0"), "{own:?}");
    let full = |all: &[Value]| all.iter().filter(|h| h["empty_layer"] != true).count();
    assert_eq!((full(own), full(&history)), (4, field(&sb, "ctx", "{{len .RootFS.Layers}}").parse().unwrap()));
}

#[test]
fn rule_29_arguments_have_their_scope_and_the_environment_wins() {
    let sb = Sandbox::with_base();
    let text = "ARG G=global\nARG H=${G}-more\nARG E=default\nARG IMAGE=base\nFROM ${IMAGE:-none} AS first\n\
        LABEL before=\"[$G]\"\nARG G\nARG H=own\nARG E\nARG late=\"two words\"\nLABEL after=\"[$G][$H][$E][$late]\"\n\
        ENV x=env\nARG x=arg\nRUN echo $x > /x\nARG y=arg\nENV y=env\nRUN echo $y >> /x; echo ${TARGETARCH:-none} >> /x\n\
        FROM first\nLABEL inherited=$G-$late unseen=$NOTHING\nARG TARGETARCH\nRUN echo ${TARGETARCH:-none} >> /x\n";
    sb.write("ctx/Dockerfile", text);
    let args = ["--build-arg", "E=", "--build-arg", "G=given", "--build-arg", "NOTHING=undeclared"];
    let out = sb.dhow(["build", "--network=none", "-t", "ctx"]).args(args).arg("ctx").ok();
    out.says("--build-arg NOTHING: the Dockerfile has no ARG of this name");
    let made = config(&sb, "ctx");
    let labels =
        json!({"before": "[]", "after": "[given][own][][two words]", "inherited": "given-two words", "unseen": ""});
    assert_eq!(made["Labels"], labels);
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    assert_eq!(shell(&sb, "ctx", "cat /x"), format!("env\nenv\nnone\n{arch}"));
    assert_eq!(made["Env"], json!(["PATH=/bin", "x=env", "y=env"]));
}

#[test]
fn rule_30_only_what_the_target_needs_is_built_and_stages_come_in_order() {
    let sb = Sandbox::with_base();
    let text = "FROM nowhere/missing AS unneeded\nRUN exit 1\nFROM base AS bad\nRUN exit 1\nFROM base AS source\n\
        RUN echo s > /s\nFROM base\nCOPY --from=2 /s /by-number\nCOPY --from=source /s /by-name\n";
    let out = build(&sb, "ctx", text);
    assert!(!out.stdout.contains("bad"), "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /by-number /by-name"), "s\ns");
    let later = "FROM base\nCOPY --from=later /x /x\nFROM base AS later\n";
    refused(&sb, "later", later, 125).says("Dockerfile:2").says("needs to be defined before");
    refused(&sb, "itself", "FROM base AS me\nCOPY --from=me /x /x\n", 125).says("circular dependency");
    refused(&sb, "number", "FROM base\nCOPY --from=7 /x /x\n", 125).says("Dockerfile:2");
    refused(&sb, "variable", "ARG S=a\nFROM base AS a\nFROM base\nCOPY --from=$S / /\n", 125)
        .says("not supported in --from");
}

#[test]
fn rule_31_names_of_stages_have_no_case_and_the_last_of_two_counts() {
    let sb = Sandbox::with_base();
    let text = "FROM base AS Twice\nRUN echo first > /n\nFROM base AS twice\nRUN echo second > /n\n\
        FROM TWICE AS last\nCOPY --from=tWiCe /n /copied\nRUN cat /n >> /copied\n";
    sb.write("ctx/Dockerfile", text);
    sb.dhow(["build", "--network=none", "-t", "ctx", "--target", "LAST", "ctx"]).ok();
    assert_eq!(shell(&sb, "ctx", "cat /copied"), "second\nsecond");
    sb.dhow(["build", "--network=none", "-t", "zero", "--target", "0", "ctx"]).ok();
    assert_eq!(shell(&sb, "zero", "cat /n"), "first");
    sb.dhow(["build", "--network=none", "--target", "lost", "ctx"]).fails(125).says("Did you mean last?");
}
