//! What an `acquire` without a lease must know on a home host: whether another host holds the lease that PATH belongs to.

use std::path::Path;
use std::time::Duration;

use super::files;
use super::stored::{HomeLease, Stillness};
use crate::lease::engine::EngineError;
use crate::lock::location::Location;

/// Watches the record beside one lock.
#[derive(Debug)]
pub struct LeaseWatch {
    lock: Location,
    stillness: Stillness,
}

impl LeaseWatch {
    /// `None` if there is no record, as beside nearly every lock.
    pub fn of(lock: &Path) -> Option<Self> {
        let location = Location::open(lock).ok()?;
        let is_there = location.folder().look(&location.beside(files::ENDING)).is_ok();
        is_there.then(|| Self { lock: location, stillness: Stillness::default() })
    }

    /// What the record means. Who starts a bot asks while the flock of the lock is held: from then on no other host is
    /// granted the lease.
    ///
    /// # Errors
    /// The file is not one of ours, or cannot be read.
    pub fn look(&mut self, now: Duration) -> Result<HomeLease, EngineError> {
        let Some(stored) = files::read(&self.lock)? else { return Ok(HomeLease::Free) };
        Ok(self.stillness.look(&stored, now))
    }
}
