//! The clock that process start times are counted by.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// When the machine was booted, by the wall clock of now: to microseconds, as long as nobody sets that clock.
pub fn booted_at() -> Option<SystemTime> {
    let since = clock_gettime(ClockId::Boottime);
    let seconds = Duration::from_secs(u64::try_from(since.tv_sec).ok()?);
    SystemTime::now().checked_sub(seconds + Duration::from_nanos(u64::try_from(since.tv_nsec).ok()?))
}
