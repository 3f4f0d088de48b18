//! One more process in a running container: joins its namespaces, takes on its limits, and becomes the program.
//!
//! Nothing is mounted and nothing recorded. The process that asks is the new one's monitor: it moves bytes and passes
//! signals on as `monitor` does for a container, and its death is not the program's.

use super::init::{self, Stage};
use super::launch::{explain_process, read_report};
use super::monitor::{self, Front, Io};
use super::options::ExecOptions;
use super::plan::{self, Command, Credentials};
use super::{prepare, spec};
use crate::error::{Kind, Result, fail};
use crate::store::Store;
use crate::store::container::{ContainerRecord, Status};
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Side};
use crate::sys::{security, tty};
use anyhow::Context;
use oci_spec::runtime::Spec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FsWord, Gid, Mode, OFlags, Uid};
use std::io;
use std::path::Path;

/// `f_type` of a devpts, from linux/magic.h.
const DEVPTS_MAGIC: FsWord = 0x1cd1;

/// Runs a program in a running container and gives its exit code; 0 at once for a detached one that was started.
///
/// This process is in the container's namespaces afterwards: there is nothing left for it to do but to end. A detached
/// program has no streams, whatever `interactive` and `tty` say: nobody would be there to move them.
pub fn exec(store: &Store, container: &ContainerRecord, options: &ExecOptions) -> Result<i32> {
    let first = first_process(store, container)?;
    // Blocked before the clone: a signal must find either side ready for it.
    let signals = process::signal_descriptor().context("blocking signals")?;
    security::set_dumpable(false).context("hiding this process from the container")?;
    let mut io = Io::for_exec(options.interactive, options.detach)?;
    join(&first, container)?;
    drop(first);
    let root = Root::open(Path::new("/")).context("opening the container's root folder")?;
    let spec = adapted(container, options, &root)?;
    let process = spec.process().as_ref().ok_or_else(|| fail(Kind::System, "the container's spec has no process"))?;
    let start = Start { credentials: plan::credentials(process)?, command: plan::command(process)? };
    if options.tty && !options.detach {
        let (master, slave) = new_terminal(&root, &start.credentials)?;
        io.use_terminal(master, slave, options.interactive)?;
    }
    let (child, report) = start.child(&io, container, options.detach)?;
    io.close_container_side();
    if let Some(failed) = read_report(report) {
        let _ = process::wait(&child);
        return Err(explain_process(&start.command, failed, &options.command[0]));
    }
    if options.detach {
        // The one in between, which has nothing to say.
        return process::wait(&child).map(|_| 0).context("waiting for the process to be started");
    }
    let own = process::standard(0);
    let raw = options.tty && options.interactive && tty::is_terminal(own);
    let raw = if raw { tty::RawMode::enter(own).ok() } else { None };
    let code = monitor::watch(&child, io, Some(Front::Signals(&signals)));
    drop(raw);
    code
}

/// The container's first process, if it runs.
fn first_process(store: &Store, container: &ContainerRecord) -> Result<OwnedFd> {
    let Status::Running(state) = store.status(&container.id)? else { return Err(not_running(container)) };
    process::open_verified(state.pid, state.start_time)
        .context("finding the container's first process")?
        .ok_or_else(|| not_running(container))
}

fn not_running(container: &ContainerRecord) -> anyhow::Error {
    fail(Kind::User, format!("container {} is not running: container state improper", container.name))
}

/// Joins all namespaces of the container in one step; the mount namespace brings its root and its `/` as working folder.
fn join(first: &OwnedFd, container: &ContainerRecord) -> Result<()> {
    let mut kinds = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    // The host's network belongs to the host's user namespace: we are in it, and may not join it.
    if container.network != super::options::Network::Host.word() {
        kinds |= libc::CLONE_NEWNET;
    }
    match process::join_namespaces(first, kinds) {
        // It has ended and is not waited for yet.
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Err(not_running(container)),
        other => other.context("joining the container's namespaces"),
    }
}

/// The container's spec with the process that is asked for; the user is looked up in the container as it is now.
fn adapted(container: &ContainerRecord, options: &ExecOptions, root: &Root) -> Result<Spec> {
    let mut spec = container.spec.clone();
    let process =
        spec.process_mut().as_mut().ok_or_else(|| fail(Kind::System, "the container's spec has no process"))?;
    if options.command.is_empty() {
        return Err(fail(Kind::User, "no command to run in the container"));
    }
    process.set_args(Some(options.command.clone())).set_env(Some(environment(container, options)));
    if let Some(dir) = &options.workdir {
        process.set_cwd(dir.into());
    }
    if let Some(name) = &options.user {
        let mut user = process.user().clone();
        user.set_username(Some(name.clone()));
        process.set_user(user);
    }
    prepare::settle_user(&mut spec, root)?;
    Ok(spec)
}

/// The container's environment as configured (its HOME is its own user's and not taken), then what the caller adds.
fn environment(container: &ContainerRecord, options: &ExecOptions) -> Vec<String> {
    let mut env = container.config.env.clone().unwrap_or_default();
    if options.tty && !env.iter().any(|e| e.starts_with("TERM=")) {
        env.push("TERM=xterm".into());
    }
    for entry in &options.env {
        spec::set_variable(&mut env, entry);
    }
    env
}

/// A terminal in the container's own devpts, so that it has a name inside. It belongs to the user who gets it.
fn new_terminal(root: &Root, credentials: &Credentials) -> Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let devpts =
        root.open_at(Path::new("dev/pts"), flags, Mode::empty()).context("opening the container's /dev/pts")?;
    // The container could have put anything there: a folder of its own must not hand us a false terminal.
    let kind = rustix::fs::fstatfs(&devpts).context("looking at the container's /dev/pts")?.f_type;
    if kind != DEVPTS_MAGIC {
        return Err(fail(
            Kind::System,
            "the container's /dev/pts is not a devpts file system: no terminal can be made",
        ));
    }
    let (master, slave) = tty::open_pair(devpts.as_fd()).context("making a terminal in the container")?;
    rustix::fs::fchown(&slave, Some(Uid::from_raw(credentials.uid)), None::<Gid>)
        .context("giving the terminal to its user")?;
    Ok((master, slave))
}

/// What the new process is to become.
struct Start {
    credentials: Credentials,
    command: Command,
}

impl Start {
    /// Clones the new process; gives it and the pipe on which it reports a failure.
    fn child(&self, io: &Io, container: &ContainerRecord, detach: bool) -> Result<(Child, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("making a pipe")?;
        match process::clone(0) {
            Ok(Side::Child) => {
                if detach {
                    leave_to_the_container();
                }
                let (stage, error) = self.become_program(io);
                init::give_up(write.as_fd(), stage, 0, &error)
            }
            Ok(Side::Parent(child)) => Ok((child, read)),
            // What the kernel says of a pid namespace whose first process has ended.
            Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => Err(not_running(container)),
            Err(e) => Err(e).context("making the process"),
        }
    }

    /// As init does after its mounts; neither allocates nor locks. Returns only on failure.
    fn become_program(&self, io: &Io) -> (Stage, io::Error) {
        let credentials = init::session(&io.streams())
            // Whatever else is open here, the caller's descriptors too, closes at exec.
            .and_then(|()| process::cloexec_from(3))
            .and_then(|()| init::become_user(&self.credentials));
        if let Err(error) = credentials {
            return (Stage::Credentials, error);
        }
        if let Err(error) = init::enter_directory(&self.command.cwd) {
            return (Stage::Directory, error);
        }
        process::reset_signals();
        (Stage::Exec, init::execute(&self.command))
    }
}

/// Goes on in a child and ends here: then the container's first process is the parent of what follows. Left to ours, it
/// would fall to the host's init, and the container could not end before that one has taken note of it.
fn leave_to_the_container() {
    if let Ok(Side::Parent(_)) = process::clone(0) {
        process::exit_now(0);
    }
}
