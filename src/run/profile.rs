//! What a container gets and doesn't get by default, as tables.
//!
//! Sources, compared on 2026-11-21: Podman's defaults (container-libs, 2026) and Docker's (moby, 2026); where the two
//! differ the comment says what we took. Pure data without imports: `build.rs` includes this file for the capabilities
//! that the built-in seccomp program is compiled for. Applying the tables is the work of the plan and of init.

/// Capabilities of a container's root user: Podman's eleven. Docker adds AUDIT_WRITE, MKNOD and NET_RAW, of which the
/// second is useless and the others are seldom missed in a user namespace.
pub const DEFAULT_CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Paths that nothing in the container can read: the union of Podman's and Docker's. A directory gets an empty
/// read-only tmpfs over it, a file the host's /dev/null; one that doesn't exist is skipped.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Masked as well, for each processor N: [`CPU_DIRECTORY`]`/cpuN/`[`CPU_MASKED`].
pub const CPU_DIRECTORY: &str = "/sys/devices/system/cpu";

/// See [`CPU_DIRECTORY`].
pub const CPU_MASKED: &str = "thermal_throttle";

/// Masked as well where the container sees the host's /sys, because it has no network namespace of its own.
pub const MASKED_WITH_HOST_SYS: &[&str] = &["/sys/kernel", "/sys/dev/block"];

/// Paths that stay readable but can't be written. /proc/asound, which Podman lists here, is masked above.
pub const READ_ONLY_PATHS: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Device nodes bound from the host, with mode 0666. Neither tun nor fuse.
pub const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Links made in /dev: name and target. No `core` link, which would point at the host's memory if /proc/kcore were not
/// masked.
pub const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// One of the file systems that every container gets, in the order in which they are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// Where, in the container.
    pub target: &'static str,
    /// File system type; `sysfs` is replaced by a bind of the host's where the network is the host's.
    pub fs: &'static str,
    /// Mount flags, by their names in mount(8).
    pub flags: &'static [&'static str],
    /// Options of the file system itself.
    pub data: &'static str,
}

/// The file systems of every container. All mounts are private to it.
pub const MOUNTS: &[Mount] = &[
    Mount { target: "/proc", fs: "proc", flags: &["nosuid", "noexec", "nodev"], data: "" },
    Mount { target: "/dev", fs: "tmpfs", flags: &["nosuid", "noexec", "strictatime"], data: "mode=755,size=65536k" },
    Mount {
        target: "/dev/pts",
        fs: "devpts",
        flags: &["nosuid", "noexec"],
        data: "newinstance,ptmxmode=0666,mode=0620,gid=5",
    },
    Mount { target: "/dev/shm", fs: "tmpfs", flags: &["nosuid", "noexec", "nodev"], data: "mode=1777,size=64000k" },
    Mount { target: "/dev/mqueue", fs: "mqueue", flags: &["nosuid", "noexec", "nodev"], data: "" },
    Mount { target: "/sys", fs: "sysfs", flags: &["nosuid", "noexec", "nodev", "ro"], data: "" },
    Mount { target: "/sys/fs/cgroup", fs: "cgroup2", flags: &["nosuid", "noexec", "nodev", "ro"], data: "" },
];

/// A resource limit, soft and hard alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Name as in `--ulimit`.
    pub name: &'static str,
    /// The limit; the caller's own hard limit, if that is lower, holds instead.
    pub most: u64,
}

/// Resource limits: Podman's, and no core files, which would hold a container's secrets.
pub const LIMITS: &[Limit] = &[
    Limit { name: "nofile", most: 1_048_576 },
    Limit { name: "nproc", most: 1_048_576 },
    Limit { name: "core", most: 0 },
];

/// The names of resource limits and their numbers, from asm-generic/resource.h.
pub const LIMIT_NAMES: &[(&str, u32)] = &[
    ("cpu", 0),
    ("fsize", 1),
    ("data", 2),
    ("stack", 3),
    ("core", 4),
    ("rss", 5),
    ("nproc", 6),
    ("nofile", 7),
    ("memlock", 8),
    ("as", 9),
    ("locks", 10),
    ("sigpending", 11),
    ("msgqueue", 12),
    ("nice", 13),
    ("rtprio", 14),
    ("rttime", 15),
];

/// Most processes and threads in a container, where its cgroup is ours to set.
pub const PIDS_MAX: u64 = 2048;

/// Kernel parameters set by default, each only where the container has the namespace that owns it.
pub const SYSCTLS: &[(&str, &str)] = &[("net.ipv4.ip_unprivileged_port_start", "0")];

/// Prefixes and names of the kernel parameters that belong to a namespace and so may be set with `--sysctl`.
pub const SYSCTL_ALLOWED: &[&str] =
    &["net.", "kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue.", "kernel.hostname", "kernel.domainname"];

/// PATH where the image sets none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// File mode creation mask of the container's first process.
pub const UMASK: u32 = 0o022;

/// Size of /dev/shm in bytes where `--shm-size` says nothing.
pub const SHM_SIZE: u64 = 64_000 * 1024;

/// Seconds between the stop signal and SIGKILL.
pub const STOP_SECONDS: u64 = 10;

/// Signal that stops a container, where the image names none.
pub const STOP_SIGNAL: &str = "SIGTERM";

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from linux/capability.h, to compare with the mask that /proc/PID/status of a Podman container shows.
    #[test]
    fn default_capabilities_are_podmans_mask() {
        let number = |name: &str| match name {
            "CAP_CHOWN" => 0,
            "CAP_DAC_OVERRIDE" => 1,
            "CAP_FOWNER" => 3,
            "CAP_FSETID" => 4,
            "CAP_KILL" => 5,
            "CAP_SETGID" => 6,
            "CAP_SETUID" => 7,
            "CAP_SETPCAP" => 8,
            "CAP_NET_BIND_SERVICE" => 10,
            "CAP_SYS_CHROOT" => 18,
            "CAP_SETFCAP" => 31,
            other => panic!("{other} is not expected"),
        };
        let mask = DEFAULT_CAPABILITIES.iter().fold(0u64, |mask, name| mask | 1 << number(name));
        assert_eq!(mask, 0x8004_05fb);
    }

    #[test]
    fn path_tables_are_absolute_sorted_and_disjoint() {
        for table in [MASKED_PATHS, READ_ONLY_PATHS] {
            assert!(table.iter().all(|path| path.starts_with('/')));
            assert!(table.is_sorted());
        }
        assert!(READ_ONLY_PATHS.iter().all(|path| !MASKED_PATHS.contains(path)));
    }

    #[test]
    fn a_mount_comes_after_the_one_it_stands_in() {
        for (at, mount) in MOUNTS.iter().enumerate() {
            let later = &MOUNTS[at..];
            assert!(!later.iter().any(|other| mount.target.starts_with(&format!("{}/", other.target))));
        }
    }

    #[test]
    fn shm_size_matches_its_mount() {
        let shm = MOUNTS.iter().find(|mount| mount.target == "/dev/shm").unwrap();
        assert!(shm.data.contains(&format!("size={}k", SHM_SIZE / 1024)));
    }
}
