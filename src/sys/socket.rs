//! Pairs of sockets between our own processes: whole messages, and descriptors sent along.

use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// A pair of connected sockets that keep message borders. The end of one side is seen by the other.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one message, with at most one descriptor. A reader that is gone gives `BrokenPipe`, no signal.
pub fn send(socket: impl AsFd, bytes: &[u8], fd: Option<rustix::fd::BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let list = fd.map(|f| [f]);
    if let Some(list) = &list {
        control.push(SendAncillaryMessage::ScmRights(list));
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one message of at most `max` bytes, with the descriptor that came along. Empty at the end.
pub fn receive(socket: impl AsFd, max: usize) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = vec![0u8; max];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(got) => break got.bytes,
            Err(rustix::io::Errno::INTR) => {}
            // The other side died with messages of ours unread: the same as its end.
            Err(rustix::io::Errno::CONNRESET) => break 0,
            Err(e) => return Err(e.into()),
        }
    };
    bytes.truncate(got);
    let mut fd = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            fd = fds.into_iter().last().or(fd);
        }
    }
    Ok((bytes, fd))
}
