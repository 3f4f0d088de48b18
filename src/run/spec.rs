//! Image configuration and options → OCI runtime Spec. Pure: no look-ups in the image, no system calls.
//!
//! What only the root file system can tell (numeric ids of a user name, HOME) is filled in by `prepare`.

use super::options::{MountSource, Network, Options};
use super::{capability, profile};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::Execution;
use oci_spec::runtime::{
    Capabilities, Capability, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, Mount,
    MountBuilder, PosixRlimitBuilder, PosixRlimitType, ProcessBuilder, RootBuilder, Spec, SpecBuilder, User,
    UserBuilder,
};
use std::path::Path;

/// Everything from which a Spec is made.
pub struct Request<'a> {
    /// Entrypoint and command, as [`argv`] gives them.
    pub argv: Vec<String>,
    /// The environment, as [`environment`] gives it.
    pub env: Vec<String>,
    /// Working directory, absolute.
    pub cwd: String,
    /// `--user`, else the image's; empty means root.
    pub user: String,
    /// Host name inside.
    pub hostname: &'a str,
    /// Own network namespace or not, and what is in it.
    pub network: Network,
    /// With a terminal.
    pub tty: bool,
    /// Root file system not writable.
    pub read_only: bool,
    /// Capabilities to add and to drop.
    pub cap_add: &'a [String],
    /// See `cap_add`.
    pub cap_drop: &'a [String],
    /// Mounts after the standard ones.
    pub mounts: Vec<Mount>,
}

/// What runs: the entrypoint, then the arguments (Docker's rules: an entrypoint from the command line clears the
/// image's command).
pub fn argv(image: &Execution, options: &Options) -> Result<Vec<String>> {
    let mut argv = options.entrypoint.clone().unwrap_or_else(|| image.entrypoint.clone().unwrap_or_default());
    if !options.command.is_empty() {
        argv.extend(options.command.iter().cloned());
    } else if options.entrypoint.is_none() {
        argv.extend(image.cmd.iter().flatten().cloned());
    }
    if argv.is_empty() || argv[0].is_empty() {
        return Err(fail_with(
            Kind::User,
            format!("no command: the image {} has neither CMD nor ENTRYPOINT", options.image),
            "Write the command after the image's name.",
        ));
    }
    Ok(argv)
}

/// The environment: defaults, the image's, then the user's; a later name replaces an earlier one in place.
pub fn environment(image: &Execution, hostname: &str, tty: bool, user: &[String]) -> Vec<String> {
    let mut env: Vec<String> = vec![format!("PATH={}", profile::PATH), "container=dhow".into()];
    if tty {
        env.push("TERM=xterm".into());
    }
    env.push(format!("HOSTNAME={hostname}"));
    for entry in image.env.iter().flatten().chain(user) {
        set_variable(&mut env, entry);
    }
    env
}

/// Sets `NAME=value`, in place of an earlier entry of that name. An entry without `=` or with a NUL byte is dropped:
/// such a thing comes from a broken image and would fail the exec (security.md 1.3).
pub fn set_variable(env: &mut Vec<String>, entry: &str) {
    let Some((name, _)) = entry.split_once('=') else { return };
    if name.is_empty() || entry.contains('\0') {
        return;
    }
    match env.iter_mut().find(|e| e.split_once('=').is_some_and(|(n, _)| n == name)) {
        Some(found) => *found = entry.to_string(),
        None => env.push(entry.to_string()),
    }
}

/// Makes the Spec.
pub fn build(request: Request<'_>) -> Result<Spec> {
    let user = UserBuilder::default().uid(0u32).gid(0u32).umask(profile::UMASK).username(request.user).build()?;
    let mut process = ProcessBuilder::default()
        .terminal(request.tty)
        .user(user)
        .args(request.argv)
        .env(request.env)
        .cwd(request.cwd)
        .rlimits(limits()?)
        .build()?;
    process.set_capabilities(Some(capabilities(request.cap_add, request.cap_drop)?));
    let linux = LinuxBuilder::default()
        .namespaces(namespaces(request.network)?)
        .masked_paths(masked(request.network))
        .readonly_paths(profile::READ_ONLY_PATHS.iter().map(ToString::to_string).collect::<Vec<_>>())
        .build()?;
    let mut mounts = standard_mounts(request.network)?;
    mounts.extend(request.mounts);
    Ok(SpecBuilder::default()
        .version("1.2.0")
        .root(RootBuilder::default().path("rootfs").readonly(request.read_only).build()?)
        .hostname(request.hostname)
        .process(process)
        .mounts(mounts)
        .linux(linux)
        .build()?)
}

fn capabilities(add: &[String], drop: &[String]) -> Result<oci_spec::runtime::LinuxCapabilities> {
    let held: Capabilities = capability::names(&capability::effective(add, drop)?)
        .iter()
        .filter_map(|name| name.strip_prefix("CAP_").and_then(|n| n.parse::<Capability>().ok()))
        .collect();
    let empty = Capabilities::new();
    Ok(LinuxCapabilitiesBuilder::default()
        .bounding(held.clone())
        .permitted(held.clone())
        .effective(held)
        .inheritable(empty.clone())
        .ambient(empty)
        .build()?)
}

fn limits() -> Result<Vec<oci_spec::runtime::PosixRlimit>> {
    let kind = |name: &str| match name {
        "nproc" => PosixRlimitType::RlimitNproc,
        "core" => PosixRlimitType::RlimitCore,
        _ => PosixRlimitType::RlimitNofile,
    };
    profile::LIMITS
        .iter()
        .map(|l| Ok(PosixRlimitBuilder::default().typ(kind(l.name)).soft(l.most).hard(l.most).build()?))
        .collect()
}

fn namespaces(network: Network) -> Result<Vec<oci_spec::runtime::LinuxNamespace>> {
    use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network as Net, Pid, User, Uts};
    let mut kinds = vec![User, Mount, Pid, Ipc, Uts, Cgroup];
    if network != Network::Host {
        kinds.push(Net);
    }
    kinds.into_iter().map(|kind| Ok(LinuxNamespaceBuilder::default().typ(kind).build()?)).collect()
}

fn masked(network: Network) -> Vec<String> {
    let mut paths: Vec<String> = profile::MASKED_PATHS.iter().map(ToString::to_string).collect();
    if network == Network::Host {
        paths.extend(profile::MASKED_WITH_HOST_SYS.iter().map(ToString::to_string));
    }
    paths
}

fn standard_mounts(network: Network) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    for m in profile::MOUNTS {
        let host_sys = network == Network::Host && m.fs == "sysfs";
        let mut options: Vec<String> = m.flags.iter().map(ToString::to_string).collect();
        let (kind, source) = if host_sys {
            // A sysfs of one's own needs a network namespace of one's own (kernel: kobj_ns_current_may_mount).
            options.push("rbind".into());
            ("bind", "/sys")
        } else {
            options.extend(m.data.split(',').filter(|o| !o.is_empty()).map(str::to_string));
            (m.fs, m.fs)
        };
        if host_sys || m.target != "/sys/fs/cgroup" || network != Network::Host {
            mounts.push(mount(kind, source, m.target, options)?);
        }
    }
    Ok(mounts)
}

fn mount(kind: &str, source: &str, target: &str, options: Vec<String>) -> Result<Mount> {
    Ok(MountBuilder::default().typ(kind).source(source).destination(target).options(options).build()?)
}

/// A bind mount of a host path.
pub fn bind(source: &Path, target: &str, read_only: bool) -> Result<Mount> {
    let access = if read_only { "ro" } else { "rw" };
    let source = source.to_str().ok_or_else(|| fail(Kind::User, format!("{}: not UTF-8", source.display())))?;
    mount("bind", source, target, vec!["rbind".into(), access.into(), "nosuid".into(), "nodev".into()])
}

/// The mount that the user asked for; a volume's folder is `volume_dir`.
pub fn user_mount(
    wanted: &super::options::UserMount,
    volume_dir: impl Fn(&str) -> std::path::PathBuf,
) -> Result<Mount> {
    match &wanted.source {
        MountSource::Bind(path) => bind(path, &wanted.target, wanted.read_only),
        MountSource::Volume(name) => bind(&volume_dir(name), &wanted.target, wanted.read_only),
        MountSource::Tmpfs(data) => {
            let mut options: Vec<String> = ["nosuid", "nodev", "noexec"].map(String::from).to_vec();
            let given: Vec<&str> = data.split(',').filter(|o| !o.is_empty()).collect();
            if !given.iter().any(|o| o.starts_with("mode=")) {
                options.push("mode=1777".into());
            }
            for option in given {
                match option {
                    "exec" => options.retain(|o| o != "noexec"),
                    "suid" => options.retain(|o| o != "nosuid"),
                    "dev" => options.retain(|o| o != "nodev"),
                    other => options.push(other.to_string()),
                }
            }
            if wanted.read_only {
                options.push("ro".into());
            }
            mount("tmpfs", "tmpfs", &wanted.target, options)
        }
    }
}

/// Sets resource limits, in place of those of the same name.
pub fn limit(spec: &mut Spec, limits: &[super::options::UserLimit]) -> Result<()> {
    let Some(process) = spec.process_mut() else { return Ok(()) };
    let mut all = process.rlimits().clone().unwrap_or_default();
    for limit in limits {
        let name = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
        let kind: PosixRlimitType = serde_json::from_value(name.into())?;
        all.retain(|l| l.typ() != kind);
        all.push(PosixRlimitBuilder::default().typ(kind).soft(limit.soft).hard(limit.hard).build()?);
    }
    process.set_rlimits(Some(all));
    Ok(())
}

/// Sets the size of /dev/shm, in bytes.
pub fn set_shm_size(spec: &mut Spec, size: u64) {
    for mount in spec.mounts_mut().iter_mut().flatten().filter(|m| m.destination() == Path::new("/dev/shm")) {
        let mut options = mount.options().clone().unwrap_or_default();
        options.retain(|o| !o.starts_with("size="));
        options.push(format!("size={size}"));
        mount.set_options(Some(options));
    }
}

/// Hides nothing and lets everything be written that the kernel lets its owner write.
pub fn unmask(spec: &mut Spec) {
    if let Some(linux) = spec.linux_mut() {
        linux.set_masked_paths(None);
        linux.set_readonly_paths(None);
    }
    // A file system of the host's that is only bound here stays as it is.
    for mount in spec.mounts_mut().iter_mut().flatten().filter(|m| m.typ().as_deref() != Some("bind")) {
        let mut options = mount.options().clone().unwrap_or_default();
        options.retain(|o| o != "ro");
        mount.set_options(Some(options));
    }
}

/// The user of a Spec with numeric ids filled in.
pub fn set_user(spec: &mut Spec, uid: u32, gid: u32, groups: Vec<u32>) {
    if let Some(process) = spec.process_mut() {
        let username = process.user().username().clone();
        let mut user = User::default();
        user.set_uid(uid).set_gid(gid).set_umask(Some(profile::UMASK)).set_username(username);
        user.set_additional_gids(Some(groups));
        process.set_user(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Execution {
        Execution {
            entrypoint: Some(vec!["/e".into()]),
            cmd: Some(vec!["c".into()]),
            env: Some(vec!["A=1".into(), "PATH=/x".into(), "broken".into()]),
            ..Execution::default()
        }
    }

    #[test]
    fn the_command_line_replaces_what_it_should() {
        let of = |entrypoint: Option<Vec<&str>>, command: &[&str]| {
            let options = Options {
                entrypoint: entrypoint.map(|e| e.into_iter().map(String::from).collect()),
                command: command.iter().map(ToString::to_string).collect(),
                ..Options::default()
            };
            argv(&image(), &options)
        };
        assert_eq!(of(None, &[]).unwrap(), ["/e", "c"]);
        assert_eq!(of(None, &["x"]).unwrap(), ["/e", "x"]);
        assert_eq!(of(Some(vec!["/n"]), &[]).unwrap(), ["/n"]);
        assert_eq!(of(Some(vec![]), &["x"]).unwrap(), ["x"]);
        assert!(of(Some(vec![]), &[]).is_err());
    }

    #[test]
    fn variables_are_replaced_in_place_and_broken_ones_dropped() {
        let env = environment(&image(), "h", false, &["A=2".into(), "B=3".into()]);
        assert_eq!(env, ["PATH=/x", "container=dhow", "HOSTNAME=h", "A=2", "B=3"]);
    }

    #[test]
    fn the_host_network_has_no_namespace_and_the_hosts_sys() {
        let spec = build(Request {
            argv: vec!["a".into()],
            env: vec![],
            cwd: "/".into(),
            user: String::new(),
            hostname: "h",
            network: Network::Host,
            tty: false,
            read_only: false,
            cap_add: &[],
            cap_drop: &[],
            mounts: vec![],
        })
        .unwrap();
        let linux = spec.linux().as_ref().unwrap();
        assert!(linux.namespaces().as_ref().unwrap().iter().all(|n| n.typ() != LinuxNamespaceType::Network));
        let sys = spec.mounts().as_ref().unwrap().iter().find(|m| m.destination() == Path::new("/sys")).unwrap();
        assert_eq!(sys.typ().as_deref(), Some("bind"));
    }
}
