//! One `acquire` and its lease, from the first look to the release.

use std::sync::Arc;
use std::time::Duration;

use super::events::{LeaseAction, LeaseEvent};
use super::times::{ClockReading, LeaseDeadline, LeaseTimes};
use crate::lease::record::LeaseHolder;

/// What does not change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidacy {
    pub times: LeaseTimes,
    /// Random, another one for each [`LeaseState`].
    pub holder: String,
    pub by: Arc<LeaseHolder>,
}

/// What is known, and what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseState {
    candidacy: Arc<Candidacy>,
    /// How far `CLOCK_REALTIME` was ahead of `CLOCK_BOOTTIME`, in milliseconds.
    offset: Option<i64>,
}

impl LeaseState {
    pub fn new(candidacy: Arc<Candidacy>) -> Self {
        Self { candidacy, offset: None }
    }

    /// The time of `CLOCK_BOOTTIME` at which [`LeaseEvent::Tick`] is wanted, at the latest; in the past: at once. A call to
    /// the engine is limited to that time too, where it is nearer than [`LeaseTimes::call_limit`]. `None`: only an event can
    /// change anything.
    pub fn wake(&self) -> Option<Duration> {
        Some(self.candidacy.times.ttl())
    }

    /// The deadline that stands, for a grant that is kept.
    pub fn deadline(&self) -> Option<LeaseDeadline> {
        None
    }

    /// `clock` is read after the event came.
    #[must_use]
    pub fn step(mut self, _event: &LeaseEvent, clock: ClockReading) -> (Self, Vec<LeaseAction>) {
        let _ = self.offset.is_some_and(|since| clock.has_jumped(since));
        self.offset = Some(clock.offset());
        (self, Vec::new())
    }
}
