//! Terminals: raw mode, size, and a pseudo terminal inside a container's own devpts.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::io;

/// Raw mode on a terminal; the former mode comes back when this is dropped.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Switches a terminal to raw mode.
    pub fn enter(terminal: BorrowedFd<'_>) -> io::Result<RawMode> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(RawMode { terminal: terminal.try_clone_to_owned()?, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Whether the descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    rustix::termios::isatty(fd)
}

/// Gives one terminal the size of another; nothing happens where either is none.
pub fn copy_size(from: impl AsFd, to: impl AsFd) {
    if let Ok(size) = tcgetwinsize(from)
        && size.ws_col > 0
    {
        let _ = tcsetwinsize(to, Winsize { ..size });
    }
}

/// Opens a new pseudo terminal in a devpts given by a descriptor of its root folder: the controlling side and the
/// container's side. The container's side comes by ioctl from the first, never by path.
pub fn open_pair(devpts: BorrowedFd<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
    let master = openat(devpts, c"ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    Ok((master, slave))
}

/// Makes a terminal the controlling one of this session leader.
pub fn make_controlling(terminal: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(terminal)?)
}
