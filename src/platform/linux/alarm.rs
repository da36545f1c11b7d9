//! Waking up at a time since boot. The time-out of `poll(2)` stands still while the machine is suspended; this does not.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::descriptor::Descriptor;

/// Readable from a time on, by the clock of [`uptime`](super::boot::uptime), suspend included.
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// One that never rings.
    ///
    /// # Errors
    /// EMFILE.
    pub fn new() -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?))
    }

    /// Rings from then on, and no longer from whenever it was set to before.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn set(&self, at: Option<Duration>) -> io::Result<()> {
        // All zero would stop it.
        let at = at.map_or(Duration::ZERO, |at| at.max(Duration::from_nanos(1)));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value =
            Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at.subsec_nanos()) };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: zero, it_value })?;
        Ok(())
    }

    /// Readable while it rings.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::host::boot::uptime;
    use crate::platform::host::poll::readable;

    fn rings_within(alarm: &Alarm, patience: Duration) -> bool {
        readable([Some(alarm.descriptor())], Some(patience)).unwrap()[0]
    }

    #[test]
    fn it_rings_when_it_is_time() {
        let alarm = Alarm::new().unwrap();
        assert!(!rings_within(&alarm, Duration::ZERO));
        let at = uptime().whole + Duration::from_millis(30);
        alarm.set(Some(at)).unwrap();
        assert!(rings_within(&alarm, Duration::from_mins(2)) && uptime().whole >= at);
        alarm.set(None).unwrap();
        assert!(!rings_within(&alarm, Duration::ZERO));
        // Long ago.
        alarm.set(Some(Duration::ZERO)).unwrap();
        assert!(rings_within(&alarm, Duration::from_mins(2)));
    }
}
