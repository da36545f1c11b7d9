//! What `acquire` says about a lease, as text for people. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::message::{detail, hint_lines, until};
use super::sanitize;
use super::style::{WARNING, paint};
use crate::base::duration::{Limit, show};
use crate::cli::again::TypedLine;
use crate::outcome::lease_notice::{LeaseName, LeaseNotice, LostLease, WaitingFor};

pub fn text(lease: &LeaseName, said: &LeaseNotice, typed: TypedLine<'_>) -> String {
    let name = sanitize::line(&format!("lease {} on {}", lease.name, lease.engine));
    let warning = paint(WARNING, "warning:");
    match said {
        LeaseNotice::Waits { why, wait } => waits(lease, &name, why, *wait, typed),
        LeaseNotice::Granted { elapsed, .. } => format!("solobot: got {name} after {}\n", show(whole(*elapsed))),
        LeaseNotice::Lost(why) => lost(&name, why),
        LeaseNotice::OtherTtl { ttl, ours } => format!(
            "solobot: {warning} the TTL of {name} is {} here and {} where it was held last; use one for all hosts\n",
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

fn waits(lease: &LeaseName, name: &str, why: &WaitingFor, wait: Limit, typed: TypedLine<'_>) -> String {
    match why {
        WaitingFor::Holder { record, free_in } => {
            let by = &record.by;
            let mut text = format!("solobot: {name} is held by {}\n", sanitize::line(&by.shown()));
            text.push_str(&detail("since", &sanitize::line(&by.since)));
            if let Some(origin) = &by.origin {
                text.push_str(&detail("origin", &sanitize::line(origin)));
            }
            text.push_str(&detail("free", &format!("if it is not renewed for {}", show(*free_in))));
            text.push_str(&hint_lines(&[by.hint(lease.bot.as_deref())], typed));
            let _ = writeln!(text, "solobot: waiting {}", until(wait));
            text
        }
        WaitingFor::Own { free_in } => format!(
            "solobot: our own last grant of {name} has not run out; it is free in {} if no host renews it\n",
            show(*free_in)
        ),
        WaitingFor::Unused { free_in } => format!(
            "solobot: {name} has no record yet, and another host may be running the bot; watching it for {} first\n",
            show(*free_in)
        ),
        WaitingFor::Foreign { free_in } => format!(
            "solobot: {} something that this solobot did not write is in the place of {name}; watching it for {}\n",
            paint(WARNING, "warning:"),
            show(*free_in)
        ),
        WaitingFor::Engine { why, hints } => {
            let again = match wait {
                Limit::Forever => "trying until it answers".to_owned(),
                limit @ Limit::For(_) => format!("trying for up to {limit}"),
            };
            format!(
                "solobot: {} lease {}: {}\n{}solobot: {again}\n",
                paint(WARNING, "warning:"),
                sanitize::line(&lease.name),
                sanitize::line(why),
                hint_lines(hints, typed)
            )
        }
    }
}

/// What ends `acquire`, or is waited for again, says more about it.
fn lost(name: &str, why: &LostLease) -> String {
    let warning = paint(WARNING, "warning:");
    match why {
        LostLease::Silence { why } => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(": {}", sanitize::line(why)));
            format!("solobot: {warning} could not renew {name} in time; stopping the bot{why}\n")
        }
        LostLease::Another(record) => {
            format!("solobot: {warning} {name} is held by {}; killing the bot\n", sanitize::line(&record.by.shown()))
        }
    }
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
