//! What front and worker say to each other, over a socket pair that ends with either of them.

use crate::error::{Kind, Result, fail};
use crate::progress::Event;
use crate::sys::socket;
use crate::sys::userns::Crossing;
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
                Some(_) => {}
                None => return Err(fail(Kind::System, "interrupted")),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
