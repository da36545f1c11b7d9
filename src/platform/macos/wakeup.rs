//! One thread wakes another one that polls.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::descriptor::Descriptor;

/// A pipe that one thread raises and another one polls: raised while there is something in it.
#[derive(Debug)]
pub struct Wakeup {
    reads: OwnedFd,
    writes: OwnedFd,
}

impl Wakeup {
    /// A new one, not raised.
    ///
    /// # Errors
    /// EMFILE.
    pub fn new() -> io::Result<Self> {
        let (reads, writes) = io::pipe()?;
        let (reads, writes) = (OwnedFd::from(reads), OwnedFd::from(writes));
        for end in [&reads, &writes] {
            let flags = OFlag::from_bits_truncate(fcntl(end, FcntlArg::F_GETFL)?);
            fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Self { reads, writes })
    }

    /// Raises it; it stays raised.
    pub fn raise(&self) {
        // It fails when the pipe is full, and then it is raised.
        let _ = rustix::io::write(&self.writes, b"1");
    }

    /// Lowers it, raised or not.
    pub fn lower(&self) {
        while rustix::io::read(&self.reads, &mut [0_u8; 64]).is_ok_and(|length| length > 0) {}
    }

    /// Readable while it is raised.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.reads)
    }
}
