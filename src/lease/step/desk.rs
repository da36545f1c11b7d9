//! What every part of a lease's life shares: who asks, one call to the engine at a time, and numbers that only grow.

use std::sync::Arc;
use std::time::Duration;

use super::events::{EngineAnswer, LeaseAction, LeaseEvent};
use super::times::LeaseTimes;
use crate::lease::engine::{RegisterLook, Version};
use crate::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};

/// What does not change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidacy {
    pub times: LeaseTimes,
    /// Random, another one for each [`LeaseState`](super::LeaseState).
    pub holder: String,
    pub by: Arc<LeaseHolder>,
}

impl Candidacy {
    /// Whether that record is of this very grant.
    pub(super) fn is_mine(&self, record: &LeaseRecord, generation: u64) -> bool {
        record.grant.holder == self.holder && record.grant.generation == generation
    }

    /// Whether that record is another bot's, under the same name.
    pub(super) fn is_other_bots(&self, record: &LeaseRecord) -> bool {
        matches!((&record.by.bot_id, &self.by.bot_id), (Some(theirs), Some(ours)) if theirs != ours)
    }
}

/// Where something stood, or nothing, as the engine said: what the next write compares, and which server it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeasePlace {
    pub version: Version,
    pub server: String,
    is_blank: bool,
}

impl LeasePlace {
    pub fn of(look: &RegisterLook) -> Self {
        Self { version: look.version.clone(), server: look.server.clone(), is_blank: look.content.is_none() }
    }
}

/// A write whose answer is awaited, or was never understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseWrite {
    pub renewal: u64,
    /// `None` while it is in flight.
    pub sent: Option<Duration>,
}

/// What is known about the processes of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LeaseBot {
    Dead,
    /// It may be started, and nobody has said that this was heard.
    Starting,
    MayRun,
}

impl LeaseBot {
    pub fn hear(&mut self, event: &LeaseEvent) {
        *self = match (*self, event) {
            (Self::Starting, LeaseEvent::Started) => Self::MayRun,
            (Self::MayRun, LeaseEvent::Swept) => Self::Dead,
            (bot, _) => bot,
        };
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseDesk {
    pub candidacy: Arc<Candidacy>,
    /// The highest generation that was seen or made.
    highest: u64,
    /// The renewal number of the last write.
    writes: u64,
    in_flight: bool,
    has_answered: bool,
    /// No call is made before.
    due: Duration,
}

impl LeaseDesk {
    pub fn new(candidacy: Arc<Candidacy>) -> Self {
        Self { candidacy, highest: 0, writes: 0, in_flight: false, has_answered: false, due: Duration::ZERO }
    }

    pub fn times(&self) -> LeaseTimes {
        self.candidacy.times
    }

    pub fn is_free(&self) -> bool {
        !self.in_flight
    }

    pub fn is_due(&self, now: Duration) -> bool {
        self.is_free() && self.due <= now
    }

    /// When the next call is due; `None` while one is in flight.
    pub fn wake(&self) -> Option<Duration> {
        self.is_free().then_some(self.due)
    }

    pub fn answered(&mut self, answer: &EngineAnswer) {
        self.in_flight = false;
        self.has_answered |= answer.came.is_ok();
    }

    /// Whether the engine has ever worked.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    pub fn call_at(&mut self, due: Duration) {
        self.due = due;
    }

    /// The next call follows one that was sent then and brought nothing: at once, but a broken engine is not flooded.
    pub fn call_again(&mut self, sent: Duration) {
        self.due = sent + self.times().retry_after();
    }

    pub fn saw(&mut self, record: &LeaseRecord) {
        self.highest = self.highest.max(record.grant.generation);
    }

    /// A generation that is higher than all that were seen, and at least the time in milliseconds.
    pub fn next_generation(&mut self, real: Duration) -> u64 {
        let time = u64::try_from(real.as_millis()).unwrap_or_default();
        self.highest = self.highest.saturating_add(1).max(time);
        self.highest
    }

    pub fn look(&mut self) -> LeaseAction {
        self.in_flight = true;
        LeaseAction::Look
    }

    /// It grants nothing, and gives whoever sees no record something to watch.
    pub fn write_note(&mut self, place: &LeasePlace) -> LeaseAction {
        self.write(place, 0, GrantState::Released).0
    }

    /// One nothing is as good as another: what is written over nothing may be carried out late, after everything was lost again.
    /// So it names no server, and nobody trusts it at once; the next write does.
    pub fn write(&mut self, place: &LeasePlace, generation: u64, state: GrantState) -> (LeaseAction, LeaseWrite) {
        self.in_flight = true;
        self.writes += 1;
        let grant = Grant {
            holder: self.candidacy.holder.clone(),
            generation,
            renewal: self.writes,
            ttl_ms: u64::try_from(self.times().ttl().as_millis()).unwrap_or(u64::MAX),
            state,
            server: (!place.is_blank).then(|| place.server.clone()),
        };
        let record = LeaseRecord::new(grant, Arc::clone(&self.candidacy.by));
        let action = LeaseAction::Write { version: place.version.clone(), record };
        (action, LeaseWrite { renewal: self.writes, sent: None })
    }
}
