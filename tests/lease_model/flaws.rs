//! What production runs, and the same with one rule broken: around the step, what it is told or answers is changed. Nothing of
//! that is in the step itself.

use std::time::Duration;

use solobot::lease::engine::{EngineErrorKind, RegisterLook, SetResult};
use solobot::lease::record::{Grant, GrantState, LeaseRecord};
use solobot::lease::step::{
    ClockReading, EngineAnswer, EngineSaid, Guardian, GuardianAction, GuardianEvent, LeaseAction, LeaseDeadline,
    LeaseEvent, LeaseState,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Whoever waits believes the server's clock that a record has expired.
    ServerClock,
    /// No record: nobody has it.
    AbsentIsFree,
    /// The deadline counts from when the answer was received.
    FromReceipt,
    /// An answer that comes after TERM undoes the stop, here and in the guardian.
    AnswerUndoesStop,
    /// *Released* is believed wherever it is read.
    ReleasedAnywhere,
    /// A renewal that failed does not bring the deadline nearer: it is tried again, and the bot runs on.
    RenewsPastDeadline,
}

pub const FLAWS: [Flaw; 6] = [
    Flaw::ServerClock,
    Flaw::AbsentIsFree,
    Flaw::FromReceipt,
    Flaw::AnswerUndoesStop,
    Flaw::ReleasedAnywhere,
    Flaw::RenewsPastDeadline,
];

/// A lease's state, with the flaw that it is driven with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acquire {
    state: LeaseState,
    flaw: Option<Flaw>,
    /// The last write, for those who take it for done.
    written: Option<(RegisterLook, u64)>,
    /// TERM was said, and may be undone.
    asked: bool,
}

impl Acquire {
    pub fn new(state: LeaseState, flaw: Option<Flaw>) -> Self {
        Self { state, flaw, written: None, asked: false }
    }

    pub fn wake(&self) -> Option<Duration> {
        if self.asked { self.state.deadline().map(|deadline| deadline.kill_at) } else { self.state.wake() }
    }

    pub fn deadline(&self) -> Option<LeaseDeadline> {
        self.state.deadline()
    }

    /// `has_expired`: by the server's clock.
    pub fn step(&mut self, event: LeaseEvent, clock: ClockReading, has_expired: bool) -> Vec<LeaseAction> {
        let event = match self.flaw {
            None => event,
            Some(flaw) => self.changed(flaw, event, clock, has_expired),
        };
        if self.flaw == Some(Flaw::AnswerUndoesStop)
            && let Some(deadline) = self.state.deadline()
            && (deadline.term_at..deadline.kill_at).contains(&clock.boot)
        {
            return self.step_asked(&event, clock, deadline);
        }
        self.asked = false;
        let (state, actions) = self.state.clone().step(&event, clock);
        self.state = state;
        if self.flaw == Some(Flaw::RenewsPastDeadline) {
            self.remember(&actions);
        }
        actions
    }

    fn changed(&self, flaw: Flaw, event: LeaseEvent, clock: ClockReading, has_expired: bool) -> LeaseEvent {
        let LeaseEvent::Answer(mut answer) = event else { return event };
        match (flaw, &mut answer.came) {
            (Flaw::FromReceipt, _) => answer.sent = clock.boot,
            (Flaw::RenewsPastDeadline, came @ Err(_)) => {
                if let Some((look, _)) = self.written.as_ref().filter(|_| self.state.deadline().is_some()) {
                    *came = Ok(EngineSaid::Set(SetResult::Written(look.clone())));
                }
            }
            (_, Ok(EngineSaid::Look(look) | EngineSaid::Set(SetResult::Refused(look)))) => {
                believe(flaw, look, has_expired);
            }
            _ => {}
        }
        LeaseEvent::Answer(answer)
    }

    /// Between TERM and KILL: what would be a stop is only a word, and time seems to stand still.
    fn step_asked(&mut self, event: &LeaseEvent, clock: ClockReading, deadline: LeaseDeadline) -> Vec<LeaseAction> {
        let before = deadline.term_at.saturating_sub(Duration::from_nanos(1));
        let (state, mut actions) = self
            .state
            .clone()
            .step(event, ClockReading { boot: before, real: before + clock.real.saturating_sub(clock.boot) });
        self.state = state;
        if self.state.deadline() != Some(deadline) {
            self.asked = false;
        } else if !self.asked {
            self.asked = true;
            actions.push(LeaseAction::Term);
        }
        actions
    }

    fn remember(&mut self, actions: &[LeaseAction]) {
        for action in actions {
            if let LeaseAction::Write { version, record } = action {
                let server = record.grant.server.clone().unwrap_or_default();
                let look = RegisterLook { content: Some(record.encode()), version: version.clone(), server };
                self.written = Some((look, record.grant.renewal));
            }
        }
    }
}

/// What a candidate makes of what it reads.
fn believe(flaw: Flaw, look: &mut RegisterLook, has_expired: bool) {
    let record = look.content.as_deref().and_then(LeaseRecord::parse);
    let server = Some(look.server.clone());
    let seen = match (flaw, record) {
        (Flaw::AbsentIsFree, None) => {
            let grant = Grant {
                holder: "nobody".into(),
                generation: 1,
                renewal: 1,
                ttl_ms: 1,
                state: GrantState::Released,
                server,
            };
            LeaseRecord::new(grant, crate::world::nobody())
        }
        (Flaw::ReleasedAnywhere, Some(mut record)) if record.grant.state == GrantState::Released => {
            record.grant.server = server;
            record
        }
        (Flaw::ServerClock, Some(mut record)) if has_expired => {
            record.grant.state = GrantState::Released;
            record.grant.server = server;
            record
        }
        _ => return,
    };
    look.content = Some(seen.encode());
}

/// A guardian, with the flaw that it is driven with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watcher {
    guardian: Guardian,
    flaw: Option<Flaw>,
    asked: bool,
    grace: Duration,
}

impl Watcher {
    pub fn new(grace: Duration, flaw: Option<Flaw>) -> Self {
        Self { guardian: Guardian::new(grace), flaw, asked: false, grace }
    }

    pub fn wake(&self) -> Option<Duration> {
        self.guardian.wake()
    }

    pub fn step(&mut self, event: GuardianEvent, now: Duration) -> Vec<GuardianAction> {
        if self.flaw == Some(Flaw::AnswerUndoesStop)
            && self.asked
            && let GuardianEvent::Deadline(deadline) = event
            && deadline.term_at > now
        {
            self.guardian = Guardian::new(self.grace);
            self.asked = false;
        }
        let (guardian, actions) = self.guardian.clone().step(event, now);
        self.guardian = guardian;
        self.asked |= actions.contains(&GuardianAction::SignalTerm);
        self.asked &= !actions.contains(&GuardianAction::Sweep);
        actions
    }
}

/// How a call ends that nobody answered.
pub fn unanswered(sent: Duration) -> EngineAnswer {
    EngineAnswer { sent, came: Err(EngineErrorKind::Unreachable) }
}
