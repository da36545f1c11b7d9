//! What `acquire` says about a lease, as text for people. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::message::{detail, hint_lines};
use super::notice::until;
use super::sanitize;
use super::style::{BAD, WARNING, paint};
use crate::base::duration::{Limit, show};
use crate::cli::again::TypedLine;
use crate::outcome::lease_notice::{LeaseName, LeaseNotice, LostLease, WaitingFor};

pub fn text(lease: &LeaseName, said: &LeaseNotice, typed: TypedLine<'_>) -> String {
    let name = sanitize::line(&format!("lease {} on {}", lease.name, lease.engine));
    let warning = paint(WARNING, "warning:");
    match said {
        LeaseNotice::Waits { why, wait } => waits(&lease.bot, &name, why, *wait, typed),
        LeaseNotice::Granted { elapsed, .. } => format!("solobot: got {name} after {}\n", show(whole(*elapsed))),
        LeaseNotice::Lost(why) => lost(&lease.bot, &name, why, typed),
        LeaseNotice::OtherTtl { ttl, ours } => format!(
            "solobot: {warning} the TTL of {name} is {} here and {} on the other host; use one for all hosts\n",
            show(*ours),
            show(*ttl)
        ),
        LeaseNotice::NewGuardian => {
            format!("solobot: {warning} the guardian of {name} was killed; started another one\n")
        }
        LeaseNotice::NoGuardian(why) => {
            format!("solobot: {warning} cannot start a guardian for {name}: {}\n", sanitize::line(why))
        }
        LeaseNotice::NotReleased { ttl } => {
            format!("solobot: {warning} could not release {name}; another host can have it in at most {}\n", show(*ttl))
        }
    }
}

fn waits(bot: &str, name: &str, why: &WaitingFor, wait: Limit, typed: TypedLine<'_>) -> String {
    match why {
        WaitingFor::Holder { record, free_in } => {
            let by = &record.by;
            let mut text = format!("solobot: {name} is held by {}\n", sanitize::line(&by.shown()));
            text.push_str(&detail("since", &sanitize::line(&by.since)));
            if let Some(origin) = &by.origin {
                text.push_str(&detail("origin", &sanitize::line(origin)));
            }
            text.push_str(&detail("free", &format!("if it is not renewed for {}", show(up(*free_in)))));
            text.push_str(&hint_lines(&[by.hint(bot)], typed));
            let _ = writeln!(text, "solobot: waiting {}", until(wait));
            text
        }
        WaitingFor::Unused { free_in } => format!(
            "solobot: {name} has no record yet, and another host may be running the bot; watching it for {} first\n",
            show(up(*free_in))
        ),
        WaitingFor::Foreign { free_in } => format!(
            "solobot: {} something that this solobot did not write is in the place of {name}; watching it for {}\n",
            paint(WARNING, "warning:"),
            show(up(*free_in))
        ),
        WaitingFor::Engine { why, hints } => {
            format!(
                "solobot: {} {name}: {}\n{}",
                paint(WARNING, "warning:"),
                sanitize::line(why),
                hint_lines(hints, typed)
            )
        }
    }
}

fn lost(bot: &str, name: &str, why: &LostLease, typed: TypedLine<'_>) -> String {
    let error = paint(BAD, "error:");
    match why {
        LostLease::Silence { why } => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(": {}", sanitize::line(why)));
            format!("solobot: {error} could not renew {name} in time, so the bot is being stopped{why}\n")
        }
        LostLease::Another(record) => format!(
            "solobot: {error} {name} is held by {}, so the bot is being stopped\n{}",
            sanitize::line(&record.by.shown()),
            hint_lines(&[record.by.hint(bot)], typed)
        ),
    }
}

/// In whole seconds: no time that is too short.
fn up(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).div_ceil(1000) * 1000)
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
