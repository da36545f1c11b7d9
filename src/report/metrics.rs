//! `metrics` as OpenMetrics text.
//!
//! `node_exporter`'s textfile collector and `promtool` read the older Prometheus format. There, the TYPE line of a
//! counter must name it with `_total`; in OpenMetrics it must not. So every family is a gauge, which is written the
//! same way in both. And what is counted in logs and in a journal does go down when they are rotated away.
//!
//! A bot may be named by a token. A label masks it, and still differs from the label of every other bot.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::iter;
use std::path::Path;

use crate::base::secret::mask;
use crate::base::text::is_hidden;
use crate::logs::words::Kind;
use crate::outcome::lease::{LeaseHereView, LeaseStateView, LeaseView};
use crate::outcome::lock::LockStateView;
use crate::outcome::metrics::{BotMetrics, MetricsOutcome};
use crate::platform::filesystem::create_new;

/// All families, each with its samples together, and the end mark.
pub fn text(outcome: &MetricsOutcome) -> String {
    let mut text = String::new();
    let bots = &labelled(&outcome.bots);
    let each = |value: &dyn Fn(&BotMetrics) -> Option<u64>| -> Vec<(String, u64)> {
        bots.iter().filter_map(|(label, bot)| Some((label.clone(), value(bot)?))).collect()
    };
    let stale = |bot: &BotMetrics| Some(u64::from(bot.lock_state == LockStateView::Stale));
    let last = |bot: &BotMetrics| bot.last_conflict.and_then(|time| u64::try_from(time.as_second()).ok());
    let count = |count: usize| u64::try_from(count).ok();
    family(&mut text, "instances", "Running instances of the bot.", &each(&|bot| count(bot.instances)));
    family(
        &mut text,
        "instances_probable",
        "Processes that may also be instances of the bot.",
        &each(&|bot| count(bot.probable)),
    );
    family(&mut text, "lock_state", "1 for the state that the lock is in.", &states(bots));
    family(&mut text, "lock_age_seconds", "How long the lock has been held.", &each(&|bot| bot.lock_age));
    family(&mut text, "lock_waiters", "Processes waiting for the lock.", &each(&|bot| count(bot.waiters?)));
    family(&mut text, "lock_stale", "1 if the lock is stale.", &each(&stale));
    leases(&mut text, bots);
    let webhook = |bot: &BotMetrics| bot.telegram.webhook_set.map(u64::from);
    family(
        &mut text,
        "webhook_set",
        "1 if a webhook is set at Telegram, which stops the bot from polling.",
        &each(&webhook),
    );
    let pending = |bot: &BotMetrics| bot.telegram.pending_updates;
    family(&mut text, "pending_updates", "Updates waiting at Telegram.", &each(&pending));
    family(
        &mut text,
        "last_error_age_seconds",
        "How long ago a delivery to a webhook failed last.",
        &each(&|bot| bot.telegram.last_error_age),
    );
    family(
        &mut text,
        "deaf",
        "1 if the bot is running but has fetched no updates for 10 minutes.",
        &each(&|bot| bot.telegram.deaf.map(u64::from)),
    );
    family(&mut text, "log_errors", "Errors in the bot's logs in the last 24 hours.", &errors(bots));
    family(
        &mut text,
        "last_conflict_timestamp_seconds",
        "Time of the last conflict in the logs in the last 24 hours.",
        &each(&last),
    );
    family(
        &mut text,
        "logs_readable",
        "1 if all of the bot's logs could be read.",
        &each(&|bot| Some(u64::from(bot.logs_readable))),
    );
    family(&mut text, "journal_events", "What solobot did, counted from its journal.", &events(bots));
    family(
        &mut text,
        "processes_uninspected",
        "Processes that solobot was not allowed to inspect.",
        &[(String::new(), count(outcome.uninspected).unwrap_or(0))],
    );
    let now = u64::try_from(outcome.time.as_second()).unwrap_or(0);
    family(&mut text, "last_check_timestamp_seconds", "When these figures were taken.", &[(String::new(), now)]);
    text.push_str("# EOF\n");
    text
}

/// The lease of each bot whose `acquire` runs here.
fn leases(text: &mut String, bots: &[(String, &BotMetrics)]) {
    let each = |value: &dyn Fn(&LeaseView, &LeaseHereView) -> Option<f64>| -> Vec<(String, f64)> {
        let of = |lease: &LeaseView| value(lease, lease.here.as_ref()?);
        bots.iter().filter_map(|(label, bot)| Some((label.clone(), of(bot.lease.as_ref()?)?))).collect()
    };
    // Exact up to 2^53, as in every reader of this format.
    let number = |number: u64| u32::try_from(number >> 21).ok().map(|high| f64::from(high) * 2_097_152.0 + low(number));
    let is_held = |lease: &LeaseView| lease.state == LeaseStateView::HeldHere;
    family(
        text,
        "lease_held",
        "1 if this host holds the bot's lease, 0 if it waits for it or is losing it.",
        &each(&|lease, _| Some(f64::from(u8::from(is_held(lease))))),
    );
    family(text, "lease_left_seconds", "How much of the grant of the lease is left.", &each(&|_, here| here.left));
    family(
        text,
        "lease_generation",
        "The number of the grant of the lease, which only ever grows.",
        &each(&|lease, _| number(lease.generation?)),
    );
    family(
        text,
        "lease_renewals",
        "Renewals of the lease since it was taken.",
        &each(&|_, here| number(here.renewals)),
    );
    family(
        text,
        "lease_failures",
        "Calls to the engine of the lease that failed.",
        &each(&|_, here| number(here.failures)),
    );
    family(
        text,
        "lease_longest_gap_seconds",
        "The longest time between two renewals of the lease.",
        &each(&|_, here| Some(here.longest_gap)),
    );
}

fn low(number: u64) -> f64 {
    u32::try_from(number & 0x1f_ffff).map_or(0.0, f64::from)
}

/// Writes a file in one step: beside it, then renamed over it: a reader sees the old text or the new one.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::other("it is a folder"))?;
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = create_new(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Each bot with the label that all its samples have. Two tokens of one bot differ in what is masked, and a sample that
/// comes twice makes its reader refuse them all.
fn labelled(bots: &[BotMetrics]) -> Vec<(String, &BotMetrics)> {
    let mut taken = BTreeSet::new();
    let mut of = |bot: &BotMetrics| {
        let masked = mask(&bot.label);
        let numbered = (2..).map(|number| format!("{masked} {number}"));
        let name = iter::once(masked.to_string()).chain(numbered).find(|name| !taken.contains(name));
        let name = name.unwrap_or_default();
        let label = label("bot", &name);
        taken.insert(name);
        label
    };
    bots.iter().map(|bot| (of(bot), bot)).collect()
}

fn states(bots: &[(String, &BotMetrics)]) -> Vec<(String, u64)> {
    let of = |(bot_label, bot): &(String, &BotMetrics)| {
        let seen = bot.lock_state;
        LockStateView::ALL
            .map(|state| (format!("{bot_label},{}", label("state", state.as_str())), u64::from(seen == state)))
    };
    bots.iter().flat_map(of).collect()
}

fn errors(bots: &[(String, &BotMetrics)]) -> Vec<(String, u64)> {
    let of = |(bot_label, bot): &(String, &BotMetrics)| {
        let counts = bot.errors;
        Kind::ALL
            .iter()
            .filter_map(|kind| Some((format!("{bot_label},{}", label("kind", kind.as_str())), counts?.of(*kind))))
            .collect::<Vec<_>>()
    };
    bots.iter().flat_map(of).collect()
}

fn events(bots: &[(String, &BotMetrics)]) -> Vec<(String, u64)> {
    let of = |(bot_label, bot): &(String, &BotMetrics)| {
        bot.events
            .iter()
            .map(|(event, count)| (format!("{bot_label},{}", label("event", event)), *count))
            .collect::<Vec<_>>()
    };
    bots.iter().flat_map(of).collect()
}

fn family(text: &mut String, name: &str, help: &str, samples: &[(String, impl Display)]) {
    let _ = writeln!(text, "# HELP solobot_{name} {help}\n# TYPE solobot_{name} gauge");
    for (labels, value) in samples {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "solobot_{name}{labels} {value}");
    }
}

fn label(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for c in value.chars() {
        let _ = match c {
            '\\' | '"' => write!(text, "\\{c}"),
            '\n' => write!(text, "\\n"),
            // The format has no other escapes: a backslash that stands for itself.
            hidden if is_hidden(hidden) => write!(text, "\\\\{}", hidden.escape_unicode().skip(1).collect::<String>()),
            other => write!(text, "{other}"),
        };
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tally::Counts;
    use crate::outcome::metrics::TelegramMetrics;

    #[test]
    fn the_text_of_one_bot() {
        let bot = BotMetrics {
            name: "a".into(),
            label: "a \"b\"\\\n\u{202e}".into(),
            instances: 2,
            probable: 1,
            lock_state: LockStateView::Stale,
            lock_age: None,
            waiters: Some(1),
            lease: None,
            telegram: TelegramMetrics {
                webhook_set: Some(false),
                pending_updates: Some(3),
                last_error_age: None,
                deaf: Some(true),
            },
            errors: Some(Counts { other_poller: 3, conflicts: 3, ..Counts::default() }),
            last_conflict: Some("2026-01-10T15:27:14.9Z".parse().unwrap()),
            logs_readable: true,
            events: vec![("lock-taken", 4)],
        };
        let time = "2026-01-10T15:30:00Z".parse().unwrap();
        let text = text(&MetricsOutcome { time, uninspected: 7, bots: vec![bot], broken_events: 0, output: None });
        let name = "bot=\"a \\\"b\\\"\\\\\\n\\\\u{202e}\"";
        for line in [
            format!("solobot_instances{{{name}}} 2"),
            format!("solobot_instances_probable{{{name}}} 1"),
            format!("solobot_lock_state{{{name},state=\"stale\"}} 1"),
            format!("solobot_lock_state{{{name},state=\"held\"}} 0"),
            format!("solobot_lock_stale{{{name}}} 1"),
            format!("solobot_webhook_set{{{name}}} 0"),
            format!("solobot_pending_updates{{{name}}} 3"),
            format!("solobot_deaf{{{name}}} 1"),
            format!("solobot_log_errors{{{name},kind=\"other_poller\"}} 3"),
            format!("solobot_last_conflict_timestamp_seconds{{{name}}} 1768058834"),
            format!("solobot_journal_events{{{name},event=\"lock-taken\"}} 4"),
            "solobot_processes_uninspected 7".into(),
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
        assert!(!text.contains("lock_age_seconds{") && !text.contains("last_error_age_seconds{"));
    }

    #[test]
    fn two_tokens_of_one_bot_stay_two_bots() {
        let named = |secret: char| BotMetrics {
            name: String::new(),
            label: format!("{}:{}", 123_456_789, secret.to_string().repeat(35)),
            instances: 1,
            probable: 0,
            lock_state: LockStateView::Free,
            lock_age: None,
            waiters: Some(0),
            lease: None,
            telegram: TelegramMetrics::default(),
            errors: None,
            last_conflict: None,
            logs_readable: true,
            events: Vec::new(),
        };
        let time = "2026-01-10T15:30:00Z".parse().unwrap();
        let bots = vec![named('A'), named('B')];
        let text = text(&MetricsOutcome { time, uninspected: 0, bots, broken_events: 0, output: None });
        let samples = text.lines().filter(|line| line.starts_with("solobot_instances{"));
        let wanted = ["solobot_instances{bot=\"123456789:…\"} 1", "solobot_instances{bot=\"123456789:… 2\"} 1"];
        assert_eq!(samples.collect::<Vec<_>>(), wanted);
    }
}
