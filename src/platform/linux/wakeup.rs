//! One thread wakes another one that polls.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use super::descriptor::Descriptor;

/// A descriptor that one thread raises and another one polls (`eventfd(2)`).
#[derive(Debug)]
pub struct Wakeup(OwnedFd);

impl Wakeup {
    /// A new one, not raised.
    ///
    /// # Errors
    /// Those of `eventfd(2)`.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Raises it; it stays raised.
    pub fn raise(&self) {
        // It can only fail when the counter is full, and then it is raised.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Lowers it, raised or not.
    pub fn lower(&self) {
        // It fails when it is not raised.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    /// Readable while it is raised.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }
}
