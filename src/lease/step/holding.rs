//! A holder: it renews, and starts COMMAND behind a guardian. Rule 3 reads what stands on the engine.
//!
//! Nothing here knows the end of the deadline: it never comes so far, because [`LeaseState`](super::LeaseState) begins the stop
//! before it looks at any event.

use std::time::Duration;

use super::desk::{LeaseBot, LeaseDesk, LeasePlace, LeaseWrite};
use super::events::{EngineAnswer, LeaseAction, LeaseEvent, LossReason};
use super::times::{ClockReading, LeaseDeadline};
use crate::lease::engine::RegisterLook;
use crate::lease::record::{GrantState, LeaseRecord};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseHolding {
    pub generation: u64,
    /// What the next renewal compares.
    pub place: LeasePlace,
    /// When the last acknowledged renewal was sent. The deadline counts from here.
    acknowledged: Duration,
    /// The last renewal, while it is not acknowledged.
    renewal: Option<LeaseWrite>,
    plan: LeasePlan,
    guard: LeaseGuard,
    pub bot: LeaseBot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LeasePlan {
    /// COMMAND is to be started as soon as nothing of it is left and a guardian is there.
    Start,
    /// It was started.
    Keep,
    /// It is not to be started any more.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LeaseGuard {
    Gone,
    Wanted,
    Ready,
}

/// What ends it.
pub(super) enum HoldingEnd {
    /// The bot has to be killed at once.
    Lost(LossReason),
    /// Nothing of the bot is left, and nothing is to be started.
    GivesBack,
}

/// Rule 3: what an answer says about a grant.
enum Standing {
    Mine(Box<LeaseRecord>),
    /// Nothing, or something older: the engine has lost what it had.
    Forgotten,
    Another(Box<LeaseRecord>),
    /// Nothing can be concluded.
    Unknown,
}

impl LeaseHolding {
    pub fn begin(
        generation: u64,
        place: LeasePlace,
        sent: Duration,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Self {
        let mut holding = Self {
            generation,
            place,
            acknowledged: sent,
            renewal: None,
            plan: LeasePlan::Start,
            guard: LeaseGuard::Gone,
            bot: LeaseBot::Dead,
        };
        holding.acknowledge(sent, desk, actions);
        actions.extend(holding.want_guard());
        holding
    }

    pub fn deadline(&self, desk: &LeaseDesk) -> LeaseDeadline {
        desk.times().deadline(self.acknowledged)
    }

    pub fn step(
        &mut self,
        event: &LeaseEvent,
        clock: ClockReading,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<HoldingEnd> {
        match event {
            LeaseEvent::Answer(answer) => {
                if let Some(reason) = self.hear(answer, desk, actions) {
                    return Some(HoldingEnd::Lost(reason));
                }
            }
            LeaseEvent::Guarded => self.guard = LeaseGuard::Ready,
            LeaseEvent::GuardianGone => self.guard = LeaseGuard::Gone,
            LeaseEvent::Started | LeaseEvent::Swept => self.bot.hear(event),
            LeaseEvent::Again if self.plan == LeasePlan::Keep => self.plan = LeasePlan::Start,
            LeaseEvent::Leave | LeaseEvent::Stop => self.plan = LeasePlan::End,
            LeaseEvent::Again | LeaseEvent::Tick | LeaseEvent::NobodyHere => {}
        }
        if self.plan == LeasePlan::End && self.bot == LeaseBot::Dead {
            return desk.is_free().then_some(HoldingEnd::GivesBack);
        }
        actions.extend(self.want_guard());
        actions.extend(self.start());
        actions.extend(self.renew(clock.boot, desk));
        None
    }

    fn hear(
        &mut self,
        answer: &EngineAnswer,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<LossReason> {
        if let Some(renewal) = &mut self.renewal {
            renewal.sent = Some(answer.sent);
        }
        desk.call_again(answer.sent);
        let Ok(said) = &answer.came else { return None };
        let look = said.look();
        match self.standing(look, desk) {
            Standing::Mine(record) => {
                self.place = LeasePlace::of(look);
                let renewal = self.renewal.take().filter(|renewal| renewal.renewal == record.grant.renewal);
                if let Some(sent) = renewal.and_then(|renewal| renewal.sent) {
                    self.acknowledge(sent, desk, actions);
                }
                if record.grant.server.as_ref() != Some(&look.server) {
                    desk.call_again(answer.sent);
                }
                None
            }
            Standing::Forgotten => {
                self.place = LeasePlace::of(look);
                None
            }
            Standing::Another(record) => Some(LossReason::Another(record)),
            Standing::Unknown => None,
        }
    }

    fn standing(&self, look: &RegisterLook, desk: &mut LeaseDesk) -> Standing {
        let Some(content) = &look.content else { return Standing::Forgotten };
        let Some(record) = LeaseRecord::parse(content) else { return Standing::Unknown };
        desk.saw(&record);
        let is_held = record.grant.state == GrantState::Held;
        if is_held && desk.candidacy.is_mine(&record, self.generation) {
            Standing::Mine(Box::new(record))
        } else if record.grant.generation < self.generation && !desk.candidacy.is_other_bots(&record) {
            Standing::Forgotten
        } else {
            Standing::Another(Box::new(record))
        }
    }

    /// Rule 2: from the sending, not from the answer.
    fn acknowledge(&mut self, sent: Duration, desk: &mut LeaseDesk, actions: &mut Vec<LeaseAction>) {
        self.acknowledged = sent;
        desk.call_at(sent + desk.times().renew_every());
        actions.push(LeaseAction::Deadline(self.deadline(desk)));
    }

    /// A guardian is there for what may run, and before anything is started.
    fn want_guard(&mut self) -> Option<LeaseAction> {
        let is_needed = self.bot != LeaseBot::Dead || self.plan == LeasePlan::Start;
        if self.guard != LeaseGuard::Gone || !is_needed {
            return None;
        }
        self.guard = LeaseGuard::Wanted;
        Some(LeaseAction::Guard)
    }

    /// The gate: nothing is started before a guardian is there, nor beside what is left of an earlier start.
    fn start(&mut self) -> Option<LeaseAction> {
        if self.plan != LeasePlan::Start || self.guard != LeaseGuard::Ready || self.bot != LeaseBot::Dead {
            return None;
        }
        self.plan = LeasePlan::Keep;
        self.bot = LeaseBot::Starting;
        Some(LeaseAction::Start { generation: self.generation })
    }

    fn renew(&mut self, now: Duration, desk: &mut LeaseDesk) -> Option<LeaseAction> {
        if !desk.is_due(now) {
            return None;
        }
        let (action, renewal) = desk.write(&self.place, self.generation, GrantState::Held);
        self.renewal = Some(renewal);
        Some(action)
    }
}
