//! Outcomes that are a few lines, as text for people. Pure: plain values in, text out.

use std::fmt::Write;

use super::message::{detail, hint_lines, local, updates, waiting_updates};
use super::style::{BAD, COMMAND, GOOD, NAME, WARNING, paint};
use super::{sanitize, status};
use crate::base::exit::Exit;
use crate::cli::again::TypedLine;
use crate::outcome::acquire::{AcquireOutcome, BackgroundView};
use crate::outcome::check::CheckOutcome;
use crate::outcome::clean_stale::{CleanStaleOutcome, Cleaning};
use crate::outcome::delete_webhook::{DeleteWebhookOutcome, Removal};
use crate::outcome::lease::{LeaseOutcome, LeaseStateView};
use crate::outcome::release::{Reason, ReleaseOutcome};
use crate::outcome::restart::{RestartOutcome, RestartView, RestartedView};

/// What `acquire` says at its end; nothing if COMMAND ran.
pub fn acquire(outcome: &AcquireOutcome) -> String {
    match outcome {
        AcquireOutcome::Ended(_) | AcquireOutcome::HeldForUs => String::new(),
        AcquireOutcome::Background(BackgroundView { bot, pid, log, stop }) => format!(
            "{} is running in the background, solobot's PID is {pid}\n{}{}",
            sanitize::line(bot),
            detail("log", &sanitize::line(&log.display().to_string())),
            detail("to stop", stop),
        ),
        AcquireOutcome::Descriptor(fd) => format!("the lock is held by descriptor {fd} until it is closed\n"),
        AcquireOutcome::Kept(pid) => format!("the lock is held by a keeper, PID {pid}\n"),
    }
}

/// What `restart` did, or would do.
pub fn restart(outcome: &RestartOutcome) -> String {
    let RestartOutcome { bot, pid, command, origin, how, result } = outcome;
    let bot = sanitize::line(bot);
    let mut text = match result {
        Some(RestartedView { pid: now, .. }) => format!("{bot} was restarted: PID {now}; before: PID {pid}\n"),
        None => format!("{bot} would be restarted: PID {pid}, {}\n", sanitize::line(command)),
    };
    text.push_str(&detail("origin", &sanitize::line(origin)));
    match how {
        RestartView::Manager { run } => text.push_str(&detail("run", &sanitize::line(run))),
        RestartView::Loop { stops } => {
            text.push_str(&detail("stop", &format!("PID {stops}; the loop around it starts it again")));
        }
        RestartView::Solobot { stops, run, folder, user } => {
            text.push_str(&detail("stop", &format!("PID {stops}")));
            text.push_str(&detail("run", &sanitize::line(run)));
            let folder = sanitize::line(&folder.display().to_string());
            let user = sanitize::line(user);
            text.push_str(&detail("in", &format!("{folder}, as {user}, with the environment of PID {stops}")));
        }
    }
    if let Some(log) = result.as_ref().and_then(|result| result.log.as_ref()) {
        text.push_str(&detail("log", &sanitize::line(&log.display().to_string())));
    }
    text
}

/// What `release` did, in a sentence.
pub fn release(outcome: &ReleaseOutcome, typed: TypedLine<'_>) -> String {
    let hints = match &outcome.reason {
        Reason::HeldByBot(holding) => hint_lines(&holding.remedies, typed),
        Reason::LeaseElsewhere { stop, .. } => hint_lines(stop, typed),
        _ => String::new(),
    };
    let reason = match &outcome.reason {
        Reason::HeldByBot(holding) => outcome.held_by_bot(&holding.by_briefly()),
        _ => outcome.sentence(),
    };
    format!("{}\n{hints}", sanitize::line(&reason))
}

/// What `clean-stale` did to each file.
pub fn clean_stale(outcome: &CleanStaleOutcome) -> String {
    let mut text = String::new();
    for file in &outcome.files {
        let word = match file.action {
            Cleaning::Kept if file.is_missing => "missing",
            Cleaning::Kept => "kept",
            Cleaning::Cleaned if outcome.dry_run => "would clean",
            Cleaning::Cleaned => "cleaned",
            Cleaning::Removed if outcome.dry_run => "would remove",
            Cleaning::Removed => "removed",
        };
        let path = sanitize::line(&file.path.display().to_string());
        let _ = writeln!(text, "{} {path}: {}", paint(NAME, word), sanitize::line(&file.reason));
    }
    text
}

/// What `delete-webhook` found and did, and what that means for a bot that polls.
pub fn delete_webhook(outcome: &DeleteWebhookOutcome) -> String {
    let name = paint(NAME, sanitize::line(&outcome.name));
    let Some(webhook) = &outcome.webhook else {
        let waiting = waiting_updates(outcome.pending_updates);
        let mut text = format!("{name}: {}; {waiting}\n", paint(GOOD, "no webhook is set"));
        if outcome.drop_asked && outcome.pending_updates > 0 {
            text.push_str("  nothing was dropped: updates are dropped only together with a webhook\n");
        }
        return text;
    };
    let mut text = format!("{name}: webhook {}\n", sanitize::line(&webhook.info.url));
    text.push_str(&detail("pending", &updates(webhook.info.pending_update_count)));
    if let Some(error) = &webhook.last_error {
        let since = error.time.map_or_else(String::new, |time| format!(", {}", local(time)));
        text.push_str(&detail("failed", &format!("{}{since}", sanitize::line(&error.message))));
    }
    text.push_str(&detail("meaning", "while it is set, every poll fails with 409 and gets no updates"));
    let result = match outcome.action {
        Removal::Deleted if outcome.dropped_updates > 0 => {
            format!("deleted, and {} dropped", updates(outcome.dropped_updates))
        }
        Removal::Deleted => format!("deleted; {}", waiting_updates(outcome.pending_updates)),
        Removal::WouldDelete if outcome.drop_asked => {
            format!("would be deleted, and {} dropped", updates(outcome.pending_updates))
        }
        Removal::WouldDelete => format!("would be deleted; {}", waiting_updates(outcome.pending_updates)),
        Removal::SetAgain => "was deleted, but set again at once: another program runs this bot with webhooks".into(),
        Removal::Declined | Removal::None => "not deleted".into(),
    };
    let style = if outcome.exit() == Exit::Ok { GOOD } else { BAD };
    let _ = writeln!(text, "  {}", paint(style, result));
    text
}

/// A line a bot, and what to type.
pub fn lease(outcome: &LeaseOutcome, typed: TypedLine<'_>) -> String {
    let mut text = String::new();
    let mut hints = Vec::new();
    for bot in &outcome.bots {
        let name = paint(NAME, sanitize::line(&bot.name));
        let Some(lease) = &bot.lease else {
            let _ = writeln!(text, "{name}: no lease");
            continue;
        };
        let _ = writeln!(text, "{name}: {}", status::lease(lease));
        if let Some(renewal) = lease.renewal.filter(|_| lease.state == LeaseStateView::Held) {
            let _ = writeln!(
                text,
                "  renewal {renewal}; if the same command shows the same number in a minute, that host is dead"
            );
        }
        hints.extend(lease.hints.iter().cloned());
        if matches!(lease.state, LeaseStateView::Held | LeaseStateView::WaitingHere) {
            hints.extend(lease.stop_there(&bot.name));
        }
    }
    if outcome.bots.iter().all(|bot| bot.lease.is_none()) {
        if outcome.bots.is_empty() {
            text.push_str("no bot here runs under a lease, and none is configured\n");
        }
        hints.push("to run a bot on one of two hosts: solobot acquire --lease redis://HOST/0 -- COMMAND".into());
    }
    text + &hint_lines(&hints, typed)
}

/// One line a bot, and a line a reason.
pub fn check(outcome: &CheckOutcome) -> String {
    let mut text = String::new();
    for bot in &outcome.bots {
        let name = paint(NAME, sanitize::line(&bot.label));
        let (yes, no) = if outcome.running {
            ("healthy: exactly one instance is running", "not healthy")
        } else {
            ("safe to start", "not safe to start")
        };
        if bot.ok {
            let _ = writeln!(text, "{name}: {}", paint(GOOD, yes));
            continue;
        }
        let reasons: Vec<String> = bot.reasons.iter().map(|reason| sanitize::line(&reason.brief)).collect();
        let reasons = reasons.join("; ");
        // Its reason says "cannot tell".
        let _ = if bot.is_unknown() {
            writeln!(text, "{name}: {}", paint(WARNING, reasons))
        } else if let Some((purpose, command)) = bot.hint.as_ref().and_then(|hint| hint.split_once(": ")) {
            writeln!(text, "{name}: {}. {purpose}: {}", paint(BAD, reasons), paint(COMMAND, sanitize::line(command)))
        } else {
            writeln!(text, "{name}: {}: {reasons}", paint(BAD, no))
        };
    }
    text
}
