//! The register in a file, with the flock of PATH held for as long as the record says *held* and is fresh.
//!
//! Invariant: PATH is taken before a claim is written, and whether it is given back is decided under the writers' lock. So
//! with any number of `hold`s there is no moment at which the record is held and fresh, every `hold` runs, and none has PATH.

use std::path::Path;
use std::time::Duration;

use super::files::{LeaseFiles, WritersLock};
use super::local::{self, PathLock};
use super::protocol::{HoldAnswer, HoldQuestion, Message};
use super::stored::{HomeLease, Stillness, StoredRecord};
use crate::lease::engine::{EngineError, EngineErrorKind};
use crate::lease::record::{Grant, GrantState, LARGEST, LeaseRecord};
use crate::lock::held::Held;
use crate::platform::clock;

/// How often a `hold` that does not have PATH looks whether it can be taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A lease of this host, and the flock of PATH where it is held.
#[derive(Debug)]
pub struct HomeRegister {
    files: LeaseFiles,
    stillness: Stillness,
    held: Option<Box<Held>>,
}

impl HomeRegister {
    /// # Errors
    /// The folder cannot keep a lease.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Ok(Self { files: LeaseFiles::open(path)?, stillness: Stillness::default(), held: None })
    }

    /// Whether PATH is held here.
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Answers another host.
    pub fn answer(&mut self, question: &Message<HoldQuestion>) -> Message<HoldAnswer> {
        let answered = match &question.what {
            HoldQuestion::Read => self.files.read().map(|stored| self.stands(stored)),
            HoldQuestion::Set { server, old } => self.set(server, *old, &question.body),
            HoldQuestion::Weaknesses => Ok((self.weaknesses(), Vec::new())),
        };
        let (what, body) = answered.unwrap_or_else(|error| (error.into(), Vec::new()));
        Message { number: question.number, what, body }
    }

    fn stands(&self, stored: Option<StoredRecord>) -> (HoldAnswer, Vec<u8>) {
        let answer = HoldAnswer::Stands { server: self.files.server().to_owned(), has_record: stored.is_some() };
        (answer, stored.map(|stored| stored.content).unwrap_or_default())
    }

    fn set(&mut self, server: &str, old: Option<usize>, body: &[u8]) -> Result<(HoldAnswer, Vec<u8>), EngineError> {
        let (old, new) = match old {
            None => (None, body),
            Some(length) => match body.split_at_checked(length) {
                Some((old, new)) => (Some(old), new),
                None => return Err(nonsense()),
            },
        };
        let Some(record) = LeaseRecord::parse(new).filter(|_| new.len() <= LARGEST) else { return Err(nonsense()) };
        let excluded = self.files.exclude_writers()?;
        let stored = self.files.read()?;
        let present = stored.as_ref().map(|stored| stored.content.as_slice());
        if server != self.files.server() || present != old {
            let answer = HoldAnswer::Refused { server: self.files.server().to_owned(), has_record: present.is_some() };
            return Ok((answer, stored.map(|stored| stored.content).unwrap_or_default()));
        }
        if is_claim(&record.grant, present) {
            self.exclude_local(&record)?;
        }
        let written = self.files.write(new, &excluded);
        self.tend_excluded(&excluded);
        written?;
        Ok((HoldAnswer::Written { server: self.files.server().to_owned() }, Vec::new()))
    }

    /// Nobody on this host shall have PATH when the lease is granted.
    fn exclude_local(&mut self, record: &LeaseRecord) -> Result<(), EngineError> {
        if self.held.is_some() {
            return Ok(());
        }
        match local::take(self.files.path(), &record.by)? {
            PathLock::Held(held) => self.held = Some(held),
            PathLock::Excluded => {}
            PathLock::Busy(who) => {
                let message = format!("{} is held on that host by {who}", self.files.path().display());
                let hint = "to wait until it ends: solobot acquire --wait forever …".into();
                return Err(EngineError { kind: EngineErrorKind::Unreachable, message, hints: vec![hint] });
            }
        }
        Ok(())
    }

    /// Takes PATH or gives it back, as the record says by now. Says when to look again, changes of the files aside.
    pub fn tend(&mut self) -> Option<Duration> {
        let standing = self.standing();
        let wants = matches!(&standing, Ok(HomeLease::Held { by: Some(_), .. }));
        if wants != self.held.is_some()
            && let Ok(excluded) = self.files.exclude_writers()
        {
            self.tend_excluded(&excluded);
        }
        if let Some(held) = &mut self.held {
            // Incidents have no reader here; what can be repaired is.
            let _ = held.tend();
        }
        let until = match standing {
            Ok(HomeLease::Held { until, .. }) => Some(until.saturating_sub(clock::uptime().whole)),
            Ok(HomeLease::Free) => None,
            Err(_) => Some(LOOK_EVERY),
        };
        match &self.held {
            Some(held) => Some(until.map_or(LOOK_EVERY, |until| until.min(held.look_in()))),
            None => until.map(|until| until.min(LOOK_EVERY)),
        }
    }

    fn standing(&mut self) -> Result<HomeLease, EngineError> {
        let stored = self.files.read()?;
        Ok(stored.map_or(HomeLease::Free, |stored| self.stillness.look(&stored, clock::uptime().whole)))
    }

    /// A record that cannot be read changes nothing.
    fn tend_excluded(&mut self, _excluded: &WritersLock) {
        match self.standing() {
            Ok(HomeLease::Held { by: Some(record), .. }) if self.held.is_none() => {
                if let Ok(PathLock::Held(held)) = local::take(self.files.path(), &record.by) {
                    self.held = Some(held);
                }
            }
            Ok(HomeLease::Held { by: Some(_), .. }) | Err(_) => {}
            Ok(HomeLease::Free | HomeLease::Held { by: None, .. }) => self.release(),
        }
    }

    /// Gives PATH back.
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.release();
        }
    }

    fn weaknesses(&mut self) -> HoldAnswer {
        let is_granted = matches!(self.standing(), Ok(HomeLease::Held { .. }));
        let beside = local::stranger(self.files.path()).filter(|_| is_granted && self.held.is_none());
        let of_stranger = |who: String| {
            let what =
                format!("on the home host {} has the lock {} beside the lease", who, self.files.path().display());
            (what, "stop it there, or run it with solobot acquire, which waits for the lease".to_owned())
        };
        HoldAnswer::Weaknesses { list: beside.map(of_stranger).into_iter().collect() }
    }
}

/// Whether a grant is a new one, and not the renewal of the one that stands.
fn is_claim(new: &Grant, present: Option<&[u8]>) -> bool {
    let stands = present.and_then(LeaseRecord::parse).map(|record| record.grant);
    let is_renewal = stands.is_some_and(|old| {
        old.state == GrantState::Held && (old.holder, old.generation) == (new.holder.clone(), new.generation)
    });
    new.state == GrantState::Held && !is_renewal
}

fn nonsense() -> EngineError {
    let message = "what was to be written is not the record of a lease".into();
    EngineError { kind: EngineErrorKind::Configuration, message, hints: Vec::new() }
}

#[cfg(test)]
pub mod testing {
    use std::sync::Arc;

    use super::{Grant, GrantState, LeaseRecord};
    use crate::lease::record::LeaseHolder;

    pub fn record(holder: &str, generation: u64, renewal: u64, state: GrantState) -> LeaseRecord {
        let by = LeaseHolder {
            name: "bot".into(),
            bot_id: None,
            host: "laptop".into(),
            boot_id: "b".into(),
            lock: (1, 2),
            pid: 42,
            command: "python bot.py".into(),
            since: "2026-01-01T00:00:00Z".into(),
            origin: None,
        };
        let grant = Grant { holder: holder.into(), generation, renewal, ttl_ms: 5000, state, server: Some("s".into()) };
        LeaseRecord::new(grant, Arc::new(by))
    }
}
