//! A candidate: it looks, leaves a note where there is nothing to watch, and claims what rule 1 allows.
//!
//! A claim whose answer never came may be carried out at any later time. So it is sent again until an answer shows what
//! became of it: the answer to the second shows the first. Who leaves meanwhile releases once.

use std::time::Duration;

use super::desk::{LeaseDesk, LeasePlace, LeaseWrite};
use super::events::{EndReason, EngineAnswer, EngineSaid, LeaseAction, LeaseEvent, WaitReason};
use super::sight::{LeaseMove, LeaseSight};
use super::times::ClockReading;
use crate::lease::engine::{EngineErrorKind, RegisterLook};
use crate::lease::record::GrantState;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseWaiting {
    sight: Option<LeaseSight>,
    /// What is sent against `sight`; while there is one, `sight` is what it compared, or the record that it made.
    claim: Option<LeaseClaim>,
    /// The longest TTL of the records seen, and ours.
    watch_for: Duration,
    /// A TTL that is not ours, as it was last told.
    other_ttl: Option<Duration>,
    /// Why the last call was not answered.
    away: Option<EngineErrorKind>,
    nobody_here: bool,
    leaves: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LeaseClaim {
    generation: u64,
    write: LeaseWrite,
}

/// What ends the wait.
pub(super) enum WaitingEnd {
    /// The claim was carried out; `sent` is when it was sent.
    Granted {
        generation: u64,
        place: LeasePlace,
        sent: Duration,
    },
    /// The claim may have been carried out, and is not wanted any more.
    GivesBack {
        generation: u64,
        place: LeasePlace,
    },
    Ended(EndReason),
}

impl LeaseWaiting {
    pub fn new(desk: &LeaseDesk) -> Self {
        Self {
            sight: None,
            claim: None,
            watch_for: desk.times().ttl(),
            other_ttl: None,
            away: None,
            nobody_here: false,
            leaves: false,
        }
    }

    pub fn step(
        &mut self,
        event: &LeaseEvent,
        clock: ClockReading,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<WaitingEnd> {
        let end = match event {
            LeaseEvent::Answer(answer) => self.hear(answer, clock.boot, desk, actions),
            LeaseEvent::NobodyHere => {
                self.nobody_here = true;
                desk.call_at(clock.boot);
                None
            }
            LeaseEvent::Leave | LeaseEvent::Stop => {
                self.leaves = true;
                None
            }
            LeaseEvent::Tick
            | LeaseEvent::Guarded
            | LeaseEvent::GuardianGone
            | LeaseEvent::Again
            | LeaseEvent::Started
            | LeaseEvent::Swept => None,
        };
        if self.leaves && !matches!(end, Some(WaitingEnd::Ended(_))) {
            return self.leave(desk);
        }
        if end.is_none() {
            actions.extend(self.call(clock, desk));
        }
        end
    }

    fn hear(
        &mut self,
        answer: &EngineAnswer,
        now: Duration,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<WaitingEnd> {
        if let Some(claim) = &mut self.claim {
            // It was the call in flight: while there is a claim, nothing else is sent.
            claim.write.sent = Some(answer.sent);
        }
        match &answer.came {
            Ok(EngineSaid::Look(look)) => {
                let end = self.see(look, now, desk, actions);
                let next = answer.sent + desk.times().look_every();
                desk.call_at(self.moves_at(now, desk).map_or(next, |from| next.min(from)));
                end
            }
            Ok(said) => {
                desk.call_again(answer.sent);
                self.see(said.look(), now, desk, actions)
            }
            Err(kind) => {
                desk.call_again(answer.sent);
                if !desk.has_answered() && *kind != EngineErrorKind::Unreachable {
                    return Some(WaitingEnd::Ended(EndReason::Engine(*kind)));
                }
                if self.away.replace(*kind) != Some(*kind) {
                    actions.push(LeaseAction::Waits(WaitReason::EngineAway(*kind)));
                }
                None
            }
        }
    }

    fn see(
        &mut self,
        look: &RegisterLook,
        now: Duration,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<WaitingEnd> {
        let was_away = self.away.take().is_some();
        if self.sight.as_ref().is_some_and(|sight| sight.is(look)) {
            if was_away {
                actions.extend(self.waits(now, desk));
            }
            return None;
        }
        let sight = LeaseSight::new(look.clone(), now);
        if let Some(record) = sight.record() {
            desk.saw(record);
            if desk.candidacy.is_other_bots(record) {
                return Some(WaitingEnd::Ended(EndReason::OtherBot(Box::new(record.clone()))));
            }
        }
        self.note_ttl(&sight, desk, actions);
        let granted = self.recognize(&sight, now, desk);
        self.sight = Some(sight);
        if granted.is_none() {
            actions.extend(self.waits(now, desk));
        }
        granted
    }

    fn note_ttl(&mut self, sight: &LeaseSight, desk: &LeaseDesk, actions: &mut Vec<LeaseAction>) {
        let Some(ttl) = sight.ttl() else { return };
        self.watch_for = self.watch_for.max(ttl);
        if ttl != desk.times().ttl() && self.other_ttl.replace(ttl) != Some(ttl) {
            actions.push(LeaseAction::OtherTtl(ttl));
        }
    }

    /// Whether a new sight is what our claim made. If it is anything else, or on another server than what was watched, the claim
    /// grants nothing.
    fn recognize(&mut self, sight: &LeaseSight, now: Duration, desk: &LeaseDesk) -> Option<WaitingEnd> {
        let claim = self.claim.take()?;
        let record = sight.record()?;
        let is_where_watched = self.sight.as_ref().is_some_and(|watched| sight.is_on_server_of(watched));
        if !is_where_watched
            || record.grant.state != GrantState::Held
            || !desk.candidacy.is_mine(record, claim.generation)
        {
            return None;
        }
        // Of an earlier claim of ours nobody knows here when it was sent, and one sent long ago is worth nothing: claim again.
        let sent = claim.write.sent.filter(|_| record.grant.renewal == claim.write.renewal);
        let fresh = sent.filter(|sent| desk.times().deadline(*sent).term_at > now);
        let generation = claim.generation;
        self.claim = Some(claim);
        fresh.map(|sent| WaitingEnd::Granted { generation, place: sight.place(), sent })
    }

    fn leave(&self, desk: &LeaseDesk) -> Option<WaitingEnd> {
        match (&self.claim, &self.sight) {
            (Some(_), _) if !desk.is_free() => None,
            (Some(claim), Some(sight)) => {
                Some(WaitingEnd::GivesBack { generation: claim.generation, place: sight.place() })
            }
            _ => Some(WaitingEnd::Ended(EndReason::NeverHad)),
        }
    }

    /// The time from which on what is seen may be claimed or have a note; `None` if nothing was seen.
    fn moves_at(&self, now: Duration, desk: &LeaseDesk) -> Option<Duration> {
        match self.sight.as_ref()?.allows(&desk.candidacy, self.watch_for, self.nobody_here) {
            LeaseMove::Claim { from } => Some(from),
            LeaseMove::Note => Some(now),
        }
    }

    fn call(&mut self, clock: ClockReading, desk: &mut LeaseDesk) -> Option<LeaseAction> {
        if !desk.is_due(clock.boot) {
            return None;
        }
        let Some(sight) = &self.sight else { return Some(desk.look()) };
        let generation = match (&self.claim, sight.allows(&desk.candidacy, self.watch_for, self.nobody_here)) {
            (Some(claim), _) => claim.generation,
            (None, LeaseMove::Claim { from }) if from <= clock.boot => desk.next_generation(clock.real),
            (None, LeaseMove::Claim { .. }) => return Some(desk.look()),
            (None, LeaseMove::Note) => return Some(desk.write_note(&sight.place())),
        };
        let (action, write) = desk.write(&sight.place(), generation, GrantState::Held);
        self.claim = Some(LeaseClaim { generation, write });
        Some(action)
    }

    fn waits(&self, now: Duration, desk: &LeaseDesk) -> Option<LeaseAction> {
        let waits = self.claim.is_none() && self.moves_at(now, desk)? > now;
        self.sight.as_ref().filter(|_| waits)?.reason(self.watch_for).map(LeaseAction::Waits)
    }
}
