//! One `acquire` and its lease, from the first look to the release: which part decides, and what leads from one to the next.

use std::sync::Arc;
use std::time::Duration;

use super::desk::{Candidacy, LeaseDesk};
use super::events::{EndReason, LeaseAction, LeaseEvent};
use super::holding::{HoldingEnd, LeaseHolding};
use super::releasing::LeaseRelease;
use super::stopping::LeaseStopping;
use super::times::{ClockReading, LeaseDeadline};
use super::waiting::{LeaseWaiting, WaitingEnd};

/// What is known, and what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseState {
    desk: LeaseDesk,
    /// How far `CLOCK_REALTIME` was ahead of `CLOCK_BOOTTIME`, in milliseconds.
    offset: Option<i64>,
    phase: LeasePhase,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LeasePhase {
    Waiting(LeaseWaiting),
    Holding(LeaseHolding),
    Stopping(LeaseStopping),
    Releasing(LeaseRelease),
    Ended,
}

impl LeaseState {
    pub fn new(candidacy: Arc<Candidacy>) -> Self {
        let desk = LeaseDesk::new(candidacy);
        Self { phase: LeasePhase::Waiting(LeaseWaiting::new(&desk)), offset: None, desk }
    }

    /// The time of `CLOCK_BOOTTIME` at which [`LeaseEvent::Tick`] is wanted, at the latest; in the past: at once. A call to
    /// the engine is limited to that time too, where it is nearer than
    /// [`call_limit`](super::LeaseTimes::call_limit). `None`: only an event can change anything.
    pub fn wake(&self) -> Option<Duration> {
        match &self.phase {
            LeasePhase::Waiting(_) | LeasePhase::Releasing(_) => self.desk.wake(),
            LeasePhase::Holding(holding) => {
                let term_at = holding.deadline(&self.desk).term_at;
                Some(self.desk.wake().map_or(term_at, |due| due.min(term_at)))
            }
            LeasePhase::Stopping(stopping) => stopping.wake(),
            LeasePhase::Ended => None,
        }
    }

    /// The deadline that stands, for a grant that is kept.
    pub fn deadline(&self) -> Option<LeaseDeadline> {
        match &self.phase {
            LeasePhase::Holding(holding) => Some(holding.deadline(&self.desk)),
            _ => None,
        }
    }

    /// `clock` is read after the event came.
    #[must_use]
    pub fn step(mut self, event: &LeaseEvent, clock: ClockReading) -> (Self, Vec<LeaseAction>) {
        let mut actions = Vec::new();
        if self.offset.replace(clock.offset()).is_some_and(|since| clock.has_jumped(since)) {
            self.desk.call_at(clock.boot);
        }
        if let LeaseEvent::Answer(answer) = event {
            self.desk.answered(answer);
        }
        // Rule 2: what has come to its end is stopped before anything is heard that could undo it.
        if let LeasePhase::Holding(holding) = &self.phase
            && holding.deadline(&self.desk).term_at <= clock.boot
        {
            let stopping = LeaseStopping::silent(holding, &self.desk, clock.boot, &mut actions);
            self.phase = LeasePhase::Stopping(stopping);
        }
        self.phase = self.next_phase(event, clock, &mut actions);
        (self, actions)
    }

    fn next_phase(&mut self, event: &LeaseEvent, clock: ClockReading, actions: &mut Vec<LeaseAction>) -> LeasePhase {
        let desk = &mut self.desk;
        let phase = std::mem::replace(&mut self.phase, LeasePhase::Ended);
        match phase {
            LeasePhase::Waiting(mut waiting) => match waiting.step(event, clock, desk, actions) {
                None => LeasePhase::Waiting(waiting),
                Some(WaitingEnd::Granted { generation, place, sent }) => {
                    LeasePhase::Holding(LeaseHolding::begin(generation, place, sent, desk, actions))
                }
                Some(WaitingEnd::GivesBack { generation, place }) => {
                    LeasePhase::Releasing(LeaseRelease::begin(generation, place, clock.boot, desk, actions))
                }
                Some(WaitingEnd::Ended(reason)) => ended(reason, actions),
            },
            LeasePhase::Holding(mut holding) => match holding.step(event, clock, desk, actions) {
                None => LeasePhase::Holding(holding),
                Some(HoldingEnd::Lost(reason)) => {
                    after_stop(LeaseStopping::lost(&holding, reason, actions), event, clock.boot, desk, actions)
                }
                Some(HoldingEnd::GivesBack) => LeasePhase::Releasing(LeaseRelease::begin(
                    holding.generation,
                    holding.place,
                    clock.boot,
                    desk,
                    actions,
                )),
            },
            LeasePhase::Stopping(stopping) => after_stop(stopping, event, clock.boot, desk, actions),
            LeasePhase::Releasing(mut release) => match release.step(event, clock.boot, desk, actions) {
                None => LeasePhase::Releasing(release),
                Some(reason) => ended(reason, actions),
            },
            LeasePhase::Ended if *event == LeaseEvent::Again => {
                desk.call_at(clock.boot);
                let mut waiting = LeaseWaiting::new(desk);
                // It looks at once.
                let _ = waiting.step(&LeaseEvent::Tick, clock, desk, actions);
                LeasePhase::Waiting(waiting)
            }
            LeasePhase::Ended => LeasePhase::Ended,
        }
    }
}

/// Rule 4: the release follows only when every process of the bot was seen dead.
fn after_stop(
    mut stopping: LeaseStopping,
    event: &LeaseEvent,
    now: Duration,
    desk: &mut LeaseDesk,
    actions: &mut Vec<LeaseAction>,
) -> LeasePhase {
    if !stopping.step(event, now, desk, actions) {
        return LeasePhase::Stopping(stopping);
    }
    match stopping.release {
        Some((generation, place)) => LeasePhase::Releasing(LeaseRelease::begin(generation, place, now, desk, actions)),
        None => ended(EndReason::NotOurs, actions),
    }
}

fn ended(reason: EndReason, actions: &mut Vec<LeaseAction>) -> LeasePhase {
    actions.push(LeaseAction::Ended(reason));
    LeasePhase::Ended
}
