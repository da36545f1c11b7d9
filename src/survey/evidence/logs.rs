//! What the logs say about the last minutes and the last day.
//!
//! [`crate::survey::logs`] says which logs those are.

use std::time::Duration;

use jiff::Timestamp;

use super::facts::{BotFacts, FRESH, Handover, LogFacts, SETTLES};
use crate::base::error::plain;
use crate::journal::{Event, EventKind};
use crate::logs::LogSource;
use crate::logs::input::Input;
use crate::logs::rhythm::PatternKind;
use crate::platform::identity::Identity;
use crate::survey::logs;

/// What the pattern is told by.
const DAY: Duration = Duration::from_hours(24);
/// No bot has more logs.
const MOST: usize = 64;

/// Reads a bot's logs; `is_its` tells which of the journal's events are its.
pub fn look(
    found: Vec<Input>,
    bot: &BotFacts,
    events: &[Event],
    is_its: &dyn Fn(&Event) -> bool,
    now: Timestamp,
) -> LogFacts {
    let (mut found, endless): (Vec<Input>, Vec<Input>) = found.into_iter().partition(logs::has_an_end);
    // What was rotated away before yesterday tells nothing of today, and may be large.
    found.retain(|input| logs::may_be_younger(input, before(now, DAY)));
    found.truncate(MOST);
    let endless = endless.iter().map(|input| format!("{}: {}", input.name(), logs::NO_FILE));
    if found.is_empty() {
        return LogFacts { unreadable: endless.collect(), ..LogFacts::default() };
    }
    let since = |moment: Timestamp| logs::read_since(&found, moment, now);
    let (past, sources) = since(before(now, DAY));
    let (unreadable, readable): (Vec<_>, Vec<_>) =
        sources.into_iter().partition(|source| source.error.is_some() && source.bytes == 0);
    let start = starts(bot);
    // A bot that is started again and again has always just started.
    let start = start.filter(|_| past.pattern.kind != PatternKind::RespawnLoop);
    let takeover =
        start.into_iter().chain(takeovers(bot, events, is_its)).filter(|it| it.at <= now).max_by_key(|it| it.at);
    let recent = before(now, FRESH);
    let mut logs = LogFacts {
        names: readable.into_iter().map(|source| source.name).collect(),
        unreadable: unreadable.into_iter().filter_map(why).chain(endless).collect(),
        last: past.last,
        undated: past.undated_conflicts,
        day: past.totals.other_poller,
        pattern: Some(past.pattern),
        ..LogFacts::default()
    };
    if past.totals.errors() == 0 {
        return logs;
    }
    let fresh = since(recent).0;
    logs.fresh = fresh.totals;
    logs.moments = seconds(&fresh.moments);
    logs.recent = logs.fresh.other_poller;
    if let Some(takeover) = &takeover
        && after(takeover.at, SETTLES) > recent
    {
        let of_others = |moment| since(moment).0.totals.other_poller;
        logs.fresh.other_poller = of_others(after(takeover.at, SETTLES));
        logs.fresh.conflicts = logs.fresh.other_poller + logs.fresh.webhook;
        logs.settling = of_others(takeover.at).saturating_sub(logs.fresh.other_poller);
    }
    logs.takeover = takeover;
    logs
}

/// When a process had conflicts in the last minutes, in seconds since 1970, by the logs that it writes to; and their names.
pub fn of_stranger(process: Identity, now: Timestamp) -> (Vec<String>, Vec<i64>) {
    let recent = before(now, FRESH);
    let mut inputs = logs::of_process(process);
    inputs.retain(|input| logs::has_an_end(input) && logs::may_be_younger(input, recent));
    let names = inputs.iter().map(Input::name).collect();
    (names, seconds(&logs::read_since(&inputs, recent, now).0.moments))
}

fn seconds(moments: &[i64]) -> Vec<i64> {
    moments.iter().map(|moment| moment.div_euclid(1000)).collect()
}

fn why(source: LogSource) -> Option<String> {
    Some(format!("{}: {}", source.name, plain(&source.error?)))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The latest start of an instance.
fn starts(bot: &BotFacts) -> Option<Handover> {
    let latest = bot.instances.iter().max_by_key(|seen| seen.instance.root.start_ticks)?;
    Some(Handover { at: latest.instance.started, what: format!("PID {} started", latest.pid()) })
}

/// Changes of who polls that solobot has written down: in the journal, and in the owner record.
fn takeovers<'a>(
    bot: &'a BotFacts,
    events: &'a [Event],
    is_its: &'a dyn Fn(&Event) -> bool,
) -> impl Iterator<Item = Handover> + 'a {
    let journal = events.iter().filter(|event| is_its(event)).filter_map(|event| {
        let what = match event.event {
            EventKind::LockTaken | EventKind::LockWaited => "the lock was taken".to_owned(),
            EventKind::LockTakenOver => "the lock was taken over".to_owned(),
            EventKind::DuplicateStopped => {
                event.pid.map_or_else(|| "a duplicate was stopped".to_owned(), |pid| format!("PID {pid} was stopped"))
            }
            _ => return None,
        };
        Some(Handover { at: event.time, what })
    });
    let records = bot.locks.iter().filter_map(|lock| {
        let details = lock.facts.record.details()?;
        let what = if details.took_over { "the lock was taken over" } else { "the lock was taken" };
        Some(Handover { at: details.acquired_at.parse().ok()?, what: what.to_owned() })
    });
    journal.chain(records)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bot, moment, seen};
    use super::*;

    /// What is made of conflicts so many seconds before everything is looked at, and of what the journal knows.
    fn looked(ago: &[i64], bot: &BotFacts, events: &[Event]) -> LogFacts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.log");
        let line = |ago: &i64| {
            let text = "ERROR - TelegramConflictError: Conflict: terminated by other getUpdates request";
            format!("{} {text}\n", moment(-ago).strftime("%Y-%m-%dT%H:%M:%SZ"))
        };
        std::fs::write(&path, ago.iter().map(line).collect::<String>()).unwrap();
        look(vec![Input::File(path)], bot, events, &|event| event.bot == "main", moment(0))
    }

    fn counts(logs: &LogFacts) -> (u64, u64, u64) {
        assert_eq!(logs.fresh.conflicts, logs.fresh.other_poller + logs.fresh.webhook);
        (logs.day, logs.settling, logs.fresh.other_poller)
    }

    /// An instance's PID is how many seconds it started after 1,000 s before the look.
    fn started(ago: i32) -> BotFacts {
        bot("main", vec![seen(1000 - ago)])
    }

    #[test]
    fn of_today_of_now_and_right_after_a_start() {
        let all = [100_000, 4000, 250, 20];
        assert_eq!(counts(&looked(&all, &bot("main", vec![]), &[])), (3, 0, 2));
        assert_eq!(counts(&looked(&all, &started(900), &[])), (3, 0, 2), "the start is long ago");
        // Before the start another one ran; within a minute of it conflicts are normal; later they are not.
        assert_eq!(counts(&looked(&[250, 130, 90, 30, 20], &started(150), &[])), (5, 1, 3));
        assert_eq!(counts(&looked(&[250, 20], &started(30), &[])), (2, 1, 0));
        assert_eq!(looked(&[20], &started(30), &[]).takeover.unwrap().what, "PID 970 started");
        assert_eq!(counts(&looked(&[], &started(30), &[])), (0, 0, 0));
    }

    #[test]
    fn what_solobot_did_explains_what_follows() {
        let event_of = |what, bot| {
            let mut event = Event::new(what, bot);
            event.time = moment(-50);
            event
        };
        let event = |what| event_of(what, "main");
        let own = started(900);
        assert_eq!(counts(&looked(&[60, 40, 30], &own, &[event(EventKind::DuplicateStopped)])), (3, 2, 0));
        assert_eq!(counts(&looked(&[60, 40, 30], &own, &[event(EventKind::LockTakenOver)])), (3, 2, 0));
        assert_eq!(counts(&looked(&[60, 40, 30], &own, &[event(EventKind::LockReleased)])), (3, 0, 3));
        let other = event_of(EventKind::LockTakenOver, "other");
        assert_eq!(counts(&looked(&[60, 40, 30], &own, &[other])), (3, 0, 3));
    }

    #[test]
    fn one_that_is_started_again_and_again_has_always_just_started() {
        let regular: Vec<i64> = (1..20).rev().map(|number| number * 15).collect();
        let logs = looked(&regular, &started(10), &[]);
        assert_eq!(logs.pattern.as_ref().unwrap().kind, PatternKind::RespawnLoop, "{logs:?}");
        assert_eq!(counts(&logs), (19, 0, 19));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = Input::File("/no/such/file".into());
        let logs = look(vec![missing], &bot("main", vec![]), &[], &|_| true, moment(0));
        assert!(logs.names.is_empty() && logs.unreadable[0].contains("/no/such/file: no such file"), "{logs:?}");
    }
}
