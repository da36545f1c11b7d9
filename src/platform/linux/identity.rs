//! When a process started: field 22 of `/proc/PID/stat` (clock ticks since boot, `proc(5)`), which is exact, unlike a start time
//! in whole seconds.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::boot::booted_at;
use super::stat::{STAT, read_stat};
use crate::platform::stat::Stat;
pub use crate::platform::unix::identity::{Identity, ancestry, lineage, own_pid, parent};

/// File times and clock ticks are rounded.
const ROUNDING: Duration = Duration::from_secs(2);
/// How long a slow machine's PID 1 may take to mount `/proc`.
const MOUNTED_WITHIN: Duration = Duration::from_secs(10);

impl Identity {
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

    /// When the process started, by the wall clock of now, to a clock tick.
    pub fn started_at(self) -> Option<SystemTime> {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let since_boot = Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks);
        booted_at()?.checked_add(since_boot)
    }

    /// The earliest moment at which it may have started by the wall clock of then, which is what the times of files are by.
    pub fn earliest_start(self) -> Option<SystemTime> {
        self.started_at()?.checked_sub(set_forward())
    }

    /// How long ago the process started, to a clock tick, whether or not it still runs.
    pub fn age(self) -> Option<Duration> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime = Duration::try_from_secs_f64(uptime.split_ascii_whitespace().next()?.parse().ok()?).ok()?;
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Some(uptime.saturating_sub(Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks)))
    }
}

/// By how much, at most, the wall clock has been set forward since `/proc` was mounted, as far as that shows: a machine without
/// a clock of its own, or a virtual one that was paused, sets it long after its start. `/proc` is not older than the process
/// that mounts it, PID 1, unless another clock dated it.
fn set_forward() -> Duration {
    let mounted = fs::metadata("/proc").ok().and_then(|meta| u64::try_from(meta.ctime()).ok());
    let first = Identity::of(1).and_then(Identity::started_at);
    let (Some(mounted), Some(first)) = (mounted, first) else { return Duration::ZERO };
    match first.duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(mounted)) {
        Ok(ahead) if ahead > ROUNDING => ahead + MOUNTED_WITHIN,
        _ => Duration::ZERO,
    }
}

/// Where this process is looked up, for people.
pub const OWN_FOLDER: &str = "/proc/self";

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
