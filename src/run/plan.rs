//! Runtime Spec → Plan: the ordered list of what a container's init does. Pure; everything that init needs is made here
//! (C strings, argument arrays), because between clone and exec it neither allocates nor locks.
//!
//! Not here: doing it (`init`), and what must be looked up in the root file system first (`prepare`).

use super::{capability, profile};
use crate::error::{Kind, Result, fail};
use crate::sys::bpf::SockFilter;
use crate::sys::mount::Attr;
use crate::sys::process::CArray;
use crate::sys::seccomp;
use oci_spec::runtime::{PosixRlimitType, Process, Spec};
use std::borrow::Cow;
use std::ffi::CString;

/// One step on the way to the container's root file system. Targets are relative to that root.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Mount a new file system.
    Filesystem {
        /// Type.
        kind: CString,
        /// Options; an empty value means a flag.
        options: Vec<(CString, CString)>,
        /// Mount attributes.
        attr: Attr,
        /// Where.
        target: CString,
        /// Go on when the kernel refuses it.
        optional: bool,
    },
    /// Bind a path of the host.
    Bind {
        /// Path on the host.
        source: CString,
        /// Mount attributes to add.
        attr: Attr,
        /// Where.
        target: CString,
        /// With everything mounted below the source.
        recursive: bool,
        /// Follow links in the target, inside the root.
        follow: bool,
    },
    /// Attach a tree that the worker has mounted; missing folders of the target are made.
    Attach {
        /// Its place among [`super::init::Start::trees`].
        tree: usize,
        /// Where.
        target: CString,
    },
    /// Populate the fresh /dev: folders, devices bound from the host, links.
    Devices,
    /// Put the terminal of the container onto /dev/console.
    Console,
    /// Hide a path: an empty read-only folder or /dev/null over it. A path that is not there is skipped.
    Mask(CString),
    /// Make a path read-only. One that is not there is skipped.
    ReadOnly(CString),
    /// Make the whole root read-only.
    ReadOnlyRoot,
}

/// The identity and limits of the process.
#[derive(Debug)]
pub struct Credentials {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Supplementary groups, exactly.
    pub groups: Vec<u32>,
    /// Bounding set.
    pub bounding: u64,
    /// Effective and permitted set; empty for a user other than root.
    pub held: u64,
    /// Resource limits: number, soft, hard.
    pub limits: Vec<(u32, u64, u64)>,
    /// File mode creation mask.
    pub umask: u32,
    /// Set no_new_privs.
    pub no_new_privileges: bool,
    /// Seccomp program.
    pub seccomp: Cow<'static, [SockFilter]>,
}

/// What is executed.
#[derive(Debug)]
pub struct Command {
    /// Paths to try in turn: one where the command has a slash, else one for each folder of PATH.
    pub candidates: Vec<CString>,
    /// Arguments.
    pub argv: CArray,
    /// Environment.
    pub envp: CArray,
    /// Working directory.
    pub cwd: CString,
}

/// Everything that init does, in order.
#[derive(Debug)]
pub struct Plan {
    /// Mounts.
    pub steps: Vec<Step>,
    /// Host name, where the container has one of its own.
    pub hostname: Option<CString>,
    /// Identity.
    pub credentials: Credentials,
    /// Program.
    pub command: Command,
}

fn c(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| fail(Kind::User, format!("{text:?} holds a NUL byte")))
}

/// A target path without its leading slash.
fn relative(path: &std::path::Path) -> Result<CString> {
    let text = path.to_str().ok_or_else(|| fail(Kind::User, format!("{}: not UTF-8", path.display())))?;
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Err(fail(Kind::User, "nothing can be mounted on the container's root folder itself"));
    }
    c(trimmed)
}

impl Plan {
    /// Adds trees that are mounted already, given by their targets: after the Spec's own mounts, so that they may lie in
    /// those, and before the masks, which must stay on top.
    pub fn attach(&mut self, targets: impl IntoIterator<Item = CString>) {
        let mounts = |step: &Step| matches!(step, Step::Filesystem { .. } | Step::Bind { .. } | Step::Devices);
        let at = self.steps.iter().rposition(mounts).map_or(0, |last| last + 1);
        let steps = targets.into_iter().enumerate().map(|(tree, target)| Step::Attach { tree, target });
        self.steps.splice(at..at, steps);
    }
}

/// Makes the plan of a Spec whose user has numeric ids.
pub fn plan(spec: &Spec, cpus: usize) -> Result<Plan> {
    let process = spec.process().as_ref().ok_or_else(|| fail(Kind::User, "the spec has no process"))?;
    Ok(Plan {
        steps: steps(spec, process.terminal().unwrap_or(false), cpus)?,
        hostname: spec.hostname().as_deref().map(c).transpose()?,
        credentials: credentials(process)?,
        command: command(process)?,
    })
}

fn steps(spec: &Spec, tty: bool, cpus: usize) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        let target = relative(mount.destination())?;
        let kind = mount.typ().as_deref().unwrap_or("bind");
        let split = Options::parse(mount.options().as_deref().unwrap_or_default());
        let is_dev = kind == "tmpfs" && target.as_bytes() == b"dev";
        if kind == "bind" {
            let source = mount.source().as_ref().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let system = target.as_bytes() == b"sys";
            steps.push(Step::Bind {
                source: c(&source)?,
                attr: split.attr,
                target,
                recursive: split.recursive,
                follow: !system,
            });
        } else {
            // A cgroup file system can only be mounted where the host shows the same one, and mqueue may be absent.
            let optional = matches!(kind, "cgroup2" | "mqueue");
            let options = split.data.iter().map(|(k, v)| Ok((c(k)?, c(v)?))).collect::<Result<_>>()?;
            steps.push(Step::Filesystem { kind: c(kind)?, options, attr: split.attr, target, optional });
        }
        if is_dev {
            steps.push(Step::Devices);
        }
    }
    if tty {
        steps.push(Step::Console);
    }
    if let Some(linux) = spec.linux() {
        for path in linux.masked_paths().iter().flatten() {
            steps.push(Step::Mask(relative(path.as_ref())?));
        }
        for cpu in 0..cpus {
            let path = format!("{}/cpu{cpu}/{}", profile::CPU_DIRECTORY, profile::CPU_MASKED);
            steps.push(Step::Mask(relative(path.as_ref())?));
        }
        for path in linux.readonly_paths().iter().flatten() {
            steps.push(Step::ReadOnly(relative(path.as_ref())?));
        }
    }
    if spec.root().as_ref().is_some_and(|r| r.readonly().unwrap_or(false)) {
        steps.push(Step::ReadOnlyRoot);
    }
    Ok(steps)
}

/// Mount options of a Spec, sorted into attributes of the mount and options of the file system.
struct Options {
    attr: Attr,
    recursive: bool,
    data: Vec<(String, String)>,
}

impl Options {
    fn parse(words: &[String]) -> Options {
        let mut out = Options { attr: Attr::empty(), recursive: false, data: Vec::new() };
        for word in words {
            match word.as_str() {
                "ro" => out.attr |= Attr::MOUNT_ATTR_RDONLY,
                "nosuid" => out.attr |= Attr::MOUNT_ATTR_NOSUID,
                "nodev" => out.attr |= Attr::MOUNT_ATTR_NODEV,
                "noexec" => out.attr |= Attr::MOUNT_ATTR_NOEXEC,
                "strictatime" => out.attr |= Attr::MOUNT_ATTR_STRICTATIME,
                "rbind" => out.recursive = true,
                // Always in force here: mounts of a container are private, and devpts always a new instance.
                "rw" | "bind" | "rprivate" | "private" | "newinstance" => {}
                other => {
                    let (key, value) = other.split_once('=').unwrap_or((other, ""));
                    out.data.push((key.to_string(), value.to_string()));
                }
            }
        }
        out
    }
}

/// The identity of a Spec's process.
pub fn credentials(process: &Process) -> Result<Credentials> {
    let user = process.user();
    let held = process.capabilities().as_ref().and_then(|c| c.bounding().clone()).unwrap_or_default();
    let names: Vec<String> = held.iter().map(|cap| format!("CAP_{cap}")).collect();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let set = words.iter().filter_map(|n| n.parse().ok()).collect();
    let bits = capability::bits(&set);
    let limits = process.rlimits().iter().flatten();
    let limits = limits.filter_map(|l| Some((limit_number(l.typ())?, l.soft(), l.hard()))).collect();
    Ok(Credentials {
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        bounding: bits,
        held: if user.uid() == 0 { bits } else { 0 },
        limits,
        umask: user.umask().unwrap_or(profile::UMASK),
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        seccomp: seccomp::program_for(&words)?,
    })
}

/// The number of a limit.
fn limit_number(kind: PosixRlimitType) -> Option<u32> {
    let word = kind.to_string().to_ascii_lowercase();
    let name = word.strip_prefix("rlimit_").unwrap_or(&word);
    profile::LIMIT_NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The program of a Spec's process.
pub fn command(process: &Process) -> Result<Command> {
    let args = process.args().as_deref().unwrap_or_default();
    let program = args.first().filter(|a| !a.is_empty()).ok_or_else(|| fail(Kind::User, "no command to run"))?;
    let env = process.env().as_deref().unwrap_or_default();
    let mut candidates = Vec::new();
    if program.contains('/') {
        candidates.push(c(program)?);
    } else {
        let path = env.iter().find_map(|e| e.strip_prefix("PATH=")).unwrap_or(profile::PATH);
        for dir in path.split(':') {
            candidates.push(c(&format!("{}/{program}", if dir.is_empty() { "." } else { dir }))?);
        }
    }
    let cwd = process.cwd().to_str().filter(|p| p.starts_with('/'));
    let cwd = cwd.ok_or_else(|| fail(Kind::User, "the working directory must be an absolute path"))?;
    Ok(Command {
        candidates,
        argv: CArray::new(args.iter().map(|a| c(a)).collect::<Result<_>>()?),
        envp: CArray::new(env.iter().map(|e| c(e)).collect::<Result<_>>()?),
        cwd: c(cwd)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::options::Network;
    use super::super::spec;
    use super::*;

    fn plan_for(network: Network, tty: bool, program: &str) -> Plan {
        let mut made = spec::build(spec::Request {
            argv: vec![program.into()],
            env: vec!["PATH=/a:/b".into()],
            cwd: "/w".into(),
            user: String::new(),
            hostname: "h",
            network,
            tty,
            read_only: false,
            cap_add: &[],
            cap_drop: &[],
            mounts: vec![spec::bind(std::path::Path::new("/src"), "/dst/", true).unwrap()],
        })
        .unwrap();
        spec::set_user(&mut made, 0, 0, vec![]);
        plan(&made, 1).unwrap()
    }

    #[test]
    fn devices_follow_dev_and_masks_come_last() {
        let plan = plan_for(Network::None, true, "x");
        let at = |wanted: &dyn Fn(&Step) -> bool| plan.steps.iter().position(wanted).unwrap();
        let dev = at(&|s| matches!(s, Step::Filesystem { target, .. } if target.as_bytes() == b"dev"));
        assert_eq!(plan.steps[dev + 1], Step::Devices);
        let console = at(&|s| *s == Step::Console);
        let first_mask = at(&|s| matches!(s, Step::Mask(_)));
        assert!(console < first_mask);
        let user = at(&|s| matches!(s, Step::Bind { source, .. } if source.as_bytes() == b"/src"));
        assert!(user < first_mask, "a mask must lie on top of whatever the user mounts");
        match &plan.steps[user] {
            Step::Bind { target, attr, recursive, follow, .. } => {
                assert_eq!(target.as_bytes(), b"dst");
                assert!(attr.contains(Attr::MOUNT_ATTR_RDONLY) && *recursive && *follow);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attached_trees_lie_between_mounts_and_masks() {
        let mut plan = plan_for(Network::None, true, "x");
        plan.attach([c"a".to_owned(), c"a/b".to_owned()]);
        let first = plan.steps.iter().position(|s| matches!(s, Step::Attach { tree: 0, .. })).unwrap();
        assert!(matches!(&plan.steps[first + 1], Step::Attach { tree: 1, target } if target.as_bytes() == b"a/b"));
        assert!(plan.steps[..first].iter().any(|s| matches!(s, Step::Bind { .. })));
        assert!(!plan.steps[first..].iter().any(|s| matches!(s, Step::Bind { .. } | Step::Filesystem { .. })));
        assert!(!plan.steps[..first].iter().any(|s| matches!(s, Step::Mask(_))));
    }

    #[test]
    fn a_plain_word_is_looked_for_in_path_and_a_path_is_not() {
        let words = |p: &str| plan_for(Network::Host, false, p).command.candidates;
        assert_eq!(words("x"), [c"/a/x".to_owned(), c"/b/x".to_owned()]);
        assert_eq!(words("./x"), [c"./x".to_owned()]);
    }

    #[test]
    fn only_root_holds_capabilities() {
        let mut made = spec::build(spec::Request {
            argv: vec!["x".into()],
            env: vec![],
            cwd: "/".into(),
            user: "7".into(),
            hostname: "h",
            network: Network::None,
            tty: false,
            read_only: true,
            cap_add: &[],
            cap_drop: &[],
            mounts: vec![],
        })
        .unwrap();
        spec::set_user(&mut made, 7, 7, vec![8]);
        let plan = plan(&made, 0).unwrap();
        assert_eq!((plan.credentials.held, plan.credentials.bounding), (0, 0x8004_05fb));
        assert_eq!(plan.steps.last(), Some(&Step::ReadOnlyRoot));
    }
}
