//! The worker: a process in a user namespace of its own, with the caller's full range of ids.
//!
//! Ids are mapped by the set-uid helpers newuidmap and newgidmap, started side by side, from the parent (user_namespaces(7)
//! allows nothing more to an unprivileged process). Not here: what a worker does.

use super::process::{self, CArray, Child, Side};
use super::security;
use crate::error::{Failure, Kind, Result, fail, fail_with};
use anyhow::Context;
use rustix::fd::{AsFd, OwnedFd};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// One line of an id map: ids inside from `inside`, outside from `outside`, `count` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The id maps of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// User ids.
    pub uids: Vec<Range>,
    /// Group ids.
    pub gids: Vec<Range>,
}

/// Where root's containers get their ids when /etc/subuid has no line for root: far above what useradd hands out
/// (SUB_UID_MAX is 600100000 in login.defs).
const ROOT_RANGE: (u32, u32) = (0x7000_0000, 65536);

impl IdMap {
    /// The caller's map: id 0 inside is the caller, the ids above are the caller's sub-ids (subuid(5)).
    pub fn of_caller() -> Result<IdMap> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let name = user_name(uid);
        Ok(IdMap {
            uids: map_of(uid, sub_ids("subuid", uid, name.as_deref())?),
            gids: map_of(gid, sub_ids("subgid", uid, name.as_deref())?),
        })
    }
}

fn map_of(own: u32, sub: Vec<(u32, u32)>) -> Vec<Range> {
    let mut map = vec![Range { inside: 0, outside: own, count: 1 }];
    let mut next = 1u32;
    for (outside, count) in sub {
        // More ids than there are numbers for: what is mapped already is more than any image uses.
        let Some(after) = next.checked_add(count) else { break };
        map.push(Range { inside: next, outside, count });
        next = after;
    }
    map
}

/// The caller's login name. Read from /etc/passwd by ourselves: glibc's look-up would load code at run time.
fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_string())
    });
    found.or_else(|| std::env::var("USER").ok().filter(|u| !u.is_empty()))
}

/// A folder of the system. In debug builds a test may put another one in its place, to see what is said of a machine that
/// lacks something.
fn system_folder(default: &str, _variable: &str) -> PathBuf {
    #[cfg(debug_assertions)]
    if let Some(other) = std::env::var_os(_variable) {
        return other.into();
    }
    default.into()
}

fn sub_ids(which: &str, uid: u32, name: Option<&str>) -> Result<Vec<(u32, u32)>> {
    let text = std::fs::read_to_string(system_folder("/etc", "DHOW_TEST_ETC").join(which)).unwrap_or_default();
    let mut found = parse_sub_ids(&text, uid, name);
    if uid == 0 && found.is_empty() {
        found.push(ROOT_RANGE);
    }
    if found.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() < 65535 {
        let who = name.map_or_else(|| uid.to_string(), str::to_string);
        let (what, flag) = if which == "subuid" { ("user", "subuids") } else { ("group", "subgids") };
        return Err(fail_with(
            Kind::System,
            format!(
                "/etc/{which} gives {who} fewer than 65536 subordinate {what} ids: an image's users cannot be mapped"
            ),
            format!(
                "Ask for a range once, as root: usermod --add-{flag} 100000-165535 {who} (choose one that nobody has)."
            ),
        ));
    }
    Ok(found)
}

/// The ranges of a user in the format of subuid(5): `name-or-uid:first:count`. Damaged lines are passed over.
fn parse_sub_ids(text: &str, uid: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let uid = uid.to_string();
    let line = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        let mine = owner == uid || name == Some(owner);
        (mine && count > 0 && u32::checked_add(first, count).is_some()).then_some((first, count))
    };
    let mut found: Vec<(u32, u32)> = Vec::new();
    for range in text.lines().filter_map(line) {
        // Often a range is given twice, to the name and to the number; the kernel takes no id twice.
        let end = |(first, count): (u32, u32)| first + count;
        if !found.iter().any(|other| range.0 < end(*other) && other.0 < end(range)) {
            found.push(range);
        }
    }
    found
}

/// The child's end of the door that opens when its ids are mapped.
#[derive(Debug)]
pub struct Gate(OwnedFd);

impl Gate {
    /// Waits for the ids. False when the parent gave up.
    pub fn wait(self) -> bool {
        let mut byte = [0u8; 1];
        matches!(rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut byte)), Ok(1))
    }
}

/// Makes a worker: a child in a new user and mount namespace, all ids mapped, that runs `work` and exits with its result.
///
/// `work` starts at once, beside the mapping; it must pass the gate before it does anything that needs ids. The caller
/// must be single-threaded.
pub fn spawn(map: &IdMap, work: impl FnOnce(Gate) -> i32) -> Result<Child> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe")?;
    let side = process::clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(no_namespace)?;
    match side {
        Side::Child => {
            drop(write);
            // What a worker makes is seen inside containers by users who are not the caller: not the caller's mask counts.
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            process::exit_now(work(Gate(read)))
        }
        Side::Parent(child) => {
            drop(read);
            if let Err(error) = write_maps(&child, map) {
                // The gate closes without a byte, and the child leaves.
                drop(write);
                let _ = process::wait(&child);
                return Err(error);
            }
            rustix::io::write(&write, b"x").context("starting the worker")?;
            Ok(child)
        }
    }
}

fn write_maps(child: &Child, map: &IdMap) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        let text = |ranges: &[Range]| -> String {
            ranges.iter().map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count)).collect()
        };
        for (file, ranges) in [("uid_map", &map.uids), ("gid_map", &map.gids)] {
            std::fs::write(format!("/proc/{}/{file}", child.pid), text(ranges))
                .with_context(|| format!("writing the worker's {file}"))?;
        }
        return Ok(());
    }
    // Both run before either is waited for: together they take about as long as one.
    let uids = Helper::start("newuidmap", child.pid, &map.uids)?;
    let gids = Helper::start("newgidmap", child.pid, &map.gids)?;
    let (uids, gids) = (uids.finish(), gids.finish());
    uids.and(gids)?;
    Ok(())
}

/// A running newuidmap or newgidmap.
struct Helper {
    name: &'static str,
    child: Child,
    said: File,
}

impl Helper {
    /// Starts it. By a plain fork: `std::process::Command` would wait until the program is executed, and so put the second
    /// helper behind the first (about 0.7 ms of a container's start).
    fn start(name: &'static str, pid: i32, ranges: &[Range]) -> Result<Helper> {
        let mut argv = vec![name.to_string(), pid.to_string()];
        for range in ranges {
            argv.extend([range.inside.to_string(), range.outside.to_string(), range.count.to_string()]);
        }
        let path = CString::new(helper_path(name)?.into_os_string().into_encoded_bytes())?;
        let argv = CArray::new(argv.into_iter().map(CString::new).collect::<Result<_, _>>()?);
        let nothing = CArray::new(Vec::new());
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe")?;
        match process::clone(0).with_context(|| format!("starting {name}"))? {
            Side::Child => {
                let _ = process::install_fd(write.as_fd(), 2);
                let error = process::execve(&path, &argv, &nothing);
                let _ = rustix::io::write(&write, format!("it cannot be executed: {error}").as_bytes());
                process::exit_now(127)
            }
            Side::Parent(child) => Ok(Helper { name, child, said: File::from(read) }),
        }
    }

    /// Waits for its end; an error when it refused, in its own words.
    fn finish(mut self) -> Result<()> {
        let name = self.name;
        let mut said = Vec::new();
        self.said.read_to_end(&mut said).with_context(|| format!("reading what {name} says"))?;
        if process::wait(&self.child).with_context(|| format!("waiting for {name}"))? == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        Err(fail_with(
            Kind::System,
            format!("{name} refused the id map: {}", said.trim()),
            "Check that /etc/subuid and /etc/subgid name you, and that the helper is set-uid root (package uidmap).",
        ))
    }
}

/// Where a helper lies. Absolute folders only: a set-uid helper is never looked up in the caller's PATH.
fn helper_path(name: &str) -> Result<PathBuf> {
    let places = ["/usr/bin", "/run/wrappers/bin", "/bin", "/usr/local/bin"];
    let found = places.iter().map(|dir| system_folder(dir, "DHOW_TEST_HELPERS").join(name)).find(|p| p.exists());
    found.ok_or_else(|| {
        fail_with(
            Kind::System,
            format!("{name} is not installed: without it an image's users cannot be mapped"),
            "Install it: apt install uidmap (Debian, Ubuntu), dnf install shadow-utils (Fedora).",
        )
    })
}

fn no_namespace(error: std::io::Error) -> anyhow::Error {
    let (why, remedy) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => (
            "this system does not let you make user namespaces",
            "Ask the administrator: sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile that allows \
             user namespaces for dhow.",
        ),
        Some(libc::ENOSPC | libc::EUSERS) => {
            ("too many user namespaces exist", "Raise user.max_user_namespaces (sysctl), or end some containers.")
        }
        Some(libc::EINVAL) => ("this kernel has no user namespaces", "Use a kernel with CONFIG_USER_NS."),
        _ => return anyhow::Error::new(error).context("making the worker's namespaces"),
    };
    fail_with(Kind::System, format!("{why} ({error})"), remedy)
}

/// A result as it crosses a pipe between two of our processes.
#[derive(Debug, Serialize, Deserialize)]
pub enum Crossing<T> {
    /// It went well.
    Good(T),
    /// It did not.
    Bad {
        /// Exit code of a program, for [`Kind::Exit`].
        exit: Option<i32>,
        /// Name of the kind, for the others.
        kind: String,
        /// The whole chain, outermost first.
        chain: Vec<String>,
        /// The remedy.
        hint: Option<String>,
    },
}

impl<T> Crossing<T> {
    /// Packs a result.
    pub fn pack(result: Result<T>) -> Crossing<T> {
        match result {
            Ok(value) => Crossing::Good(value),
            Err(error) => {
                let kind = crate::error::kind_of(&error);
                Crossing::Bad {
                    exit: if let Some(Kind::Exit(code)) = kind { Some(code) } else { None },
                    kind: kind.map(|k| format!("{k:?}")).unwrap_or_default(),
                    chain: error.chain().map(ToString::to_string).collect(),
                    hint: crate::error::hint_of(&error).map(str::to_string),
                }
            }
        }
    }

    /// Unpacks it on the other side.
    pub fn unpack(self) -> Result<T> {
        let (exit, kind, chain, hint) = match self {
            Crossing::Good(value) => return Ok(value),
            Crossing::Bad { exit, kind, chain, hint } => (exit, kind, chain, hint),
        };
        let kind = match (exit, kind.as_str()) {
            (Some(code), _) => Kind::Exit(code),
            (None, "User") => Kind::User,
            (None, "NotFound") => Kind::NotFound,
            (None, "InUse") => Kind::InUse,
            _ => Kind::System,
        };
        let mut chain = chain.into_iter().rev();
        let message = chain.next().unwrap_or_default();
        let innermost = anyhow::Error::new(Failure { kind, message, hint });
        Err(chain.fold(innermost, |error, outer| error.context(outer)))
    }
}

/// Runs `work` in a worker and gives its result: for anything that touches files owned by sub-ids.
///
/// SIGINT and its like end the worker at once, and this with [`Kind::Exit`]: the caller clears away what was half made.
pub fn run<T: Serialize + DeserializeOwned>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let map = IdMap::of_caller()?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe")?;
    let mut input = File::from(read);
    let interrupts = process::Interrupts::hold().context("holding signals back")?;
    let child = spawn(&map, |gate| {
        if !gate.wait() {
            return 1;
        }
        let _ = security::set_dumpable(false);
        // When the caller is killed, half made things are left to the next command's sweep, not finished unseen.
        let _ = security::die_with_parent();
        let packed = serde_json::to_vec(&Crossing::pack(work())).unwrap_or_default();
        File::from(write).write_all(&packed).map_or(1, |()| 0)
    })?;
    let fds = [(Some(input.as_fd()), libc::POLLIN), (Some(interrupts.as_fd()), libc::POLLIN)];
    if process::poll(&fds, -1).context("waiting for the worker")?[0] == 0
        && let Some(number) = interrupts.came()
    {
        let _ = process::signal(&child.pidfd, libc::SIGKILL);
        let _ = process::wait(&child);
        return Err(fail(Kind::Exit(128 + number), "interrupted"));
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).context("reading the worker's answer")?;
    let code = process::wait(&child).context("waiting for the worker")?;
    match serde_json::from_slice::<Crossing<T>>(&bytes) {
        Ok(crossing) => crossing.unpack(),
        Err(_) => Err(fail(Kind::System, format!("the worker process ended early (code {code})"))),
    }
}

/// Removes trees inside a user namespace, where files of all mapped ids can be removed.
pub fn remove_trees(paths: &[std::path::PathBuf]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    run(|| remove_trees_here(paths))
}

/// [`remove_trees`] for a process that is already in the namespace.
pub fn remove_trees_here(paths: &[std::path::PathBuf]) -> Result<()> {
    for path in paths {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        super::fault::point("tree.remove").with_context(|| format!("removing {}", path.display()))?;
        match super::path::Root::open(parent).and_then(|dir| super::path::remove_tree(dir.as_fd(), name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_belong_to_the_name_or_the_number() {
        let text = "root:1:5\nann:100000:65536\n1000:300000:10\nbroken\nann:4294967295:2\n";
        assert_eq!(parse_sub_ids(text, 1000, Some("ann")), [(100000, 65536), (300000, 10)]);
        assert_eq!(parse_sub_ids(text, 1001, None), []);
        let twice = "ann:100000:65536\n1000:100000:65536\n1000:165535:2\n1000:165536:2\n";
        assert_eq!(parse_sub_ids(twice, 1000, Some("ann")), [(100000, 65536), (165536, 2)]);
    }

    #[test]
    fn the_map_puts_the_caller_first_and_packs_the_ranges() {
        let map = map_of(1000, vec![(100000, 65536), (300000, 10)]);
        assert_eq!(map[2], Range { inside: 65537, outside: 300000, count: 10 });
        assert_eq!(map_of(1000, vec![(1, u32::MAX - 1), (5, 5)]).len(), 2, "more ids than numbers");
    }

    #[test]
    fn an_error_crosses_with_kind_chain_and_hint() {
        let error = fail_with(Kind::NotFound, "inner", "do this").context("outer");
        let bytes = serde_json::to_vec(&Crossing::<()>::pack(Err(error))).unwrap();
        let back = serde_json::from_slice::<Crossing<()>>(&bytes).unwrap().unpack().unwrap_err();
        assert_eq!(format!("{back:#}"), "outer: inner");
        assert_eq!(crate::error::kind_of(&back), Some(Kind::NotFound));
        assert_eq!(crate::error::hint_of(&back), Some("do this"));
    }
}
