//! What a worker does before it makes init: the container's folder and record, its root file system, and everything that
//! only the root file system can tell.
//!
//! [`Draft::make`] needs no ids and runs beside the id mapping; [`Draft::finish`] comes after it.

use super::options::{MountSource, Network, Options, UserMount};
use super::plan::{self, Plan};
use super::{network, profile, signal, spec, time, user};
use crate::error::{Kind, Result, fail};
use crate::image::config::Execution;
use crate::store::container::{ContainerLock, ContainerRecord, MountRecord};
use crate::store::image::ImageRecord;
use crate::store::lock::Held;
use crate::store::{Store, random_hex};
use crate::sys::mount;
use crate::sys::path::Root;
use anyhow::Context;
use oci_spec::runtime::{Mount, Spec};
use rustix::fd::OwnedFd;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The kernel's limit of a host name (uname(2), `__NEW_UTS_LEN`).
const MAX_HOSTNAME: usize = 64;

/// A container's folder and record, not yet startable.
pub struct Draft {
    /// The record; its spec lacks the numeric user.
    pub record: ContainerRecord,
    /// Held for the monitor's life.
    pub lock: ContainerLock,
}

/// Everything that init needs.
pub struct Ready {
    /// What init does.
    pub plan: Plan,
    /// The mounted root file system, detached.
    pub root: Root,
    /// A folder onto which it is put.
    pub anchor: CString,
    /// Held until the record is written, by which the layers have a user.
    pub adding: Held,
}

impl Draft {
    /// Makes the folder and the record.
    pub fn make(store: &Store, options: &Options, image: &ImageRecord, shown: &str) -> Result<Draft> {
        let id = random_hex(32);
        let name = options.name.clone().unwrap_or_else(|| store.free_name());
        let argv = spec::argv(&image.config.config, options)?;
        for mount in &options.mounts {
            check_source(store, mount)?;
        }
        let lock = store.create_container(&id, &name)?;
        let made = Draft::fill(store, options, image, shown, id.clone(), name.clone(), argv, &lock);
        match made {
            Ok(record) => Ok(Draft { record, lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(lock.dir());
                store.release_name(&name, &id);
                Err(error)
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn fill(
        store: &Store,
        options: &Options,
        image: &ImageRecord,
        shown: &str,
        id: String,
        name: String,
        argv: Vec<String>,
        lock: &ContainerLock,
    ) -> Result<ContainerRecord> {
        for sub in ["upper", "work"] {
            fs::create_dir(lock.dir().join(sub)).with_context(|| format!("making the container's {sub} folder"))?;
        }
        // The upper folder is the container's root folder: everybody inside must be able to enter it.
        fs::set_permissions(lock.dir().join("upper"), fs::Permissions::from_mode(0o755))?;
        let hostname = options.hostname.clone().unwrap_or_else(|| match options.network {
            Network::Host => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            _ => id[..12].to_string(),
        });
        if hostname.len() > MAX_HOSTNAME {
            return Err(fail(Kind::User, format!("the host name {hostname:?} is longer than {MAX_HOSTNAME} bytes")));
        }
        let inherited = &image.config.config;
        let config = effective(inherited, options, &argv, &hostname);
        let mut mounts = host_files(lock.dir(), options.network, &hostname)?;
        for mount in &options.mounts {
            mounts.push(spec::user_mount(mount, |volume| store.volume_dir(volume))?);
        }
        let spec = spec::build(spec::Request {
            env: config.env.clone().unwrap_or_default(),
            cwd: config.working_dir.clone().unwrap_or_else(|| "/".into()),
            user: config.user.clone().unwrap_or_default(),
            hostname: &hostname,
            network: options.network,
            tty: options.tty,
            read_only: options.read_only,
            cap_add: &options.cap_add,
            cap_drop: &options.cap_drop,
            mounts,
            argv: argv.clone(),
        })?;
        Ok(ContainerRecord {
            id,
            name,
            created: time::now(),
            image: shown.to_string(),
            image_manifest: image.manifest.clone(),
            image_id: image.id.clone(),
            layers: image.layers.iter().map(|l| l.id.clone()).collect(),
            argv,
            hostname,
            network: options.network.word().to_string(),
            tty: options.tty,
            stdin: options.interactive,
            remove: options.remove,
            stop_signal: stop_signal(options, inherited)?,
            stop_timeout: options.stop_timeout.unwrap_or(profile::STOP_SECONDS),
            mounts: options.mounts.iter().map(|m| mount_record(store, m)).collect(),
            create_command: options.create_command.clone(),
            config,
            spec,
        })
    }

    /// Mounts the root file system and looks up what it tells: user, home, working directory, mount targets.
    /// Needs the mapped ids. The record is complete then, and still to be written.
    pub fn finish(&mut self, store: &Store) -> Result<Ready> {
        if let Some(top) = self.record.layers.last() {
            resemble(&store.layer_tree(top), &self.lock.dir().join("upper"))?;
        }
        // From the look at the layers until the record says whose they are, nobody may take them away.
        let adding = store.lock_shared()?;
        let root = Root::from_fd(root_filesystem(store, &self.record).map_err(|e| or_removed(store, &self.record, e))?);
        settle_user(&mut self.record.spec, &root)?;
        let cwd = self.record.spec.process().as_ref().map(|p| p.cwd().clone()).unwrap_or_else(|| "/".into());
        root.create_dirs(&cwd, 0o755, None)
            .with_context(|| format!("making the working directory {}", cwd.display()))?;
        for mount in self.record.spec.mounts().iter().flatten() {
            make_target(&root, mount)?;
        }
        let plan = plan::plan(&self.record.spec, cpus())?;
        // Nothing is ever bound from below the stub, so covering it for a moment hides no source.
        let anchor = mount::c_path(&store.stub())?;
        Ok(Ready { plan, root, anchor, adding })
    }
}

/// The failure of a mount, or what is behind it: the image was removed after it was looked up.
fn or_removed(store: &Store, record: &ContainerRecord, error: anyhow::Error) -> anyhow::Error {
    // With its record still there, a missing layer is damage, and that is what the error says.
    if store.image(&record.image_manifest).is_ok_and(|image| image.is_some()) {
        return error;
    }
    fail(Kind::NotFound, format!("the image {} was removed while the container was being made", record.image))
}

/// Gives a fresh upper folder the mode and owner of the layer below: it is what the container sees as its root folder.
pub fn resemble(below: &Path, upper: &Path) -> Result<()> {
    let (from, to) = (fs::metadata(below), fs::metadata(upper));
    let (Ok(from), Ok(to)) = (from, to) else { return Ok(()) };
    if (from.uid(), from.gid()) != (to.uid(), to.gid()) {
        std::os::unix::fs::chown(upper, Some(from.uid()), Some(from.gid()))
            .context("giving the root folder its owner")?;
    }
    if from.mode() & 0o7777 != to.mode() & 0o7777 {
        fs::set_permissions(upper, fs::Permissions::from_mode(from.mode() & 0o7777))?;
    }
    Ok(())
}

/// How many processors the host shows; each has a folder that is masked.
pub fn cpus() -> usize {
    let present = fs::read_to_string("/sys/devices/system/cpu/present").unwrap_or_default();
    present.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<usize>().ok()).map_or(1, |last| last + 1).min(4096)
}

/// Fills the numeric user, the groups and HOME into a spec.
pub fn settle_user(spec: &mut Spec, root: &Root) -> Result<()> {
    let Some(process) = spec.process_mut() else { return Ok(()) };
    let identity = user::resolve(process.user().username().as_deref().unwrap_or_default(), root)?;
    let mut env = process.env().clone().unwrap_or_default();
    if !env.iter().any(|e| e.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
        process.set_env(Some(env));
    }
    spec::set_user(spec, identity.uid, identity.gid, identity.groups);
    Ok(())
}

/// The overlay of a container: its image's layers above the stub, its own upper folder on top.
fn root_filesystem(store: &Store, record: &ContainerRecord) -> Result<OwnedFd> {
    let own = |sub: &str| format!("containers/{}/{sub}", record.id);
    let lower = lower_dirs(record.layers.iter().map(|id| format!("layers/{id}/fs")), true);
    mount_overlay(store, &lower, Some((&own("upper"), &own("work"))), record.remove)
}

/// Lower folders for an overlay, topmost first, from layers given lowest first; with the stub below all of them.
///
/// A layer that occurs twice (every step that changes nothing gives the same empty one) is mounted once, where it is
/// topmost: the kernel refuses a folder that is there twice, and the lower one could not show anything anyway.
pub fn lower_dirs(lowest_first: impl DoubleEndedIterator<Item = String>, stub: bool) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut dirs: Vec<String> = lowest_first.rev().filter(|dir| seen.insert(dir.clone())).collect();
    if stub {
        dirs.push("stub".into());
    }
    dirs
}

/// Mounts an overlay of folders given relative to the store.
pub fn mount_overlay(store: &Store, lower: &[String], upper: Option<(&str, &str)>, volatile: bool) -> Result<OwnedFd> {
    // Relative paths keep every name short: the kernel takes 255 bytes of each.
    std::env::set_current_dir(store.root()).with_context(|| format!("entering {}", store.root().display()))?;
    let c = |text: &str| CString::new(text).context("a path with a NUL byte");
    let mut lower = lower.iter().map(|l| c(l)).collect::<Result<Vec<_>>>()?;
    leave_hidden_out(&mut lower, upper.is_some());
    let upper = upper.map(|(u, w)| Ok::<_, anyhow::Error>((c(u)?, c(w)?))).transpose()?;
    let upper = upper.as_ref().map(|(u, w)| (u.as_c_str(), w.as_c_str()));
    let layers = lower.len();
    if layers > mount::MAX_LOWER {
        return Err(crate::error::fail_with(
            Kind::User,
            format!("mounting the root file system failed: {layers} layers, and the kernel takes {}", mount::MAX_LOWER),
            "Join commands into fewer RUN and COPY steps, or COPY --from= the finished tree into a stage of its own.",
        ));
    }
    // The stub is nothing that another process of ours looks into, unlike layers, which are hashed meanwhile.
    mount::overlay(&mount::Overlay { lower: &lower, upper, volatile, anchor: c"stub" }).map_err(|error| {
        crate::error::fail_with(
            Kind::System,
            format!("mounting the root file system ({layers} layers) below {} failed: {error}", store.root().display()),
            "dhow needs overlay mounts in user namespaces (Linux 5.13 or newer) and a store on a local file system with \
             extended attributes; DHOW_ROOT names another place.",
        )
    })
    .map_err(|error| missing_layer(store, &lower).unwrap_or(error))
}

/// Takes the layers away that an opaque one above hides completely: the kernel looks at the mark of every directory but
/// the topmost. A lone folder without an upper one is no overlay; the stub then keeps it company.
fn leave_hidden_out(topmost_first: &mut Vec<CString>, has_upper: bool) {
    let hides = |dir: &CString| {
        let mut value = [0; 1];
        rustix::fs::getxattr(dir.as_c_str(), c"user.overlay.opaque", &mut value) == Ok(1) && value == *b"y"
    };
    let Some(last) = topmost_first.iter().position(hides) else { return };
    let stub = topmost_first.last().is_some_and(|dir| dir.as_c_str() == c"stub");
    topmost_first.truncate(last + 1);
    if stub || (topmost_first.len() == 1 && !has_upper) {
        topmost_first.push(c"stub".into());
    }
}

/// What is behind a failed mount, if it is a layer that is not there.
fn missing_layer(store: &Store, lower: &[CString]) -> Option<anyhow::Error> {
    let paths = lower.iter().map(|name| store.root().join(name.to_string_lossy().as_ref()));
    let gone = paths.into_iter().find(|path| !path.is_dir())?;
    Some(crate::error::fail_with(
        Kind::System,
        format!("the image is damaged: its layer {} is missing", gone.display()),
        "Build or load the image again.",
    ))
}

/// Whether a mount's target is a folder: what is bound may be a file.
pub fn is_folder(mount: &Mount) -> bool {
    mount.typ().as_deref() != Some("bind")
        || !mount.source().as_ref().is_some_and(|s| fs::metadata(s).is_ok_and(|m| !m.is_dir()))
}

/// Makes the target of a mount, if it is missing. Targets in /dev are init's business: /dev is made afresh.
fn make_target(root: &Root, mount: &Mount) -> Result<()> {
    let target = mount.destination();
    if target.starts_with("/dev") || target.starts_with("/proc") || target.starts_with("/sys") {
        return Ok(());
    }
    let failed = || format!("making the mount target {} in the container", target.display());
    match root.stat(target) {
        Ok(_) => return Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(failed),
    }
    if is_folder(mount) {
        root.create_dirs(target, 0o755, None).with_context(failed)?;
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        root.create_dirs(parent, 0o755, None).with_context(failed)?;
    }
    use rustix::fs::{Mode, OFlags};
    root.open_at(target, OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).with_context(failed)?;
    Ok(())
}

/// The files that every container gets from us: hosts and, where there is a network, resolv.conf; hostname, where it has
/// one of its own.
pub fn host_files(dir: &Path, network: Network, hostname: &str) -> Result<Vec<Mount>> {
    let host = |name: &str| fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
    let mut files = Vec::new();
    if network == Network::Host {
        // Copies: the host's own files would be the container's to write where its root user may write them.
        files.extend(["hosts", "resolv.conf"].map(|name| (name, host(name))));
    } else {
        let own = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        files.extend([("hosts", own), ("hostname", format!("{hostname}\n"))]);
    }
    if network == Network::Private {
        files.push(("resolv.conf", network::resolv_conf(&host("resolv.conf"))));
    }
    let mut mounts = Vec::new();
    for (name, text) in files {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        mounts.push(spec::bind(&path, &format!("/etc/{name}"), false)?);
    }
    Ok(mounts)
}

fn check_source(store: &Store, mount: &UserMount) -> Result<()> {
    match &mount.source {
        MountSource::Bind(path) if !path.exists() => Err(fail(
            Kind::User,
            format!("the mount source {} does not exist: no such file or directory", path.display()),
        )),
        MountSource::Volume(name) => store.make_volume(name),
        _ => Ok(()),
    }
}

fn mount_record(store: &Store, mount: &UserMount) -> MountRecord {
    let (kind, name, source) = match &mount.source {
        MountSource::Bind(path) => ("bind", String::new(), path.display().to_string()),
        MountSource::Volume(name) => ("volume", name.clone(), store.volume_dir(name).display().to_string()),
        MountSource::Tmpfs(_) => ("tmpfs", String::new(), "tmpfs".into()),
    };
    MountRecord { kind: kind.into(), name, source, destination: mount.target.clone(), rw: !mount.read_only }
}

fn stop_signal(options: &Options, image: &Execution) -> Result<String> {
    if let Some(given) = &options.stop_signal {
        signal::parse(given)?;
        return Ok(given.clone());
    }
    // An image's signal that means nothing is ignored, as an image may not stop its own start.
    let from_image = image.stop_signal.clone().filter(|s| signal::parse(s).is_ok());
    Ok(from_image.unwrap_or_else(|| profile::STOP_SIGNAL.into()))
}

/// The image's configuration with the user's options on top, as `inspect` shows it.
fn effective(image: &Execution, options: &Options, argv: &[String], hostname: &str) -> Execution {
    let mut config = image.clone();
    config.env = Some(spec::environment(image, hostname, options.tty, &options.env));
    if let Some(entrypoint) = &options.entrypoint {
        config.entrypoint = (!entrypoint.is_empty()).then(|| entrypoint.clone());
        config.cmd = None;
    }
    if !options.command.is_empty() {
        config.cmd = Some(options.command.clone());
    }
    debug_assert!(!argv.is_empty());
    if let Some(user) = &options.user {
        config.user = Some(user.clone());
    }
    config.working_dir = options.workdir.clone().or(config.working_dir).filter(|d| d.starts_with('/'));
    if !options.labels.is_empty() {
        config.labels.get_or_insert_default().extend(options.labels.clone());
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_occurs_twice_is_mounted_once_at_its_topmost_place() {
        let dirs = |layers: &[&str], stub| lower_dirs(layers.iter().map(ToString::to_string), stub);
        assert_eq!(dirs(&["a", "e", "b", "e", "c"], true), ["c", "e", "b", "a", "stub"]);
        assert_eq!(dirs(&["e", "e"], false), ["e"]);
    }
}
