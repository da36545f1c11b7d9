//! What `conflicts` counted.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::exit::Exit;
use crate::logs::Source;
use crate::logs::tally::{By, Summary};

/// What the logs say.
#[derive(Debug)]
pub struct ConflictsOutcome {
    /// Counted.
    pub summary: Summary,
    /// What was read.
    pub sources: Vec<Source>,
    /// Buckets are days or hours.
    pub by: By,
    /// Of this zone.
    pub zone: TimeZone,
    /// What `--max` allows.
    pub max: Option<u64>,
    /// Which bots' logs these are; empty for files.
    pub bots: Vec<String>,
    /// When it was looked.
    pub now: Timestamp,
    /// Errors without a time are left out.
    pub only_dated: bool,
}

impl ConflictsOutcome {
    /// Whether there are no more conflicts than `--max` allows.
    pub fn is_within(&self) -> bool {
        self.max.is_none_or(|max| self.summary.totals.conflicts <= max)
    }

    /// Whether everything could be read to its end.
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.error.is_none())
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        if self.is_within() && self.is_complete() { Exit::Ok } else { Exit::No }
    }
}
