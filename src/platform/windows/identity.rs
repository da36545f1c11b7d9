//! A process identity: a PID together with its creation time.
//!
//! A bare PID is never an identity, because Windows uses it again, and soon. The creation time is exact to 100 ns, and a date:
//! so unlike a count since boot, the pair means no other process after a reboot, unless somebody sets the clock back.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;

use super::boot::since;
use super::native::{is_signalled, open_process};
use super::processes::{self, LOOK, look};

/// 1601, where Windows begins to count, is that long before 1970.
const BEFORE_UNIX: Duration = Duration::from_secs(11_644_473_600);

/// One process: PID and creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Always above 0.
    pub pid: i32,
    /// When it was created: 100 ns units since 1601.
    pub start_ticks: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

impl Identity {
    /// The identity of the process that has `pid` now; `None` if there is none or it has ended.
    pub fn of(pid: i32) -> Option<Self> {
        let start_ticks = match open_process(pid, LOOK) {
            Ok(process) if is_signalled(&process, Duration::ZERO) => return None,
            Ok(process) => processes::created(&process).ok()?,
            // It may let nobody open it.
            Err(_) => look(pid).filter(|look| !look.has_ended)?.created,
        };
        Some(Self { pid, start_ticks })
    }

    /// This very process.
    ///
    /// # Errors
    /// Those of `GetProcessTimes`.
    pub fn own() -> io::Result<Self> {
        let pid = own_pid();
        Ok(Self { pid, start_ticks: processes::created(&open_process(pid, LOOK)?)? })
    }

    /// When the process started, by the wall clock of then.
    pub fn started_at(self) -> Option<SystemTime> {
        (SystemTime::UNIX_EPOCH - BEFORE_UNIX).checked_add(since(self.start_ticks))
    }

    /// The earliest moment at which it may have started by the wall clock of then, which is what the times of files are by.
    pub fn earliest_start(self) -> Option<SystemTime> {
        self.started_at()
    }

    /// How long ago the process started, by the wall clock, whether or not it still runs.
    pub fn age(self) -> Option<Duration> {
        let mut now = FILETIME::default();
        // SAFETY: it writes the time into a variable of ours.
        unsafe { GetSystemTimeAsFileTime(&raw mut now) };
        let now = u64::from(now.dwHighDateTime) << 32 | u64::from(now.dwLowDateTime);
        Some(since(now.saturating_sub(self.start_ticks)))
    }

    /// Whether the process still runs: same creation time, and not ended.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// What this process is looked up as, for people.
pub const OWN_FOLDER: &str = "this process";

/// Who started this process; `None` if that one has ended.
pub fn parent() -> Option<i32> {
    look(own_pid()).map(|look| look.parent).filter(|&pid| pid > 0)
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
    let all = std::iter::successors(Some(pid), |&pid| look(pid).map(|look| look.parent));
    all.take_while(move |&pid| pid > 0 && seen.insert(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_have_just_started() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive() && own.age().unwrap() < Duration::from_mins(10));
        assert!(own.started_at().unwrap() <= SystemTime::now());
        assert!(!Identity { start_ticks: own.start_ticks + 1, ..own }.is_alive());
        assert_eq!(Identity::of(own.pid + 1), None, "the lowest two bits of a PID count");
    }
}
