//! Waking up at a time since boot. The time-out of `poll(2)` stands still while the machine is suspended; this does not.

use std::io;
use std::time::Duration;

use nix::libc;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag};

use super::boot::uptime;
use super::descriptor::Descriptor;
use super::events::EventQueue;

/// Readable from a time on, by the clock of [`uptime`], suspend included.
#[derive(Debug)]
pub struct Alarm(EventQueue);

impl Alarm {
    /// One that never rings.
    ///
    /// # Errors
    /// EMFILE.
    pub fn new() -> io::Result<Self> {
        EventQueue::new().map(Self)
    }

    /// Rings from then on, and no longer from whenever it was set to before.
    ///
    /// # Errors
    /// Those of `kevent(2)`.
    pub fn set(&self, at: Option<Duration>) -> io::Result<()> {
        let timer = EventFilter::EVFILT_TIMER;
        // One that is not set, or has rung and been taken, is not there to be removed.
        let _ = self.0.change(0, timer, EvFlags::EV_DELETE, FilterFlag::empty(), 0);
        self.0.take();
        let Some(at) = at else { return Ok(()) };
        let wait = i64::try_from(at.saturating_sub(uptime().whole).as_nanos()).unwrap_or(i64::MAX);
        let exactly = FilterFlag::from_bits_retain(libc::NOTE_MACH_CONTINUOUS_TIME | libc::NOTE_CRITICAL);
        let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
        // Of 0 the kernel makes the shortest wait.
        self.0.change(0, timer, flags, FilterFlag::NOTE_NSECONDS | exactly, wait.max(1))
    }

    /// Readable while it rings.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }
}
