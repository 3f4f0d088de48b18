//! The monitor: what a worker is while its container runs. Moves bytes, writes the log, passes signals on, and waits.
//!
//! One poll loop, no thread. Not here: starting (`launch`), and what remains to be done at the end (`launch::put_away`).

use super::channel::{Channel, Message};
use super::init::Streams;
use super::options::Options;
use super::signal::{Meaning, meaning};
use super::time;
use crate::error::Result;
use crate::store::log::LogWriter;
use crate::sys::process::{self, Child};
use crate::sys::{mount, tty};
use anyhow::Context;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::path::Path;

/// One read of container output.
const CHUNK: usize = 64 << 10;

/// The largest pipe that an unprivileged user can make (pipe(7), pipe-max-size).
const MOST_LEFT: usize = 1 << 20;

/// The descriptors between a container and the outside.
pub struct Io {
    /// The container's 0, 1, 2; none once init has them.
    inside: Vec<OwnedFd>,
    /// True when the container simply has our own descriptors.
    inherited: bool,
    /// Where the container's output is read: stdout (or the terminal), stderr.
    output: [Option<OwnedFd>; 2],
    /// Where the container's input is written.
    input: Option<OwnedFd>,
    /// Master of the container's terminal.
    terminal: Option<OwnedFd>,
    /// The devpts of that terminal.
    devpts: Option<OwnedFd>,
    /// Keeps the log, if there is one to keep.
    log: Option<LogWriter>,
    /// Our own standard input is to be passed on.
    interactive: bool,
    /// Input that the container has not taken yet.
    pending: Vec<u8>,
}

fn null() -> Result<OwnedFd> {
    rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).context("opening /dev/null")
}

impl Io {
    fn empty(interactive: bool, log: Option<LogWriter>) -> Io {
        Io {
            inside: Vec::new(),
            inherited: false,
            output: [None, None],
            input: None,
            terminal: None,
            devpts: None,
            log,
            interactive,
            pending: Vec::new(),
        }
    }

    /// Makes the descriptors that these options ask for.
    ///
    /// A caller's terminal is never handed to a container, which could read from it and change its modes; without a
    /// terminal in the way and without a log to keep, the container inherits ours and nothing has to be moved.
    pub fn new(options: &Options, dir: &Path) -> Result<Io> {
        let keeps_log = options.detach || !options.remove;
        let log = if keeps_log { Some(LogWriter::open(dir)?) } else { None };
        let mut io = Io::empty(options.interactive && !options.detach, log);
        if options.tty {
            let (devpts, master, slave) = new_terminal()?;
            io.use_terminal(master, slave, options.interactive)?;
            io.devpts = Some(devpts);
        } else if keeps_log || own_terminal(options.interactive) {
            io.with_pipes(options.interactive)?;
        } else {
            io.inherit(options.interactive)?;
        }
        Ok(io)
    }

    /// The descriptors of one more process in a running container. No log: the container's own is its monitor's.
    ///
    /// To be called before the container's namespaces are joined: /dev/null has to be the host's.
    pub fn for_exec(interactive: bool, detach: bool) -> Result<Io> {
        let mut io = Io::empty(interactive && !detach, None);
        if detach {
            io.inside = vec![null()?, null()?, null()?];
        } else if own_terminal(interactive) {
            io.with_pipes(interactive)?;
        } else {
            io.inherit(interactive)?;
        }
        Ok(io)
    }

    /// A terminal of its own for a process without a record or a log.
    pub fn with_terminal() -> Result<Io> {
        let mut io = Io::empty(true, None);
        let (devpts, master, slave) = new_terminal()?;
        io.use_terminal(master, slave, true)?;
        io.devpts = Some(devpts);
        Ok(io)
    }

    fn inherit(&mut self, interactive: bool) -> Result<()> {
        let stdin = if interactive { process::standard(0).try_clone_to_owned()? } else { null()? };
        self.inside =
            vec![stdin, process::standard(1).try_clone_to_owned()?, process::standard(2).try_clone_to_owned()?];
        self.inherited = true;
        Ok(())
    }

    /// Makes a terminal, given by both its sides, the container's three descriptors, in place of what they were.
    pub fn use_terminal(&mut self, master: OwnedFd, slave: OwnedFd, interactive: bool) -> Result<()> {
        if let Some(own) = (0..=2).map(process::standard).find(|fd| tty::is_terminal(fd)) {
            tty::copy_size(own, &master);
        }
        nonblocking(&master)?;
        self.inherited = false;
        self.inside = vec![slave.try_clone()?, slave.try_clone()?, slave];
        self.output = [Some(master.try_clone()?), None];
        self.input = if interactive { Some(master.try_clone()?) } else { None };
        self.terminal = Some(master);
        Ok(())
    }

    fn with_pipes(&mut self, interactive: bool) -> Result<()> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).context("making a pipe");
        let stdin = if interactive {
            let (read, write) = pipe()?;
            nonblocking(&write)?;
            self.input = Some(write);
            read
        } else {
            null()?
        };
        let (out, err) = (pipe()?, pipe()?);
        self.inside = vec![stdin, out.1, err.1];
        nonblocking(&out.0)?;
        nonblocking(&err.0)?;
        self.output = [Some(out.0), Some(err.0)];
        Ok(())
    }

    /// What init gets.
    pub fn streams(&self) -> Streams<'_> {
        Streams {
            fds: [self.inside[0].as_fd(), self.inside[1].as_fd(), self.inside[2].as_fd()],
            terminal: self.terminal.is_some().then(|| self.inside[0].as_fd()),
            devpts: self.devpts.as_ref().map(AsFd::as_fd),
        }
    }

    /// Drops the container's side in this process: from now on the end of its last holder is seen. A terminal stays open
    /// on this side, too: programs close and open it again, and in between its end would be reported.
    pub fn close_container_side(&mut self) {
        self.inside.truncate(usize::from(self.terminal.is_some()));
        self.devpts = None;
    }
}

fn own_terminal(interactive: bool) -> bool {
    let first = if interactive { 0 } else { 1 };
    (first..=2).any(|n| tty::is_terminal(process::standard(n)))
}

fn nonblocking(fd: &OwnedFd) -> Result<()> {
    rustix::io::ioctl_fionbio(fd, true).context("making a descriptor non-blocking")
}

/// Leaves the front's session and its caller's descriptors: the front may end now.
pub fn detach() -> Result<()> {
    let _ = rustix::process::setsid();
    let null = null()?;
    for number in 0..=2 {
        process::install_fd(null.as_fd(), number).context("leaving the standard descriptors")?;
    }
    // What the caller of dhow had open besides (a lock, a pipe's end) would be held for the container's whole life.
    process::close_inherited().context("leaving the caller's descriptors")
}

/// Who passes signals to a process that is watched.
#[derive(Clone, Copy)]
pub enum Front<'a> {
    /// Another process of ours, which may go before the container does.
    Channel(&'a Channel),
    /// This process itself, by its signal descriptor.
    Signals(&'a OwnedFd),
}

/// Follows a process to its end; gives its exit code. Without a front its output goes nowhere but into the log.
pub fn watch(child: &Child, io: Io, front: Option<Front<'_>>) -> Result<i32> {
    let stdin_open = io.interactive && !io.inherited;
    let mut watch = Watch { io, front, detached: front.is_none(), stdin_open };
    loop {
        let (ended, readable) = watch.wait(child)?;
        for (stream, there) in readable.into_iter().enumerate() {
            if there {
                watch.pass_output(stream, CHUNK);
            }
        }
        if ended {
            break;
        }
    }
    for stream in 0..2 {
        // No more than a pipe can hold: what an exec left in the background may go on writing for ever.
        let _ = (0..MOST_LEFT / CHUNK).take_while(|_| watch.pass_output(stream, CHUNK)).count();
    }
    if let Some(log) = &mut watch.io.log {
        log.finish(&time::now());
    }
    process::wait(child).context("waiting for the program's end")
}

impl Front<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Front::Channel(channel) => channel.as_fd(),
            Front::Signals(signals) => signals.as_fd(),
        }
    }
}

struct Watch<'a> {
    io: Io,
    front: Option<Front<'a>>,
    detached: bool,
    stdin_open: bool,
}

impl Watch<'_> {
    /// Waits for something to do, does it for everything but output; gives whether the container has ended and which
    /// output is there.
    fn wait(&mut self, child: &Child) -> Result<(bool, [bool; 2])> {
        let takes_input = self.io.input.is_some() && !self.io.pending.is_empty();
        let wants_input = self.stdin_open && self.io.pending.is_empty() && self.io.input.is_some();
        let fds: [(Option<BorrowedFd<'_>>, i16); 6] = [
            (Some(child.pidfd.as_fd()), libc::POLLIN),
            (self.io.output[0].as_ref().map(AsFd::as_fd), libc::POLLIN),
            (self.io.output[1].as_ref().map(AsFd::as_fd), libc::POLLIN),
            (self.front.as_ref().map(Front::as_fd), libc::POLLIN),
            (wants_input.then(|| process::standard(0)), libc::POLLIN),
            (self.io.input.as_ref().filter(|_| takes_input).map(AsFd::as_fd), libc::POLLOUT),
        ];
        let ready = process::poll(&fds, -1).context("waiting for the container")?;
        if ready[3] != 0 {
            self.hear(child);
        }
        if ready[4] != 0 {
            self.read_input();
        }
        if ready[5] != 0 || (ready[4] != 0 && !self.io.pending.is_empty()) {
            self.write_input();
        }
        Ok((ready[0] != 0, [ready[1] != 0, ready[2] != 0]))
    }

    fn hear(&mut self, child: &Child) {
        match self.front {
            Some(Front::Channel(front)) => match front.receive() {
                Ok(Some(Message::Signal(number))) => self.pass_signal(child, Meaning::Forward(number)),
                Ok(Some(Message::Resize)) => self.pass_signal(child, Meaning::Resize),
                Ok(Some(_)) => {}
                // The front is gone (killed): the container goes on, as it would with a daemon.
                Ok(None) | Err(_) => self.front = None,
            },
            Some(Front::Signals(signals)) => {
                while let Some(number) = process::next_signal(signals) {
                    self.pass_signal(child, meaning(number));
                }
            }
            None => {}
        }
    }

    fn pass_signal(&self, child: &Child, what: Meaning) {
        match (what, &self.io.terminal) {
            (Meaning::Forward(number), _) => drop(process::signal(&child.pidfd, number)),
            (Meaning::Resize, Some(terminal)) => tty::copy_size(process::standard(0), terminal),
            _ => {}
        }
    }

    fn read_input(&mut self) {
        let mut buffer = vec![0u8; CHUNK];
        match rustix::io::retry_on_intr(|| rustix::io::read(process::standard(0), &mut buffer)) {
            Ok(n) if n > 0 => {
                buffer.truncate(n);
                self.io.pending = buffer;
            }
            Err(rustix::io::Errno::AGAIN) => {}
            _ => {
                self.stdin_open = false;
                // A terminal has no end of its own: the end of our input is typed as Ctrl-D.
                if self.io.terminal.is_some() {
                    self.io.pending = vec![4];
                } else {
                    self.io.input = None;
                }
            }
        }
    }

    fn write_input(&mut self) {
        let Some(input) = &self.io.input else { return };
        match rustix::io::retry_on_intr(|| rustix::io::write(input, &self.io.pending)) {
            Ok(n) => drop(self.io.pending.drain(..n)),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => {
                // Nobody reads any more.
                self.io.input = None;
                self.io.pending.clear();
                self.stdin_open = false;
            }
        }
    }

    /// Nobody reads this output any more. The program learns it as it would without us, by writing into a closed pipe:
    /// `| head` ends it whether its output passes through here or not.
    fn lose_reader(&mut self, stream: usize) {
        if self.io.terminal.is_none() {
            self.io.output[stream] = None;
        }
    }

    /// Passes on one piece of output; false when there is none (yet, or any more).
    fn pass_output(&mut self, stream: usize, size: usize) -> bool {
        let Some(source) = &self.io.output[stream] else { return false };
        let mut buffer = vec![0u8; size];
        match rustix::io::retry_on_intr(|| rustix::io::read(source, &mut buffer)) {
            Ok(n) if n > 0 => {
                let bytes = &buffer[..n];
                if let Some(log) = &mut self.io.log {
                    log.add(stream == 1, bytes, &time::now());
                }
                if !self.detached && write_all(process::standard(1 + stream as i32), bytes).is_err() {
                    self.lose_reader(stream);
                }
                true
            }
            Err(rustix::io::Errno::AGAIN) => false,
            // The end: of a pipe as 0 bytes, of a terminal as EIO.
            _ => {
                self.io.output[stream] = None;
                false
            }
        }
    }
}

/// Writes everything. Fails only when nobody reads any more (the caller's `| head`); what cannot be written for another
/// reason (a full disk, a terminal that is gone) is lost.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), rustix::io::Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            // Our caller made the descriptor non-blocking: wait for room.
            Err(rustix::io::Errno::AGAIN) => {
                let _ = process::poll(&[(Some(to), libc::POLLOUT)], -1);
            }
            Err(rustix::io::Errno::PIPE) => return Err(rustix::io::Errno::PIPE),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Opens a devpts of the container's own and a terminal in it: both exist before init does.
fn new_terminal() -> Result<(OwnedFd, OwnedFd, OwnedFd)> {
    let option = |k: &str, v: &str| Ok::<_, anyhow::Error>((std::ffi::CString::new(k)?, std::ffi::CString::new(v)?));
    let options = [option("ptmxmode", "0666")?, option("mode", "0620")?, option("gid", "5")?];
    let attr = mount::Attr::MOUNT_ATTR_NOSUID | mount::Attr::MOUNT_ATTR_NOEXEC;
    let devpts = mount::filesystem(c"devpts", &options, attr).context("making the container's devpts")?;
    let (master, slave) = tty::open_pair(devpts.as_fd()).context("making the container's terminal")?;
    Ok((devpts, master, slave))
}
