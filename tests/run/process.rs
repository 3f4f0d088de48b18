//! The program as its caller sees it: streams, terminal, signals, exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::script;
use crate::support::{Sandbox, fixtures};

#[test]
fn the_exit_code_is_the_programs() {
    let sb = Sandbox::with_base();
    for (code, text) in
        [(0, "exit 0"), (3, "exit 3"), (255, "exit 255"), (143, "(sh -c 'kill $$'; exit $?) 2>/dev/null; exit 143")]
    {
        let out = script(&sb, &[], text).fails(code);
        assert_eq!(out.stderr, "", "a program's code is its own business");
    }
    // A file that is no program, one that may not be executed, and one whose interpreter is missing.
    sb.write("ctx/garbage", "\x01\x02\x03");
    sb.write("ctx/orphan", "#!/no/such/shell\n");
    for name in ["garbage", "orphan"] {
        fs::set_permissions(sb.path("ctx").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    sb.write("ctx/plain", "text");
    sb.write("ctx/Dockerfile", "FROM base\nCOPY garbage orphan plain /\n");
    sb.dhow(["build", "-q", "-t", "odd", "ctx"]).ok();
    let run = |program: &str| sb.dhow(["run", "--rm", "--network=none", "odd", program]).run();
    run("/garbage").fails(126).says("/garbage");
    run("/plain").fails(126).says("permission denied");
    run("/orphan").fails(127).says("interpreter");
    sb.dhow(["run", "--rm", "--no-such-flag", "base"]).fails(125);
    sb.assert_clean();
}

#[test]
fn standard_input_is_passed_on_only_when_asked_for() {
    let sb = Sandbox::with_base();
    let count = || script(&sb, &[], "wc -c");
    assert_eq!(count().stdin("unseen").ok().text(), "0");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    for flags in [&["run", "-i", "--rm"][..], &["run", "-i"]] {
        let out = sb.dhow(flags).args(["--network=none", "base", "sha256sum"]).stdin(bytes.clone()).ok();
        assert!(fixtures::digest(&bytes).ends_with(out.text().trim_end_matches(" -").trim()), "{out}");
    }
    // A program that does not read to the end is no failure, and neither is input that ends later than it.
    script(&sb, &["-i"], "read line; echo $line").stdin("x\n".repeat(1_000_000)).ok();
}

#[test]
fn output_is_passed_on_byte_by_byte_and_apart() {
    let sb = Sandbox::with_base();
    let megabytes = "i=0; while [ $i -lt 10 ]; do cat /bin/busybox | head -c 1048576; i=$((i+1)); done";
    let one = fs::read(fixtures::BUSYBOX).unwrap()[..1 << 20].to_vec();
    for flags in [&["run", "--rm"][..], &["run"]] {
        let out = sb.dhow(flags).args(["--network=none", "base", "sh", "-c", megabytes]).ok();
        assert!(out.raw.len() == 10 << 20 && out.raw.chunks(1 << 20).all(|c| c == one), "{} bytes", out.raw.len());
        let out = sb.dhow(flags).args(["--network=none", "base", "sh", "-c", "echo out; echo err >&2"]).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
    }
    let line = format!("{} run --rm --network=none base yes | head -n 1", sb.binary().display());
    assert_eq!(sb.program("sh", ["-c", &line]).ok().text(), "y");
    sb.assert_clean();
}

#[test]
fn a_terminal_is_a_terminal_with_the_callers_size() {
    let sb = Sandbox::with_base();
    let look = "tty && test -t 0 -a -t 1 -a -t 2 && ls -l /dev/console | cut -c1 && stty size && read x && echo got $x";
    let line = format!(
        "stty cols 91 rows 17; exec {} run -it --rm --network=none base sh -c '{look}; exit 5'",
        sb.binary().display()
    );
    let out = sb.program("sh", ["-c", &line]).tty("word\n").wait().fails(5);
    for part in ["/dev/pts/0\r\n", "\nc\r\n", "17 91\r\n", "got word\r\n"] {
        assert!(out.stdout.contains(part), "{part:?} is missing\n{out}");
    }
    // Without -t there is none, though the caller has one; the caller's own cannot be reached.
    let line = format!("{} run -i --rm --network=none base sh -c 'tty; test -t 1 || echo pipe'", sb.binary().display());
    let out = sb.program("sh", ["-c", &line]).tty("").wait().success();
    assert!(out.stdout.contains("not a tty") && out.stdout.contains("pipe"), "{out}");
    // With -t but no terminal of the caller's, both streams come as one.
    let out = script(&sb, &["-t"], "test -t 1 && echo out; echo err >&2").ok();
    assert_eq!(out.stdout, "out\r\nerr\r\n");
}

#[test]
fn an_interrupted_program_gives_the_callers_terminal_back() {
    let sb = Sandbox::with_base();
    let line = format!(
        "{} run -it --rm --network=none base sh -c 'trap \"echo caught; exit 6\" INT; while :; do sleep 0.05; done'; \
         echo code $?; stty -a",
        sb.binary().display()
    );
    let running = sb.program("sh", ["-c", &line]).tty("");
    sb.until("the program to run", || sb.processes().iter().any(|p| p.command == "sleep 0.05"));
    let front = sb.processes().into_iter().map(|p| p.pid).min().expect("the front");
    rustix::process::kill_process(rustix::process::Pid::from_raw(front).unwrap(), Signal::INT).unwrap();
    let out = running.wait().success();
    assert!(out.stdout.contains("caught") && out.stdout.contains("code 6"), "{out}");
    assert!(out.stdout.contains(" icanon"), "the terminal was left in raw mode\n{out}");
}

#[test]
fn signals_are_forwarded() {
    let sb = Sandbox::with_base();
    for (signal, name, rm) in [(Signal::TERM, "TERM", true), (Signal::INT, "INT", false), (Signal::USR1, "USR1", true)]
    {
        let text = format!("trap 'echo got {name}; exit 9' {name}; while :; do sleep 0.02; done");
        let flags: &[&str] = if rm { &["run", "--rm"] } else { &["run"] };
        let running = sb.dhow(flags).args(["--network=none", "base", "sh", "-c", &text]).spawn();
        sb.until("the program to run", || sb.processes().iter().any(|p| p.command == "sleep 0.02"));
        running.signal(signal);
        running.wait().fails(9).has(&format!("got {name}"));
    }
}
