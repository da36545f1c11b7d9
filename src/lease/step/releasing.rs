//! A release: one write of *released*, tried again for no longer than two calls may take.
//!
//! It is written only on the server that knew the grant. Another one may have an older copy, on which *released* would free
//! what somebody else holds elsewhere.

use std::time::Duration;

use super::desk::{LeaseDesk, LeasePlace};
use super::events::{EndReason, EngineAnswer, LeaseAction, LeaseEvent};
use crate::lease::engine::RegisterLook;
use crate::lease::record::{GrantState, LeaseRecord};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseRelease {
    generation: u64,
    place: LeasePlace,
    /// When it is given up.
    until: Duration,
}

impl LeaseRelease {
    pub fn begin(
        generation: u64,
        place: LeasePlace,
        now: Duration,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Self {
        desk.call_at(now);
        let release = Self { generation, place, until: now + 2 * desk.times().call_limit() };
        actions.extend(release.write(now, desk));
        release
    }

    pub fn step(
        &mut self,
        event: &LeaseEvent,
        now: Duration,
        desk: &mut LeaseDesk,
        actions: &mut Vec<LeaseAction>,
    ) -> Option<EndReason> {
        if let LeaseEvent::Answer(answer) = event {
            let end = self.hear(answer, desk);
            if end.is_some() {
                return end;
            }
        }
        if desk.is_free() && self.until <= now {
            return Some(EndReason::NotReleased);
        }
        actions.extend(self.write(now, desk));
        None
    }

    fn hear(&mut self, answer: &EngineAnswer, desk: &mut LeaseDesk) -> Option<EndReason> {
        desk.call_again(answer.sent);
        self.see(answer.came.as_ref().ok()?.look(), desk)
    }

    fn see(&mut self, look: &RegisterLook, desk: &LeaseDesk) -> Option<EndReason> {
        let record = look.content.as_deref().and_then(LeaseRecord::parse);
        match record.filter(|record| desk.candidacy.is_mine(record, self.generation)) {
            Some(record) if record.grant.state == GrantState::Released && record.grant.server.is_some() => {
                Some(EndReason::Released)
            }
            // An earlier write of ours came in between, or it has yet to name the server.
            Some(_) if look.server == self.place.server => {
                self.place = LeasePlace::of(look);
                None
            }
            Some(_) => Some(EndReason::NotReleased),
            None => Some(EndReason::NotOurs),
        }
    }

    fn write(&self, now: Duration, desk: &mut LeaseDesk) -> Option<LeaseAction> {
        desk.is_due(now).then(|| desk.write(&self.place, self.generation, GrantState::Released).0)
    }
}
