//! What the flags of `run` do, seen from inside and outside.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::script;
use crate::support::{Sandbox, private_network};

#[test]
fn environment_user_folder_and_name() {
    let sb = Sandbox::with_base();
    sb.write("vars", "# comment\nFROM_FILE=1\nBOTH=file\nCALLER\n");
    let flags = [
        "-e",
        "A=1 2",
        "-e",
        "BOTH=flag",
        "-e",
        "CALLER2",
        "--env-file",
        "vars",
        "-w",
        "/made/here",
        "-u",
        "user:staff",
        "--hostname",
        "box",
    ];
    let out = script(&sb, &flags, "env | sort; pwd; id -u; id -g; hostname; grep -c box /etc/hosts; cat /etc/hostname")
        .env("CALLER", "c1")
        .env("CALLER2", "c2")
        .ok();
    for line in
        ["A=1 2", "BOTH=flag", "CALLER=c1", "CALLER2=c2", "FROM_FILE=1", "HOME=/home/user", "HOSTNAME=box", "PATH=/bin"]
    {
        assert!(out.lines().contains(&line), "{line:?} is missing\n{out}");
    }
    assert!(out.stdout.ends_with("/made/here\n1000\n50\nbox\n1\nbox\n"), "{out}");
    assert!(!out.stdout.contains("DHOW_ROOT") && !out.stdout.contains("XDG"), "the caller's environment leaked\n{out}");
    script(&sb, &["-u", "nobody-here"], "true").fails(125).says("nobody-here");
    script(&sb, &["--env-file", "absent"], "true").fails(125).says("absent");
    let entry = |word: &str| sb.dhow(["run", "--rm", "--network=none", "--entrypoint", word, "base", "a", "b"]).ok();
    assert_eq!(entry("echo").text(), "a b");
    assert_eq!(entry(r#"["echo", "-n", "x"]"#).stdout, "x a b");
}

#[test]
fn folders_of_the_host() {
    let sb = Sandbox::with_base();
    sb.write("shared/in", "from outside");
    let dir = sb.path("shared");
    let (rw, ro) = (format!("{}:/rw", dir.display()), format!("{}:/deep/ro:ro", dir.display()));
    let file = format!("{}:/etc/one-file", dir.join("in").display());
    let text = "cat /rw/in /etc/one-file; touch /deep/ro/x 2>/dev/null || echo refused; echo made > /rw/out; chown 5:6 /rw/other 2>/dev/null; : > /rw/other; chown 5:6 /rw/other";
    let out = script(&sb, &["-v", &rw, "-v", &ro, "-v", &file], text).ok();
    assert_eq!(out.stdout, "from outsidefrom outsiderefused\n");
    let own = fs::metadata(sb.path("shared/in")).unwrap().uid();
    assert_eq!(fs::metadata(dir.join("out")).unwrap().uid(), own, "what root inside makes belongs to the caller");
    assert_ne!(fs::metadata(dir.join("other")).unwrap().uid(), own);
    // A relative source is one of this folder; a missing one is named.
    assert_eq!(script(&sb, &["-v", "./shared:/rw"], "cat /rw/out").ok().text(), "made");
    script(&sb, &["-v", "/no/such/place:/x"], "true")
        .fails(125)
        .says("/no/such/place")
        .says("no such file or directory");
    script(&sb, &["-v", &format!("{}:relative", dir.display())], "true").fails(125).says("relative");
    script(&sb, &["--mount", "type=bind,source=/no/such,target=/x"], "true").fails(125).says("/no/such");
    assert_eq!(script(&sb, &["-v", &rw], "rm /rw/other; ls /rw").ok().text(), "in\nout");
}

#[test]
fn a_named_volume_outlives_its_containers() {
    let sb = Sandbox::with_base();
    script(&sb, &["-v", "data:/data"], "echo kept > /data/f; chown 7:8 /data/f").ok();
    assert_eq!(
        script(&sb, &["--mount", "type=volume,src=data,dst=/d,readonly"], "cat /d/f; stat -c %u:%g /d/f").ok().text(),
        "kept\n7:8"
    );
}

#[test]
fn memory_file_systems_and_a_read_only_root() {
    let sb = Sandbox::with_base();
    let text = "touch /x 2>/dev/null || echo refused; echo y > /scratch/y && df -k /scratch | tail -n 1 | awk '{print $1, $2}'; echo z > /dev/shm/z";
    let out = script(&sb, &["--read-only", "--tmpfs", "/scratch:size=1m"], text).ok();
    assert!(out.stdout.starts_with("refused\n") && out.stdout.ends_with(" 1024\n"), "{out}");
}

#[test]
fn networks() {
    let sb = Sandbox::with_base();
    let links = "ip -o link | awk '{print $2}' | tr -d '\\n'";
    assert_eq!(
        script(&sb, &[], &format!("{links}; ping -c 1 -w 1 127.0.0.1 >/dev/null 2>&1 || nc -z 127.0.0.1 1; true"))
            .ok()
            .text(),
        "lo:"
    );
    let run = |network: &str, text: &str| {
        sb.dhow(["run", "--rm", "--network", network, "base", "sh", "-c", text]).ok().text().to_owned()
    };
    let host = sb.program("/bin/busybox", ["sh", "-c", links]).ok();
    assert_eq!(run("host", links), host.text());
    assert_eq!(run("host", "cat /etc/resolv.conf"), fs::read_to_string("/etc/resolv.conf").unwrap().trim());
    sb.dhow(["run", "--rm", "--network=made-up", "base"]).fails(125).says("made-up");
    if !private_network() {
        return;
    }
    let own = run(
        "private",
        &format!(
            "{links}; echo; ip -o -4 addr | grep -v 127.0.0.1 | wc -l; cat /etc/resolv.conf | head -n 1; cat /etc/hosts"
        ),
    );
    let mut lines = own.lines();
    let devices = lines.next().unwrap();
    assert!(devices.starts_with("lo:") && devices.matches(':').count() == 2, "{own}");
    assert_ne!(lines.next(), Some("0"), "no address\n{own}");
    assert!(own.contains("nameserver ") && own.contains("localhost"), "{own}");
    sb.assert_clean();
}

#[test]
fn what_a_container_leaves() {
    let sb = Sandbox::with_base();
    let before = sb.dhow(["ps", "-a", "-q"]).ok();
    script(&sb, &["--cidfile", "cid", "--name", "brief"], "echo x > /x; chown 5:5 /x").ok();
    assert_eq!(sb.dhow(["ps", "-a", "-q"]).ok().stdout, before.stdout);
    let left = fs::read_dir(sb.store().join("containers")).unwrap().flatten().filter(|e| e.file_name() != "by-name");
    assert_eq!(left.count(), 0, "--rm left something");
    let id = sb.read("cid");
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    script(&sb, &["--cidfile", "cid"], "true").fails(125).says("cid");
    script(&sb, &["--cidfile", "cid2"], "exit 4").fails(4);
    sb.dhow(["run", "--rm", "--network=none", "--cidfile", "cid3", "base", "/no/such"]).fails(127);
    assert!(!sb.path("cid3").exists(), "a container that never started left its id");
    sb.dhow(["run", "--rm", "--network=none", "no-such-image"]).fails(125).says("no-such-image");
}
