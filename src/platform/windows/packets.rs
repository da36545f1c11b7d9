//! Short messages between two processes: they serve leases, which do not exist here yet.

use std::convert::Infallible;
use std::io;

use super::descriptor::Descriptor;
use super::gate::Gate;
use super::native::unsupported;

/// One end.
#[derive(Debug)]
pub struct Packets(Infallible);

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
    /// Both ends.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn pair() -> io::Result<(Self, Self)> {
        Err(unsupported("messages between processes"))
    }

    /// Takes over an end that was inherited.
    ///
    /// # Errors
    /// Always `Unsupported`.
    ///
    /// # Safety
    /// Always safe; it is not on platforms that have such ends.
    pub unsafe fn inherited(_number: i32) -> io::Result<Self> {
        Err(unsupported("messages between processes"))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// There is no end.
    pub fn send(&self, _message: &[u8], _gate: Option<&Gate>) -> io::Result<()> {
        match self.0 {}
    }

    /// Receives one message.
    ///
    /// # Errors
    /// There is no end.
    pub fn receive(&self, _buffer: &mut [u8]) -> io::Result<ReceivedPacket> {
        match self.0 {}
    }

    /// Readable when a message has come.
    pub fn descriptor(&self) -> Descriptor<'_> {
        match self.0 {}
    }
}
