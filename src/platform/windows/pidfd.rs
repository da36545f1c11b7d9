//! Handles on processes: a [`Pidfd`] never means another process, whatever happens to the PID. As long as it exists, no other
//! process even gets that PID.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY, ERROR_TOO_MANY_OPEN_FILES,
};
use windows_sys::Win32::System::Threading::{PROCESS_TERMINATE, TerminateProcess};

#[cfg(feature = "cli")]
use super::children::{self, Ended};
#[cfg(feature = "cli")]
use super::console;
use super::descriptor::Descriptor;
use super::identity::Identity;
use super::native::{KILLED, KernelEvent, is_signalled, open_process, succeeded, unsupported};
use super::processes::LOOK;
#[cfg(feature = "cli")]
use super::processes::created;
use super::signals::Signal;
#[cfg(feature = "cli")]
use super::stop_event;

/// A handle on one process; readable (for `poll`) once it has ended.
#[derive(Debug)]
pub struct Pidfd {
    identity: Identity,
    /// The process; or, where it lets nobody open it, an event that is never set.
    process: OwnedHandle,
    may_end_it: bool,
}

impl Pidfd {
    /// Opens the process and then makes sure that it is the one meant: `None` if it has gone.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn open(identity: Identity) -> io::Result<Option<Self>> {
        let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let pid = identity.pid;
        let opened = match open_process(pid, LOOK | PROCESS_TERMINATE) {
            Err(error) if is_denied(&error) => open_process(pid, LOOK).map(|process| (process, false)),
            opened => opened.map(|process| (process, true)),
        };
        let (process, may_end_it) = match opened {
            Err(error) if is_denied(&error) => (KernelEvent::new()?.into(), false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        Ok(identity.is_alive().then_some(Self { identity, process, may_end_it }))
    }

    /// A handle on a child of ours that is not reaped: its PID cannot have been reused, dead or alive.
    ///
    /// # Errors
    /// It is none.
    #[cfg(feature = "cli")]
    pub fn of_child(pid: i32) -> io::Result<Self> {
        let process = children::handle_of(pid)?;
        Ok(Self { identity: Identity { pid, start_ticks: created(&process)? }, process, may_end_it: true })
    }

    /// Asks the process to end, or kills it; `Ok(false)` if it has gone.
    ///
    /// # Errors
    /// `PermissionDenied`; `Unsupported` where it cannot be asked, and for what is neither to end nor to kill.
    pub fn send(&self, signal: Signal) -> io::Result<bool> {
        if self.has_ended(Duration::ZERO) {
            return Ok(false);
        }
        match signal {
            Signal::SIGKILL => self.kill(),
            #[cfg(feature = "cli")]
            Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT | Signal::SIGHUP => {
                if stop_event::ask(self.identity) {
                    return Ok(true);
                }
                match console::ask(self.identity) {
                    Ok(()) => Ok(true),
                    Err(_) if self.has_ended(Duration::ZERO) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            _ => Err(unsupported(&format!("sending {signal} to PID {}", self.identity))),
        }
    }

    fn kill(&self) -> io::Result<bool> {
        if !self.may_end_it {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // SAFETY: the handle is open.
        match succeeded(unsafe { TerminateProcess(self.process.as_raw_handle(), KILLED) }) {
            Ok(()) => Ok(true),
            // So it is refused for one that is ending.
            Err(_) if self.has_ended(Duration::ZERO) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reaps a child of ours that has ended, and says how; `None` if somebody else has reaped it.
    #[cfg(feature = "cli")]
    pub fn reap(&self) -> Option<Ended> {
        children::reap_one(self.identity.pid)
    }

    /// Readable once the process has ended.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of_object(&self.process)
    }

    /// Whether the process has ended; waits up to `timeout` for it.
    pub fn has_ended(&self, timeout: Duration) -> bool {
        is_signalled(&self.process, timeout)
    }
}

/// Whether there was too little memory to open one more.
pub fn lacks_room(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(
        code,
        Some(ERROR_TOO_MANY_OPEN_FILES | ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY | ERROR_NO_SYSTEM_RESOURCES)
    )
}
