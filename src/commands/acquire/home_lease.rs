//! On the home host of a lease by ssh: a bot of another host counts as a holder of the lock for as long as it may be running,
//! also where nobody has the flock.
//!
//! It is asked once the flock is granted, because no other host is granted the lease from then on. The flock is given back
//! for the wait, so that a `solobot hold` can have it.

use std::time::{Duration, Instant};

use super::request::Request;
use crate::base::error::Error;
use crate::lease::engine::home::{HomeLease, LeaseWatch};
use crate::lock::file::LockFile;
use crate::lock::wait::ending_signal;
use crate::outcome::events::{Awaited, Events, Notice};
use crate::outcome::holding;
use crate::platform::clock;
use crate::platform::poll;
use crate::platform::signals::Signals;

/// How often the record is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a wait for another host's bot ended.
pub enum LeaseWaitEnd {
    Free,
    TimedOut,
    /// A signal asked solobot to end.
    Signal(i32),
}

/// The lease that a lock belongs to, if any, from its first look on.
#[derive(Default)]
pub struct HomeLeaseGate(LeaseWatch);

impl HomeLeaseGate {
    /// Whether the lock, which was just granted, is another host's by its lease.
    pub fn is_closed(&mut self, lock: &LockFile) -> bool {
        self.left(lock).is_some()
    }

    /// How long it stays so, unless it changes. What cannot be read counts as held: in doubt nothing is started.
    fn left(&mut self, lock: &LockFile) -> Option<Duration> {
        let now = clock::uptime().whole;
        match self.0.look(lock.location(), now) {
            Ok(HomeLease::Free) => None,
            Ok(HomeLease::Held { until, .. }) => Some(until.saturating_sub(now)),
            Err(_) => Some(LOOK_EVERY),
        }
    }

    /// Waits until it is free, with the lock given back.
    ///
    /// # Errors
    /// Those of `poll(2)`.
    pub fn wait(
        &mut self,
        lock: &LockFile,
        request: &Request<'_>,
        signals: &Signals,
        deadline: Option<Instant>,
        events: &mut dyn Events,
    ) -> Result<LeaseWaitEnd, Error> {
        let start = Instant::now();
        let mut said = false;
        while let Some(left) = self.left(lock) {
            let patience = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if patience.is_some_and(|patience| patience.is_zero()) {
                return Ok(LeaseWaitEnd::TimedOut);
            }
            if std::mem::replace(&mut said, true) {
                events.notice(&Notice::Waiting { what: Awaited::Lock, elapsed: start.elapsed(), wait: request.wait });
            } else {
                let caller = request.settings.context().caller;
                let holding = Box::new(holding::describe(lock.path(), Some(&request.bot), caller));
                events.notice(&Notice::Refused { holding, wait: request.wait });
            }
            let pause = left.min(LOOK_EVERY).min(patience.unwrap_or(LOOK_EVERY));
            let signalled = poll::readable([Some(signals.descriptor())], Some(pause));
            let signalled = signalled.map_err(|source| Error::Io { action: "wait for the lease".into(), source })?;
            if signalled == [true]
                && let Some(arrived) = ending_signal(signals)
            {
                return Ok(LeaseWaitEnd::Signal(arrived.signal.number()));
            }
        }
        if said {
            request.lock_journal.waited(start.elapsed());
        }
        Ok(LeaseWaitEnd::Free)
    }
}
