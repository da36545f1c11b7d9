//! Notices as text for people. Pure: plain values in, text out.

use std::fmt::Write;
use std::time::Duration;

use super::message::{circumstances, detail, hint_lines, process, until, waiting_updates};
use super::sanitize;
use super::style::{BAD, WARNING, paint};
use crate::base::duration::{Limit, show};
use crate::base::shell;
use crate::base::text::plural;
use crate::cli::again::TypedLine;
use crate::lock::held::Incident;
use crate::outcome::events::{Activity, Awaited, Notice};
use crate::outcome::holding::Holding;
use crate::outcome::process::{ProcessView, UnlockedProcess};
use crate::outcome::sentence::shortened;

/// Something to say before the end, on a terminal of `width` columns.
pub fn notice(notice: &Notice, width: Option<usize>, typed: TypedLine<'_>) -> String {
    match notice {
        Notice::Warning(text) => format!("solobot: {} {}\n", paint(WARNING, "warning:"), sanitize::line(text)),
        Notice::Settings { file, all } => super::settings::text(file.as_deref(), all),
        Notice::Refused { holding, wait } => refused(holding, *wait, typed),
        Notice::Waiting { what, elapsed, wait } => format!("solobot: {}\n", waiting(*what, *elapsed, *wait)),
        Notice::Granted { elapsed } => format!("solobot: got the lock after {}\n", show(*elapsed)),
        Notice::Unlocked { instances, wait } => unlocked(instances, *wait),
        Notice::TakingOver(targets) => targets
            .iter()
            .fold("solobot: taking over; stopping\n".to_owned(), |text, one| text + &format!("  {}\n", process(one))),
        Notice::Plan(plan) => super::plan::table(plan, width),
        Notice::Passing(passing) => format!("solobot: {}\n", self::passing(*passing)),
        Notice::Incident { lock, incident } => self::incident(&lock.display().to_string(), incident, typed),
        Notice::Watching { bot, span, why } => format!("solobot: {}\n", watching(bot, *span, why)),
        Notice::MessageWanted { bot, within } => format!(
            "solobot: send a message to {} now, and another one every few seconds until this ends (within {})\n",
            sanitize::line(bot),
            show(*within)
        ),
        Notice::Retrying { why, after } => {
            format!("solobot: {}; trying again in {}\n", sanitize::line(why), show(*after))
        }
        Notice::WebhookRemoved { url, pending } => {
            format!("solobot: webhook {} deleted; {}\n", sanitize::line(url), waiting_updates(*pending))
        }
        Notice::PollingDisabled { command, why } => format!(
            "solobot: {}, so polling is disabled (SOLOBOT_POLLING=0) for {}\n",
            sanitize::line(why),
            sanitize::line(command)
        ),
        Notice::Lease(lease, said) => super::lease_notice::text(lease, said, typed),
        Notice::HeldForUs => {
            "solobot: the parent process already holds the lock for this command; not taking it again\n".into()
        }
        Notice::EndedSoon { command, why, log, lines } => {
            let head = if lines.is_empty() { "" } else { "solobot: the last lines of the log:\n" };
            let lines = lines.iter().fold(String::new(), |text, line| text + "  | " + &sanitize::line(line) + "\n");
            let hint = format!("to see the whole log: cat {}", shell::quote(&log.to_string_lossy()));
            format!(
                "{head}{lines}solobot: {} {} ended with {why}, too soon to go on in the background\n{}",
                paint(BAD, "error:"),
                sanitize::line(command),
                hint_lines(&[hint], typed)
            )
        }
        Notice::Restarting { command, why, after } => {
            format!("solobot: {} ended with {why}; starting it again in {}\n", sanitize::line(command), show(*after))
        }
        Notice::AskedToEnd { command, by } => {
            format!("solobot: {} is being stopped by {}\n", sanitize::line(command), process(by))
        }
        Notice::LogsFound { bot, pids, logs } => {
            let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
            let (bot, logs) = (sanitize::line(bot), sanitize::line(&logs.join(", ")));
            format!(
                "solobot: no logs are configured for {bot}; reading the files that PID {} writes to: {logs}\n",
                pids.join(", ")
            )
        }
        Notice::Reading { done, total } => format!("solobot: {}\n", super::conflicts::reading(*done, *total)),
        Notice::PassedOn { command, to } => format!(
            "solobot: {} has ended, but left the bot running; still holding the lock for {}\n",
            sanitize::line(command),
            process(to)
        ),
        Notice::LeftRunning(all) => {
            let named = |one: &ProcessView| format!("PID {} ({})", one.pid, shortened(&one.command));
            let list = all.iter().map(named).collect::<Vec<_>>().join(", ");
            format!("solobot: still running, but without the lock, which only the bot keeps: {list}\n")
        }
        Notice::LeftElsewhere { command, bot, by, acquire } => {
            let by = by.as_deref().map_or_else(|| "what starts it".to_owned(), sanitize::line);
            let hint = acquire.as_ref().map(|acquire| format!("to run it under the lock, let {by} start: {acquire}"));
            format!(
                "solobot: {} {} ended and left PID {} running without the lock: {}\n{}",
                paint(WARNING, "warning:"),
                sanitize::line(command),
                bot.pid,
                shortened(&bot.command),
                hint_lines(hint.as_slice(), typed)
            )
        }
        Notice::PerhapsLocksItself { command } => format!(
            "solobot: {} {} failed, and another process opened the lock file in the meantime\n{}",
            paint(WARNING, "warning:"),
            sanitize::line(command),
            hint_lines(&["if the bot takes this lock itself: solobot acquire --handover …".to_owned()], typed)
        ),
        Notice::PerhapsReadsPid { command } => format!(
            "solobot: {} {} failed, and a process read the PID in the lock file in the meantime\n{}",
            paint(WARNING, "warning:"),
            sanitize::line(command),
            hint_lines(&["if the bot keeps its own PID in this file: solobot acquire --handover …".to_owned()], typed)
        ),
    }
}

/// What is being done just now, in a line that redraws.
pub fn passing(passing: Activity) -> String {
    match passing {
        Activity::Stopping { count: 1, grace } => format!("stopping it; this may take up to {}", show(grace)),
        Activity::Stopping { count, grace } => {
            format!("stopping {count} instances; this may take up to {}", show(grace))
        }
        Activity::WatchingQueue { pending, since } => {
            format!("{} waiting, {} after the message was asked for", plural(pending, "update"), show(whole(since)))
        }
        Activity::LookingAgain { left } => {
            format!("watching for {} to see whether it is started again", show(Duration::from_secs(left.as_secs() + 1)))
        }
    }
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn refused(holding: &Holding, wait: Limit, typed: TypedLine<'_>) -> String {
    let lock = sanitize::line(&holding.lock.path.display().to_string());
    let mut text = match holding.main.as_ref() {
        _ if holding.lock.leased_to.is_some() => {
            format!("solobot: lock {lock} is held by {}\n", sanitize::line(&holding.by()))
        }
        Some(holder) => format!("solobot: lock {lock} is held by {}\n", process(holder)),
        None => format!("solobot: lock {lock} is held by {}\n", holding.by_unseen()),
    };
    if let Some(holder) = holding.main.as_ref() {
        if holding.lock.leased_to.is_some() {
            text.push_str(&detail("here", &process(holder)));
        }
        text.push_str(&detail("since", &circumstances(holder)));
    }
    for other in holding.lock.holders.iter().filter(|one| holding.main.as_ref().is_none_or(|main| main.pid != one.pid))
    {
        text.push_str(&detail("and", &process(other)));
    }
    if let Some(origin) = &holding.origin {
        text.push_str(&detail("origin", &sanitize::line(&origin.to_string())));
    }
    if holding.lock.orphaned {
        text.push_str(&detail("orphaned", "its solobot has died; the bot still holds the lock"));
    }
    text.push_str(&hint_lines(&holding.remedies, typed));
    let _ = writeln!(text, "solobot: waiting {}", until(wait));
    text
}

/// The progress of a wait, in a line.
pub fn waiting(what: Awaited, elapsed: Duration, wait: Limit) -> String {
    // Said once a second: a busy machine's tenths are nobody's business.
    let elapsed = Duration::from_secs(elapsed.as_secs());
    let what = match what {
        Awaited::Lock => "lock",
        Awaited::Lease => "lease",
    };
    match wait {
        Limit::Forever => format!("still waiting for the {what}, {}", show(elapsed)),
        limit @ Limit::For(_) => format!("still waiting for the {what}, {} of {limit}", show(elapsed)),
    }
}

/// What is watched, and why.
pub fn watching(bot: &str, span: Duration, why: &str) -> String {
    let (bot, why, span) = (sanitize::line(bot), sanitize::line(why), show(span));
    format!("watching for up to {span} whether {bot} is started again and again: {why}")
}

fn unlocked(instances: &[UnlockedProcess], wait: Limit) -> String {
    let mut text = String::from(if instances.iter().any(|one| one.holds_removed) {
        "solobot: the lock file was deleted, and its holder still holds the deleted file\n"
    } else if instances.iter().all(|one| one.doubt.is_some()) {
        "solobot: the lock is free, but this process may be the bot, so no second one is started\n"
    } else {
        "solobot: the lock is free, but the bot is already running without it\n"
    });
    for one in instances {
        let _ = writeln!(text, "  {}", process(&one.process));
        text.push_str(&detail("since", &circumstances(&one.process)));
        if let Some(doubt) = one.doubt {
            text.push_str(&detail("doubt", doubt));
        }
        if let Some(program) = one.program {
            text.push_str(&detail("program", &format!("{program}, with the bot's token")));
        }
        if one.orphaned {
            text.push_str(&detail("orphaned", "its solobot has died"));
        }
    }
    let _ = writeln!(text, "solobot: waiting {}", until(wait));
    text
}

fn incident(lock: &str, incident: &Incident, typed: TypedLine<'_>) -> String {
    let lock = sanitize::line(lock);
    match incident {
        Incident::NotRecorded(why) => {
            format!("solobot: {} the lock is held, but its PID was not recorded: {why}\n", paint(WARNING, "warning:"))
        }
        Incident::NoOwnerRecord(why) => {
            format!(
                "solobot: {} the lock is held, but its owner record was not written: {why}\n",
                paint(WARNING, "warning:")
            )
        }
        Incident::Restored => format!("solobot: another process emptied lock {lock}; wrote the PID into it again\n"),
        Incident::TakenAgain => format!(
            "solobot: {} lock {lock} was deleted or replaced; now holding the new file too\n",
            paint(WARNING, "warning:")
        ),
        Incident::Gone => format!(
            "solobot: {} lock {lock} is lost: its folder was moved or removed, so a second bot can start there\n",
            paint(BAD, "error:")
        ),
        Incident::Lost(holders) => {
            let by = match holders.first() {
                Some(holder) => format!("PID {} holds the new file", holder.pid),
                None => "another process holds the new file".to_owned(),
            };
            let hint = format!("to find out what deletes it: solobot doctor --lock {}", shell::quote(&lock));
            format!(
                "solobot: {} lock {lock} is lost: it was deleted or replaced, and {by}; two instances may be running\n{}",
                paint(BAD, "error:"),
                hint_lines(&[hint], typed)
            )
        }
    }
}
