//! The file `PATH.lease`: a line that says by which clock of this host it was written and when, and the record behind it.
//!
//! That time is `CLOCK_BOOTTIME` of this very boot, which nobody sets: a record that was written a minute ago has been unchanged
//! for a minute, as well as if the reader had watched it. So a `hold` or an `acquire` that starts later need not begin to
//! watch at its own start. Other hosts never see that line.

use std::time::Duration;

use crate::lease::record::{GrantState, LARGEST, LeaseRecord};
use crate::platform::clock;

/// What the first line begins with.
const MARK: &str = "solobot-lease 1";
/// The longest first line.
const LONGEST_LINE: usize = 256;
/// The longest file that is read.
pub const LONGEST_FILE: usize = LARGEST + LONGEST_LINE;
/// How long an unchanged content of somebody else's keeps the lease: the longest TTL that a lease may have.
const FOREIGN_TTL: Duration = Duration::from_mins(10);

/// A record as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub content: Vec<u8>,
    /// When it was written, on our clock; `None` if that is not known.
    pub written: Option<Duration>,
}

impl StoredRecord {
    pub fn parse(file: Vec<u8>) -> Self {
        let Some(line) = line_of(&file) else { return Self { content: file, written: None } };
        let mut words = line[MARK.len()..].split_ascii_whitespace();
        let is_ours = words.next().map(str::to_owned) == clock::name_of_clock();
        let written = words.next().and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
        let content = file[line.len() + 1..].to_vec();
        Self { content, written: written.filter(|_| is_ours) }
    }

    /// The file for a record that is written now.
    pub fn encode(content: &[u8]) -> Vec<u8> {
        let clock = clock::name_of_clock().unwrap_or_else(|| "-".into());
        let line = format!("{MARK} {clock} {}\n", clock::uptime().whole.as_millis());
        [line.as_bytes(), content].concat()
    }
}

fn line_of(file: &[u8]) -> Option<&str> {
    let end = memchr::memchr(b'\n', &file[..file.len().min(LONGEST_LINE)])?;
    std::str::from_utf8(&file[..end]).ok().filter(|line| line.starts_with(MARK))
}

/// How long one content has stood unchanged, by our own clock.
#[derive(Debug, Default)]
pub struct Stillness(Option<(Vec<u8>, Duration)>);

/// What a record means at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeLease {
    /// Nobody holds the lease, or its holder's bot has been stopped by now.
    Free,
    Held {
        /// `None` if something else than solobot wrote it, or a newer one.
        by: Option<Box<LeaseRecord>>,
        /// When it is free, on the clock of `platform::clock::uptime().whole`, if it does not change before.
        until: Duration,
    },
}

impl Stillness {
    /// What the content means now. What is no record counts as held: in doubt nothing is started.
    pub fn look(&mut self, stored: &StoredRecord, now: Duration) -> HomeLease {
        let since = match &self.0 {
            Some((content, since)) if *content == stored.content => *since,
            _ => stored.written.filter(|written| *written <= now).unwrap_or(now),
        };
        self.0 = Some((stored.content.clone(), since));
        let record = LeaseRecord::parse(&stored.content);
        let ttl = match &record {
            Some(record) if record.grant.state == GrantState::Released => return HomeLease::Free,
            Some(record) => record.grant.ttl(),
            None => FOREIGN_TTL,
        };
        let until = since.saturating_add(ttl);
        if until <= now { HomeLease::Free } else { HomeLease::Held { by: record.map(Box::new), until } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::home::keep::testing::record;

    const SECOND: Duration = Duration::from_secs(1);

    fn stored(content: &[u8], written: Option<Duration>) -> StoredRecord {
        StoredRecord { content: content.to_vec(), written }
    }

    #[test]
    fn a_file_says_when_it_was_written_and_only_to_this_boot() {
        let before = clock::uptime().whole;
        let read = StoredRecord::parse(StoredRecord::encode(b"x\ny"));
        assert_eq!(read.content, b"x\ny");
        assert!(read.written.unwrap() + Duration::from_millis(1) >= before, "{read:?}");
        let other = format!("{MARK} another-boot 5\n{{}}");
        assert_eq!(StoredRecord::parse(other.into_bytes()), stored(b"{}", None));
        for text in ["", "{}", "no\nrecord"] {
            assert_eq!(StoredRecord::parse(text.into()), stored(text.as_bytes(), None));
        }
    }

    #[test]
    fn a_record_is_held_for_its_ttl_from_its_writing_or_from_the_first_look() {
        let held = record("a", 1, 1, GrantState::Held);
        let ttl = held.grant.ttl();
        let until = |standing: HomeLease| match standing {
            HomeLease::Held { until, .. } => Some(until),
            HomeLease::Free => None,
        };
        let (before, now) = (999 * SECOND, 1000 * SECOND);
        let mut written = Stillness::default();
        assert_eq!(until(written.look(&stored(&held.encode(), Some(before)), now)), Some(before + ttl));
        let mut first = Stillness::default();
        let unknown = stored(&held.encode(), None);
        assert_eq!(until(first.look(&unknown, now)), Some(now + ttl));
        assert_eq!(until(first.look(&unknown, before + ttl)), Some(now + ttl), "the first look counts");
        assert_eq!(first.look(&unknown, now + ttl), HomeLease::Free);
        let renewed = record("a", 1, 2, GrantState::Held);
        assert_eq!(until(first.look(&stored(&renewed.encode(), None), now + ttl)), Some(now + ttl + ttl));
        assert_eq!(
            until(first.look(&stored(&held.encode(), Some(now + ttl + SECOND)), now)),
            Some(now + ttl),
            "no time to come"
        );
        let released = record("a", 1, 3, GrantState::Released);
        assert_eq!(first.look(&stored(&released.encode(), None), now), HomeLease::Free);
        assert_eq!(until(first.look(&stored(b"what", None), now)), Some(now + FOREIGN_TTL));
    }
}
