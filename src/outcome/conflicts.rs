//! What `conflicts` counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::base::exit::Exit;
use crate::logs::LogSource;
use crate::logs::rhythm::Pattern;
use crate::logs::tally::{Bucket, Counts, Period, Summary, TimeRange};

/// What the logs say.
#[derive(Debug)]
pub struct ConflictsOutcome {
    /// Counted.
    pub summary: Summary,
    /// What was read.
    pub sources: Vec<LogSource>,
    /// Buckets are days or hours.
    pub by: Period,
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
    /// Whether there are no more conflicts than `--max` allows. One without a time may be of any day: with `--since` it is
    /// in no total, but it keeps a monitor from saying that all is well.
    pub fn is_within(&self) -> bool {
        self.max.is_none_or(|max| self.summary.totals.conflicts.saturating_add(self.uncertain()) <= max)
    }

    /// Conflicts that are left out because they have no time.
    pub fn uncertain(&self) -> u64 {
        if self.only_dated { self.summary.undated_conflicts } else { 0 }
    }

    /// Whether everything could be read to its end.
    fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.error.is_none())
    }

    pub fn exit(&self) -> Exit {
        if self.is_within() && self.is_complete() { Exit::Ok } else { Exit::No }
    }
}

/// As it is printed.
#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    totals: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<&'a [Bucket]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<&'a [Bucket]>,
    left_out: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    quiet: Option<TimeRange>,
    pattern: &'a Pattern,
    clients: BTreeMap<&'static str, u64>,
    undated: u64,
    undated_conflicts: u64,
    max: Option<u64>,
    bots: &'a [String],
    inputs: Vec<InputView<'a>>,
}

impl Serialize for ConflictsOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = &self.summary;
        let of = |by: Period| (self.by == by).then_some(summary.buckets.as_slice());
        let json = Json {
            ok: self.is_within() && self.is_complete(),
            totals: summary.totals,
            days: of(Period::Day),
            hours: of(Period::Hour),
            left_out: summary.left_out,
            first: summary.first,
            last: summary.last,
            quiet: summary.quiet,
            pattern: &summary.pattern,
            clients: summary.clients.iter().map(|(client, count)| (client.as_str(), *count)).collect(),
            undated: summary.undated,
            undated_conflicts: summary.undated_conflicts,
            max: self.max,
            bots: &self.bots,
            inputs: self.sources.iter().map(InputView::of).collect(),
        };
        json.serialize(serializer)
    }
}

#[derive(Serialize)]
struct InputView<'a> {
    name: &'a str,
    bytes: u64,
    error: Option<String>,
}

impl<'a> InputView<'a> {
    fn of(source: &'a LogSource) -> Self {
        Self { name: &source.name, bytes: source.bytes, error: source.error.as_ref().map(ToString::to_string) }
    }
}
