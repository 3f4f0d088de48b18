//! Containers: what was asked for, what runs, how it ended.
//!
//! ```text
//! containers/<id>/lock            held by the monitor for its whole life: alive means this lock is held
//! containers/<id>/container.json  the create options; its presence makes the folder a container
//! containers/<id>/state.json      pid and start of the running (or last) process
//! containers/<id>/exit.json       exit code and time, written before the lock is let go (`exit`)
//! containers/<id>/upper, work     the writable layer
//! containers/<id>/log             k8s-file format
//! containers/<id>/hosts …         files mounted into the container
//! containers/by-name/<name>       a link that says the id
//! containers/by-name/.lock        held for the moment in which a name is taken away
//! ```
//! A container whose lock nobody holds and that has no exit record lost its monitor: it is shown as exited (137).

use super::exit::ExitRecord;
use super::lock::{self as order, Held, Place, Rank};
use super::staging::make_locked;
use super::{Store, random_hex, record};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::Execution;
use crate::sys::fault;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// `container.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// 64 hex digits.
    pub id: String,
    /// Unique among containers.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// The image as shown to people: its full name, else its id.
    pub image: String,
    /// Digest of the image's manifest.
    pub image_manifest: String,
    /// Digest of the image's config.
    pub image_id: String,
    /// Layer ids, lowest first.
    pub layers: Vec<String>,
    /// What runs: entrypoint and command.
    pub argv: Vec<String>,
    /// The effective configuration (image and options merged), as `inspect` shows it.
    pub config: Execution,
    /// Host name inside.
    pub hostname: String,
    /// `private`, `host` or `none`.
    pub network: String,
    /// With a terminal of its own.
    pub tty: bool,
    /// With an open standard input.
    pub stdin: bool,
    /// Removed when it ends.
    pub remove: bool,
    /// Signal that asks it to end.
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL.
    pub stop_timeout: u64,
    /// Mounts asked for by the user.
    #[serde(default)]
    pub mounts: Vec<MountRecord>,
    /// The command line that made it.
    #[serde(default)]
    pub create_command: Vec<String>,
    /// The OCI runtime spec that it is started with.
    pub spec: oci_spec::runtime::Spec,
}

/// A mount that the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRecord {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// The volume's name, else empty.
    pub name: String,
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub destination: String,
    /// Writable.
    pub rw: bool,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// Process id of the container's first process, as the host sees it.
    pub pid: i32,
    /// Its start time in clock ticks since boot (`/proc/<pid>/stat`, field 22), against reuse of the pid.
    pub start_time: u64,
    /// The boot in which both numbers mean something.
    #[serde(default)]
    pub boot: String,
    /// RFC 3339.
    pub started: String,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Never started (or just being started).
    Created,
    /// Its monitor lives.
    Running(StateRecord),
    /// It ended.
    Exited(ExitRecord),
}

/// A container folder made by this process, its lock held.
#[derive(Debug)]
pub struct ContainerLock {
    dir: PathBuf,
    file: File,
    _place: Place,
}

impl ContainerLock {
    /// Of a file that is locked.
    fn new(dir: PathBuf, file: File) -> ContainerLock {
        ContainerLock { dir, file, _place: Place::take(Rank::Folder, Mode::Exclusive) }
    }

    /// The container's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The locked file; it must stay open in the monitor.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Checks a name that a user gave to a container or volume: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 255 bytes.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && name.len() <= 255;
    if good {
        return Ok(());
    }
    Err(fail(Kind::User, format!("invalid {what} name {name:?}: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is allowed")))
}

impl Store {
    pub(super) fn containers_dir(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// The folder of a container.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.containers_dir().join(id)
    }

    fn name_link(&self, name: &str) -> PathBuf {
        self.containers_dir().join("by-name").join(name)
    }

    /// Makes a container's folder, takes its lock and claims its name. The record is written by [`Store::put_container`].
    pub fn create_container(&self, id: &str, name: &str) -> Result<ContainerLock> {
        check_name("container", name)?;
        let dir = self.container_dir(id);
        let file = make_locked(&dir).map_err(|e| {
            let hopeless = matches!(e.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied);
            let error = anyhow::Error::new(e).context(format!("making {}", dir.display()));
            if hopeless { super::place::unusable(&self.root, error) } else { error }
        })?;
        let held = ContainerLock::new(dir, file);
        let claimed = fault::point("container.claim").map_err(Into::into).and_then(|()| self.claim_name(name, id));
        if let Err(error) = claimed {
            let _ = fs::remove_file(held.dir.join("lock"));
            let _ = fs::remove_dir(&held.dir);
            return Err(error);
        }
        Ok(held)
    }

    /// Claims a name. A link, because it is there at once with what it says: no kill leaves a name without an owner.
    fn claim_name(&self, name: &str, id: &str) -> Result<()> {
        match symlink(id, self.name_link(name)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.take_over_name(name, id),
            other => other.with_context(|| format!("claiming the name {name}")),
        }
    }

    /// Claims a name that exists: fine if its container is gone, or waits to be swept (its maker, monitor or remover was
    /// killed).
    fn take_over_name(&self, name: &str, id: &str) -> Result<()> {
        // One at a time: of two, the second would remove what the first has just claimed.
        let _alone = self.lock_names()?;
        if let Some(owner) = self.name_owner(name).filter(|owner| self.keeps_name(owner)) {
            return Err(fail_with(
                Kind::InUse,
                format!("the container name {name:?} is already in use by {}", short(&owner)),
                format!("Remove that container (`dhow rm {name}`), or choose another name."),
            ));
        }
        let link = self.name_link(name);
        let _ = fs::remove_file(&link);
        match symlink(id, &link) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(fail(Kind::InUse, format!("the container name {name:?} is already in use")))
            }
            other => other.with_context(|| format!("claiming the name {name}")),
        }
    }

    fn keeps_name(&self, owner: &str) -> bool {
        self.container_dir(owner).exists() && !self.is_abandoned(owner).unwrap_or(false)
    }

    /// The id of the container that a name belongs to.
    fn name_owner(&self, name: &str) -> Option<String> {
        fs::read_link(self.name_link(name)).ok()?.into_os_string().into_string().ok().filter(|id| !id.is_empty())
    }

    /// Held while a name is taken away from a container: what was read of it must still hold when it is removed.
    fn lock_names(&self) -> Result<Held> {
        order::take(&self.containers_dir().join("by-name/.lock"), Rank::Names, Mode::Exclusive)
    }

    /// Whether there is such a container, or somebody is just making one: a folder without record and maker is neither.
    fn is_or_will_be(&self, id: &str) -> bool {
        self.container_dir(id).join("container.json").exists() || self.is_alive(id).unwrap_or(true)
    }

    /// Removes the names of containers that are gone: those whose makers were killed before there was a record of them.
    pub fn drop_dead_names(&self) -> Result<()> {
        let _alone = self.lock_names()?;
        for name in record::names(&self.containers_dir().join("by-name"))? {
            if self.name_owner(&name).is_none_or(|owner| !self.is_or_will_be(&owner)) {
                let _ = fs::remove_file(self.name_link(&name));
            }
        }
        Ok(())
    }

    /// Gives back whatever names lead to a container.
    pub fn release_names_of(&self, id: &str) -> Result<()> {
        for name in record::names(&self.containers_dir().join("by-name"))? {
            if self.name_owner(&name).as_deref() == Some(id) {
                self.release_name(&name, id);
            }
        }
        Ok(())
    }

    /// Gives a name back.
    pub fn release_name(&self, name: &str, id: &str) {
        let _alone = self.lock_names();
        if self.name_owner(name).as_deref() == Some(id) {
            let _ = fs::remove_file(self.name_link(name));
        }
    }

    /// A free name, `adjective_surname` in the peers' manner.
    pub fn free_name(&self) -> String {
        loop {
            let random = random_hex(3);
            let pick = |at: usize, of: &[&str]| {
                let n = usize::from_str_radix(&random[at * 3..at * 3 + 3], 16).unwrap_or(0);
                of[n % of.len()].to_string()
            };
            let name = format!("{}_{}", pick(0, ADJECTIVES), pick(1, SURNAMES));
            if self.name_owner(&name).is_none() {
                return name;
            }
            let numbered = format!("{name}{}", u8::from_str_radix(&random[..1], 16).unwrap_or(0) % 10);
            if self.name_owner(&numbered).is_none() {
                return numbered;
            }
        }
    }

    /// Writes the record; from now on the container is listed.
    pub fn put_container(&self, container: &ContainerRecord) -> Result<()> {
        let path = self.container_dir(&container.id).join("container.json");
        record::write_quick(&path, &record::to_json(container)?)
    }

    /// Reads a record by full id.
    pub fn container(&self, id: &str) -> Result<Option<ContainerRecord>> {
        record::read(&self.container_dir(id).join("container.json"))
    }

    /// All containers, newest first. A damaged record hides only itself.
    pub fn containers(&self) -> Result<Vec<ContainerRecord>> {
        Ok(self.containers_and_damaged()?.0)
    }

    /// All containers, newest first, and the ids of those whose records cannot be read.
    pub fn containers_and_damaged(&self) -> Result<(Vec<ContainerRecord>, Vec<String>)> {
        let (mut all, mut damaged) = (Vec::new(), Vec::new());
        for id in self.container_ids()? {
            match self.container(&id) {
                Ok(record) => all.extend(record),
                Err(_) => damaged.push(id),
            }
        }
        all.sort_by(|a: &ContainerRecord, b| b.created.cmp(&a.created));
        Ok((all, damaged))
    }

    /// The id of the container that is called `name`, whether it is there or not.
    pub(super) fn owner_of(&self, name: &str) -> Option<String> {
        check_name("container", name).ok().and_then(|()| self.name_owner(name))
    }

    /// The ids of all container folders, half made ones too.
    pub fn container_ids(&self) -> Result<Vec<String>> {
        Ok(record::names(&self.containers_dir())?.into_iter().filter(|n| n.len() == 64).collect())
    }

    /// Finds a container by name, id or unique id prefix.
    pub fn find_container(&self, text: &str) -> Result<ContainerRecord> {
        if check_name("container", text).is_ok()
            && let Some(id) = self.name_owner(text)
            && let Some(found) = self.container(&id)?
        {
            return Ok(found);
        }
        let mut ids = self.container_ids()?;
        ids.retain(|id| !text.is_empty() && id.starts_with(text));
        match ids.as_slice() {
            [id] => self.container(id)?.ok_or_else(|| no_container(text)),
            [] => Err(no_container(text)),
            several => {
                Err(fail(Kind::User, format!("the container id {text} is ambiguous: {} begin with it", several.len())))
            }
        }
    }

    /// Whether the container's monitor lives (or somebody is just making or removing it).
    pub fn is_alive(&self, id: &str) -> Result<bool> {
        match File::options().read(true).write(true).open(self.container_dir(id).join("lock")) {
            Ok(file) => lock::is_held(&file).context("testing a container's lock"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e).context("opening a container's lock"),
        }
    }

    /// What the container is doing. Asks the lock, never a pid.
    pub fn status(&self, id: &str) -> Result<Status> {
        let dir = self.container_dir(id);
        let alive = self.is_alive(id)?;
        let state = record::read::<StateRecord>(&dir.join("state.json")).unwrap_or(None);
        if alive {
            return Ok(state.map_or(Status::Created, Status::Running));
        }
        // Read after the lock was seen free: the record is written before the lock is let go.
        let exit = self.exit(id).unwrap_or(None);
        Ok(match (exit, state) {
            (Some(exit), _) => Status::Exited(exit),
            (None, Some(state)) => Status::Exited(ExitRecord {
                code: 137,
                finished: state.started,
                error: "the monitor was killed".into(),
            }),
            (None, None) => Status::Created,
        })
    }

    /// Reads `state.json`: the process that runs or ran last.
    pub fn state(&self, id: &str) -> Result<Option<StateRecord>> {
        record::read(&self.container_dir(id).join("state.json"))
    }

    /// Writes `state.json`.
    pub fn put_state(&self, id: &str, state: &StateRecord) -> Result<()> {
        record::write_quick(&self.container_dir(id).join("state.json"), &record::to_json(state)?)
    }

    /// Makes sure that a container whose name, id or end is about to be reported survives a power cut: its record, its
    /// folder and its name. (The record is renamed into place unsynced, so that the start need not wait for a disk.)
    pub fn sync_container(&self, container: &ContainerRecord) -> Result<()> {
        let dir = self.container_dir(&container.id);
        fault::point("container.sync")?;
        for path in [&dir.join("container.json"), &dir, &self.containers_dir(), &self.containers_dir().join("by-name")]
        {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.with_context(|| format!("syncing {}", path.display()))?;
        }
        Ok(())
    }

    /// Waits until the container's monitor has let go of the lock, and takes it.
    pub fn lock_ended(&self, id: &str, wait: bool) -> Result<Option<ContainerLock>> {
        let dir = self.container_dir(id);
        let file = match File::options().read(true).write(true).open(dir.join("lock")) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).context("opening a container's lock"),
        };
        if wait {
            order::wait(&file, Rank::Folder, Mode::Exclusive).context("waiting for a container's lock")?;
        } else if !lock::try_lock(&file, Mode::Exclusive)? {
            return Ok(None);
        }
        Ok(Some(ContainerLock::new(dir, file)))
    }

    /// Labels of a container, empty if it has none.
    pub fn labels(container: &ContainerRecord) -> BTreeMap<String, String> {
        container.config.labels.clone().unwrap_or_default()
    }
}

/// The failure that tools look for when a container is missing.
pub fn no_container(text: &str) -> anyhow::Error {
    fail_with(
        Kind::NotFound,
        format!("no container with name or ID {text:?} found: no such container"),
        "`dhow ps -a` lists all containers.",
    )
}

/// The first twelve digits of an id.
pub fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

const ADJECTIVES: &[&str] = &[
    "amber", "bold", "brisk", "calm", "clever", "eager", "fair", "gentle", "hardy", "jolly", "keen", "lively", "lucid",
    "merry", "nimble", "patient", "proud", "quick", "quiet", "ready", "steady", "swift", "tidy", "true", "vivid",
    "warm", "wise", "witty", "zesty",
];
const SURNAMES: &[&str] = &[
    "banu",
    "bell",
    "curie",
    "darwin",
    "euler",
    "faraday",
    "fermi",
    "galileo",
    "gauss",
    "hopper",
    "hypatia",
    "ibnmajid",
    "kepler",
    "lovelace",
    "maxwell",
    "meitner",
    "mendel",
    "newton",
    "noether",
    "pascal",
    "ramanujan",
    "ritchie",
    "tesla",
    "thompson",
    "turing",
    "volta",
    "wiles",
    "zhenghe",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_won_by_one_and_lost_with_its_container() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let held = store.create_container(&a, "web").unwrap();
        let error = store.create_container(&b, "web").unwrap_err();
        assert!(error.to_string().contains("already in use"), "{error}");
        assert!(!store.container_dir(&b).exists(), "the loser leaves nothing");
        assert!(store.is_alive(&a).unwrap());
        fs::remove_dir_all(held.dir()).unwrap();
        drop(held);
        let half_made = store.create_container(&b, "web").unwrap();
        assert!(store.create_container(&a, "web").is_err());
        drop(half_made);
        store.create_container(&a, "web").expect("a maker that was killed keeps no name");
    }

    #[test]
    fn a_name_whose_container_is_gone_goes_to_exactly_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        for (round, left) in ["gone", &"f".repeat(64)].into_iter().enumerate() {
            let name = format!("web{round}");
            symlink(left, store.name_link(&name)).unwrap();
            let winners = std::thread::scope(|scope| {
                let claim = |n: usize| {
                    let (store, name) = (&store, &name);
                    scope.spawn(move || store.create_container(&format!("{round}{n}").repeat(32), name))
                };
                let all: Vec<_> = (0..8).map(claim).collect();
                let held: Vec<_> = all.into_iter().map(|t| t.join().unwrap()).collect();
                held.iter().filter(|won| won.is_ok()).count()
            });
            assert_eq!(winners, 1, "{left:?}");
        }
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        for bad in ["", "../x", ".x", "a/b", "a b", "-x"] {
            assert!(check_name("container", bad).is_err(), "{bad}");
        }
        assert!(check_name("container", "a_b-c.1").is_ok());
    }

    #[test]
    fn a_container_without_monitor_and_exit_record_counts_as_killed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let id = "c".repeat(64);
        let held = store.create_container(&id, "x").unwrap();
        let state = StateRecord { pid: 1, start_time: 1, boot: String::new(), started: "2026-01-01T00:00:00Z".into() };
        store.put_state(&id, &state).unwrap();
        assert_eq!(store.status(&id).unwrap(), Status::Running(state));
        drop(held);
        assert!(matches!(store.status(&id).unwrap(), Status::Exited(ExitRecord { code: 137, .. })));
    }
}
