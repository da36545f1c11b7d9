//! Handles on processes: a [`Pidfd`] tells the end of one process by `kqueue(2)`, and signals it by its PID after a look at its
//! start time. Between that look and the signal the process may end, and another one get its PID: the kernel has no call without
//! this gap.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag};
use nix::unistd::Pid;

#[cfg(feature = "cli")]
use super::children::Ended;
use super::descriptor::Descriptor;
use super::events::EventQueue;
use super::identity::Identity;
use super::poll;
use super::signals::Signal;
use crate::platform::stat::Stat;

/// A handle on one process; readable (for `poll`) once it has ended.
#[derive(Debug)]
pub struct Pidfd {
    queue: EventQueue,
    process: Identity,
}

impl Pidfd {
    /// Opens the process and then makes sure that it is the one meant: `None` if it has gone.
    ///
    /// # Errors
    /// EMFILE.
    pub fn open(process: Identity) -> io::Result<Option<Self>> {
        let opened = Self { queue: EventQueue::new()?, process };
        Ok((opened.watch()? && process.is_alive()).then_some(opened))
    }

    /// A handle on a child of ours that is not reaped: its PID cannot have been reused, dead or alive.
    ///
    /// # Errors
    /// EMFILE.
    pub fn of_child(pid: i32) -> io::Result<Self> {
        let start_ticks = Stat::read(pid).map_or(0, |stat| stat.start_ticks);
        let process = Identity { pid, start_ticks };
        let opened = Self { queue: EventQueue::new()?, process };
        if !opened.watch()? || !process.is_alive() {
            opened.end()?;
        }
        Ok(opened)
    }

    /// Waits for its end from now on; `false` if it has ended.
    fn watch(&self) -> io::Result<bool> {
        let pid = usize::try_from(self.process.pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        match self.queue.change(pid, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, FilterFlag::NOTE_EXIT, 0) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes it readable, as its end would: a zombie tells of it no more.
    fn end(&self) -> io::Result<()> {
        self.queue.change(0, EventFilter::EVFILT_USER, EvFlags::EV_ADD, FilterFlag::empty(), 0)?;
        self.queue.change(0, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::NOTE_TRIGGER, 0)
    }

    /// Sends a signal; `Ok(false)` if the process has gone.
    ///
    /// # Errors
    /// EPERM.
    #[expect(clippy::disallowed_methods, reason = "there is nothing else; what the PID means was just looked at")]
    pub fn send(&self, signal: Signal) -> io::Result<bool> {
        if !self.process.is_alive() {
            return Ok(false);
        }
        match nix::sys::signal::kill(Pid::from_raw(self.process.pid), signal.0) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reaps a child of ours that has ended, and says how; `None` if somebody else has reaped it.
    #[cfg(feature = "cli")]
    pub fn reap(&self) -> Option<Ended> {
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

        match waitpid(Pid::from_raw(self.process.pid), Some(WaitPidFlag::WNOHANG)).ok()? {
            WaitStatus::Exited(_, code) => Some(Ended::Code(u8::try_from(code).unwrap_or(u8::MAX).into())),
            WaitStatus::Signaled(_, signal, _) => Some(Ended::Signal(signal as i32)),
            _ => None,
        }
    }

    /// Readable once the process has ended.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.queue)
    }

    /// Whether the process has ended (a zombie has); waits up to `timeout` for it.
    pub fn has_ended(&self, timeout: Duration) -> bool {
        poll::readable([Some(self.descriptor())], Some(timeout)).is_ok_and(|[ended]| ended)
    }
}

/// Whether there were too few descriptors, or too little memory, to open one more.
pub fn lacks_room(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM].iter().any(|lack| error.raw_os_error() == Some(*lack as i32))
}
