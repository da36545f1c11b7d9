//! One process to stop, held by its pidfd.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::identity::{Identity, Stat};
use super::guard::{Guard, Refusal};

/// A process whose pidfd is open and whose identity was checked behind it: the pidfd is that process or nothing.
pub struct Victim {
    pub identity: Identity,
    pub is_alive: bool,
    pidfd: OwnedFd,
}

/// What opening a process comes to.
pub enum Opened {
    Ready(Victim),
    Gone,
    Refused(Refusal),
    /// There are too few descriptors for now.
    NoRoom,
}

impl Victim {
    /// Opens the pidfd first and reads the identity then: what had the PID between the two is the same process.
    pub fn open(identity: Identity, guard: &Guard) -> Opened {
        if let Some(refusal) = guard.refusal(identity.pid) {
            return Opened::Refused(refusal);
        }
        let Some(pid) = Pid::from_raw(identity.pid) else { return Opened::Gone };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => return Opened::NoRoom,
            Err(_) => return Opened::Gone,
        };
        match Stat::read(identity.pid) {
            Some(stat) if stat.is_alive() && stat.start_ticks == identity.start_ticks => {
                match guard.refusal_of(identity.pid, &stat) {
                    Some(refusal) => Opened::Refused(refusal),
                    None => Opened::Ready(Self { identity, is_alive: true, pidfd }),
                }
            }
            _ => Opened::Gone,
        }
    }

    /// Sends a signal to exactly this process.
    pub fn send(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&self.pidfd, signal)
    }
}

/// Waits until all have ended or the deadline has passed, and marks those that have. A zombie has ended.
pub fn wait(mut victims: Vec<&mut Victim>, deadline: Instant) {
    loop {
        victims.retain(|victim| victim.is_alive);
        if victims.is_empty() {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut polled: Vec<PollFd<'_>> =
            victims.iter().map(|victim| PollFd::from_borrowed_fd(victim.pidfd.as_fd(), PollFlags::IN)).collect();
        let ended: Vec<bool> = match poll(&mut polled, Some(&timeout)) {
            Ok(_) => polled.iter().map(|fd| !fd.revents().is_empty()).collect(),
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        for (victim, ended) in victims.iter_mut().zip(ended) {
            victim.is_alive = !ended;
        }
        if left.is_zero() {
            return;
        }
    }
}
