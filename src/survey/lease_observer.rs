//! Whoever looks at the leases of bots, again and again perhaps: an engine is not asked each time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::bots::FoundBot;
use super::leases::{self, KnownLease};

/// Whoever looks at leases, again and again perhaps.
#[derive(Debug, Default)]
pub struct LeaseObserver {
    /// For so long what an engine said is believed.
    believed: Duration,
    /// What it said last, by the lock.
    heard: HashMap<PathBuf, (Instant, KnownLease)>,
    /// Also asks the engine where a process here knows better, and what the engine may lose.
    is_thorough: bool,
}

impl LeaseObserver {
    /// Who asks an engine no more often than that.
    pub fn every(believed: Duration) -> Self {
        Self { believed, ..Self::default() }
    }

    /// Who looks once, and asks all.
    pub fn thorough() -> Self {
        Self { is_thorough: true, ..Self::default() }
    }

    /// Looks at the leases of these bots, at all engines at the same time.
    pub fn look(&mut self, bots: &mut [FoundBot]) {
        self.heard.retain(|_, (when, _)| when.elapsed() < self.believed);
        let (heard, is_thorough) = (&self.heard, self.is_thorough);
        let seen = leases::at_once(bots, |found| &found.bot, &|found: &FoundBot| {
            let lock = &found.locks.own.path;
            let local = leases::local(lock).filter(|_| !is_thorough);
            local.or_else(|| heard.get(lock).map(|(_, lease)| lease.clone())).or_else(|| {
                let lease = leases::of_engine(&found.bot, lock, is_thorough);
                if is_thorough { leases::with_local(lease, lock) } else { lease }
            })
        });
        for (found, lease) in bots.iter_mut().zip(seen) {
            let lock = &found.locks.own.path;
            if let Some(lease) = lease.as_ref().filter(|lease| !lease.is_local() && !self.heard.contains_key(lock)) {
                self.heard.insert(lock.clone(), (Instant::now(), lease.clone()));
            }
            found.lease = lease;
        }
    }
}
