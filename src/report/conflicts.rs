//! `conflicts` as text.

use std::fmt::Write;
use std::io::ErrorKind;

use jiff::Timestamp;

use super::message::size;
use super::style::{BAD, FAINT, GOOD, NAME, WARNING, paint};
use super::{message, sanitize, table};
use crate::base::duration::show;
use crate::base::error::plain;
use crate::base::shell;
use crate::base::text::plural;
use crate::cli::again::TypedLine;
use crate::logs::rhythm::PatternKind;
use crate::logs::tally::{Bucket, Counts, Period};
use crate::logs::words::{Kind, Library};
use crate::outcome::conflicts::ConflictsOutcome;
use crate::platform::advice;

/// A full bar has this many columns.
const BAR: usize = 24;
/// A shorter one says little.
const SHORTEST_BAR: usize = 8;

/// The table and what it says, for a terminal of `width` columns.
pub fn text(outcome: &ConflictsOutcome, width: Option<usize>, typed: TypedLine<'_>) -> String {
    let mut text = sources(outcome, typed);
    let totals = &outcome.summary.totals;
    if totals.errors() == 0 {
        let is_empty = outcome.sources.iter().all(|source| source.bytes == 0);
        let nothing = if is_empty {
            paint(WARNING, "no log lines to count")
        } else {
            paint(GOOD, "no conflicts and no other errors")
        };
        let _ = writeln!(text, "{nothing}");
        let units = outcome.sources.iter().filter(|source| source.bytes == 0 && source.error.is_none());
        let hints: Vec<String> = units
            .filter_map(|source| source.name.strip_prefix("unit:"))
            .map(|unit| format!("to see whether the unit exists: systemctl status {}", shell::quote(unit)))
            .collect();
        text.push_str(&message::hint_lines(&hints, typed));
    } else {
        text.push_str(&days(outcome, width));
        text.push_str(&facts(outcome, typed));
    }
    if outcome.only_dated && outcome.summary.undated > 0 {
        let _ = writeln!(
            text,
            "not counted: {} without a time ({})",
            plural(outcome.summary.undated, "error"),
            plural(outcome.summary.undated_conflicts, "conflict")
        );
    } else if outcome.summary.undated > 0 {
        let _ = writeln!(text, "without a time, counted only in the total: {}", outcome.summary.undated);
    }
    if outcome.summary.left_out > 0 {
        let period = if outcome.by == Period::Day { "day" } else { "hour" };
        let _ = writeln!(text, "not shown: {} without errors", plural(outcome.summary.left_out, period));
    }
    if let Some(max) = outcome.max.filter(|_| !outcome.is_within()) {
        let _ = writeln!(text, "{}", paint(BAD, too_many(outcome, max)));
    }
    text
}

fn too_many(outcome: &ConflictsOutcome, max: u64) -> String {
    if outcome.summary.totals.conflicts > max {
        return format!("more than {max} conflicts");
    }
    format!("perhaps more than {max}: {} without a time may be of any day", plural(outcome.uncertain(), "conflict"))
}

fn sources(outcome: &ConflictsOutcome, typed: TypedLine<'_>) -> String {
    let mut text = String::new();
    let read: Vec<_> = outcome.sources.iter().filter(|source| source.error.is_none() || source.bytes > 0).collect();
    let bytes: u64 = read.iter().map(|source| source.bytes).sum();
    let of = if outcome.bots.is_empty() { String::new() } else { format!(" of {}", outcome.bots.join(", ")) };
    let what = match read[..] {
        [one] => one.name.clone(),
        _ => format!("{} logs", read.len()),
    };
    let _ = writeln!(text, "{}{}, {}", sanitize::line(&what), sanitize::line(&of), size(bytes));
    for source in &outcome.sources {
        if let Some(error) = &source.error {
            let how = if source.bytes > 0 { "partly read" } else { "not read" };
            let _ = writeln!(
                text,
                "{}",
                paint(WARNING, format!("{how}: {}: {}", sanitize::line(&source.name), sanitize::line(&plain(error))))
            );
            text.push_str(&message::hint_lines(remedy(error).as_slice(), typed));
        }
    }
    text
}

/// Which columns a table has beside the day and its conflicts.
struct Columns {
    /// A column each; without, one for all errors that are no conflicts.
    kinds: Option<Vec<Kind>>,
    has_rate: bool,
    /// How long a full bar is; 0 for no bar.
    bar: usize,
}

impl Columns {
    /// As many as fit; the least of them fit into 40 columns.
    fn fitting(outcome: &ConflictsOutcome, width: Option<usize>) -> Self {
        let totals = &outcome.summary.totals;
        let kinds = || Some(Kind::ALL.into_iter().filter(|kind| totals.of(*kind) > 0).collect());
        let Some(width) = width else { return Self { kinds: kinds(), has_rate: true, bar: BAR } };
        let tries = [(kinds(), true), (kinds(), false), (None, true)];
        let fitting = tries.into_iter().find_map(|(kinds, has_rate)| {
            let columns = Self { kinds, has_rate, bar: 0 };
            let begins = table::last_column(&columns.header(outcome.by), &columns.rows(outcome));
            let bar = width.saturating_sub(begins).min(BAR);
            (begins <= width + table::GAP).then_some(Self { bar: if bar < SHORTEST_BAR { 0 } else { bar }, ..columns })
        });
        fitting.unwrap_or(Self { kinds: None, has_rate: false, bar: 0 })
    }

    fn header(&self, by: Period) -> Vec<&'static str> {
        let mut header = vec![if by == Period::Day { "DAY" } else { "HOUR" }, "CONFLICTS"];
        match &self.kinds {
            Some(kinds) => header.extend(kinds.iter().map(|kind| heading(*kind))),
            None => header.push("OTHER"),
        }
        header.extend(self.has_rate.then_some("PER HOUR"));
        header.push("");
        header
    }

    /// One a day, and the total.
    fn rows(&self, outcome: &ConflictsOutcome) -> Vec<Vec<String>> {
        let totals = &outcome.summary.totals;
        let buckets = &outcome.summary.buckets;
        let most = buckets.iter().map(|bucket| measure(&bucket.counts, totals)).max().unwrap_or(0);
        let cells = |first: String, counts: &Counts, rate: String, bar: String| {
            let mut row = vec![first, counts.conflicts.to_string()];
            match &self.kinds {
                Some(kinds) => row.extend(kinds.iter().map(|kind| counts.of(*kind).to_string())),
                None => row.push((counts.errors() - counts.conflicts).to_string()),
            }
            row.extend(self.has_rate.then_some(rate));
            row.push(bar);
            row
        };
        let of_day = |bucket: &Bucket| {
            let bar = bar(measure(&bucket.counts, totals), most, self.bar);
            cells(label(bucket, outcome), &bucket.counts, rate(bucket, outcome.now), bar)
        };
        let total = cells("total".into(), totals, String::new(), String::new());
        buckets.iter().map(of_day).chain([total]).collect()
    }
}

fn days(outcome: &ConflictsOutcome, width: Option<usize>) -> String {
    let summary = &outcome.summary;
    let columns = Columns::fitting(outcome, width);
    let (header, mut rows) = (columns.header(outcome.by), columns.rows(outcome));
    align(&header, &mut rows);
    let lines = table::lines(&header, &rows, width);
    let mut text = lines.iter().enumerate().fold(String::new(), |mut text, (index, line)| {
        let line = match index.checked_sub(1).map(|row| summary.buckets.get(row)) {
            None => paint(FAINT, line),
            Some(Some(bucket)) if bucket.counts.errors() == 0 => paint(FAINT, line),
            Some(Some(_)) => line.clone(),
            Some(None) => paint(NAME, line),
        };
        text.push_str(&line);
        text.push('\n');
        text
    });
    if columns.kinds.is_none() {
        let of = |kind: Kind| format!("{} {}", heading(kind).to_lowercase(), summary.totals.of(kind));
        let kinds = Kind::ALL.into_iter().filter(|kind| summary.totals.of(*kind) > 0).map(of);
        let _ = writeln!(text, "by kind: {}", kinds.collect::<Vec<_>>().join(", "));
    }
    text
}

/// Numbers stand at the right of their column.
fn align(header: &[&str], rows: &mut [Vec<String>]) {
    for column in 1..header.len().saturating_sub(1) {
        let widest = rows.iter().map(|row| row[column].len()).chain([header[column].len()]).max().unwrap_or(0);
        for row in rows.iter_mut() {
            row[column] = format!("{:>widest$}", row[column]);
        }
    }
}

/// What a bar shows: conflicts, or all errors where there is no conflict.
fn measure(counts: &Counts, totals: &Counts) -> u64 {
    if totals.conflicts > 0 { counts.conflicts } else { counts.errors() }
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::OtherPoller => "OTHER POLLER",
        Kind::Webhook => "WEBHOOK",
        Kind::RateLimit => "RATE LIMIT",
        Kind::Timeout => "TIMEOUT",
        Kind::Network => "NETWORK",
        Kind::Server => "SERVER",
        Kind::Other => "OTHER",
    }
}

fn label(bucket: &Bucket, outcome: &ConflictsOutcome) -> String {
    let form = if outcome.by == Period::Day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    bucket.start.to_zoned(outcome.zone.clone()).strftime(form).to_string()
}

/// Conflicts an hour; of the hours that have passed, where the bucket has not ended.
fn rate(bucket: &Bucket, now: Timestamp) -> String {
    let end = if (bucket.start..bucket.end).contains(&now) { now } else { bucket.end };
    let tenths_of_hours = u64::try_from(end.duration_since(bucket.start).as_secs() / 360).unwrap_or(0).max(1);
    let tenths = bucket.counts.conflicts * 100 / tenths_of_hours;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Of `length` columns for `most`.
fn bar(value: u64, most: u64, length: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if value == 0 || most == 0 || length == 0 {
        return String::new();
    }
    let eighths = (u128::from(value) * length as u128 * 8).div_ceil(u128::from(most));
    let eighths = usize::try_from(eighths).unwrap_or(0);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn facts(outcome: &ConflictsOutcome, typed: TypedLine<'_>) -> String {
    let summary = &outcome.summary;
    let time = |instant: Timestamp| instant.to_zoned(outcome.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut text = String::new();
    if let (Some(first), Some(last)) = (summary.first, summary.last) {
        let ago = show(outcome.now.duration_since(last).unsigned_abs());
        let when = if last > outcome.now { "in the future by this host's clock" } else { "ago" };
        let _ = writeln!(text, "first conflict {}, last {} ({ago} {when})", time(first), time(last));
    }
    if let Some(quiet) = &summary.quiet {
        let long = show(std::time::Duration::from_secs(quiet.seconds));
        let _ = writeln!(text, "longest quiet stretch {long}, {} to {}", time(quiet.from), time(quiet.until));
    }
    let clients: Vec<String> = summary
        .clients
        .iter()
        .filter(|(client, _)| *client != Library::Unknown)
        .map(|(client, count)| format!("{} ({})", client.as_str(), times(*count)))
        .collect();
    if !clients.is_empty() {
        let _ = writeln!(text, "logged by: {}", clients.join(", "));
    }
    if summary.pattern.kind != PatternKind::None {
        let _ = writeln!(text, "pattern: {}: {}", paint(NAME, words(summary.pattern.kind)), summary.pattern.evidence);
        text.push_str(&message::hint_lines(&[summary.pattern.suggestion.to_string()], typed));
    }
    text
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn words(shape: PatternKind) -> &'static str {
    match shape {
        PatternKind::None => "none",
        PatternKind::Isolated => "isolated",
        PatternKind::Webhook => "webhook",
        PatternKind::Steady => "steady",
        PatternKind::Bursts => "bursts, as deploys cause them",
        PatternKind::PingPong => "ping-pong of two pollers",
        PatternKind::RespawnLoop => "respawn loop",
        PatternKind::Undated => "unknown",
    }
}

/// How far reading is, for a line that redraws.
pub fn reading(done: u64, total: Option<u64>) -> String {
    match total.filter(|total| *total > 0) {
        Some(total) => format!("reading, {}% of {}", (done.min(total)) * 100 / total, size(total)),
        None => format!("reading, {}", size(done)),
    }
}

/// The warning for inputs that were not read; for `-q`, where the report is not printed.
pub fn incomplete(outcome: &ConflictsOutcome, typed: TypedLine<'_>) -> String {
    outcome
        .sources
        .iter()
        .filter_map(|source| Some((&source.name, source.error.as_ref()?)))
        .map(|(name, error)| {
            let hints: Vec<String> = remedy(error).into_iter().collect();
            message::error(&format!("cannot read {name}: {}", plain(error)), &hints, typed)
        })
        .collect()
}

/// What helps where a log cannot be read, if anything does.
fn remedy(error: &std::io::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::PermissionDenied => Some(advice::as_root("to read it", "solobot …")),
        ErrorKind::InvalidData | ErrorKind::IsADirectory | ErrorKind::NotFound => {
            Some("to read another log: solobot conflicts FILE".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        assert_eq!(bar(0, 10, 24), "");
        assert_eq!(bar(10, 10, 24).chars().count(), 24);
        assert_eq!(bar(1, 1_000_000, 24), "▏");
        assert_eq!(bar(5, 10, 24), "█".repeat(12));
        assert_eq!(bar(5, 10, 0), "");
    }

    #[test]
    fn how_far_reading_is() {
        assert_eq!(reading(1 << 20, Some(4 << 20)), "reading, 25% of 4.0 MiB");
    }
}
