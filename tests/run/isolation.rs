//! What a container can reach and what it cannot: the default profile as the kernel reports it, and attempts to get out.

use std::fs;
use std::os::unix::fs::symlink;

use super::script;
use crate::support::{Sandbox, fixtures};

#[test]
fn the_default_profile_is_the_one_that_is_documented() {
    let sb = Sandbox::with_base();
    let status = script(&sb, &[], "cat /proc/self/status").ok();
    let field = |name: &str| {
        let line = status.stdout.lines().find_map(|l| l.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().trim().to_owned()
    };
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, SETFCAP.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(set), "00000000800405fb", "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("Seccomp").as_str(), field("Umask").as_str()), ("2", "0022"));
    assert_eq!(field("NSpid"), "1", "its own process ids");
    let user = script(&sb, &["-u", "user"], "grep -E 'Cap(Prm|Eff|Inh|Amb)' /proc/self/status").ok();
    assert!(user.lines().iter().all(|l| l.ends_with("0000000000000000")), "another user holds rights\n{user}");
    let dropped = script(&sb, &["--cap-drop=ALL", "--cap-add=CHOWN"], "grep CapBnd /proc/self/status").ok();
    assert!(dropped.text().ends_with("0000000000000001"), "{dropped}");
}

#[test]
fn the_kernels_files_are_masked_or_cannot_be_written() {
    let sb = Sandbox::with_base();
    let text = "cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c
        ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | wc -w
        echo 1 > /proc/sys/kernel/domainname; echo h > /proc/sysrq-trigger; mkdir /sys/fs/cgroup/x; echo 0 > /proc/irq/0/smp_affinity
        mount -t tmpfs none /tmp; mount -o remount,rw /proc/sys; umount /proc/keys; mknod /tmp/sda b 8 0; chroot / mount -t proc p /tmp
        echo end";
    let out = script(&sb, &[], text).ok();
    assert_eq!(out.lines(), ["0", "0", "end"], "{out}");
    let failures = out.stderr.lines().count();
    assert_eq!(failures, 9, "something was allowed\n{out}");
}

#[test]
fn no_descriptor_of_the_caller_or_of_ours_is_inherited() {
    let sb = Sandbox::with_base();
    for more in ["", "-i", "--read-only"] {
        let line = format!(
            "exec 77</etc/passwd 5>/dev/null; exec \"$0\" run --rm --network=none {more} base ls /proc/self/fd"
        );
        let out = sb.program("bash", ["-c", &line]).arg(sb.binary()).ok();
        // 3 is the folder that ls reads.
        assert_eq!(out.lines(), ["0", "1", "2", "3"], "{out}");
    }
    // A build's step as well.
    sb.write("ctx/Dockerfile", "FROM base\nRUN ls /proc/self/fd > /fds; readlink /proc/self/fd/0 >> /fds\n");
    let line = "exec 77</etc/passwd; exec \"$0\" build -q --network=none -t ctx ctx";
    sb.program("bash", ["-c", line]).arg(sb.binary()).ok();
    let out = sb.dhow(["run", "--rm", "--network=none", "ctx", "cat", "/fds"]).ok();
    assert_eq!(out.lines().split_at(4).1, ["/dev/null"], "{out}");
}

/// a container must not get hold of the program that started it, neither while it starts nor later. What can be
/// tried from inside: every process that it can see, at any moment, also when `exec` enters it and while an image's own
/// program is `/proc/self/exe`.
#[test]
fn our_own_program_is_out_of_reach() {
    let sb = Sandbox::with_base();
    let watch = "while [ ! -e /stop ]; do for e in /proc/[0-9]*/exe; do readlink $e; cat $e 2>/dev/null | head -c 4096 | sha256sum; done; done | sort -u > /seen; sleep 1000";
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sh", "-c", watch]).ok();
    for _ in 0..10 {
        sb.dhow(["exec", "box", "true"]).ok();
    }
    sb.dhow(["exec", "box", "touch", "/stop"]).ok();
    sb.until("the watcher to end", || sb.dhow(["exec", "box", "sh", "-c", "pidof sleep"]).run().code == 0);
    let seen = sb.dhow(["exec", "box", "cat", "/seen"]).ok();
    assert!(seen.stdout.contains("/bin/busybox"), "{seen}");
    let own = fs::read(sb.binary()).unwrap();
    let own = fixtures::digest(&own[..4096]);
    assert!(!seen.stdout.contains(own.trim_start_matches("sha256:")) && !seen.stdout.contains("dhow"), "{seen}");
    // An image whose program is a link to its own starter.
    sb.write("ctx/Dockerfile", "FROM base\nRUN ln -s /proc/self/exe /start\nCMD [\"/start\"]\n");
    sb.dhow(["build", "-q", "-t", "ctx", "ctx"]).ok();
    let out = sb.dhow(["run", "--rm", "--network=none", "ctx"]).run();
    assert_ne!(out.code, 0, "{out}");
    assert!(!out.stdout.contains("dhow") && !out.stdout.contains("USAGE"), "our own program ran inside\n{out}");
}

#[test]
fn links_where_mounts_go_are_refused_or_harmless() {
    let sb = Sandbox::with_base();
    let planted = sb.path("planted");
    fs::create_dir(&planted).unwrap();
    for name in ["dev", "proc", "sys", "etc"] {
        let root = sb.path(format!("{name}/root"));
        fs::create_dir_all(&root).unwrap();
        for target in [planted.to_str().unwrap(), "/tmp", "../../../../tmp"] {
            let _ = fs::remove_file(root.join(name));
            symlink(target, root.join(name)).unwrap();
            sb.write(format!("{name}/Dockerfile"), "FROM base AS b\nFROM scratch\nCOPY --from=b /bin /bin\nCOPY --from=b /tmp /tmp\nCOPY root /\nENV PATH=/bin\n");
            sb.dhow(["build", "-q", "-t", name, name]).ok();
            let out = sb
                .dhow(["run", "--rm", "--network=none", name, "sh", "-c", "cat /proc/self/status | grep -c Seccomp:"])
                .run();
            assert!(out.code == 0 || out.code == 125, "{out}");
            assert!(out.code == 0 || out.stderr.contains(name), "the error does not say where\n{out}");
            // A step of a build is started in the same way.
            sb.write(format!("{name}/run/Dockerfile"), format!("FROM {name}\nRUN true\n"));
            sb.dhow(["build", "-q", "--network=none", &format!("{name}/run")]).run();
            assert_eq!(fs::read_dir(&planted).unwrap().count(), 0, "something was written outside");
        }
    }
    sb.assert_clean();
}

#[test]
fn a_mount_goes_to_its_place_inside_the_image() {
    let sb = Sandbox::with_base();
    let planted = sb.path("planted");
    fs::create_dir(&planted).unwrap();
    sb.write("src/f", "x");
    let text = format!("FROM base\nRUN ln -s {} /out\n", planted.display());
    sb.write("ctx/Dockerfile", text);
    sb.dhow(["build", "-q", "--network=none", "-t", "ctx", "ctx"]).ok();
    let volume = format!("{}:/out/target", sb.path("src").display());
    let out = sb
        .dhow(["run", "--rm", "--network=none", "-v", &volume, "-w", "/out/made", "ctx", "cat", "/out/target/f"])
        .run();
    assert!(out.code == 0 || out.code == 125, "{out}");
    assert_eq!(fs::read_dir(&planted).unwrap().count(), 0, "a mount's target was made outside");
}

#[test]
fn containers_do_not_see_each_other_or_the_host() {
    let sb = Sandbox::with_base();
    sb.dhow([
        "run",
        "-d",
        "--network=none",
        "--name=other",
        "base",
        "sh",
        "-c",
        "echo secret > /dev/shm/s; sleep 1000",
    ])
    .ok();
    let out = script(&sb, &[], "ls /dev/shm; ps | grep -c '[s]leep 1000'; ls /proc | grep -c '^[0-9]'; ipcs 2>/dev/null | grep -c 0x; hostname | wc -c").run();
    // Only the shell and the programs of the pipe.
    assert_eq!(out.lines()[0], "0", "{out}");
    assert!(out.lines()[1].parse::<u32>().unwrap() <= 4, "{out}");
    assert_eq!(out.lines().last(), Some(&"13"));
}
