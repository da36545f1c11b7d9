//! The lengths of time by which a lease is kept, and what the clocks say.

use std::time::Duration;

/// How far the clocks may move against each other between two steps before the machine is taken for one that was resumed.
const JUMP: Duration = Duration::from_secs(1);

/// Whoever waits looks at the engine at least this often.
const LOOK_AT_LEAST: Duration = Duration::from_millis(500);

/// What the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClockReading {
    /// `CLOCK_BOOTTIME`: the clock of every deadline. It goes on while the machine sleeps, and nobody sets it.
    pub boot: Duration,
    /// `CLOCK_REALTIME` since 1970. It makes generations, and shows by a jump that the machine was resumed; nothing expires
    /// by it.
    pub real: Duration,
}

impl ClockReading {
    /// How far one clock is ahead of the other, in milliseconds.
    pub(super) fn offset(self) -> i64 {
        in_ms(self.real) - in_ms(self.boot)
    }

    /// Whether one clock has moved against the other since that offset.
    pub(super) fn has_jumped(self, since: i64) -> bool {
        u128::from(self.offset().abs_diff(since)) > JUMP.as_millis()
    }
}

fn in_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2)
}

/// What follows from the TTL and the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseTimes {
    ttl: Duration,
    grace: Duration,
}

impl LeaseTimes {
    /// `None` if less than 40% of the TTL is left before TERM.
    pub fn new(ttl: Duration, grace: Duration) -> Option<Self> {
        let times = Self { ttl, grace };
        (times.kill_after().checked_sub(grace)? >= ttl * 2 / 5).then_some(times)
    }

    /// How long a grant lasts without renewal.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// From TERM to KILL.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// A call to the engine takes no longer.
    pub fn call_limit(&self) -> Duration {
        self.ttl / 20
    }

    /// From the sending of an acknowledged renewal to the next one.
    pub fn renew_every(&self) -> Duration {
        self.ttl / 6
    }

    /// From the sending of the last acknowledged renewal to KILL.
    pub fn kill_after(&self) -> Duration {
        self.ttl * 4 / 5
    }

    /// From the sending of the last acknowledged renewal to TERM.
    pub fn term_after(&self) -> Duration {
        self.kill_after().saturating_sub(self.grace)
    }

    /// How often whoever waits looks at the engine.
    pub fn look_every(&self) -> Duration {
        LOOK_AT_LEAST.min(self.ttl / 6)
    }

    /// From the sending of a call that failed to the next one: at once after a time-out, and no storm of them where the
    /// engine refuses.
    pub fn retry_after(&self) -> Duration {
        self.ttl / 100
    }

    /// The deadline that follows from an acknowledged renewal that was sent at that time.
    pub fn deadline(&self, sent: Duration) -> LeaseDeadline {
        LeaseDeadline { term_at: sent + self.term_after(), kill_at: sent + self.kill_after() }
    }
}

/// When a bot has to be dead unless its lease is renewed: times of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseDeadline {
    /// A stop begins, if none has.
    pub term_at: Duration,
    /// Nothing of the bot may run.
    pub kill_at: Duration,
}
