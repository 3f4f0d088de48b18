//! `RUN --mount`: what a step sees, what stays of it, and what makes the step run again.

use std::fs;
use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use super::{again, build, hits, refused, shell};
use crate::support::{Output, Sandbox};

/// Builds the folder `ctx` once more with more flags.
#[track_caller]
fn with(sb: &Sandbox, flags: &[&str], dockerfile: &str) -> Output {
    sb.write("ctx/Dockerfile", dockerfile);
    sb.dhow(["build", "--network", "none", "-t", "ctx"]).args(flags).arg("ctx").run()
}

#[test]
fn files_of_the_context_are_seen_as_copy_would_take_them() {
    let sb = Sandbox::with_base();
    sb.write("ctx/sub/f", "one");
    sb.write("ctx/hidden", "x");
    sb.write("ctx/.dockerignore", "hidden\n");
    let text = "FROM base\nENV WHERE=sub\n\
        RUN --mount=target=/c (cat /c/sub/f; ls /c; stat -c %u:%g /c/sub/f) > /seen\n\
        RUN --mount=target=c,src=$WHERE/f cat /c > /file\n\
        RUN --mount=target=/c ! touch /c/sub/f\n\
        RUN --mount=target=/c,rw echo two > /c/sub/f; rm -r /c/Dockerfile; cat /c/sub/f > /written\n\
        RUN --mount=target=/c cat /c/sub/f > /after; ls /c >> /after\n";
    let first = build(&sb, "ctx", text);
    assert_eq!(shell(&sb, "ctx", "cat /seen"), "oneDockerfile\nsub\n0:0");
    assert_eq!(shell(&sb, "ctx", "cat /file /written"), "onetwo");
    assert_eq!(shell(&sb, "ctx", "cat /after"), "oneDockerfile\nsub");
    assert_eq!(sb.read("ctx/sub/f"), "one", "a step wrote into the context\n{first}");
    assert_eq!(hits(&again(&sb, "ctx")), 5);
    sb.write("ctx/hidden", "changed");
    assert_eq!(hits(&again(&sb, "ctx")), 5, "what is ignored counts");
    sb.write("ctx/sub/f", "new");
    let out = again(&sb, "ctx");
    assert_eq!(hits(&out), 0);
    assert!(out.stdout.contains("--> miss: the files mounted on /c changed"), "{out}");
    assert_eq!(shell(&sb, "ctx", "cat /file"), "new");
}

#[test]
fn only_what_is_mounted_decides_whether_a_step_runs_again() {
    let sb = Sandbox::with_base();
    sb.write("ctx/a/f", "1");
    sb.write("ctx/b/f", "1");
    let text =
        "FROM base\nRUN --mount=target=/m,source=a cat /m/f > /a\nRUN --mount=target=/m,source=b cat /m/f > /b\n";
    build(&sb, "ctx", text);
    sb.write("ctx/unrelated", "x");
    sb.write("ctx/b/f", "2");
    assert_eq!(hits(&again(&sb, "ctx")), 1);
    assert_eq!(shell(&sb, "ctx", "cat /a /b"), "12");
}

#[test]
fn files_of_a_stage_or_an_image_are_seen_and_never_changed() {
    let sb = Sandbox::with_base();
    let stage =
        "FROM base AS one\nRUN mkdir -p /out/deep; echo n > /out/deep/f; ln -s deep /out/link; echo o > /other\n";
    let rest = "FROM base\n\
        RUN --mount=from=one,source=/out/link,target=/new/deep/place cat /new/deep/place/f > /a; ! touch /new/deep/place/x\n\
        RUN --mount=from=one,source=out/deep/f,target=/f cat /f > /c\n\
        RUN --mount=from=base,source=etc,target=/e cat /e/group | head -n1 > /d\n\
        RUN --mount=from=one,source=/../../etc,target=/e ls /e > /e1\n\
        RUN --mount=from=one,target=/o,rw echo w > /o/out/deep/f; cat /o/out/deep/f > /b\n";
    build(&sb, "ctx", &format!("{stage}{rest}"));
    assert_eq!(shell(&sb, "ctx", "cat /a /b /c /d"), "n\nw\nn\nroot:x:0:");
    assert_eq!(shell(&sb, "ctx", "cat /e1; ls -d /new /o /f /e 2>/dev/null; true"), "group\npasswd");
    // The stage is another one, and what is mounted of it is the same, except where all of it is.
    let out = build(&sb, "ctx", &format!("{}{rest}", stage.replace("echo o", "echo p")));
    assert_eq!(hits(&out), 4, "{out}");
    refused(&sb, "ctx", &format!("{stage}FROM base\nRUN --mount=from=one,source=/nothing,target=/x true\n"), 125)
        .says("/nothing")
        .says("Dockerfile:4");
    refused(&sb, "ctx", "FROM base\nRUN --mount=from=unknown,target=/x true\n", 125).says("unknown");
    refused(&sb, "ctx", "FROM base\nRUN --mount=source=nothing,target=/x true\n", 125).says("nothing");
    refused(&sb, "ctx", "FROM base\nRUN --mount=target=/etc/passwd true\n", 125).says("/etc/passwd is a file");
}

#[test]
fn a_cache_outlives_builds_and_is_in_no_layer() {
    let sb = Sandbox::with_base();
    let step =
        |n: u32| format!("FROM base\nRUN --mount=type=cache,target=/c/d echo {n} >> /c/d/n; cat /c/d/n > /seen\n");
    build(&sb, "ctx", &step(1));
    build(&sb, "ctx", &step(2));
    assert_eq!(shell(&sb, "ctx", "cat /seen; ls -d /c 2>&1 | tail -n1"), "1\n2\nls: /c: No such file or directory");
    // Neither its content nor its name are part of the key.
    assert_eq!(hits(&build(&sb, "ctx", &step(2).replace("target=/c/d", "target=/c/d,id=x,sharing=locked"))), 1);
    sb.dhow(["build", "--no-cache", "--network=none", "-t", "ctx", "ctx"]).ok();
    assert_eq!(shell(&sb, "ctx", "cat /seen"), "2", "a cache of another name began with something in it");

    let text = "FROM base AS s\nRUN mkdir /seed; echo s > /seed/f\nFROM base\n\
        RUN --mount=type=cache,target=/c,id=o,uid=7,gid=8,mode=0750 stat -c '%u:%g %a' /c > /owner\n\
        RUN --mount=type=cache,target=/c,id=o,from=s,source=seed cat /c/f > /seeded\n\
        RUN --mount=type=cache,target=/c,id=r,readonly ! touch /c/x\n\
        RUN --mount=type=cache,target=/a,id=o,source=in/side --mount=type=cache,target=/b,id=o touch /a/y; ls /b/in/side > /part\n\
        RUN --mount=type=cache,target=/out,id=../../../escape touch /out/x\n";
    build(&sb, "other", text);
    assert_eq!(shell(&sb, "other", "cat /owner /seeded /part"), "7:8 750\ns\ny");
    assert!(!sb.store().join("escape").exists() && !sb.work().join("escape").exists());
}

#[test]
fn a_link_in_a_cache_does_not_lead_out_of_it() {
    let sb = Sandbox::with_base();
    build(
        &sb,
        "ctx",
        "FROM base\nRUN --mount=type=cache,target=/c,id=l ln -s /../../../../etc /c/link\n\
         RUN --mount=type=cache,target=/c,id=l,source=link ls /c > /seen\n",
    );
    assert_eq!(shell(&sb, "ctx", "cat /seen"), "");
}

#[test]
fn a_locked_cache_is_waited_for_and_a_killed_holder_frees_it() {
    let sb = Sandbox::with_base();
    sb.write(
        "hold/Dockerfile",
        "FROM base\nRUN --mount=type=cache,target=/c,id=l,sharing=locked echo h >> /c/n; sleep 1000\n",
    );
    sb.write("next/Dockerfile", "FROM base\nRUN --mount=type=cache,target=/c,id=l,sharing=locked cat /c/n > /seen\n");
    let holder = sb.dhow(["build", "--network=none", "hold"]).spawn();
    sb.until("the holder's step to run", || sb.processes().iter().any(|p| p.command == "sleep 1000"));
    // A private one does not wait, and gets one of its own.
    build(&sb, "own", "FROM base\nRUN --mount=type=cache,target=/c,id=l,sharing=private ls /c > /seen\n");
    assert_eq!(shell(&sb, "own", "cat /seen"), "");
    // One that waits can be interrupted.
    let waiting = sb.dhow(["build", "--network=none", "next"]).spawn();
    sb.until("a build to wait", || {
        sb.processes().iter().filter(|p| p.command.contains("build --network=none next")).count() > 1
    });
    waiting.signal(Signal::INT);
    waiting.wait().fails(130);
    let waiting = sb.dhow(["build", "--network=none", "-t", "next", "next"]).spawn();
    holder.signal(Signal::KILL);
    holder.wait().fails(137);
    waiting.wait().success();
    assert_eq!(shell(&sb, "next", "cat /seen"), "h");
    // The killed one's rubbish goes with the next that builds.
    build(&sb, "sweep", "FROM base\nRUN true\n");
}

#[test]
fn memory_is_empty_limited_and_gone_afterwards() {
    let sb = Sandbox::with_base();
    build(
        &sb,
        "ctx",
        "FROM base\nRUN --mount=type=tmpfs,target=/t,size=1m ls -A /t > /seen; ! head -c 2000000 /dev/zero > /t/x\n\
         RUN --mount=type=tmpfs,target=/etc ls -A /etc > /etc-seen\n",
    );
    assert_eq!(shell(&sb, "ctx", "cat /seen /etc-seen; ls -d /t 2>/dev/null; cat /etc/group | head -n1"), "root:x:0:");
}

#[test]
fn a_secret_is_seen_by_its_step_and_by_nobody_else() {
    let sb = Sandbox::with_base();
    sb.write("secret", "tell-nobody");
    let text = "FROM base\nENV M=0444\n\
        RUN --mount=type=secret,id=s stat -c '%u:%g %a' /run/secrets/s > /one; wc -c < /run/secrets/s >> /one\n\
        RUN --mount=type=secret,id=s,target=/deep/place/t,uid=5,gid=6,mode=$M stat -c '%u:%g %a' /deep/place/t > /two\n\
        RUN --mount=type=secret,id=v,env=V test ${#V} = 13; ls /run/secrets > /three 2>&1; true\n\
        RUN --mount=type=secret,id=absent ls /run/secrets/absent > /four 2>/dev/null; true\n\
        RUN ! test -e /run/secrets; ! test -e /deep; test -z \"$V\"\n";
    sb.write("ctx/Dockerfile", text);
    let command = |sb: &Sandbox| {
        sb.dhow([
            "build",
            "--network=none",
            "-t",
            "ctx",
            "--secret=id=s,src=secret",
            "--secret=id=v,env=VARIABLE",
            "ctx",
        ])
        .env("VARIABLE", "of-a-variable")
        .ok()
    };
    command(&sb);
    assert_eq!(shell(&sb, "ctx", "cat /one /two /four"), "0:0 400\n11\n5:6 444");
    for word in ["tell-nobody", "of-a-variable"] {
        let found = sb.program("grep", ["-r", "-a", "-l", word]).arg(sb.store()).run();
        assert_eq!(found.stdout, "", "{word} is in the store");
    }
    let history = sb.dhow(["history", "--no-trunc", "ctx"]).ok();
    assert!(!history.stdout.contains("tell-nobody") && !history.stdout.contains("/run/secrets/s\t"), "{history}");
    // Another value is no reason to run again.
    sb.write("secret", "another");
    assert_eq!(hits(&command(&sb)), 5);
    refused(&sb, "ctx", "FROM base\nRUN --mount=type=secret,id=gone,required true\n", 125)
        .says("gone")
        .says("--secret");
    with(&sb, &["--secret", "id=x,src=nowhere"], "FROM base\n").fails(125).says("nowhere");
}

#[test]
fn an_ssh_agent_is_reached_by_its_socket() {
    let sb = Sandbox::with_base();
    let socket = sb.path("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let text = "FROM base\n\
        RUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\"; echo \"$SSH_AUTH_SOCK\" > /where; stat -c %u \"$SSH_AUTH_SOCK\" >> /where\n\
        RUN --mount=type=ssh,target=/my.sock test -S /my.sock; echo hello | nc local:/my.sock || true\n\
        RUN test -z \"$SSH_AUTH_SOCK\"; ! test -e /run/buildkit\n";
    sb.write("ctx/Dockerfile", text);
    sb.dhow(["build", "--network=none", "--ssh=default", "-t", "ctx", "ctx"]).env("SSH_AUTH_SOCK", &socket).ok();
    drop(listener);
    assert_eq!(shell(&sb, "ctx", "cat /where"), "/run/buildkit/ssh_agent.0\n0");
    refused(&sb, "ctx", "FROM base\nRUN --mount=type=ssh,required true\n", 125).says("--ssh default");
    build(&sb, "ctx", "FROM base\nRUN --mount=type=ssh test -z \"$SSH_AUTH_SOCK\"\n");
    with(&sb, &["--ssh", "default"], "FROM base\n").fails(125).says("SSH_AUTH_SOCK is not set");
}

#[test]
fn mounts_lie_in_each_other_in_whatever_order_they_are_written() {
    let sb = Sandbox::with_base();
    sb.write("ctx/f", "inner");
    build(
        &sb,
        "ctx",
        "FROM base\nRUN --mount=target=/outer/in/side --mount=type=tmpfs,target=/outer \
         cat /outer/in/side/f > /seen; ls /outer >> /seen\n",
    );
    assert_eq!(shell(&sb, "ctx", "cat /seen; ls -d /outer 2>/dev/null; true"), "innerin");
}

#[test]
fn a_mount_point_is_made_through_what_the_image_hides_and_leaves_it_hidden() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nRUN mkdir -p /gone/x /opaque; touch /gone/old /opaque/old; chmod 0700 /opaque\n\
        RUN rm -r /gone /opaque /etc; mkdir -m 0711 /opaque /etc; chown 3:4 /opaque; touch -d '2001-02-03 00:00:00' /opaque\n\
        RUN --mount=type=tmpfs,target=/gone/x --mount=type=tmpfs,target=/opaque/m \
        ls -A /gone /opaque > /seen; stat -c '%a %u:%g %Y' /opaque >> /seen; echo n > /gone/new\n";
    build(&sb, "ctx", text);
    let list = "cat /seen; ls -A /gone; ls -A /opaque | wc -l; stat -c '%a %u:%g %Y' /opaque";
    let opaque = "711 3:4 981158400";
    assert_eq!(shell(&sb, "ctx", list), format!("/gone:\nx\n\n/opaque:\nm\n{opaque}\nnew\n0\n{opaque}"));
    // Not even an empty file where the names of hosts were to be seen.
    let tar = sb.path("i.tar");
    sb.dhow(["save", "-o"]).arg(&tar).arg("ctx").ok();
    assert!(fs::metadata(tar).is_ok());
}

#[test]
fn security_and_devices_have_to_be_allowed() {
    let sb = Sandbox::with_base();
    let text = "FROM base\nRUN --security=insecure grep -E 'CapEff|Seccomp:' /proc/self/status > /s\nRUN grep Seccomp: /proc/self/status > /t\n";
    refused(&sb, "ctx", text, 125).says("--allow security.insecure").says("Dockerfile:2");
    with(&sb, &["--allow", "security.insecure"], text).success();
    let seen = shell(&sb, "ctx", "cat /s /t");
    assert!(seen.contains("ffffff") && seen.contains("Seccomp:\t0") && seen.ends_with("Seccomp:\t2"), "{seen}");
    refused(&sb, "ctx", "FROM base\nRUN --device=vendor.com/gpu=all true\n", 125).says("CDI").says("Dockerfile:2");
    refused(&sb, "ctx", "FROM base\nRUN --security=some true\n", 125).says("sandbox or insecure");
}

#[test]
fn names_limits_and_capabilities_of_the_command_line_reach_every_step() {
    let sb = Sandbox::with_base();
    let flags = ["--add-host=one:192.0.2.7", "--shm-size=3m", "--ulimit=nofile=100:200", "--cap-drop=CHOWN"];
    let text = "FROM base\nRUN grep one /etc/hosts > /a; df -k /dev/shm | tail -n1 | tr -s ' ' | cut -d' ' -f2 >> /a; \
        ulimit -n >> /a; touch /f; chown 5 /f 2>/dev/null || echo kept >> /a\n";
    with(&sb, &flags, text).success();
    assert_eq!(shell(&sb, "ctx", "cat /a"), "192.0.2.7\tone\n3072\n100\nkept");
    // A name and its address are the place's own, a capability is not.
    assert_eq!(hits(&with(&sb, &["--cap-drop=CHOWN"], text)), 1);
    assert_eq!(hits(&with(&sb, &[], text)), 0);
    with(&sb, &["--add-host=one"], text).fails(125).says("--add-host");
    with(&sb, &["--security-opt=magic"], text).fails(125).says("--security-opt");
}

#[test]
fn nothing_of_a_step_runs_on_when_it_has_ended() {
    let sb = Sandbox::with_base();
    build(&sb, "ctx", "FROM base\nRUN sleep 1000 >/dev/null 2>&1 & echo started > /s\nRUN ! pgrep sleep\n");
    assert!(sb.processes().iter().all(|p| !p.command.starts_with("sleep")));
}
