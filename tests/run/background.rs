//! Containers that go on without their caller: `run -d`, `logs`, `ps`.

use super::script;
use crate::support::Sandbox;

#[test]
fn a_detached_container_is_listed_logged_and_its_end_recorded() {
    let sb = Sandbox::with_base();
    let text = "echo out; echo err >&2; while [ ! -e /go ]; do sleep 0.02; done; printf unfinished; exit 4";
    let out = sb.dhow(["run", "-d", "--network=none", "--name", "job", "-l", "k=v", "base", "sh", "-c", text]).ok();
    let id = out.text().to_owned();
    assert!(id.len() == 64 && out.lines().len() == 1 && out.stderr.is_empty(), "{out}");
    let table = sb.dhow(["ps"]).ok();
    let columns: Vec<&str> = table.lines()[0].split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(columns, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    let row = table.lines()[1];
    for part in [&id[..12], "localhost/base:latest", "sh -c echo out; e...", "Up ", "job"] {
        assert!(row.contains(part), "{part:?} is missing\n{table}");
    }
    let format = "{{.Names}}|{{.State}}|{{.ExitCode}}|{{.Label \"k\"}}";
    assert_eq!(sb.dhow(["ps", "--format", format]).ok().text(), "job|running|0|v");
    sb.until("its output", || sb.dhow(["logs", "job"]).ok().stderr == "err\n");
    assert_eq!(sb.dhow(["logs", "job"]).ok().stdout, "out\n");

    let follower = sb.dhow(["logs", "-f", &id[..6]]).spawn();
    // It ends the container, which may take it along before it can report its own end.
    let _ = sb.dhow(["exec", "job", "touch", "/go"]).spawn().wait();
    let followed = follower.wait().success();
    assert_eq!((followed.stdout.as_str(), followed.stderr.as_str()), ("out\nunfinished", "err\n"));
    sb.until("its end", || sb.dhow(["ps", "-q"]).ok().stdout.is_empty());
    assert_eq!(sb.dhow(["ps", "-a", "--format", format]).ok().text(), "job|exited|4|v");
    sb.dhow(["ps", "-a"]).ok().has("Exited (4) ");
    assert_eq!(sb.dhow(["logs", "-n", "1", "job"]).ok().stdout, "unfinished");
    sb.dhow(["logs", "absent"]).fails(125).says("absent");
    sb.dhow(["rm", "job"]).ok();
    sb.assert_clean();
}

#[test]
fn a_detached_container_that_cannot_start_says_so_at_once() {
    let sb = Sandbox::with_base();
    let out = sb.dhow(["run", "-d", "--network=none", "base", "/no/such/program"]).fails(127);
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("/no/such/program"), "{out}");
    assert_eq!(sb.dhow(["ps", "-a", "-q"]).ok().stdout, "");
    sb.assert_clean();
}

#[test]
fn a_detached_container_holds_nothing_of_its_callers() {
    let sb = Sandbox::with_base();
    // Waiting for the end of both streams is the test: they would stay open.
    let line = "\"$0\" run -d --rm --network=none --name box base sleep 1000; cd /";
    sb.program("sh", ["-c", line]).arg(sb.binary()).ok();
    let listed = sb.dhow(["ps", "--format", "{{.Names}}"]).ok();
    assert_eq!(listed.text(), "box");
    sb.dhow(["stop", "-t", "0", "box"]).ok();
    sb.until("its removal", || sb.dhow(["ps", "-a", "-q"]).ok().stdout.is_empty());
    sb.assert_clean();
}

#[test]
fn many_at_once() {
    let sb = Sandbox::with_base();
    let start = |n: u32| script(&sb, &["--name", &format!("n{n}")], &format!("echo {n}; exit {n}")).spawn();
    let all: Vec<_> = (0..12).map(start).collect();
    for (n, running) in all.into_iter().enumerate() {
        assert_eq!(running.wait().fails(n as i32).text(), n.to_string());
    }
    assert_eq!(sb.dhow(["ps", "-a", "-q"]).ok().stdout, "");
    sb.assert_clean();
}
