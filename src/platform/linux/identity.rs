//! A process identity: a PID together with its start time.
//!
//! A bare PID is never an identity, because the kernel reuses it. The start time is field 22 of `/proc/PID/stat`
//! (clock ticks since boot, `proc(5)`); it is exact, unlike a start time in whole seconds. Across reboots the pair can
//! repeat, so whoever stores one stores [`super::boot::boot_id`] beside it.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::boot::booted_at;
use super::stat::{STAT, Stat, read_stat};

/// One process: PID and start time in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The PID in solobot's own PID namespace; always above 0.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`.
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

    /// This very process.
    ///
    /// # Errors
    /// If `/proc` is not mounted, hides us, or shows another PID namespace, where our PIDs are other processes.
    pub fn own() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let mut buffer = [0; STAT];
        let text = read_stat("self", &mut buffer).ok_or_else(|| {
            io::Error::other("/proc does not show this process; to mount it: mount -t proc proc /proc")
        })?;
        let stat = Stat::parse(text).filter(|_| text.starts_with(format!("{pid} ").as_bytes())).ok_or_else(|| {
            io::Error::other("/proc shows another PID namespace; to mount this one: mount -t proc proc /proc")
        })?;
        Ok(Self { pid, start_ticks: stat.start_ticks })
    }

    /// When the process started, by the wall clock, to a clock tick.
    pub fn started_at(self) -> Option<SystemTime> {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let since_boot = Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks);
        booted_at()?.checked_add(since_boot)
    }

    /// How long ago the process started, to a clock tick, whether or not it still runs.
    pub fn age(self) -> Option<Duration> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime = Duration::try_from_secs_f64(uptime.split_ascii_whitespace().next()?.parse().ok()?).ok()?;
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Some(uptime.saturating_sub(Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks)))
    }

    /// Whether the process still runs: same start time and no zombie.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Where this process is looked up, for people.
pub const OWN_FOLDER: &str = "/proc/self";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_pid_0_is_nobody() {
        assert!(Identity::own().unwrap().is_alive());
        assert_eq!(Identity::of(0), None);
        assert_eq!(Identity::of(-1), None);
    }

    #[test]
    fn a_process_starts_when_the_clock_says_so() {
        let before = SystemTime::now();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let after = SystemTime::now();
        let pid = i32::try_from(child.id()).unwrap();
        // Not reaped: its start can be read even if it has ended.
        let start_ticks = Stat::read(pid).unwrap().start_ticks;
        child.wait().unwrap();
        let started = Identity { pid, start_ticks }.started_at().unwrap();
        let tick = Duration::from_millis(20);
        assert!(before - tick <= started && started <= after + tick, "{before:?} {started:?} {after:?}");
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = Identity::own().unwrap();
        assert!(!Identity { start_ticks: own.start_ticks + 1, ..own }.is_alive());
    }
}
