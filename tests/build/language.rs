//! What a Dockerfile means, seen in the image that it makes: stages, variables, users, the forms of commands,
//! configuration. What COPY and ADD do with files is in `files`.

use super::{again, build, field, hits, id, refused, shell};
use crate::support::{Sandbox, private_network};

#[test]
fn stages_are_copied_from_by_name_number_and_image_and_unneeded_ones_are_not_built() {
    let sb = Sandbox::with_base();
    let text = "ARG from=base\nFROM $from AS one\nRUN echo 1 > /one\n\
                FROM no-such-image AS broken\nRUN exit 1\n\
                FROM One AS two\nRUN exit 0\nRUN cat /one > /two; echo 2 >> /two\n\
                FROM base AS last\nCOPY --from=ONE /one /a\nCOPY --from=2 /two /b\nCOPY --from=base /etc/passwd /c\n\
                FROM last AS beyond\nRUN exit 1\n";
    sb.write("ctx/Dockerfile", text);
    let target = |name: &str| sb.dhow(["build", "--network=none", "-t", name, "--target", name, "ctx"]);
    let out = target("last").ok();
    assert!(out.stdout.contains("[one] STEP 1/") && !out.stdout.contains("broken"), "{out}");
    let seen = shell(&sb, "last", "cat /a /b; head -n 1 /c; ls /two 2>/dev/null; true");
    assert_eq!(seen, "1\n1\n2\nroot:x:0:0:root:/root:/bin/sh");
    assert_eq!(hits(&target("two").ok()), 3);
    target("beyond").fails(1);
    sb.dhow(["build", "--network=none", "--target=broken", "ctx"]).fails(125).says("no-such-image");
}

#[test]
fn arguments_and_variables_have_their_scopes_and_precedence() {
    let sb = Sandbox::with_base();
    let text = "ARG base=base\nARG global=from-file\nFROM ${base}\n\
        RUN echo \"[$global]\" >> /out\nARG global\nRUN echo \"[$global]\" >> /out\n\
        ARG value=default\nRUN echo \"[$value]\" >> /out\nENV value=env-${value}\nRUN echo \"[$value]\" >> /out\n\
        ENV a=1 b=\"two words\"\nENV a=2 c=$a\nENV old style value\nLABEL l=${b:-unset} m=${nothing:+x}y\n\
        RUN echo \"[$a$c$b$old]\" >> /out\n";
    sb.write("ctx/Dockerfile", text);
    sb.dhow(["build", "--network=none", "-t", "ctx", "--build-arg=value=given", "--build-arg", "FROM_HERE", "ctx"])
        .env("FROM_HERE", "1")
        .ok();
    let expected = "[]\n[from-file]\n[given]\n[env-given]\n[21two wordsstyle value]";
    assert_eq!(shell(&sb, "ctx", "cat /out; test -z \"$global\""), expected);
    assert_eq!(shell(&sb, "ctx", "echo $value $a $c"), "env-given 2 1");
    assert_eq!(field(&sb, "ctx", "{{index .Config.Labels \"l\"}}/{{index .Config.Labels \"m\"}}"), "two words/y");
}

#[test]
fn users_and_working_directories_belong_together() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nUSER user\nWORKDIR /home/user/made/here\nRUN id > out; echo $HOME >> out; pwd >> out\n\
        WORKDIR ../there\nUSER 77:staff\nRUN id > /tmp/out2 && stat -c %u:%g . >> /tmp/out2\n\
        USER user:staff\nRUN id -u -n > /tmp/out3; id -g >> /tmp/out3\n";
    build(&sb, "ctx", text);
    assert_eq!(
        shell(&sb, "ctx", "cat /home/user/made/here/out; cat /tmp/out2 /tmp/out3; pwd; id -un"),
        "uid=1000(user) gid=1000(user) groups=50(staff),1000(user)\n/home/user\n/home/user/made/here\n\
         uid=77 gid=50(staff) groups=50(staff)\n1000:1000\nuser\n50\n/home/user/made/there\nuser"
    );
}

#[test]
fn triggers_run_in_the_child_and_not_in_the_grandchild() {
    let sb = Sandbox::with_base();
    let parent = "FROM base\nONBUILD COPY marker /marker\nONBUILD RUN cat /marker > /seen; echo x >> /count\n";
    build(&sb, "parent", parent);
    assert_eq!(shell(&sb, "parent", "ls /marker /seen 2>/dev/null; true"), "");
    sb.write("child/marker", "of the child");
    build(&sb, "child", "FROM parent\nRUN cp /seen /after\n");
    assert_eq!(shell(&sb, "child", "cat /after"), "of the child");
    build(&sb, "grandchild", "FROM child\n");
    assert_eq!(shell(&sb, "grandchild", "wc -l < /count"), "1");
}

const FORMS: &str = r#"# escape=`
FROM base
SHELL ["/bin/sh", "-eu", "-c"]
RUN echo one \ `
    # a comment in between
    two > /cont
RUN <<EOF
echo first > /here
false || echo second >> /here
EOF
RUN <<X sh && echo after >> /here
echo third >> /here
X
RUN <<'EOF'
#!/bin/awk -f
BEGIN { print "awk" > "/script" }
EOF
ENV who=world
COPY <<a <<"b" /inline/
hello $who
a
literal $who
b
COPY --chmod=755 <<-EOF /bin/greet
	#!/bin/sh
	echo greetings
	EOF
CMD echo "shell form $0"
"#;

#[test]
fn shells_here_documents_and_continued_lines() {
    let sb = Sandbox::with_base();
    build(&sb, "ctx", FORMS);
    let out = shell(&sb, "ctx", "cat /cont /here /script /inline/a /inline/b; greet");
    // The backslash is the shell's here: it makes the blank after it a part of the word.
    let expected =
        ["one      two", "first", "second", "third", "after", "awk", "hello world", "literal $who", "greetings"];
    let got: Vec<String> = out.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected: Vec<String> = expected.iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(got, expected);
    assert_eq!(field(&sb, "ctx", "{{json .Config.Cmd}}"), r#"["/bin/sh","-eu","-c","echo \"shell form $0\""]"#);
}

const CONFIGURED: &str = r#"FROM base
LABEL org.example.a=1 "two words"='x y'
EXPOSE 80 53/udp 9000-9001
VOLUME ["/data", "/more"]
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=5s --retries=2 CMD test -e /ok
ENTRYPOINT ["echo", "entry"]
CMD ["and", "command"]
USER user
MAINTAINER somebody
"#;

#[test]
fn the_configuration_says_what_the_file_says() {
    let sb = Sandbox::with_base();
    let out = build(&sb, "ctx", CONFIGURED);
    let config: serde_json::Value = serde_json::from_str(&field(&sb, "ctx", "{{json .Config}}")).unwrap();
    assert_eq!(config["Labels"], serde_json::json!({"org.example.a": "1", "two words": "x y"}));
    assert_eq!(config["ExposedPorts"], serde_json::json!({"80/tcp": {}, "53/udp": {}, "9000/tcp": {}, "9001/tcp": {}}));
    assert_eq!(config["Volumes"], serde_json::json!({"/data": {}, "/more": {}}));
    assert_eq!((&config["StopSignal"], &config["User"]), (&"SIGUSR1".into(), &"user".into()));
    assert_eq!(config["Entrypoint"], serde_json::json!(["echo", "entry"]));
    let check = serde_json::json!({"Test": ["CMD-SHELL", "test -e /ok"], "Interval": 5_000_000_000_u64, "Retries": 2});
    assert_eq!(config["Healthcheck"], check);
    assert_eq!(field(&sb, "ctx", "{{.Author}}"), "somebody");
    assert_eq!(field(&sb, "ctx", "{{.Id}}"), id(&out));
    assert_eq!(sb.dhow(["run", "--rm", "--network=none", "ctx"]).ok().text(), "entry and command");
    assert_eq!(sb.dhow(["run", "--rm", "--network=none", "ctx", "other"]).ok().text(), "entry other");
    // Only metadata: nothing to execute, and the same image again.
    assert_eq!(id(&again(&sb, "ctx")), id(&out));
}

#[test]
fn a_dockerfile_comes_from_elsewhere_or_from_standard_input() {
    let sb = Sandbox::with_base();
    sb.write("ctx/file", "x");
    sb.write("elsewhere/My.file", "FROM base\nCOPY file /f\n");
    sb.dhow(["build", "-q", "-f", "elsewhere/My.file", "-t", "one", "ctx"]).ok();
    sb.dhow(["build", "-q", "-f", "-", "-t", "two", "ctx"]).stdin("FROM base\nCOPY file /f\n").ok();
    sb.dhow(["build", "-q", "-t", "three", "-"]).stdin("FROM base\nENV x=1\n").ok();
    sb.dhow(["build", "-"]).stdin("FROM base\nCOPY file /f\n").fails(125).says("file");
    assert_eq!(field(&sb, "one", "{{.Id}}"), field(&sb, "two", "{{.Id}}"));
    sb.write("ctx/Containerfile", "FROM base\nENV containerfile=1\n");
    sb.dhow(["build", "-q", "-t", "four", "ctx"]).ok();
    assert_eq!(shell(&sb, "four", "echo $containerfile"), "1");
}

#[test]
fn a_step_has_the_network_it_is_given() {
    let sb = Sandbox::with_base();
    sb.write("ctx/Dockerfile", "FROM base\nRUN ip -o link > /links; cat /etc/resolv.conf > /dns; true\n");
    let built = |mode: &str| {
        sb.dhow(["build", "-q", "--network", mode, "-t", mode, "ctx"]).ok();
        shell(&sb, mode, "wc -l < /links")
    };
    assert_eq!(built("none"), "1");
    let host = sb.program("/bin/busybox", ["ip", "-o", "link"]).ok().lines().len();
    assert_eq!(built("host"), host.to_string());
    if !private_network() {
        return;
    }
    assert_eq!(built("private"), "2");
    assert_ne!(shell(&sb, "private", "grep -c nameserver /dns"), "0");
    sb.write("own/Dockerfile", "FROM base\nRUN --network=none ip -o link > /links\n");
    sb.dhow(["build", "-q", "-t", "own", "own"]).ok();
    assert_eq!(shell(&sb, "own", "wc -l < /links"), "1");
}

#[test]
fn a_file_from_windows_with_every_oddity_of_lines_builds() {
    let sb = Sandbox::with_base();
    sb.write("ctx/a file", "x");
    let text = "\u{feff}# Syntax=docker/dockerfile:1\r\n#escape=`\r\n# check=skip=all\r\n\r\nfrom base\r\n  env `\r\n\
        # a comment\r\n\r\n    a=1 `\r\n    b=two` words c=\\n\r\ncopy [\"a file\", \"/a\\\\b\"]\r\nrun echo $a `\r\n\
        `\r\n  \"$b\" > /out";
    let out = build(&sb, "ctx", text);
    assert_eq!(out.stderr, "");
    assert_eq!(shell(&sb, "ctx", "cat /out; echo $c; cat '/a\\b'"), "1 two words\n\\n\nx");
}

#[test]
fn every_form_of_expansion_reaches_the_image() {
    let sb = Sandbox::with_base();
    let forms = [
        ("$v", "a/b.c.d"),
        ("${v}x", "a/b.c.dx"),
        ("\\$v", "$v"),
        ("'$v'", "$v"),
        ("\\\"$v\\\"", "\"a/b.c.d\""),
        ("${n:-w$v}", "wa/b.c.d"),
        ("${e:-w}", "w"),
        ("${e-w}", ""),
        ("${v:+w}", "w"),
        ("${e:+w}", ""),
        ("${e+w}", "w"),
        ("${v:?no}", "a/b.c.d"),
        ("${v#*.}", "c.d"),
        ("${v##*.}", "d"),
        ("${v%.*}", "a/b.c"),
        ("${v%%.*}", "a/b"),
        ("${v/./-}", "a/b-c.d"),
        ("${v//./-}", "a/b-c-d"),
        ("${v/\\//-}", "a-b.c.d"),
        ("$n", ""),
    ];
    let mut text = "# check=skip=all\nFROM base\nARG n\nENV v=a/b.c.d e=\"\"\n".to_owned();
    for (at, (form, _)) in forms.iter().enumerate() {
        text.push_str(&format!("LABEL l{at}={form}\n"));
    }
    build(&sb, "ctx", &text);
    let labels: serde_json::Value = serde_json::from_str(&field(&sb, "ctx", "{{json .Config.Labels}}")).unwrap();
    for (at, (form, want)) in forms.iter().enumerate() {
        assert_eq!(labels[format!("l{at}")], *want, "{form}");
    }
    for (form, why) in
        [("\"${n:?is needed}\"", "n: is needed"), ("${v:#x}", "unsupported modifier :#"), ("${v", "missing }")]
    {
        refused(&sb, "bad", &format!("FROM base\nENV v=1\nLABEL l={form}\n"), 125).says("Dockerfile:3:").says(why);
    }
}

#[test]
fn some_instructions_expand_variables_and_others_leave_them_to_the_shell() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = "FROM base\nENV p=80 d=/d u=user s=USR1\nEXPOSE $p ${p}1-${p}2/udp\nVOLUME $d/v\nWORKDIR $d\nUSER $u\n\
        STOPSIGNAL SIG$s\nCOPY --chown=$u f $d/c\nADD [\"f\", \"$d/a\"]\nONBUILD ENV late=$p\nHEALTHCHECK CMD echo $p\n\
        SHELL [\"/bin/sh\", \"-c\"]\nENTRYPOINT [\"echo\", \"$p\"]\nCMD [\"$d\"]\nENV p=90 old=$p\n";
    build(&sb, "ctx", text);
    let config: serde_json::Value = serde_json::from_str(&field(&sb, "ctx", "{{json .Config}}")).unwrap();
    let ports = serde_json::json!({"80/tcp": {}, "801/udp": {}, "802/udp": {}});
    assert_eq!((&config["ExposedPorts"], &config["Volumes"]), (&ports, &serde_json::json!({"/d/v": {}})));
    assert_eq!(
        (&config["WorkingDir"], &config["User"], &config["StopSignal"]),
        (&"/d".into(), &"user".into(), &"SIGUSR1".into())
    );
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD-SHELL", "echo $p"]));
    assert_eq!(
        (&config["Entrypoint"][1], &config["Cmd"][0], &config["OnBuild"][0]),
        (&"$p".into(), &"$d".into(), &"ENV late=$p".into())
    );
    build(&sb, "child", "FROM ctx\nENTRYPOINT []\n");
    assert_eq!(shell(&sb, "child", "echo $late $old; stat -c %U /d/c /d/a"), "90 80\nuser\nroot");
}

#[test]
fn mistakes_are_shown_with_their_place_and_the_nearest_name() {
    let sb = Sandbox::with_base();
    let long = format!("FROM base\nRUN {}\n", "x".repeat(70_000));
    for (text, place, words) in [
        ("FROM base\nRUM x\n", "Dockerfile:2:1", "did you mean RUN?"),
        ("FROM base\nCOPY --chwon=1 a b\n", "Dockerfile:2:6", "did you mean --chown?"),
        ("FROM base\nRUN a \\\n b <<EOF\nc\n", "Dockerfile:3:4", "unterminated heredoc"),
        ("FROM base\nENV a=1 b\n", "Dockerfile:2:9", "no = in `b`"),
        ("# escape=x\nFROM base\n", "Dockerfile:1:1", "invalid escape character `x`"),
        ("# escape=`\n# escape=`\nFROM base\n", "Dockerfile:2:1", "only one escape parser directive"),
        ("FROM base\nCMD [\"a\", 1]\n", "Dockerfile:2:5", "only strings"),
        ("FROM base\nONBUILD FROM x\n", "Dockerfile:2:9", "FROM cannot be a trigger"),
        ("FROM base\nEXPOSE 80x\n", "Dockerfile:2:8", "invalid port `80x`"),
        ("RUN x\n", "Dockerfile:1:1", "no build stage yet"),
        ("FROM base AS 1x\n", "Dockerfile:1:14", "invalid name for a stage"),
        ("# nothing\n", "Dockerfile:1:1", "no instructions"),
        (long.as_str(), "Dockerfile:2:1", "longer than 65535 bytes"),
    ] {
        let out = refused(&sb, "bad", text, 125).says(place).says(words);
        assert!(out.stderr.contains(" | ") && out.stderr.lines().any(|l| l.ends_with('^')), "{out}");
    }
}

#[test]
fn a_wrong_ignore_file_is_shown_where_it_is_wrong_and_only_where_it_is_needed() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    sb.write("ctx/.dockerignore", "# fine\nok\n[\n");
    refused(&sb, "ctx", "FROM base\nCOPY f /f\n", 125).says(".dockerignore: line 3").says("\"[\"");
    build(&sb, "ctx", "FROM base\nENV a=b\n");
    sb.write("ctx/.dockerignore", "*\n  #f\n!  f  \r\n/!x\n");
    build(&sb, "ctx", "FROM base\nCOPY . /all/\n");
    assert_eq!(shell(&sb, "ctx", "ls -A /all"), "f");
    sb.write("ctx/.containerignore", "f\n");
    build(&sb, "ctx", "FROM base\nCOPY . /all/\n");
    assert_eq!(shell(&sb, "ctx", "ls -A /all").replace('\n', " "), ".containerignore .dockerignore Dockerfile");
}
