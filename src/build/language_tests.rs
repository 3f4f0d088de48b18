//! Golden files (`tests/golden/dockerfile/<case>/`), and what they cannot show.

use super::copy::Chmod;
use super::instruction::run::{Form, Run};
use super::instruction::*;
use super::parse::{Span, parse};
use super::stage;
use proptest::prelude::*;
use std::fmt::Write;
use std::path::PathBuf;

/// What a Dockerfile is understood as, or why not.
fn dump(text: &[u8]) -> String {
    let described = parse("Dockerfile", text).and_then(|df| {
        let mut out = format!("escape {}\n", df.escape);
        for line in &df.lines {
            let step = parse_step(line, &df)?;
            let Span { line: first, column, end_line } = step.span;
            let _ = writeln!(out, "\n{first}:{column}-{end_line} {}", step.text);
            for flag in &line.flags {
                let _ = writeln!(out, "    {}:{} --{} {:?}", flag.span.line, flag.span.column, flag.name, flag.value);
            }
            let _ = match &step.instruction {
                Instruction::OnBuild(i) => writeln!(out, "  OnBuild {:?} {:?}", i.text, i.step.instruction),
                other => writeln!(out, "  {other:?}"),
            };
        }
        stage::plan(&df, Default::default())?;
        Ok(out)
    });
    described.unwrap_or_else(|e| format!("{e}\n"))
}

/// The checkout: asked for at run time, because the tests may run from a copy of it.
fn checkout() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// With `DHOW_BLESS=1` the expected files are written instead of compared.
#[test]
fn golden_dockerfiles() {
    let folder = checkout().join("tests/golden/dockerfile");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in std::fs::read_dir(&folder).unwrap() {
        let case = case.unwrap().path();
        let got = dump(&std::fs::read(case.join("Dockerfile")).unwrap());
        seen += 1;
        if std::env::var_os("DHOW_BLESS").is_some() {
            std::fs::write(case.join("expected"), got).unwrap();
        } else if std::fs::read_to_string(case.join("expected")).ok().as_ref() != Some(&got) {
            wrong.push(format!("{}:\n{got}", case.display()));
        }
    }
    assert!(seen > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_instruction_has_a_golden_line() {
    let folder = checkout().join("tests/golden/dockerfile");
    let all: String = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|case| std::fs::read(case.unwrap().path().join("Dockerfile")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n")
        .collect();
    for (name, _) in TABLE {
        assert!(all.lines().any(|l| l.starts_with(&format!("{name} "))), "{name}");
    }
}

fn step(text: &str) -> Step {
    let df = parse("D", text.as_bytes()).unwrap();
    parse_step(&df.lines[0], &df).unwrap()
}

fn run(text: &str) -> Run {
    match step(text).instruction {
        Instruction::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_19_and_22_what_a_run_executes() {
    let shell = ["/bin/sh".to_owned(), "-c".to_owned()];
    for (text, argv) in [
        ("RUN a  \"$b\" 'c'", vec!["/bin/sh", "-c", "a  \"$b\" 'c'"]),
        ("RUN [\"a\", \"$b\"]", vec!["a", "$b"]),
        ("RUN [ -f x ]", vec!["/bin/sh", "-c", "[ -f x ]"]),
        ("RUN <<E\na\nb\nE", vec!["/bin/sh", "-c", "a\nb\n"]),
        ("RUN <<-E\n\ta\n\tE", vec!["/bin/sh", "-c", "a\n"]),
        ("RUN cat <<'E' >x\na\nE", vec!["/bin/sh", "-c", "cat <<'E' >x\na\nE"]),
        ("RUN <<E cat 3<<F\na\nE\nb\nF", vec!["/bin/sh", "-c", "<<E cat 3<<F\na\nE\nb\nF"]),
        ("RUN <<E\n#!/usr/bin/env python\nE", vec!["/dev/pipes/E"]),
        ("RUN <<a/b\n#!/bin/x\na/b", vec!["/dev/pipes/script"]),
    ] {
        assert_eq!(run(text).argv(&shell), argv, "{text}");
    }
    assert_eq!(run("RUN <<E\n#!x\nE").script(), Some(("E".into(), "#!x\n")));
    assert_eq!(run("RUN x").form, Form::Shell("x".into()));
}

fn copied(text: &str, scope: &[(&str, &str)]) -> Result<copy::Copy, String> {
    let mut step = step(text);
    step.expand(&scope.iter().copied().collect()).map_err(|e| e.to_string().lines().next().unwrap().to_owned())?;
    match step.instruction {
        Instruction::Copy(copy) => Ok(copy),
        other => panic!("{other:?}"),
    }
}

#[test]
fn copy_expands_all_but_from() {
    let copy = copied("COPY --from=b --chown=$U:g --chmod=$M $S/a \"x\" [$D", &[("U", "u"), ("M", "755"), ("D", "d")]);
    let copy = copy.unwrap();
    assert_eq!((copy.sources, copy.dest.as_str()), (vec!["/a".into(), "x".into()], "[d"));
    assert_eq!(
        (copy.chown.as_deref(), copy.chmod, copy.from.as_deref()),
        (Some("u:g"), Some(Chmod::Octal(0o755)), Some("b"))
    );
    assert_eq!(
        copied("COPY --chmod=$M a b", &[("M", "9")]).unwrap_err(),
        "D:1:1: --chmod=9: expected an octal mode up to 7777, or one like u=rwX,go-w"
    );
    assert_eq!(
        copied("COPY $U a", &[("U", "https://x/y")]).unwrap_err(),
        "D:1:1: COPY cannot take a remote source: https://x/y; ADD can"
    );
    assert_eq!(copied("COPY a 'b", &[]).unwrap_err(), "D:1:1: unfinished single quote");
}

#[test]
fn copy_of_heredocs_expands_unless_quoted() {
    let copy = copied("COPY <<A <<'B' c /d\n\"$V\"\nA\n$V\nB", &[("V", "v")]).unwrap();
    let files: Vec<_> = copy.files.iter().map(|f| (f.name.as_str(), f.content.as_str())).collect();
    assert_eq!(files, [("A", "\"v\"\n"), ("B", "$V\n")]);
    assert_eq!(copy.history(), "COPY c <<A <<B /d # buildkit");
}

proptest! {
    #[test]
    fn understanding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        dump(&bytes);
    }

    #[test]
    fn understanding_never_panics_on_likely_text(
        text in "((ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|USER|VOLUME) ?|--(from|chmod|interval|link)=?|<<-?A|\\[\"|\"\\]|\"|\\\\|`|=|\\$\\{?|[0-9/:,-]|\n| |A){0,40}"
    ) {
        dump(text.as_bytes());
    }
}
