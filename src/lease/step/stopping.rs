//! A stop that has begun: TERM, KILL, and nothing that undoes it. It ends when every process of the bot was seen dead.

use std::time::Duration;

use super::desk::{LeaseDesk, LeasePlace};
use super::events::{EngineAnswer, LeaseAction, LeaseEvent, LossReason};
use super::holding::LeaseHolding;
use crate::lease::record::LeaseRecord;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseStopping {
    /// When KILL follows; `None` once it was said.
    kill_at: Option<Duration>,
    /// What stood there last, and is to be released; `None` if it is another's.
    pub release: Option<(u64, LeasePlace)>,
    may_run: bool,
}

impl LeaseStopping {
    /// The lease can no longer be proved: TERM, if there is time for it.
    pub fn silent(holding: &LeaseHolding, desk: &LeaseDesk, now: Duration, actions: &mut Vec<LeaseAction>) -> Self {
        let kill_at = holding.deadline(desk).kill_at;
        actions.push(LeaseAction::Lost(LossReason::Silence));
        let mut stopping = Self {
            kill_at: holding.may_run.then_some(kill_at),
            release: Some((holding.generation, holding.place.clone())),
            may_run: holding.may_run,
        };
        if holding.may_run && now < kill_at {
            actions.push(LeaseAction::Term);
        }
        stopping.kill(now, actions);
        stopping
    }

    /// Another has it: we are two already.
    pub fn lost(holding: &LeaseHolding, reason: LossReason, actions: &mut Vec<LeaseAction>) -> Self {
        actions.push(LeaseAction::Lost(reason));
        if holding.may_run {
            actions.push(LeaseAction::Kill);
        }
        Self { kill_at: None, release: None, may_run: holding.may_run }
    }

    pub fn wake(&self) -> Option<Duration> {
        self.kill_at
    }

    /// Whether nothing of the bot is left, and no call in flight.
    pub fn step(
        &mut self,
        event: &LeaseEvent,
        now: Duration,
        desk: &LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> bool {
        match event {
            LeaseEvent::Answer(answer) => self.hear(answer, desk),
            LeaseEvent::Swept => {
                self.may_run = false;
                self.kill_at = None;
            }
            _ => {}
        }
        self.kill(now, actions);
        !self.may_run && desk.is_free()
    }

    fn kill(&mut self, now: Duration, actions: &mut Vec<LeaseAction>) {
        if self.kill_at.is_some_and(|kill_at| kill_at <= now) {
            self.kill_at = None;
            actions.push(LeaseAction::Kill);
        }
    }

    /// The renewal that was in flight when the stop began undoes nothing, but the release has to compare what it left.
    fn hear(&mut self, answer: &EngineAnswer, desk: &LeaseDesk) {
        let (Some((generation, place)), Ok(said)) = (&mut self.release, &answer.came) else { return };
        let look = said.look();
        let record = look.content.as_deref().and_then(LeaseRecord::parse);
        let is_mine = record.is_some_and(|record| desk.candidacy.is_mine(&record, *generation));
        if is_mine && look.server == place.server {
            *place = LeasePlace::of(look);
        }
    }
}
