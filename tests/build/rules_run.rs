//! The rules for WORKDIR, RUN, USER and VOLUME (docs/dockerfile-rules.md), each by a build and a look at its result.

use super::{build, field, hits, refused, shell};
use crate::support::Sandbox;

/// How many layers an image has.
fn layers(sb: &Sandbox, image: &str) -> usize {
    field(sb, image, "{{len .RootFS.Layers}}").parse().unwrap()
}

#[test]
fn rule_18_workdir_makes_what_is_missing_and_leaves_what_is_there() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nRUN mkdir /exists && chmod 700 /exists && chown 5:6 /exists && chmod 777 /\nUSER user\n\
        WORKDIR /made/deep\nWORKDIR ../other/\nWORKDIR /exists\nWORKDIR /x/../y\nUSER root\nWORKDIR /\nWORKDIR last\n";
    build(&sb, "ctx", text);
    let out =
        shell(&sb, "ctx", "stat -c '%n %u:%g %a' /made /made/deep /made/other /exists /y /last; pwd; test ! -e /x");
    let want = "/made 1000:1000 755\n/made/deep 1000:1000 755\n/made/other 1000:1000 755\n/exists 5:6 700\n\
        /y 1000:1000 755\n/last 0:0 755\n/last";
    assert_eq!(out, want);
    // One layer for each but `/`, used or not.
    assert_eq!(layers(&sb, "ctx"), layers(&sb, "base") + 1 + 5);
    build(&sb, "child", "FROM ctx\nLABEL a=b\n");
    assert_eq!(layers(&sb, "child"), layers(&sb, "ctx"));
    assert_eq!(field(&sb, "child", "{{.Config.WorkingDir}}"), "/last");
}

#[test]
fn rule_19_the_shell_gets_the_text_and_a_program_gets_its_words() {
    let sb = Sandbox::with_base();
    sb.write_script("ctx/tool", "#!/bin/sh\nprintf '[%s]' \"$0\" \"$@\" > /exec\n");
    let text = "FROM base\nRUN printf '%s\\n' 'a   b'   \"c$HOME\" '$d'   > /shell\nCOPY tool /opt/tools/\n\
        ENV PATH=/opt/tools:$PATH\nRUN [\"tool\", \"$HOME  x\", \"a'b\"]\n";
    build(&sb, "ctx", text);
    assert_eq!(shell(&sb, "ctx", "cat /shell /exec"), "a   b\nc/root\n$d\n[/opt/tools/tool][$HOME  x][a'b]");
    build(&sb, "empty", "FROM scratch\nLABEL a=b\n");
    let path = "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"]";
    assert_eq!(field(&sb, "empty", "{{json .Config.Env}}"), path);
    assert_eq!(field(&sb, "base", "{{json .Config.Env}}"), "[\"PATH=/bin\"]");
}

#[test]
fn rule_20_a_run_has_the_environment_of_the_image_and_nothing_of_the_host() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nENV a=1\nARG b=2\nARG unset\nRUN env | sort > /env; cat > /stdin; hostname > /host\n\
        USER user\nRUN echo $HOME > /tmp/home\nENV HOME=/set\nRUN echo $HOME >> /tmp/home\n";
    sb.write("ctx/Dockerfile", text);
    let build = || sb.dhow(["build", "--network=none", "--build-arg=http_proxy=p", "-t", "ctx", "ctx"]);
    build().env("OF_THE_HOST", "1").stdin("typed").ok();
    let env = shell(&sb, "ctx", "cat /env");
    for want in ["a=1", "b=2", "HOME=/root", "PATH=/bin", "http_proxy=p"] {
        assert!(env.lines().any(|l| l == want), "{want}: {env}");
    }
    assert!(!env.contains("OF_THE_HOST") && !env.contains("unset") && !env.contains("DHOW"), "{env}");
    assert_eq!(shell(&sb, "ctx", "cat /stdin /tmp/home"), "/home/user\n/set");
    let config = field(&sb, "ctx", "{{json .Config.Env}} {{json .History}}");
    assert!(!config.contains("http_proxy") && !config.contains("\"b=2\""), "{config}");
    // A fixed name, which is not the machine's.
    let host = shell(&sb, "ctx", "cat /host");
    assert_ne!(host, std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    build().arg("--no-cache").ok();
    assert_eq!(shell(&sb, "ctx", "cat /host"), host);
    refused(&sb, "fails", "FROM base\nRUN exit 7\n", 7)
        .says("Dockerfile:2:1")
        .says("did not complete successfully: exit code: 7");
}

#[test]
fn rule_21_user_takes_names_numbers_and_groups() {
    let sb = Sandbox::with_base();
    let mut text = "FROM base\nENTRYPOINT [\"false\"]\nCMD [\"false\"]\n".to_owned();
    for user in ["user", "user:staff", "77", "77:88", "1000", "root:1000"] {
        text.push_str(&format!(
            "USER {user}\nRUN echo $(id -u):$(id -g):$(id -G) >> /tmp/ids; chmod 666 /tmp/ids; true\n"
        ));
    }
    build(&sb, "ctx", &text);
    let out = sb.dhow(["run", "--rm", "--network=none", "--entrypoint", "cat", "ctx", "/tmp/ids"]).ok();
    let want = ["1000:1000:", "1000:50:50", "77:0:0", "77:88:88", "1000:1000:", "0:1000:1000"];
    let got = out.lines();
    assert_eq!(got.len(), want.len(), "{out}");
    assert!(got.iter().zip(want).all(|(g, w)| g.starts_with(w)), "{out}");
    // A name alone brings the groups that list it.
    assert!(got[0].contains("50") && got[4].contains("50"), "{out}");
    assert_eq!(field(&sb, "ctx", "{{.Config.User}}"), "root:1000");
    refused(&sb, "unknown", "FROM base\nUSER nobody-here\nRUN true\n", 125).says("nobody-here");
}

#[test]
fn rule_22_a_here_document_is_a_script_of_the_shell_or_of_its_own_interpreter() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nSHELL [\"/bin/sh\", \"-u\", \"-c\"]\nRUN <<EOF\nfalse\necho goes on > /out\nEOF\n\
        RUN <<-EOF\n\techo $0 >> /out\n\t\techo two tabs >> /out\n\tEOF\n\
        RUN <<'EOF'\n#!/bin/cat\nthe file itself\nEOF\n\
        RUN <<EOF\n#!/bin/sh -e\necho $0 >> /out\nEOF\n\
        RUN cat <<A >> /out && cat <<\"B\" >> /out\n$((1+1))\nA\n$((1+1))\nB\n";
    let out = build(&sb, "ctx", text).has("#!/bin/cat\nthe file itself\n");
    assert_eq!(hits(&out), 0);
    let want = "goes on\n/bin/sh\ntwo tabs\n/dev/pipes/EOF\n2\n$((1+1))";
    assert_eq!(shell(&sb, "ctx", "cat /out; test ! -e /dev/pipes"), want);
    // As a script of the shell it has that shell's options: a variable that is not set ends it.
    let text = "FROM base\nSHELL [\"/bin/sh\", \"-u\", \"-c\"]\nRUN <<EOF\necho $nothing\nEOF\n";
    sb.write("unset/Dockerfile", text);
    let failed = sb.dhow(["build", "--network=none", "unset"]).run();
    assert!(failed.code != 0 && failed.code < 125, "{failed}");
}

#[test]
fn rule_23_mount_points_leave_no_trace() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "x");
    let text = "FROM base\nRUN mkdir /there && chmod 711 /there && touch -d '2001-02-03 00:00:00' /there\n\
        RUN --mount=target=/new/deep,source=f --mount=type=tmpfs,target=/there/m --mount=type=cache,target=/c \
        --mount=type=secret,id=none cat /new/deep > /seen\n";
    build(&sb, "ctx", text);
    let look = "cat /seen; ls -d /new /c /run/secrets /there/m 2>/dev/null; stat -c '%a %Y' /there";
    assert_eq!(shell(&sb, "ctx", look), "x711 981158400");
    sb.dhow(["save", "--format", "docker-dir", "-o", "saved", "ctx"]).ok();
    let last = sb
        .program(
            "sh",
            ["-c", "cd saved; for l in *; do tar -tf $l 2>/dev/null | grep -x seen && tar -tf $l; done; true"],
        )
        .ok();
    assert_eq!(last.text(), "seen\nseen", "the step's layer holds more than what it wrote");
}

#[test]
fn rule_24_what_changes_below_a_volume_is_kept() {
    let sb = Sandbox::with_base();
    sb.write("ctx/file", "copied");
    build(&sb, "ctx", "FROM base\nVOLUME /v\nRUN mkdir -p /v && echo ran > /v/ran\nCOPY file /v/file\n");
    build(&sb, "tree", "FROM ctx AS c\nFROM base\nCOPY --from=c /v /kept\n");
    assert_eq!(shell(&sb, "tree", "cat /kept/ran /kept/file"), "ran\ncopied");
    assert_eq!(field(&sb, "ctx", "{{json .Config.Volumes}}"), r#"{"/v":{}}"#);
}
