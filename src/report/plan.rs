//! The plan of `kill-duplicates` and `stop`, and what became of it.

use std::fmt::Write;

use super::style::{BAD, COMMAND, FAINT, GOOD, WARNING, paint};
use super::{sanitize, table};
use crate::commands::kill_duplicates::plan::Action;
use crate::commands::kill_duplicates::{Outcome, PlanView, ResultView};

/// The plan, then the results. On a terminal that has just shown it, the plan is not shown twice.
pub fn outcome(outcome: &Outcome, width: Option<usize>) -> String {
    let blind = blind(outcome);
    let mut text = match (outcome.plan.is_empty(), &blind) {
        (true, None) => "no instance runs\n".to_owned(),
        (true, Some(_)) => "no instance seen by this user\n".to_owned(),
        (false, _) if outcome.shown && width.is_some() => String::new(),
        (false, _) => table(&outcome.plan, width),
    };
    if let Some(blind) = blind {
        let _ = writeln!(text, "{}", paint(WARNING, blind));
    }
    match &outcome.results {
        None if outcome.plan.iter().any(|step| step.action == Action::Stop) => {
            text.push_str(&paint(FAINT, "nothing was stopped\n"));
        }
        None if !outcome.plan.is_empty() => text.push_str("nothing to stop\n"),
        None => {}
        Some(results) => results.iter().for_each(|result| text.push_str(&line(result))),
    }
    text
}

/// What keeps "no more than these" from being certain, and how to look again.
fn blind(outcome: &Outcome) -> Option<String> {
    if let Some(why) = &outcome.cannot_tell {
        return Some(format!("cannot tell: {}", sanitize::line(why)));
    }
    let unread = match outcome.uninspected {
        0 => None,
        1 => Some("one process could not be inspected".to_owned()),
        many => Some(format!("{many} processes could not be inspected")),
    };
    let hidden = outcome.hidden.then(|| "other users' processes are hidden (hidepid)".to_owned());
    let parts: Vec<String> = hidden.into_iter().chain(unread).collect();
    (!parts.is_empty()).then(|| format!("{}: sudo would show them", parts.join(", ")))
}

/// The plan as a table, and below it what to type for what solobot leaves alone.
pub fn table(plan: &[PlanView], width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = plan
        .iter()
        .map(|step| {
            let reason = sanitize::cut(&sanitize::line(&step.reason), 60);
            vec![
                step.pid.to_string(),
                action(step.action).to_owned(),
                sanitize::cut(&sanitize::line(&step.origin), 24),
                reason,
                sanitize::line(&step.command),
            ]
        })
        .collect();
    let lines = table::lines(&["PID", "ACTION", "ORIGIN", "REASON", "COMMAND"], &rows, width);
    let mut text = lines.iter().enumerate().fold(String::new(), |mut text, (index, line)| {
        let line = match index.checked_sub(1).and_then(|row| plan.get(row)).map(|step| step.action) {
            None => paint(FAINT, line),
            Some(Action::Keep) => paint(GOOD, line),
            Some(Action::Stop) => line.clone(),
            Some(Action::Blocked) => paint(WARNING, line),
        };
        let _ = writeln!(text, "{line}");
        text
    });
    for step in plan {
        if let Some(stop) = &step.stop {
            let _ = writeln!(text, "  {} PID {}: {}", paint(COMMAND, "stop it there:"), step.pid, sanitize::line(stop));
        }
    }
    text
}

fn line(result: &ResultView) -> String {
    let word = match result.result {
        "terminated" | "gone" | "killed" => paint(GOOD, result.result),
        other => paint(BAD, other),
    };
    let detail = result.detail.as_ref().map_or_else(String::new, |detail| format!(": {}", sanitize::line(detail)));
    format!("PID {} {word}{detail}\n", result.pid)
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Stop => "stop",
        Action::Blocked => "blocked",
    }
}
