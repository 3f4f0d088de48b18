//! Processes: clone, wait, exec, descriptors and signals. No policy about who clones whom.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ffi::CStr;
use std::io;

/// A child of ours: its pid, and a descriptor that means it for as long as it is open.
#[derive(Debug)]
pub struct Child {
    /// Process id as this process sees it.
    pub pid: i32,
    /// Readable when the child has ended (Linux 5.3).
    pub pidfd: OwnedFd,
}

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Side {
    /// The caller, with its child.
    Parent(Child),
    /// The new process.
    Child,
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Asserts, in debug builds, that this process has one thread: only then may a child go on running Rust code.
pub fn assert_single_threaded() {
    #[cfg(debug_assertions)]
    if let Ok(tasks) = std::fs::read_dir("/proc/self/task") {
        assert!(tasks.count() <= 1, "a process must be single-threaded when it clones or changes namespaces");
    }
}

/// Clones this process with the namespaces in `namespaces` (`CLONE_NEW*`), like `fork`: memory is copied on write.
///
/// The caller must be single-threaded, because the child goes on with this program's code and a lock that another
/// thread held would stay locked in it for ever.
pub fn clone(namespaces: libc::c_int) -> io::Result<Side> {
    assert_single_threaded();
    let mut pidfd: libc::c_int = -1;
    let flags = namespaces | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack the child runs on a copy of this memory, as after fork; the
    // process is single-threaded, so no lock is held by a thread that does not exist in the child. With CLONE_PIDFD the
    // third argument (the same position on x86_64 and aarch64) points to an int that outlives the call.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0usize, &mut pidfd as *mut libc::c_int, 0usize, 0usize)
    })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just stored a new descriptor in `pidfd`, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent(Child { pid: pid as i32, pidfd }))
}

/// How a process ended, as an exit code: its own, or 128 + n for signal n.
pub fn wait(child: &Child) -> io::Result<i32> {
    let mut status: libc::c_int = 0;
    loop {
        // SAFETY: `status` is a valid place for the result; the call touches no other memory.
        let got = unsafe { libc::waitpid(child.pid, &mut status, libc::__WALL) };
        if got == child.pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) })
}

/// Kills a child and waits until it and all its descendants are gone, or `limit` has passed. Descendants outlive their
/// parent by a moment even where its death kills them; until they are gone, files that they hold locked or open are in
/// use. This process must have no other children that it wants to keep.
pub fn end_family(child: &Child, limit: std::time::Duration) {
    use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
    // From now on orphans below this process become its children.
    let _ = set_child_subreaper(Some(getpid()));
    let _ = signal(&child.pidfd, libc::SIGKILL);
    let give_up = std::time::Instant::now() + limit;
    while std::time::Instant::now() < give_up {
        match wait(WaitOptions::NOHANG) {
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(1)),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    let _ = set_child_subreaper(None);
}

/// Ends this process at once, without running destructors or exit handlers: the way for a cloned child to go.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}

/// Replaces this process by a program. `argv` and `envp` are null-terminated arrays as [`c_array`] makes them.
/// Returns only on failure.
pub fn execve(path: &CStr, argv: &CArray, envp: &CArray) -> io::Error {
    // SAFETY: `path` is a C string; both arrays are null-terminated arrays of pointers to C strings which `CArray` keeps
    // alive.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// A null-terminated array of C strings, ready for `execve`.
#[derive(Debug)]
pub struct CArray {
    pointers: Vec<*const libc::c_char>,
    strings: Vec<std::ffi::CString>,
}

impl CArray {
    /// Makes the array. The strings live on the heap, so moving the array does not move them.
    pub fn new(strings: Vec<std::ffi::CString>) -> CArray {
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        CArray { pointers, strings }
    }

    /// The strings.
    pub fn strings(&self) -> &[std::ffi::CString] {
        &self.strings
    }
}

/// Closes every descriptor from `first` on (Linux 5.9).
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: closing descriptors cannot touch memory; the caller is about to exec and owns the whole table.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) }).map(drop)
}

/// Marks every descriptor from `first` on as closed at exec (Linux 5.11): unlike [`close_from`] they stay usable until
/// then, for instance the pipe that reports a failing exec.
pub fn cloexec_from(first: u32) -> io::Result<()> {
    // SAFETY: as for `close_from`; the call changes flags only.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Closes what this program was started with besides the standard descriptors. They are known by their lack of the
/// close-on-exec flag, which everything that we open ourselves has.
pub fn close_inherited() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        // SAFETY: asks for the flags of a number that may be no descriptor; nothing is changed.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if number > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            // SAFETY: without the flag it came through exec, so no `OwnedFd` or `File` of this program owns it.
            unsafe { libc::close(number) };
        }
    }
    Ok(())
}

/// Makes `fd` the descriptor number `number` (0, 1 or 2), inherited by exec.
pub fn install_fd(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        return rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).map_err(Into::into);
    }
    // SAFETY: `fd` is live, and the callers own the standard descriptors that they replace.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) } as libc::c_long).map(drop)
}

/// The standard descriptor 0, 1 or 2 of this process.
pub fn standard(number: i32) -> BorrowedFd<'static> {
    debug_assert!((0..=2).contains(&number));
    // SAFETY: Rust's runtime opens /dev/null on standard descriptors that are closed at start, and nobody here closes
    // them: they live as long as the process.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Sends a signal to exactly the process that the descriptor means.
pub fn signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: a plain system call on a live descriptor; a null siginfo asks for the default one.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0u32,
        )
    })
    .map(drop)
}

/// A descriptor for an existing process, if it is still there and started at `start_time` (see [`start_time`]).
pub fn open_verified(pid: i32, started: u64) -> io::Result<Option<OwnedFd>> {
    let Some(target) = rustix::process::Pid::from_raw(pid) else { return Ok(None) };
    match rustix::process::pidfd_open(target, rustix::process::PidfdFlags::empty()) {
        // Compared after the descriptor is open: from then on the pid cannot become somebody else unnoticed.
        Ok(fd) => Ok((start_time(pid) == Some(started)).then_some(fd)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Whether there is a process of that number, whoever's: for what only a number is known of. True when in doubt.
pub fn is_alive(pid: u32) -> bool {
    let target = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    target.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Start time of a process in clock ticks since boot (`/proc/<pid>/stat`, field 22; proc(5)).
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name, in parentheses, may hold blanks: count from its end.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Joins the namespaces `kinds` (`CLONE_NEW*`) of the process that the descriptor means (Linux 5.8).
pub fn join_namespaces(pidfd: impl AsFd, kinds: libc::c_int) -> io::Result<()> {
    assert_single_threaded();
    // SAFETY: a plain system call on a live descriptor; the process is single-threaded, as a user namespace demands.
    check(unsafe { libc::setns(pidfd.as_fd().as_raw_fd(), kinds) } as libc::c_long).map(drop)
}

/// Moves this process into new namespaces (`CLONE_NEW*`).
pub fn unshare(kinds: libc::c_int) -> io::Result<()> {
    assert_single_threaded();
    // SAFETY: the call changes kernel state of this process only.
    check(unsafe { libc::unshare(kinds) } as libc::c_long).map(drop)
}

/// Blocks every signal in this process, and gives a descriptor from which they can be read (signalfd).
///
/// SIGKILL and SIGSTOP cannot be blocked; the synchronous ones (SIGSEGV and its kin) are left alone, since they mean a
/// bug of ours.
pub fn signal_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigfillset before use; both calls only read it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for synchronous in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&mut set, synchronous);
        }
        check(libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) as libc::c_long)?;
        let fd = check(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) as libc::c_long)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The signals by which a person ends a command, held back and read from a descriptor until this is dropped. One that is
/// still pending then does what it always does: it ends this process.
#[derive(Debug)]
pub struct Interrupts {
    fd: OwnedFd,
    before: libc::sigset_t,
}

impl Interrupts {
    /// Holds them back in this process. Children cloned meanwhile inherit that and need another way to be ended.
    pub fn hold() -> io::Result<Interrupts> {
        // SAFETY: both sets are plain integers for which zero bytes are valid; `set` is initialised by sigemptyset before
        // it is read, `before` is written by sigprocmask. The descriptor that signalfd returns belongs to nobody else.
        unsafe {
            let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&mut set);
            for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
                libc::sigaddset(&mut set, number);
            }
            let fd = check(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) as libc::c_long)?;
            let fd = OwnedFd::from_raw_fd(fd as i32);
            check(libc::sigprocmask(libc::SIG_BLOCK, &set, &mut before) as libc::c_long)?;
            Ok(Interrupts { fd, before })
        }
    }

    /// The signal that came, if one did.
    pub fn came(&self) -> Option<i32> {
        next_signal(&self.fd)
    }
}

impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // SAFETY: `before` was filled by sigprocmask; the call only reads it.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Reads the next pending signal from a [`signal_descriptor`].
pub fn next_signal(fd: impl AsFd) -> Option<i32> {
    let mut info = [0u8; std::mem::size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(fd, &mut info) {
        // The signal number is the first field, a u32 in native order (signalfd(2)).
        Ok(n) if n == info.len() => Some(u32::from_ne_bytes([info[0], info[1], info[2], info[3]]) as i32),
        _ => None,
    }
}

/// Restores the default disposition of every signal and an empty mask, as a program expects to be started.
pub fn reset_signals() {
    // SAFETY: SIG_DFL is a valid disposition; the set is initialised by sigemptyset before use. Failures (SIGKILL,
    // SIGSTOP, numbers of glibc's own) are harmless and ignored.
    unsafe {
        for number in 1..=64 {
            libc::signal(number, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// Starts a helper program with default signals, an empty mask and the standard descriptors only; it would otherwise
/// inherit our caller's.
pub fn spawn_plain(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt;
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls.
    unsafe {
        command.pre_exec(|| {
            reset_signals();
            cloexec_from(3)
        })
    };
    command.spawn()
}

/// [`spawn_plain`] for a helper that is of use only to this process: it is killed when we end.
pub fn spawn_bound(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt;
    // SAFETY: the closure runs between fork and exec and makes one system call, which touches no memory of ours.
    unsafe { command.pre_exec(super::security::die_with_parent) };
    spawn_plain(command)
}

/// Waits until one of the descriptors is ready (or `timeout_ms` passes; negative: for ever). Gives the `revents` of each.
/// A descriptor of `None` is skipped.
pub fn poll(fds: &[(Option<BorrowedFd<'_>>, i16)], timeout_ms: i32) -> io::Result<Vec<i16>> {
    let mut list: Vec<libc::pollfd> = fds
        .iter()
        .map(|(fd, events)| libc::pollfd { fd: fd.map_or(-1, |f| f.as_raw_fd()), events: *events, revents: 0 })
        .collect();
    loop {
        // SAFETY: `list` is a live array of the length given.
        let ready = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, timeout_ms) };
        if ready >= 0 {
            return Ok(list.into_iter().map(|p| p.revents).collect());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The current folder by the system call itself: glibc's wrapper hides that a folder is unreachable.
pub fn current_dir(buffer: &mut [u8]) -> io::Result<&[u8]> {
    // SAFETY: pointer and length describe a live, writable slice.
    let length = check(unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) })?;
    Ok(&buffer[..(length as usize).saturating_sub(1)])
}
