//! What a candidate sees on the engine, and from when on it may claim that: rule 1.
//!
//! A sight is one look: content, version and server. Whatever differs from it in any of the three is another sight, and the
//! watch begins again.

use std::time::Duration;

use super::desk::{Candidacy, LeasePlace};
use super::events::{WaitReason, Watched};
use crate::lease::engine::RegisterLook;
use crate::lease::record::{GrantState, LeaseRecord};

/// How long bytes are watched that no solobot of this version wrote. No TTL is longer.
const LONGEST_WATCH: Duration = Duration::from_mins(10);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseSight {
    look: RegisterLook,
    what: Sighted,
    /// When the first look that showed it was received, or later.
    since: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sighted {
    Nothing,
    Foreign,
    Record(Box<LeaseRecord>),
}

/// What a candidate may do about what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum LeaseMove {
    /// Leave a note: until then there is nothing to watch.
    Note,
    /// Claim it, but not before.
    Claim { from: Duration },
}

impl LeaseSight {
    pub fn new(look: RegisterLook, now: Duration) -> Self {
        let what = match look.content.as_deref() {
            None => Sighted::Nothing,
            Some(content) => {
                LeaseRecord::parse(content).map_or(Sighted::Foreign, |record| Sighted::Record(Box::new(record)))
            }
        };
        Self { look, what, since: now }
    }

    pub fn is(&self, look: &RegisterLook) -> bool {
        self.look == *look
    }

    pub fn record(&self) -> Option<&LeaseRecord> {
        match &self.what {
            Sighted::Record(record) => Some(record),
            Sighted::Nothing | Sighted::Foreign => None,
        }
    }

    pub fn place(&self) -> LeasePlace {
        LeasePlace::of(&self.look)
    }

    pub fn is_on_server_of(&self, other: &Self) -> bool {
        self.look.server == other.look.server
    }

    /// The TTL by which the record's writer lives.
    pub fn ttl(&self) -> Option<Duration> {
        self.record().map(|record| record.grant.ttl().min(LONGEST_WATCH))
    }

    /// Rule 1. `watch_for`: the longest TTL that this candidate knows of. `nobody_here`: we hold the flock of our lock file, and
    /// no instance runs here without it.
    pub fn allows(&self, candidacy: &Candidacy, watch_for: Duration, nobody_here: bool) -> LeaseMove {
        match &self.what {
            // It could come and go between two looks, and nobody would see that.
            Sighted::Nothing => LeaseMove::Note,
            Sighted::Record(record) if is_note(record) && record.grant.server.is_none() => LeaseMove::Note,
            Sighted::Record(record) if self.was_released(record) => LeaseMove::Claim { from: self.since },
            Sighted::Record(record) if nobody_here && self.is_of_our_lock(record, candidacy) => {
                LeaseMove::Claim { from: self.since }
            }
            Sighted::Record(_) | Sighted::Foreign => LeaseMove::Claim { from: self.watched(watch_for).until },
        }
    }

    /// Rule 1a. A note is no release: nobody had what it would release.
    fn was_released(&self, record: &LeaseRecord) -> bool {
        record.grant.state == GrantState::Released && !is_note(record) && self.was_written_here(record)
    }

    /// Rule 1c: who holds it there would have our lock, or run here. Our own note says nothing: somebody else may hold what the
    /// engine has lost.
    fn is_of_our_lock(&self, record: &LeaseRecord, candidacy: &Candidacy) -> bool {
        !is_note(record)
            && record.by.boot_id == candidacy.by.boot_id
            && record.by.lock == candidacy.by.lock
            && self.was_written_here(record)
    }

    /// A server may have come with an old copy: what is true there may have been true once.
    fn was_written_here(&self, record: &LeaseRecord) -> bool {
        record.grant.server.as_ref() == Some(&self.look.server)
    }

    /// Rule 1b.
    fn watched(&self, watch_for: Duration) -> Watched {
        let long = if self.what == Sighted::Foreign { LONGEST_WATCH.max(watch_for) } else { watch_for };
        Watched { since: self.since, until: self.since + long }
    }

    /// Why this has to be waited for; `None` if there is nothing to watch yet.
    pub fn reason(&self, watch_for: Duration) -> Option<WaitReason> {
        let watched = self.watched(watch_for);
        match &self.what {
            Sighted::Nothing => None,
            Sighted::Foreign => Some(WaitReason::Foreign { watched }),
            Sighted::Record(record) if is_note(record) => Some(WaitReason::FirstUse { watched }),
            Sighted::Record(record) if record.grant.state == GrantState::Released => {
                Some(WaitReason::OtherServer { record: record.clone(), watched })
            }
            Sighted::Record(record) => Some(WaitReason::Holder { record: record.clone(), watched }),
        }
    }
}

fn is_note(record: &LeaseRecord) -> bool {
    record.grant.state == GrantState::Released && record.grant.generation == 0
}
