//! Handles on processes: a [`Pidfd`] never means another process, whatever happens to the PID.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

#[cfg(feature = "cli")]
use super::children::Ended;
use super::descriptor::Descriptor;
use super::identity::Identity;
use super::poll;
use super::signals::Signal;

/// A handle on one process; readable (for `poll`) once it has ended.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Opens the process and then makes sure that it is the one meant: `None` if it has gone.
    ///
    /// # Errors
    /// Those of `pidfd_open(2)`, ESRCH, EINVAL and ENOENT (no such process, or a thread) excepted.
    pub fn open(identity: Identity) -> io::Result<Option<Self>> {
        let Some(pid) = Pid::from_raw(identity.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(identity.is_alive().then_some(Self(fd))),
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A handle on a child of ours that is not reaped: its PID cannot have been reused, dead or alive.
    ///
    /// # Errors
    /// Those of `pidfd_open(2)`.
    pub fn of_child(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal; `Ok(false)` if the process has gone.
    ///
    /// # Errors
    /// EPERM.
    pub fn send(&self, signal: Signal) -> io::Result<bool> {
        let signal = rustix::process::Signal::from_named_raw(signal.number())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reaps a child of ours that has ended, and says how; `None` if somebody else has reaped it.
    #[cfg(feature = "cli")]
    pub fn reap(&self) -> Option<Ended> {
        use std::os::fd::AsFd;

        use rustix::process::{WaitId, WaitIdOptions, waitid};

        let status = waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok()??;
        let code = || Ended::Code(u32::try_from(status.exit_status().unwrap_or(0)).unwrap_or(255));
        Some(status.terminating_signal().map_or_else(code, Ended::Signal))
    }

    /// Readable once the process has ended.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }

    /// Whether the process has ended (a zombie has); waits up to `timeout` for it.
    pub fn has_ended(&self, timeout: Duration) -> bool {
        poll::readable([Some(self.descriptor())], Some(timeout)).is_ok_and(|[ended]| ended)
    }
}

/// Whether there were too few descriptors, or too little memory, to open one more.
pub fn lacks_room(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
