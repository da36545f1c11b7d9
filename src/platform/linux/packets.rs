//! A pair of connected sockets for short messages between two processes. A message arrives whole or not at all; each end
//! learns that the other one has gone.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::descriptor::{self, Descriptor};
use super::gate::Gate;

/// One end.
#[derive(Debug)]
pub struct Packets(OwnedFd);

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
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
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
        Ok(Self(file.into()))
    }

    /// Sends a message, which must not be empty, without waiting; a copy of a gate goes with it.
    ///
    /// # Errors
    /// EAGAIN: there is no room, because the other end does not read; EPIPE: it has gone.
    pub fn send(&self, message: &[u8], gate: Option<&Gate>) -> io::Result<()> {
        let fds: Vec<_> = gate.iter().map(|gate| gate.0.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::io::retry_on_intr(|| sendmsg(&self.0, &[IoSlice::new(message)], &mut control, flags))?;
        Ok(())
    }

    /// Receives one message, without waiting.
    ///
    /// # Errors
    /// Those of `recvmsg(2)`, EAGAIN and ECONNRESET excepted.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<ReceivedPacket> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        loop {
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(buffer)];
            match recvmsg(&self.0, &mut parts, &mut control, RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC) {
                Ok(received) if received.bytes == 0 => return Ok(ReceivedPacket::Closed),
                Ok(received) => {
                    let came = control.drain().find_map(|one| match one {
                        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                        _ => None,
                    });
                    return Ok(ReceivedPacket::Message(received.bytes, came.map(Gate)));
                }
                Err(Errno::AGAIN) => return Ok(ReceivedPacket::Nothing),
                // The other end has gone and left something unread: said once, before what it has sent.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Readable when a message has come, or the other end has gone.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_and_the_end_after_them() {
        let (one, other) = Packets::pair().unwrap();
        let mut buffer = [0; 8];
        assert!(matches!(other.receive(&mut buffer).unwrap(), ReceivedPacket::Nothing));
        // Unread by its receiver, so that closing this end is a reset.
        other.send(b"unread", None).unwrap();
        one.send(b"ab", None).unwrap();
        one.send(b"cde", None).unwrap();
        drop(one);
        for expected in [&b"ab"[..], b"cde"] {
            let ReceivedPacket::Message(length, None) = other.receive(&mut buffer).unwrap() else {
                panic!("no message")
            };
            assert_eq!(&buffer[..length], expected);
        }
        assert!(matches!(other.receive(&mut buffer).unwrap(), ReceivedPacket::Closed));
        assert_eq!(other.send(b"x", None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_full_end_does_not_block() {
        let (one, _other) = Packets::pair().unwrap();
        let error = (0..100_000).find_map(|_| one.send(b"message", None).err()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
