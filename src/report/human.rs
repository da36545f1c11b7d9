//! Outcomes, errors and notices as text for people. Pure: plain values in, text out.

use std::fmt::Write;
use std::time::Duration;

use super::sanitize;
use super::style::{BAD, COMMAND, FAINT, GOOD, NAME, WARNING, paint};
use crate::base::duration::{Limit, show};
use crate::base::exit::Exit;
use crate::lock::held::Incident;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::check::CheckOutcome;
use crate::outcome::clean_stale::{CleanStaleOutcome, Cleaning};
use crate::outcome::delete_webhook::{DeleteWebhookOutcome, Removal};
use crate::outcome::events::{Notice, Passing};
use crate::outcome::holding::Holding;
use crate::outcome::process::{Beside, ProcessView};
use crate::outcome::release::{Reason, ReleaseOutcome};
use crate::outcome::sentence::shortened;

/// A label of a line under a message.
fn detail(label: &str, text: &str) -> String {
    format!("  {:<9} {text}\n", paint(FAINT, format!("{label:<9}")).trim_end_matches(' '))
}

/// An error with its hints.
pub fn error(message: &str, hints: &[String]) -> String {
    let mut text = format!("solobot: {} {}\n", paint(BAD, "error:"), sanitize::line(message));
    text.push_str(&hint_lines(hints));
    text
}

/// A line a hint.
pub fn hint_lines(hints: &[String]) -> String {
    hints.iter().fold(String::new(), |mut text, hint| {
        let _ = writeln!(text, "  {} {}", paint(COMMAND, "hint:"), sanitize::line(hint));
        text
    })
}

/// A process in a sentence: `PID 4242: python main.py`.
fn process(view: &ProcessView) -> String {
    format!("PID {}: {}", paint(NAME, view.pid), sanitize::line(&shortened(&view.command)))
}

/// Since when and by whom a process runs.
fn circumstances(view: &ProcessView) -> String {
    let since = view.start.map_or_else(String::new, |start| {
        let local = start.to_zoned(jiff::tz::TimeZone::system());
        let age = view.age.map_or_else(String::new, |age| format!(" ({})", show(age)));
        format!("{}{age}", local.strftime("%Y-%m-%d %H:%M:%S"))
    });
    if view.user.is_empty() { since } else { format!("{since}, user {}", view.user) }
}

/// Something to say before the end, on a terminal of `width` columns.
pub fn notice(notice: &Notice, width: Option<usize>) -> String {
    match notice {
        Notice::Warning(text) => format!("solobot: {} {}\n", paint(WARNING, "warning:"), sanitize::line(text)),
        Notice::Settings { file, all } => super::settings::text(file.as_deref(), all),
        Notice::Refused { holding, wait } => refused(holding, *wait),
        Notice::Waiting { elapsed, wait } => format!("solobot: {}\n", waiting(*elapsed, *wait)),
        Notice::Granted { elapsed } => format!("solobot: the lock is ours after {}\n", show(*elapsed)),
        Notice::Unlocked { instances, wait } => unlocked(instances, *wait),
        Notice::TakingOver(targets) => targets
            .iter()
            .fold("solobot: taking over, stopping\n".to_owned(), |text, one| text + &format!("  {}\n", process(one))),
        Notice::Plan(plan) => super::plan::table(plan, width),
        Notice::Passing(passing) => format!("solobot: {}\n", self::passing(*passing)),
        Notice::Incident { lock, incident } => self::incident(&lock.display().to_string(), incident),
        Notice::Watching { bot, span } => format!(
            "solobot: {} was started a moment ago: watching for {} whether it is started again\n",
            sanitize::line(bot),
            show(*span)
        ),
        Notice::Retrying { why, after } => {
            format!("solobot: {}; trying again in {}\n", sanitize::line(why), show(*after))
        }
        Notice::WebhookRemoved { url, pending } => {
            format!("solobot: webhook {} removed; {}\n", sanitize::line(url), waiting_updates(*pending))
        }
        Notice::PollingDisabled => "solobot: polling disabled: the lock stays held, so COMMAND runs without it and \
                                    with SOLOBOT_POLLING=0\n"
            .into(),
        Notice::HeldForUs => "solobot: the lock is held for us by our parent: none is taken\n".into(),
        Notice::Restarting { why, after } => {
            format!("solobot: COMMAND ended with {why}; starting it again in {}\n", show(*after))
        }
        Notice::LogsFound { bot, pids, logs } => {
            let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
            let (bot, logs) = (sanitize::line(bot), sanitize::line(&logs.join(", ")));
            format!(
                "solobot: {bot} has no logs in solobot.toml; reading what PID {} writes to: {logs}\n",
                pids.join(", ")
            )
        }
        Notice::Reading { done, total } => format!("solobot: {}\n", super::conflicts::reading(*done, *total)),
        Notice::PassedOn(bot) => format!(
            "solobot: COMMAND has ended; the lock stays held for PID {}, which it left running: {}\n",
            bot.pid,
            shortened(&bot.command)
        ),
        Notice::LeftRunning(all) => {
            let named = |one: &ProcessView| format!("PID {} ({})", one.pid, shortened(&one.command));
            let list = all.iter().map(named).collect::<Vec<_>>().join(", ");
            format!("solobot: left running without the lock, as it is not the bot: {list}\n")
        }
        Notice::PerhapsLocksItself => format!(
            "solobot: {} COMMAND failed, and somebody opened the lock file meanwhile\n  {} if the bot takes this lock \
             itself: solobot acquire --handover …\n",
            paint(WARNING, "warning:"),
            paint(COMMAND, "hint:")
        ),
    }
}

/// What is being done just now, in a line that redraws.
pub fn passing(passing: Passing) -> String {
    match passing {
        Passing::Stopping { count: 1, grace } => format!("stopping it, which may take {}", show(grace)),
        Passing::Stopping { count, grace } => format!("stopping {count}, which may take {}", show(grace)),
        Passing::LookingAgain { left } => {
            format!("looking for {} whether it is started again", show(Duration::from_secs(left.as_secs() + 1)))
        }
    }
}

fn refused(holding: &Holding, wait: Limit) -> String {
    let lock = sanitize::line(&holding.lock.path.display().to_string());
    let mut text = match holding.main.as_ref() {
        Some(holder) => format!("solobot: lock {lock} is held by {}\n", process(holder)),
        None => format!("solobot: lock {lock} is held by {}\n", holding.by_unseen()),
    };
    if let Some(holder) = holding.main.as_ref() {
        text.push_str(&detail("since", &circumstances(holder)));
    }
    for other in holding.lock.holders.iter().filter(|one| holding.main.as_ref().is_none_or(|main| main.pid != one.pid))
    {
        text.push_str(&detail("with", &process(other)));
    }
    if let Some(origin) = &holding.origin {
        let name = origin.name.as_ref().map_or_else(String::new, |name| format!(" {}", sanitize::line(name)));
        text.push_str(&detail("from", &format!("{}{name}", origin.kind)));
    }
    if holding.lock.orphaned {
        text.push_str(&detail("orphaned", "its solobot is dead; the bot holds the lock still"));
    }
    text.push_str(&hint_lines(&holding.remedies));
    let limit = match wait {
        Limit::Forever => "until it ends".to_owned(),
        limit @ Limit::For(_) => format!("up to {limit} for it to end"),
    };
    let _ = writeln!(text, "solobot: waiting {limit}");
    text
}

/// The progress of a wait, in a line.
pub fn waiting(elapsed: Duration, wait: Limit) -> String {
    // Said once a second: a busy machine's tenths are nobody's business.
    let elapsed = Duration::from_secs(elapsed.as_secs());
    match wait {
        Limit::Forever => format!("still waiting for the lock, {}", show(elapsed)),
        limit @ Limit::For(_) => format!("still waiting for the lock, {} of {limit}", show(elapsed)),
    }
}

fn unlocked(instances: &[Beside], wait: Limit) -> String {
    let mut text = String::from(if instances.iter().any(|one| one.holds_removed) {
        "solobot: the lock's file was removed, and its holder holds the removed one still\n"
    } else if instances.iter().all(|one| one.doubt.is_some()) {
        "solobot: the lock is free, but this may be the bot, and in doubt none is started beside it\n"
    } else {
        "solobot: the lock is free, but the bot runs without it\n"
    });
    for one in instances {
        let _ = writeln!(text, "  {}", process(&one.process));
        text.push_str(&detail("since", &circumstances(&one.process)));
        if let Some(doubt) = one.doubt {
            text.push_str(&detail("doubt", doubt));
        }
        if one.orphaned {
            text.push_str(&detail("orphaned", "its solobot is dead"));
        }
    }
    let _ = writeln!(text, "solobot: waiting {wait} at most for it to end");
    text
}

fn incident(lock: &str, incident: &Incident) -> String {
    let lock = sanitize::line(lock);
    match incident {
        Incident::NotRecorded(why) => {
            format!("solobot: {} the lock is held, but no PID recorded: {why}\n", paint(WARNING, "warning:"))
        }
        Incident::NoOwnerRecord(why) => {
            format!(
                "solobot: {} the lock is held, but its owner record was not written: {why}\n",
                paint(WARNING, "warning:")
            )
        }
        Incident::Restored => format!("solobot: somebody emptied lock {lock}; our PID is in it again\n"),
        Incident::TakenAgain => format!(
            "solobot: {} lock {lock} was removed or replaced; the new file is held too\n",
            paint(WARNING, "warning:")
        ),
        Incident::Gone => format!(
            "solobot: {} lock {lock} is lost: its folder was moved or removed, and whoever starts there finds it free\n",
            paint(BAD, "error:")
        ),
        Incident::Lost(holders) => {
            let by = match holders.first() {
                Some(holder) => format!("PID {} holds the new file", holder.pid),
                None => "another holds the new file".to_owned(),
            };
            format!(
                "solobot: {} lock {lock} is lost: it was removed or replaced, and {by}: two instances may run now\n  \
                 {} find out who removes it: solobot doctor --lock {}\n",
                paint(BAD, "error:"),
                paint(COMMAND, "hint:"),
                shell_words::quote(&lock)
            )
        }
    }
}

/// What `acquire` says at its end; nothing if COMMAND ran.
pub fn acquire(outcome: AcquireOutcome) -> String {
    match outcome {
        AcquireOutcome::Ended(_) | AcquireOutcome::HeldForUs => String::new(),
        AcquireOutcome::Descriptor(fd) => format!("the lock is held by descriptor {fd} until it is closed\n"),
        AcquireOutcome::Kept(pid) => format!("the lock is held by a keeper, PID {pid}\n"),
    }
}

/// What `release` did, in a sentence.
pub fn release(outcome: &ReleaseOutcome) -> String {
    let hints = match &outcome.reason {
        Reason::HeldByBot(holding) => hint_lines(&holding.remedies),
        _ => String::new(),
    };
    let reason = match &outcome.reason {
        Reason::HeldByBot(holding) => held_by_bot(outcome, &holding.by_briefly()),
        _ => release_reason(outcome),
    };
    format!("{}\n{hints}", sanitize::line(&reason))
}

fn held_by_bot(outcome: &ReleaseOutcome, by: &str) -> String {
    let lock = outcome.lock.display();
    format!("not released: {lock} is held by a bot, {by}; stopping a bot is not releasing a lock")
}

/// Why a lock was, or was not, released.
pub fn release_reason(outcome: &ReleaseOutcome) -> String {
    let lock = outcome.lock.display();
    match &outcome.reason {
        Reason::KeeperEnded(pid) => format!("released {lock}: its keeper, PID {pid}, has ended"),
        Reason::DescriptorUnlocked(fd) => format!("released {lock}: descriptor {fd} is unlocked"),
        Reason::NothingToRelease => format!("nothing to release: nobody holds {lock}"),
        Reason::HeldByBot(holding) => held_by_bot(outcome, &holding.by()),
        Reason::KeeperSurvived(keeper) => {
            format!("not released: the keeper, PID {}, does not end", keeper.pid)
        }
        Reason::Declined => format!("not released: {lock} stays as it is"),
    }
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

fn updates(count: u64) -> String {
    match count {
        0 => "no update".to_owned(),
        1 => "one update".to_owned(),
        many => format!("{many} updates"),
    }
}

fn waiting_updates(count: u64) -> String {
    let wait = if count < 2 { "waits" } else { "wait" };
    format!("{} {wait} for the bot's next poll", updates(count))
}

/// What `delete-webhook` found and did, and what that means for a bot that polls.
pub fn delete_webhook(outcome: &DeleteWebhookOutcome) -> String {
    let name = paint(NAME, sanitize::line(&outcome.name));
    let Some(webhook) = &outcome.webhook else {
        let waiting = waiting_updates(outcome.pending_updates);
        let mut text = format!("{name}: {}; {waiting}\n", paint(GOOD, "no webhook is set"));
        if outcome.drop_asked && outcome.pending_updates > 0 {
            text.push_str("  nothing was thrown away: updates are dropped only together with a webhook\n");
        }
        return text;
    };
    let mut text = format!("{name}: webhook {}\n", sanitize::line(&webhook.info.url));
    text.push_str(&detail("pending", &updates(webhook.info.pending_update_count)));
    if let Some(error) = &webhook.last_error {
        let since = error.time.map_or_else(String::new, |time| {
            let local = time.to_zoned(jiff::tz::TimeZone::system());
            format!(", {}", local.strftime("%Y-%m-%d %H:%M:%S"))
        });
        text.push_str(&detail("failed", &format!("{}{since}", sanitize::line(&error.message))));
    }
    text.push_str(&detail("meaning", "while it is set, each poll of the bot fails with 409 and gets no update"));
    let result = match outcome.action {
        Removal::Deleted if outcome.dropped_updates > 0 => {
            format!("removed; {} thrown away that a poll would have got", updates(outcome.dropped_updates))
        }
        Removal::Deleted => format!("removed; {}", waiting_updates(outcome.pending_updates)),
        Removal::WouldDelete if outcome.drop_asked => {
            format!("would be removed, and {} thrown away", updates(outcome.pending_updates))
        }
        Removal::WouldDelete => format!("would be removed; {}", waiting_updates(outcome.pending_updates)),
        Removal::SetAgain => {
            "was removed, but somebody has set one again: another program runs this bot with webhooks".into()
        }
        Removal::Declined | Removal::None => "stays as it is".into(),
    };
    let style = if outcome.exit() == Exit::Ok { GOOD } else { BAD };
    let _ = writeln!(text, "  {}", paint(style, result));
    text
}

/// One line a bot, and a line a reason.
pub fn check(outcome: &CheckOutcome) -> String {
    let mut text = String::new();
    for bot in &outcome.bots {
        let name = paint(NAME, sanitize::line(&bot.label));
        let (yes, no) =
            if outcome.running { ("one runs, and well", "not well") } else { ("safe to start", "not safe to start") };
        if bot.ok {
            let _ = writeln!(text, "{name}: {}", paint(GOOD, yes));
            continue;
        }
        let reasons: Vec<String> = bot.reasons.iter().map(|reason| sanitize::line(&reason.brief)).collect();
        let reasons = reasons.join("; ");
        // Its reason says that it cannot be told.
        let _ = if bot.is_unknown() {
            writeln!(text, "{name}: {}", paint(WARNING, reasons))
        } else {
            writeln!(text, "{name}: {}: {reasons}", paint(BAD, no))
        };
    }
    text
}
