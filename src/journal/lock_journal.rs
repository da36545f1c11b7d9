//! What the journal is told about one lock, from its grant to its release. This must not delay a start: what happens before
//! COMMAND runs is only noted, and written after that.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Event, EventKind, Journal};
use crate::lock::held::Incident;

/// The story of one lock.
pub struct LockJournal {
    journal: Journal,
    bot: String,
    lock: PathBuf,
    waited: Cell<Option<Duration>>,
    took_over: Cell<bool>,
    /// Whom the lock is held for, and whether that was written down.
    taken: Cell<Option<i32>>,
    is_told: Cell<bool>,
}

impl LockJournal {
    /// The rest of a story whose beginning another process has told: a keeper's.
    pub fn going_on(journal: Journal, bot: &str, lock: &Path) -> Self {
        Self { is_told: Cell::new(true), ..Self::new(journal, bot, lock) }
    }

    /// Of a bot's lock.
    pub fn new(journal: Journal, bot: &str, lock: &Path) -> Self {
        Self {
            journal,
            bot: bot.to_owned(),
            lock: lock.to_owned(),
            waited: Cell::new(None),
            took_over: Cell::new(false),
            taken: Cell::new(None),
            is_told: Cell::new(false),
        }
    }

    /// Where it is told.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    fn event(&self, what: EventKind) -> Event {
        Event::new(what, &self.bot).lock(&self.lock)
    }

    /// The lock was granted after a wait; noted, not written.
    pub fn waited(&self, time: Duration) {
        self.waited.set(Some(time));
    }

    /// Its holder was stopped; noted, not written.
    pub fn took_over(&self) {
        self.took_over.set(true);
    }

    /// The lock is held for this process; noted, not written.
    pub fn taken(&self, pid: i32) {
        self.taken.set(Some(pid));
    }

    /// Writes down that the lock is held. A restart of COMMAND is no second event.
    pub fn tell(&self) {
        if let Some(event) = self.beginning() {
            self.journal.append(&event);
        }
    }

    /// That the lock is held, if nobody has been told.
    fn beginning(&self) -> Option<Event> {
        let pid = self.taken.get().filter(|_| !self.is_told.replace(true))?;
        let event = match (self.took_over.get(), self.waited.get()) {
            (true, _) => self.event(EventKind::LockTakenOver),
            (false, Some(time)) => self.event(EventKind::LockWaited).took(time),
            (false, None) => self.event(EventKind::LockTaken),
        };
        Some(event.pid(pid))
    }

    /// The wait was over before the lock was free. Not to have waited at all is not an event: cron tries every minute.
    pub fn timed_out(&self, after: Duration) {
        if !after.is_zero() {
            self.journal.append(&self.event(EventKind::LockTimedOut).took(after));
        }
    }

    /// The lock was given back. A COMMAND like `true` has ended before anything was written down.
    pub fn released(&self) {
        let beginning = self.beginning();
        if self.is_told.get() {
            let end = self.event(EventKind::LockReleased);
            self.journal.append_all(&beginning.into_iter().chain([end]).collect::<Vec<_>>());
        }
    }

    /// Something happened to the held lock: its loss is written down.
    pub fn incidents(&self, incidents: &[Incident]) {
        for incident in incidents {
            if let Incident::Lost(holders) = incident {
                let event = self.event(EventKind::LockLost);
                let event = match holders.first() {
                    Some(holder) => event.pid(holder.pid),
                    None => event,
                };
                self.journal.append(&event);
            }
        }
    }
}
