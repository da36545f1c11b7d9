//! What an `acquire` without a lease must know on a home host: whether another host holds the lease that PATH belongs to.

use std::time::Duration;

use super::files;
use super::stored::{HomeLease, Stillness};
use crate::lease::engine::EngineError;
use crate::lock::location::Location;

/// Watches the record beside one lock.
#[derive(Debug, Default)]
pub struct LeaseWatch {
    stillness: Stillness,
}

impl LeaseWatch {
    /// What the record beside the lock means; where there is none, as beside nearly every lock, one system call tells. Who starts
    /// a bot asks while the flock of the lock is held: from then on no other host is granted the lease.
    ///
    /// # Errors
    /// The file is not one of ours, or cannot be read.
    pub fn look(&mut self, lock: &Location, now: Duration) -> Result<HomeLease, EngineError> {
        let Some(stored) = files::read(lock)? else { return Ok(HomeLease::Free) };
        Ok(self.stillness.look(&stored, now))
    }
}
