//! Notices as text for people. Pure: plain values in, text out.

use std::fmt::Write;
use std::time::Duration;

use super::message::{circumstances, detail, hint_lines, process, waiting_updates};
use super::sanitize;
use super::style::{BAD, COMMAND, WARNING, paint};
use crate::base::duration::{Limit, show};
use crate::lock::held::Incident;
use crate::outcome::events::{Notice, Passing};
use crate::outcome::holding::Holding;
use crate::outcome::process::{Beside, ProcessView};
use crate::outcome::sentence::shortened;

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
