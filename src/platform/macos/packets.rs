//! A pair of connected sockets for short messages between two processes. A message arrives whole or not at all; each end
//! learns that the other one has gone.
//!
//! macOS has no `SOCK_SEQPACKET`, and of a pair of datagram sockets an end does not learn that the other one has gone. So these
//! are streams, in which each message follows its length.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_nosigpipe, set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
};

use super::descriptor::{self, Descriptor};
use super::gate::Gate;

/// Bytes of a message's length.
const HEADER: usize = 2;
/// Room for what the other end has not read, in bytes.
const ROOM: usize = 64 * 1024;

/// One end.
#[derive(Debug)]
pub struct Packets {
    socket: OwnedFd,
    /// The rest of a message that there was too little room for: it goes before the next one.
    rest: Mutex<Vec<u8>>,
}

/// What a look at an end found.
#[derive(Debug)]
pub enum ReceivedPacket {
    /// This many bytes, and what came with them.
    Message(usize, Option<Gate>),
    /// Nothing has come yet.
    Nothing,
    /// The other end is closed, and everything that it sent has been received.
    Closed,
}

impl Packets {
    /// Both ends; a child inherits neither unless it is passed on.
    ///
    /// # Errors
    /// EMFILE.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)?;
        for end in [&one, &other] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        Ok((Self::of(one)?, Self::of(other)?))
    }

    fn of(socket: OwnedFd) -> io::Result<Self> {
        set_socket_nosigpipe(&socket, true)?;
        set_socket_send_buffer_size(&socket, ROOM)?;
        set_socket_recv_buffer_size(&socket, ROOM)?;
        Ok(Self { socket, rest: Mutex::default() })
    }

    /// Takes over the end that was inherited under this number.
    ///
    /// # Errors
    /// EBADF if it is not open.
    ///
    /// # Safety
    /// Nothing else in this process may own `number`.
    pub unsafe fn inherited(number: i32) -> io::Result<Self> {
        // SAFETY: the caller promises the same.
        let file: File = unsafe { descriptor::inherited(number) }?;
        Self::of(file.into())
    }

    /// Sends a message, which must not be empty, without waiting; a copy of a gate goes with it. Where there is room for a part
    /// of it only, the rest goes with the next call.
    ///
    /// # Errors
    /// EAGAIN: there is no room, because the other end does not read; EPIPE: it has gone.
    pub fn send(&self, message: &[u8], gate: Option<&Gate>) -> io::Result<()> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        while !rest.is_empty() {
            let sent = self.send_some(&rest, None)?;
            rest.drain(..sent);
        }
        let length = u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let whole = [&length.to_ne_bytes()[..], message].concat();
        let sent = self.send_some(&whole, gate)?;
        rest.extend(&whole[sent..]);
        Ok(())
    }

    fn send_some(&self, bytes: &[u8], gate: Option<&Gate>) -> io::Result<usize> {
        let fds: Vec<_> = gate.iter().map(|gate| gate.0.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let parts = [IoSlice::new(bytes)];
        Ok(rustix::io::retry_on_intr(|| sendmsg(&self.socket, &parts, &mut control, SendFlags::DONTWAIT))?)
    }

    /// Receives one message, without waiting. One that is longer than the buffer is an error.
    ///
    /// # Errors
    /// Those of `recvmsg(2)`, EAGAIN and ECONNRESET excepted.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<ReceivedPacket> {
        let mut seen = vec![0; HEADER + buffer.len()];
        let there = match rustix::io::retry_on_intr(|| {
            recv(&self.socket, &mut seen[..], RecvFlags::DONTWAIT | RecvFlags::PEEK).map(|(_, length)| length)
        }) {
            // What it sent was received before, or is half of a message.
            Ok(0) | Err(Errno::CONNRESET) => return Ok(ReceivedPacket::Closed),
            Ok(there) => there,
            Err(Errno::AGAIN) => return Ok(ReceivedPacket::Nothing),
            Err(error) => return Err(error.into()),
        };
        if there < HEADER {
            return Ok(ReceivedPacket::Nothing);
        }
        let length = usize::from(u16::from_ne_bytes([seen[0], seen[1]]));
        if length > buffer.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if there < HEADER + length {
            return Ok(ReceivedPacket::Nothing);
        }
        let (gate, received) = self.receive_some(&mut seen[..HEADER + length])?;
        if received != HEADER + length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        buffer[..length].copy_from_slice(&seen[HEADER..HEADER + length]);
        Ok(ReceivedPacket::Message(length, gate))
    }

    fn receive_some(&self, bytes: &mut [u8]) -> io::Result<(Option<Gate>, usize)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(bytes)];
        let received =
            rustix::io::retry_on_intr(|| recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::DONTWAIT))?;
        let came = control.drain().find_map(|one| match one {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        if let Some(fd) = &came {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        Ok((came.map(Gate), received.bytes))
    }

    /// Readable when a message has come, or the other end has gone.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.socket)
    }
}
