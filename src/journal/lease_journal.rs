//! What the journal is told about one lease, from its grant to its end. Nothing here may delay a start: whoever takes a lease
//! tells it once COMMAND runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Event, EventKind, Journal};

/// The story of one lease.
#[derive(Debug, Clone)]
pub struct LeaseJournal {
    journal: Journal,
    bot: String,
    lock: PathBuf,
    /// The lease's name and its engine, as a person may see them.
    lease: String,
}

impl LeaseJournal {
    /// Of a bot's lease; `engine` is the URL as it may be shown.
    pub fn new(journal: Journal, bot: &str, lock: &Path, name: &str, engine: &str) -> Self {
        Self { journal, bot: bot.to_owned(), lock: lock.to_owned(), lease: format!("lease {name} on {engine}") }
    }

    /// It was granted, after a wait if there was one.
    pub fn taken(&self, generation: u64, waited: Option<Duration>) {
        let event = match waited {
            Some(time) => self.event(EventKind::LeaseWaited, generation, "").took(time),
            None => self.event(EventKind::LeaseTaken, generation, ""),
        };
        self.journal.append(&event);
    }

    /// It was given back.
    pub fn released(&self, generation: u64) {
        self.journal.append(&self.event(EventKind::LeaseReleased, generation, ""));
    }

    /// It was lost, or could not be renewed in time.
    pub fn lost(&self, generation: u64, why: &str) {
        self.journal.append(&self.event(EventKind::LeaseLost, generation, why));
    }

    fn event(&self, what: EventKind, generation: u64, why: &str) -> Event {
        let (lease, colon) = (&self.lease, if why.is_empty() { "" } else { ": " });
        let own = std::process::id().cast_signed();
        let event = Event::new(what, &self.bot).lock(&self.lock).pid(own);
        event.detail(&format!("{lease}, generation {generation}{colon}{why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(Some(dir.path().join("j")));
        let lease = LeaseJournal::new(journal.clone(), "main", Path::new("/l"), "123456", "redis://h/0");
        lease.taken(7, None);
        lease.lost(7, "another host holds it");
        lease.taken(9, Some(Duration::from_secs(3)));
        lease.released(9);
        let said: Vec<String> = journal
            .read()
            .events
            .iter()
            .map(|event| format!("{} {}", event.event.as_str(), event.detail.as_deref().unwrap_or_default()))
            .collect();
        let expected = [
            "lease-taken lease 123456 on redis://h/0, generation 7",
            "lease-lost lease 123456 on redis://h/0, generation 7: another host holds it",
            "lease-waited lease 123456 on redis://h/0, generation 9",
            "lease-released lease 123456 on redis://h/0, generation 9",
        ];
        assert_eq!(said, expected);
        assert_eq!(journal.read().events[2].seconds, Some(3.0));
    }
}
