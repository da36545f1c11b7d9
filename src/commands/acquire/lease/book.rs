//! What is written down of a lease: its status, for whoever looks on this host, and its story in the journal.

use std::time::Duration;

use super::holder::now_in_seconds;
use crate::commands::acquire::request::Request;
use crate::journal::lease_journal::LeaseJournal;
use crate::journal::leases::{LeaseStage, LeaseStatus, WaitsFor};
use crate::lease::LeaseTarget;
use crate::lease::step::LeaseDeadline;

/// Both, and what of it is not written yet: nothing is before COMMAND runs, which that would delay.
pub struct LeaseBook {
    journal: LeaseJournal,
    /// `None`: it cannot be written, or is not ours to write.
    status: Option<LeaseStatus>,
    is_old: bool,
    /// The grant that the journal has not been told.
    untold: Option<(u64, Option<Duration>)>,
}

impl LeaseBook {
    /// Only who holds the lock writes a status: it is found by the lock.
    pub fn new(request: &Request<'_>, target: &LeaseTarget, holds_lock: bool) -> Self {
        let (bot, engine) = (&request.bot, target.engine.shown());
        let journal = request.lock_journal.journal().clone();
        let status = || LeaseStatus::waiting(&target.name, &engine, &bot.lock, target.ttl).ok();
        Self {
            journal: LeaseJournal::new(journal, &bot.name, &bot.lock, &target.name, &engine),
            status: holds_lock.then(status).flatten(),
            is_old: true,
            untold: None,
        }
    }

    fn note(&mut self, change: impl FnOnce(&mut LeaseStatus)) {
        if let Some(status) = &mut self.status {
            change(status);
            self.is_old = true;
        }
    }

    pub fn waits(&mut self, waits_for: Option<WaitsFor>) {
        self.note(|status| (status.state, status.waits_for) = (LeaseStage::Waiting, waits_for));
    }

    /// After a wait of this time, if there was one.
    pub fn granted(&mut self, generation: u64, waited: Option<Duration>) {
        self.note(|status| {
            (status.state, status.generation, status.waits_for) = (LeaseStage::Held, generation, None);
            status.since = now_in_seconds();
        });
        self.untold = Some((generation, waited));
    }

    /// By a renewal that was sent at that time.
    pub fn renewed(&mut self, deadline: LeaseDeadline, sent: Duration) {
        self.note(|status| {
            let gap = status.renewed.map_or(Duration::ZERO, |before| sent.saturating_sub(before));
            status.longest_gap = status.longest_gap.max(gap);
            status.renewals += 1;
            (status.deadline, status.renewed) = (Some(deadline.kill_at), Some(sent));
        });
    }

    pub fn call_failed(&mut self) {
        self.note(|status| status.failures += 1);
    }

    pub fn lost(&mut self, generation: Option<u64>, why: &str) {
        if let Some(generation) = generation {
            self.journal.lost(generation, why);
        }
        self.note(|status| status.state = LeaseStage::Stopping);
    }

    pub fn write_down(&mut self, command_runs: bool) {
        if command_runs && let Some((generation, waited)) = self.untold.take() {
            self.journal.taken(generation, waited);
        }
        if let Some(status) = self.status.as_ref().filter(|_| std::mem::take(&mut self.is_old))
            && let Err(error) = status.save()
        {
            tracing::debug!(%error, "the status of the lease was not written");
        }
    }

    pub fn released(&self, generation: u64) {
        self.journal.released(generation);
    }

    /// There is nothing more to say.
    pub fn close(&self) {
        if let Some(status) = &self.status {
            status.remove();
        }
    }
}
