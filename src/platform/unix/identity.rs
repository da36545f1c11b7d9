//! A process identity: a PID together with its start time.
//!
//! A bare PID is never an identity, because the kernel reuses it. Across reboots the pair can repeat, so whoever stores one
//! stores the boot's id (`identity::boot_id`) beside it.

use std::collections::HashSet;
use std::fmt;

use crate::platform::stat::Stat;

/// One process: PID and start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The PID in solobot's own PID namespace; always above 0.
    pub pid: i32,
    /// On Linux in clock ticks since boot (field 22 of `/proc/PID/stat`), on macOS in microseconds since 1970. Of two processes
    /// of one boot, the one that started later has no smaller number.
    pub start_ticks: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

impl Identity {
    /// The identity of the process that has `pid` now; `None` if there is none or it is a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        stat.is_alive().then_some(Self { pid, start_ticks: stat.start_ticks })
    }

    /// Whether the process still runs: same start time and no zombie.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Who started this process, or has adopted it since; `None` where that is nobody of this PID namespace.
pub fn parent() -> Option<i32> {
    i32::try_from(std::os::unix::process::parent_id()).ok().filter(|&pid| pid > 0)
}

/// This process's PID.
pub fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

/// This process and its ancestors, nearest first.
pub fn ancestry() -> impl Iterator<Item = i32> {
    lineage(own_pid())
}

/// A process and its ancestors, nearest first. It ends also where PIDs that are used again meanwhile make a circle of it.
pub fn lineage(pid: i32) -> impl Iterator<Item = i32> {
    let mut seen = HashSet::new();
    let all = std::iter::successors(Some(pid), |&pid| Stat::read(pid).map(|stat| stat.parent));
    all.take_while(move |&pid| pid > 0 && seen.insert(pid))
}
