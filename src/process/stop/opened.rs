//! One process to stop, held by its pidfd.

use std::io;
use std::time::Instant;

use crate::platform::pidfd::{Pidfd, lacks_room};
use crate::platform::poll;
use crate::platform::signals::Signal;

use super::guard::{ProtectedProcesses, StopRefusal};
use crate::platform::identity::{Identity, Stat};

/// A process whose pidfd is open and whose identity was checked afterwards: the pidfd is that process or nothing.
pub struct OpenedProcess {
    pub identity: Identity,
    pub is_alive: bool,
    pidfd: Pidfd,
}

/// The result of opening a process.
pub enum OpenResult {
    Ready(OpenedProcess),
    Gone,
    Refused(StopRefusal),
    /// There are too few descriptors for now.
    NoRoom,
}

impl OpenedProcess {
    /// Opens the pidfd first and reads the identity then: what had the PID between the two is the same process.
    pub fn open(identity: Identity, guard: &ProtectedProcesses) -> OpenResult {
        if let Some(refusal) = guard.refusal(identity.pid) {
            return OpenResult::Refused(refusal);
        }
        let pidfd = match Pidfd::open(identity) {
            Ok(Some(pidfd)) => pidfd,
            Err(error) if lacks_room(&error) => return OpenResult::NoRoom,
            Ok(None) | Err(_) => return OpenResult::Gone,
        };
        match Stat::read(identity.pid) {
            Some(stat) if stat.is_alive() && stat.start_ticks == identity.start_ticks => {
                match guard.refusal_of(identity.pid, &stat) {
                    Some(refusal) => OpenResult::Refused(refusal),
                    None => OpenResult::Ready(Self { identity, is_alive: true, pidfd }),
                }
            }
            _ => OpenResult::Gone,
        }
    }

    /// Sends a signal to exactly this process; `Ok(false)` if it has gone.
    pub fn send(&self, signal: Signal) -> io::Result<bool> {
        self.pidfd.send(signal)
    }
}

/// Waits until all have ended or the deadline has passed, and marks those that have. A zombie has ended.
pub fn wait(mut opened: Vec<&mut OpenedProcess>, deadline: Instant) {
    loop {
        opened.retain(|opened| opened.is_alive);
        if opened.is_empty() {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let fds: Vec<_> = opened.iter().map(|opened| opened.pidfd.descriptor()).collect();
        let Ok(ended) = poll::any_readable(&fds, Some(left)) else { return };
        for at in ended {
            opened[at].is_alive = false;
        }
        if left.is_zero() {
            return;
        }
    }
}
