//! Whether a bot's logs have a conflict that tells of now.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::bots::FoundBot;
use super::logs;
use crate::base::error::plain;
use crate::base::text::plural;
use crate::process::instance::Instance;
use crate::process::matching::Doubt;

/// How long a bot may take to start before it has to be connected, and for how long the poll of the one before it may still
/// cost it conflicts.
pub const STARTS_IN: SignedDuration = SignedDuration::from_mins(1);
/// An older conflict says nothing of now.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);

/// What the logs say.
#[derive(Debug, Default)]
pub struct RecentConflicts {
    /// In a clause, if there are any.
    pub conflicts: Option<String>,
    /// What is odd about the logs, in whole sentences.
    pub warnings: Vec<String>,
}

/// Reads the logs of the last minutes. A line without a time may be of any day: it only warns. Right after a start conflicts
/// are normal, unless something that may be a second one runs.
pub fn conflicts(bot: &FoundBot, instance: &Instance) -> RecentConflicts {
    let now = Timestamp::now();
    let rival = bot
        .found
        .probable
        .iter()
        .find(|one| one.doubt.is_some_and(|doubt| doubt != Doubt::OtherRoot && !doubt.is_void()));
    let since = if rival.is_some() { now - YOUNG } else { (now - YOUNG).max(instance.started + STARTS_IN) };
    let label = &bot.label;
    let inputs = logs::of_bot(bot).inputs;
    if inputs.is_empty() || since > now {
        return RecentConflicts::default();
    }
    let (summary, sources) = logs::summary(inputs, since);
    let unread = |source: &crate::logs::LogSource| {
        Some(format!("{label}: cannot read {}: {}", source.name, plain(source.error.as_ref()?)))
    };
    let mut warnings: Vec<String> = sources.iter().filter_map(unread).collect();
    if summary.undated_conflicts > 0 {
        let ignored = plural(summary.undated_conflicts, "conflict");
        warnings.push(format!("{label}: ignored {ignored} without a time in its logs, which may be old"));
    }
    let count = summary.totals.conflicts;
    let last = summary.last.filter(|_| count > 0).map(|last| last.to_zoned(TimeZone::system()));
    let what = if summary.totals.other_poller > 0 { "another poller" } else { "a webhook" };
    let rival = rival.map_or_else(String::new, |one| {
        let doubt = one.doubt.map_or("not certain", Doubt::reason);
        format!("; PID {} may be the other one ({doubt})", one.root.pid)
    });
    let said = |last: jiff::Zoned| {
        let (conflicts, at) = (plural(count, "conflict"), last.strftime("%H:%M:%S"));
        format!("{conflicts} with {what} in its logs, the last one at {at}{rival}")
    };
    RecentConflicts { conflicts: last.map(said), warnings }
}
