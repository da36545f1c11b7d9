//! What `kqueue(2)` tells, behind a descriptor that is readable while something has happened and was not taken.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc::{intptr_t, timespec, uintptr_t};
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

/// How many events are taken at once.
const AT_ONCE: usize = 32;

/// A queue of events.
#[derive(Debug)]
pub(super) struct EventQueue(Kqueue);

impl EventQueue {
    /// An empty one. No child inherits it.
    ///
    /// # Errors
    /// EMFILE.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Kqueue::new()?))
    }

    /// Adds, changes or removes what is waited for.
    ///
    /// # Errors
    /// Those of `kevent(2)`: ESRCH for a process that has ended.
    pub(super) fn change(
        &self,
        who: usize,
        filter: EventFilter,
        flags: EvFlags,
        what: FilterFlag,
        data: i64,
    ) -> io::Result<()> {
        let change = KEvent::new(who as uintptr_t, filter, flags, what, data as intptr_t, 0);
        self.0.kevent(&[change], &mut [], Some(timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(())
    }

    /// Takes what has happened: who, and what.
    pub(super) fn take(&self) -> Vec<(usize, FilterFlag)> {
        let mut taken = Vec::new();
        let empty = KEvent::new(0, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::empty(), 0, 0);
        loop {
            let mut events = [empty; AT_ONCE];
            let now = Some(timespec { tv_sec: 0, tv_nsec: 0 });
            let count = self.0.kevent(&[], &mut events, now).unwrap_or(0);
            taken.extend(events[..count].iter().map(|event| (event.ident(), event.fflags())));
            if count < AT_ONCE {
                return taken;
            }
        }
    }
}

impl AsFd for EventQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
