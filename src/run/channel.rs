//! What front and worker say to each other, over a socket pair that ends with either of them.

use crate::error::{Kind, Result, fail};
use crate::progress::Event;
use crate::sys::userns::Crossing;
use crate::sys::{process, socket};
use anyhow::Context;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::{Deserialize, Serialize};

/// One message.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// worker → front: a network namespace wants to be connected; it belongs to `pid`.
    Connect {
        /// A process in that namespace.
        pid: i32,
        /// Folder for pasta's pid file.
        dir: std::path::PathBuf,
    },
    /// front → worker: the network is connected by this pasta process.
    Connected(Crossing<i32>),
    /// worker → front: the program runs.
    Started {
        /// Container id.
        id: String,
    },
    /// worker → front: the program has ended and everything is put away.
    Ended(Crossing<i32>),
    /// front → worker: send this signal to the program.
    Signal(i32),
    /// front → worker: the terminal has a new size.
    Resize,
    /// worker → front: news of a build.
    Progress(Event),
    /// worker → front: something has to be fetched from the network; what, as JSON.
    Fetch(String),
    /// front → worker: how that went, as JSON.
    Fetched(Crossing<String>),
    /// worker → front: a build's result, as JSON.
    Built(Crossing<String>),
}

/// Messages are small; output of a build step comes in pieces that stay below this when written as JSON.
const MAX_MESSAGE: usize = 160 << 10;

/// One end of the conversation.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Two connected ends.
    pub fn pair() -> Result<(Channel, Channel)> {
        let (a, b) = socket::pair().context("making a socket pair")?;
        Ok((Channel(a), Channel(b)))
    }

    /// Says something. An error means that the other side is gone.
    pub fn send(&self, message: &Message) -> Result<()> {
        let bytes = serde_json::to_vec(message).context("packing a message")?;
        socket::send(&self.0, &bytes, None).context("talking to our other process")
    }

    /// Waits for the next message; `None` when the other side is gone.
    pub fn receive(&self) -> Result<Option<Message>> {
        let (bytes, _) = socket::receive(&self.0, MAX_MESSAGE).context("listening to our other process")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&bytes).context("reading a message of our other process")?))
    }

    /// Asks the front to connect the network namespace of `pid`, and waits for it. Gives pasta's pid.
    pub fn connect_network(&self, pid: i32, dir: &std::path::Path) -> Result<i32> {
        self.send(&Message::Connect { pid, dir: dir.to_path_buf() })?;
        loop {
            match self.receive()? {
                Some(Message::Connected(result)) => return result.unpack(),
                Some(Message::Signal(number)) => not_an_end(number)?,
                Some(_) => {}
                None => return Err(fail(Kind::System, "interrupted")),
            }
        }
    }

    /// Asks the front to fetch something, and waits for it.
    pub fn fetch(&self, what: String) -> Result<String> {
        self.send(&Message::Fetch(what))?;
        loop {
            match self.receive()? {
                Some(Message::Fetched(result)) => return result.unpack(),
                Some(Message::Signal(number)) => not_an_end(number)?,
                Some(_) => {}
                None => return Err(fail(Kind::System, "interrupted")),
            }
        }
    }

    /// Fails if the front has gone, or was asked to end, while there is no program yet that the signal could be passed to.
    ///
    /// A program that has only just begun would not do either: the kernel drops what a first process has not asked for.
    pub fn check_interrupted(&self) -> Result<()> {
        while process::poll(&[(Some(self.as_fd()), libc::POLLIN)], 0).context("listening to the front")?[0] != 0 {
            match self.receive()? {
                Some(Message::Signal(number)) => not_an_end(number)?,
                Some(_) => {}
                None => return Err(fail(Kind::System, "interrupted")),
            }
        }
        Ok(())
    }
}

/// Fails for the signals that ask a command to end.
fn not_an_end(number: i32) -> Result<()> {
    match number {
        libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT => {
            Err(fail(Kind::Exit(128 + number), "interrupted before the program was started"))
        }
        _ => Ok(()),
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind_of;

    #[test]
    fn a_start_is_given_up_when_the_front_is_asked_to_end_or_gone() {
        let (front, worker) = Channel::pair().unwrap();
        worker.check_interrupted().unwrap();
        front.send(&Message::Signal(libc::SIGWINCH)).unwrap();
        worker.check_interrupted().unwrap();
        front.send(&Message::Signal(libc::SIGTERM)).unwrap();
        assert_eq!(kind_of(&worker.check_interrupted().unwrap_err()), Some(Kind::Exit(143)));
        drop(front);
        assert!(worker.check_interrupted().is_err());
    }
}
