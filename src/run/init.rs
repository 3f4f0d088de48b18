//! The container's first process: applies a prepared plan, then becomes the program.
//!
//! Runs between clone and exec, so it walks slices and makes system calls; it neither allocates nor locks. Whatever
//! fails is reported as a few bytes through a pipe that exec closes.
//!
//! The order of losing privilege: mounts → root → host name → session, terminal, descriptors → keyring, limits →
//! bounding set → seccomp (it needs CAP_SYS_ADMIN) → groups, ids, capabilities → parent-death signal → exec.

use super::plan::{Command, Credentials, Plan, Step};
use super::profile;
use crate::sys::{mount, net, process, seccomp, security, tty};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::CStr;
use std::io;

/// Where init was when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// A step of the plan; `detail` is its index.
    Step = 1,
    /// Entering the new root.
    Root,
    /// Identity, limits, filters.
    Credentials,
    /// The working directory.
    Directory,
    /// Finding or executing the program.
    Exec,
}

/// A failure of init, as it crosses the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Where.
    pub stage: Stage,
    /// More about where.
    pub detail: u16,
    /// `errno`.
    pub errno: i32,
}

impl Report {
    fn encode(self) -> [u8; 8] {
        let (d, e) = (self.detail.to_ne_bytes(), self.errno.to_ne_bytes());
        [self.stage as u8, 0, d[0], d[1], e[0], e[1], e[2], e[3]]
    }

    /// Reads a report; `None` for anything else (exec went well: the pipe closed without a word).
    pub fn decode(bytes: &[u8]) -> Option<Report> {
        let [stage, _, d0, d1, e0, e1, e2, e3] = *bytes else { return None };
        let stage = match stage {
            1 => Stage::Step,
            2 => Stage::Root,
            3 => Stage::Credentials,
            4 => Stage::Directory,
            5 => Stage::Exec,
            _ => return None,
        };
        Some(Report { stage, detail: u16::from_ne_bytes([d0, d1]), errno: i32::from_ne_bytes([e0, e1, e2, e3]) })
    }
}

/// The standard descriptors of the new process.
#[derive(Debug)]
pub struct Streams<'a> {
    /// 0, 1 and 2.
    pub fds: [BorrowedFd<'a>; 3],
    /// The container's side of its terminal, if it has one.
    pub terminal: Option<BorrowedFd<'a>>,
    /// The devpts in which that terminal lives, to be mounted on /dev/pts.
    pub devpts: Option<BorrowedFd<'a>>,
}

/// Everything that init is given.
pub struct Start<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// The root file system: a detached mount.
    pub root: BorrowedFd<'a>,
    /// Trees that are mounted already, for the plan's steps of that kind.
    pub trees: &'a [BorrowedFd<'a>],
    /// Any folder of the host that exists; the root is put onto it for a moment. A path, because a descriptor would mean
    /// the worker's mount namespace.
    pub anchor: &'a CStr,
    /// Network namespace to join, where the plan does not bring its own.
    pub network: Option<BorrowedFd<'a>>,
    /// Bring the loopback interface up: the network namespace came with this process's own clone.
    pub loopback: bool,
    /// Gives one byte when the program may be started.
    pub go: Option<BorrowedFd<'a>>,
    /// The descriptors of the program.
    pub streams: Streams<'a>,
    /// Where a failure is reported.
    pub report: BorrowedFd<'a>,
}

struct Failed(Stage, u16, io::Error);

/// Reports a failure through `pipe` and ends this process.
pub fn give_up(pipe: BorrowedFd<'_>, stage: Stage, detail: u16, error: &io::Error) -> ! {
    let report = Report { stage, detail, errno: error.raw_os_error().unwrap_or(0) };
    let _ = rustix::io::write(pipe, &report.encode());
    process::exit_now(125)
}

/// Runs as the first process of a container; never returns.
pub fn run(start: &Start<'_>) -> ! {
    let Failed(stage, detail, error) = match begin(start) {
        Err(failed) => failed,
        Ok(never) => match never {},
    };
    give_up(start.report, stage, detail, &error)
}

fn begin(start: &Start<'_>) -> Result<std::convert::Infallible, Failed> {
    let at = |stage: Stage| move |error: io::Error| Failed(stage, 0, error);
    // Once more at the end, because the change of ids clears it: in between, too, nothing outlives its worker.
    security::die_with_parent().map_err(at(Stage::Root))?;
    if let Some(network) = start.network {
        rustix::thread::move_into_link_name_space(network, None).map_err(|e| at(Stage::Root)(e.into()))?;
    }
    if start.loopback {
        net::bring_up_loopback().map_err(at(Stage::Root))?;
    }
    put_root(start).map_err(at(Stage::Root))?;
    let mut empty = None;
    for (index, step) in start.plan.steps.iter().enumerate() {
        apply(step, start, &mut empty).map_err(|e| Failed(Stage::Step, index as u16, e))?;
    }
    mount::enter_root(start.root).map_err(at(Stage::Root))?;
    if let Some(name) = &start.plan.hostname {
        security::set_hostname(name.to_bytes()).map_err(at(Stage::Root))?;
    }
    wait_for_go(start.go).map_err(at(Stage::Root))?;
    session(&start.streams).map_err(at(Stage::Credentials))?;
    // Whatever else is open here closes at exec; the report pipe is already marked so.
    process::cloexec_from(3).map_err(at(Stage::Credentials))?;
    become_user(&start.plan.credentials).map_err(at(Stage::Credentials))?;
    enter_directory(&start.plan.command.cwd).map_err(at(Stage::Directory))?;
    // Again: a change of ids took the first order back. Who died meanwhile has closed the report's other end.
    security::die_with_parent().map_err(at(Stage::Credentials))?;
    if is_orphan(start.report) {
        process::exit_now(137);
    }
    process::reset_signals();
    Err(Failed(Stage::Exec, 0, execute(&start.plan.command)))
}

/// Whether nobody is left to read from the pipe.
fn is_orphan(pipe: BorrowedFd<'_>) -> bool {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(pipe, rustix::event::PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(n) if n > 0)
}

fn put_root(start: &Start<'_>) -> io::Result<()> {
    let anchor = rustix::fs::open(start.anchor, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    mount::attach(start.root, anchor.as_fd())
}

/// Waits for the worker's word. Its end instead of a word means that it is gone, and then nothing is started.
fn wait_for_go(go: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(go) = go else { return Ok(()) };
    let mut byte = [0u8; 1];
    match rustix::io::retry_on_intr(|| rustix::io::read(go, &mut byte))? {
        1 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EPIPE)),
    }
}

fn apply(step: &Step, start: &Start<'_>, empty: &mut Option<OwnedFd>) -> io::Result<()> {
    let root = start.root;
    match step {
        Step::Filesystem { kind, options, attr, target, optional } => {
            let done = match start.streams.devpts.filter(|_| kind.as_c_str() == c"devpts") {
                Some(devpts) => mount::target(root, target, false).and_then(|t| mount::attach(devpts, t.as_fd())),
                None => mount::filesystem(kind, options, *attr).and_then(|fs| {
                    let target = mount_point(root, target, false, true)?;
                    mount::attach(fs.as_fd(), target.as_fd())
                }),
            };
            if *optional { Ok(()) } else { done }
        }
        Step::Bind { source, attr, target, recursive, follow } => {
            let tree = mount::copy_host_tree(source, *recursive)?;
            mount::make_private(tree.as_fd(), *attr, *recursive)?;
            let is_dir = FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode) == FileType::Directory;
            let target = mount_point(root, target, *follow, is_dir)?;
            mount::attach(tree.as_fd(), target.as_fd())
        }
        Step::Attach { tree, target } => {
            let tree = start.trees.get(*tree).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
            let is_dir = FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode) == FileType::Directory;
            // The worker has made what is missing in the root; what is not there now lies in another mount.
            let target = match mount::target(root, target, false) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    make_below(mount::target(root, c".", false)?, target.to_bytes(), is_dir)?;
                    mount::target(root, target, false)?
                }
                other => other?,
            };
            mount::attach(*tree, target.as_fd())
        }
        Step::Devices => devices(root),
        Step::Console => match start.streams.terminal {
            Some(terminal) => console(root, terminal),
            None => Ok(()),
        },
        Step::Mask(path) => mask(root, path, empty),
        Step::ReadOnly(path) => match mount::target(root, path, false) {
            Ok(target) => {
                let tree = mount::copy_tree(target.as_fd(), c"", true)?;
                mount::add_attributes(tree.as_fd(), mount::Attr::MOUNT_ATTR_RDONLY, true)?;
                mount::attach(tree.as_fd(), target.as_fd())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        },
        Step::ReadOnlyRoot => mount::add_attributes(root, mount::Attr::MOUNT_ATTR_RDONLY, false),
    }
}

/// Opens a mount target. One below /dev is made if it is missing: /dev is fresh, so `prepare` could not do it.
fn mount_point(root: BorrowedFd<'_>, path: &CStr, follow: bool, is_dir: bool) -> io::Result<OwnedFd> {
    match (mount::target(root, path, follow), path.to_bytes().strip_prefix(b"dev/")) {
        (Err(e), Some(below)) if e.kind() == io::ErrorKind::NotFound => {
            make_below(mount::target(root, c"dev", false)?, below, is_dir)?;
            mount::target(root, path, follow)
        }
        (other, _) => other,
    }
}

/// Makes the folders of a path below `dir`, and its last name as a folder or an empty file. A link on the way is an error.
fn make_below(mut dir: OwnedFd, path: &[u8], is_dir: bool) -> io::Result<()> {
    let mut names = path.split(|b| *b == b'/').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        dir = with_c(name, |name| {
            let create = OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let made = match is_dir || names.peek().is_some() {
                true => rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755)),
                false => rustix::fs::openat(&dir, name, create, Mode::from_raw_mode(0o644)).map(drop),
            };
            match made {
                Ok(()) | Err(rustix::io::Errno::EXIST) => mount::target(dir.as_fd(), name, false),
                Err(e) => Err(e.into()),
            }
        })?;
    }
    Ok(())
}

/// A path under /dev of the profile's tables, as the part below /dev.
fn below_dev(path: &'static str) -> &'static str {
    path.strip_prefix("/dev/").unwrap_or(path)
}

/// A name or a short path as a C string on the stack.
fn with_c<R>(text: impl AsRef<[u8]>, f: impl FnOnce(&CStr) -> io::Result<R>) -> io::Result<R> {
    let text = text.as_ref();
    let mut buffer = [0u8; 256];
    let invalid = || io::Error::from_raw_os_error(libc::ENAMETOOLONG);
    buffer.get_mut(..text.len()).ok_or_else(invalid)?.copy_from_slice(text);
    f(CStr::from_bytes_until_nul(&buffer).map_err(|_| invalid())?)
}

fn devices(root: BorrowedFd<'_>) -> io::Result<()> {
    // The mount just made: opened through the root, so it is the tmpfs and not what the image has there.
    let dev = mount::target(root, c"dev", false)?;
    for dir in [c"pts", c"shm", c"mqueue"] {
        rustix::fs::mkdirat(&dev, dir, Mode::from_raw_mode(0o755))?;
    }
    let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    for device in profile::DEVICES {
        let tree = with_c(device, |path| mount::copy_host_tree(path, false))?;
        // Whatever lies at that path of the host must be a device: nothing else may stand in for it.
        let stat = rustix::fs::fstat(&tree)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        with_c(below_dev(device), |name| {
            drop(rustix::fs::openat(&dev, name, create, Mode::from_raw_mode(0o666))?);
            let target = mount::target(dev.as_fd(), name, false)?;
            mount::attach(tree.as_fd(), target.as_fd())
        })?;
    }
    for (link, to) in profile::DEVICE_LINKS {
        with_c(to, |to| with_c(below_dev(link), |link| Ok(rustix::fs::symlinkat(to, &dev, link)?)))?;
    }
    Ok(())
}

fn console(root: BorrowedFd<'_>, terminal: BorrowedFd<'_>) -> io::Result<()> {
    let dev = mount::target(root, c"dev", false)?;
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    drop(rustix::fs::openat(&dev, c"console", create, Mode::from_raw_mode(0o600))?);
    let target = mount::target(dev.as_fd(), c"console", false)?;
    let tree = mount::copy_tree(terminal, c"", false)?;
    mount::attach(tree.as_fd(), target.as_fd())
}

fn mask(root: BorrowedFd<'_>, path: &CStr, empty: &mut Option<OwnedFd>) -> io::Result<()> {
    let target = match mount::target(root, path, false) {
        Ok(target) => target,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let stat = rustix::fs::fstat(&target)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        let null = mount::copy_host_tree(c"/dev/null", false)?;
        let stat = rustix::fs::fstat(&null)?;
        // A mask that is not /dev/null would show its contents instead of hiding any (CVE-2025-31133).
        if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice
            || stat.st_rdev != rustix::fs::makedev(1, 3)
        {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        return mount::attach(null.as_fd(), target.as_fd());
    }
    let attr = mount::Attr::MOUNT_ATTR_RDONLY
        | mount::Attr::MOUNT_ATTR_NOSUID
        | mount::Attr::MOUNT_ATTR_NODEV
        | mount::Attr::MOUNT_ATTR_NOEXEC;
    // One empty file system for all folders: the first mask mounts it, the others are copies of that mount.
    let cover = match empty {
        Some(first) => mount::copy_tree(first.as_fd(), c"", false)?,
        None => mount::filesystem(c"tmpfs", &[], attr)?,
    };
    mount::attach(cover.as_fd(), target.as_fd())?;
    empty.get_or_insert(cover);
    Ok(())
}

/// A session of one's own, the terminal as its controlling one, and the standard descriptors.
pub fn session(streams: &Streams<'_>) -> io::Result<()> {
    // Fails only for a process that already leads its group, which a fresh child does not.
    let _ = rustix::process::setsid();
    if let Some(terminal) = streams.terminal {
        tty::make_controlling(terminal)?;
    }
    for (number, fd) in streams.fds.iter().enumerate() {
        process::install_fd(*fd, number as i32)?;
    }
    Ok(())
}

/// Takes on an identity: everything after the root file system and before exec, for run and exec alike.
pub fn become_user(credentials: &Credentials) -> io::Result<()> {
    security::new_session_keyring()?;
    for (number, soft, hard) in &credentials.limits {
        security::set_limit(*number, *soft, *hard)?;
    }
    rustix::process::umask(Mode::from_raw_mode(credentials.umask));
    security::limit_bounding_set(credentials.bounding)?;
    if credentials.no_new_privileges {
        security::no_new_privileges()?;
    }
    // An empty program is none: what is asked for by --security=insecure.
    if !credentials.seccomp.is_empty() {
        seccomp::install(&credentials.seccomp)?;
    }
    security::set_groups(&credentials.groups)?;
    security::set_gid(credentials.gid)?;
    security::set_uid(credentials.uid)?;
    security::set_capabilities(credentials.held, credentials.held)
}

/// Enters the working directory and checks that it lies inside the root (CVE-2024-21626).
pub fn enter_directory(cwd: &CStr) -> io::Result<()> {
    rustix::process::chdir(cwd)?;
    let mut buffer = [0u8; 4096];
    // SYS_getcwd gives "(unreachable)…" for a folder outside the root.
    match process::current_dir(&mut buffer) {
        Ok(path) if path.first() == Some(&b'/') => Ok(()),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EXDEV)),
        // A path longer than the buffer: inside, since the kernel found it reachable.
        Err(e) if e.raw_os_error() == Some(libc::ERANGE) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Tries each candidate; gives the most telling error when none could be executed.
pub fn execute(command: &Command) -> io::Error {
    let mut worst = io::Error::from_raw_os_error(libc::ENOENT);
    for path in &command.candidates {
        let error = process::execve(path, &command.argv, &command.envp);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            // A later folder of PATH may hold one that can be executed.
            Some(libc::EACCES) => worst = error,
            _ => return error,
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_knows_it_by_its_pipe() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        assert!(!is_orphan(write.as_fd()));
        drop(read);
        assert!(is_orphan(write.as_fd()));
    }

    #[test]
    fn a_report_survives_the_pipe() {
        let report = Report { stage: Stage::Exec, detail: 7, errno: libc::ENOENT };
        assert_eq!(Report::decode(&report.encode()), Some(report));
        assert_eq!(Report::decode(b""), None);
        assert_eq!(Report::decode(&[9; 8]), None);
    }
}
