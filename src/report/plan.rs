//! The plan of `kill-duplicates` and `stop`, and what became of it.

use crate::outcome::kill_duplicates::{Action, PlanView, ResultView, StopOutcome};
use crate::platform::advice;
use std::fmt::Write;

use super::style::{BAD, COMMAND, FAINT, GOOD, WARNING, paint};
use super::{sanitize, table};

/// More programs with the bot's token are only counted.
const MOST_RIVALS: usize = 5;

/// The plan, then the results. On a terminal that has just shown it, the plan is not shown twice.
pub fn outcome(outcome: &StopOutcome, width: Option<usize>) -> String {
    let blind = blind(outcome);
    let mut text = match (outcome.plan.is_empty(), &blind) {
        (true, None) => "no instance is running\n".to_owned(),
        (true, Some(_)) => "no instance that you can see is running\n".to_owned(),
        (false, _) if outcome.shown && width.is_some() => String::new(),
        (false, _) => table(&outcome.plan, width),
    };
    if let Some(blind) = blind {
        let _ = writeln!(text, "{}", paint(WARNING, blind));
    }
    for rival in outcome.same_token.iter().take(MOST_RIVALS) {
        let sentence = sanitize::line(&rival.sentence().brief);
        let _ = writeln!(text, "{}", paint(WARNING, format!("{sentence}; it is another program, and is left alone")));
    }
    if let Some(left) = outcome.same_token.len().checked_sub(MOST_RIVALS).filter(|&left| left > 0) {
        let _ = writeln!(text, "{}", paint(WARNING, format!("{left} more have that token")));
    }
    match &outcome.results {
        None if outcome.plan.iter().any(|step| step.action == Action::Stop) => {
            let _ = writeln!(text, "{}", paint(FAINT, "nothing was stopped"));
        }
        None if outcome.plan.iter().all(|step| step.action == Action::Keep) && !outcome.plan.is_empty() => {
            text.push_str("nothing to stop\n");
        }
        None => {}
        Some(results) => results.iter().for_each(|result| text.push_str(&line(result))),
    }
    text
}

/// What keeps "no more than these" from being certain, and how to look again.
fn blind(outcome: &StopOutcome) -> Option<String> {
    if let Some(why) = &outcome.cannot_tell {
        return Some(format!("cannot tell: {}", sanitize::line(&why.brief)));
    }
    let unread = match outcome.uninspected {
        0 => None,
        1 => Some("one process could not be inspected".to_owned()),
        many => Some(format!("{many} processes could not be inspected")),
    };
    let hidden = outcome.hidden.then(|| "other users' processes are hidden (hidepid)".to_owned());
    let parts: Vec<String> = hidden.into_iter().chain(unread).collect();
    (!parts.is_empty()).then(|| format!("{}; {}", parts.join(", "), advice::SUDO_SHOWS_MORE))
}

/// The plan as a table, or in blocks where the terminal is too narrow for one; and below it what to type for what solobot
/// leaves alone.
pub fn table(plan: &[PlanView], width: Option<usize>) -> String {
    let mut text = rows(plan, width).unwrap_or_else(|| plan.iter().map(|step| block(step, width)).collect());
    for step in plan {
        if let Some(stop) = &step.stop {
            let stop = paint(COMMAND, sanitize::line(stop));
            let _ = writeln!(text, "  {} to stop PID {}: {stop}", paint(FAINT, "hint:"), step.pid);
        }
    }
    text
}

/// `None` where something other than a command would have to be cut.
fn rows(plan: &[PlanView], width: Option<usize>) -> Option<String> {
    let row = |step: &PlanView| {
        vec![
            step.pid.to_string(),
            action(step.action).to_owned(),
            sanitize::line(&step.origin),
            sanitize::line(&step.reason),
            sanitize::line(&step.command),
        ]
    };
    let rows: Vec<Vec<String>> = plan.iter().map(row).collect();
    let lines = table::lines(&["PID", "ACTION", "ORIGIN", "REASON", "COMMAND"], &rows, width);
    let longest = lines.iter().map(|line| line.chars().count()).max();
    if width.is_some_and(|width| width < table::NARROW || longest > Some(width)) {
        return None;
    }
    Some(lines.iter().enumerate().fold(String::new(), |mut text, (index, line)| {
        let line = match index.checked_sub(1).and_then(|row| plan.get(row)) {
            None => paint(FAINT, line),
            Some(step) => coloured(step.action, line),
        };
        let _ = writeln!(text, "{line}");
        text
    }))
}

fn block(step: &PlanView, width: Option<usize>) -> String {
    let head = format!("PID {} {}: ", step.pid, action(step.action));
    let left = width.map_or(usize::MAX, |width| width.saturating_sub(head.len()).max(12));
    let head = format!("{head}{}", sanitize::cut_command(&sanitize::line(&step.command), left));
    let why = sanitize::line(&format!("{}; origin {}", step.reason, step.origin));
    format!("{}\n  {why}\n", coloured(step.action, &head))
}

fn coloured(action: Action, line: &str) -> String {
    match action {
        Action::Keep => paint(GOOD, line),
        Action::Stop => line.to_owned(),
        Action::Blocked => paint(WARNING, line),
    }
}

fn line(result: &ResultView) -> String {
    let word = paint(if result.result.is_stopped() { GOOD } else { BAD }, result.result.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Vec<PlanView> {
        let step = |pid, action, reason: &str| PlanView {
            bot: "main".into(),
            pid,
            action,
            reason: reason.into(),
            origin: "detached".into(),
            command: "python3 main.py --with many --more options".into(),
            stop: None,
        };
        vec![
            step(7, Action::Keep, "it is the oldest"),
            step(4242, Action::Blocked, "only probably this bot: other arguments; --include-probable stops it"),
        ]
    }

    fn shown(plan: &[PlanView], width: Option<usize>) -> String {
        anstream::adapter::strip_str(&super::super::wrap::page(&table(plan, width), width)).to_string()
    }

    #[test]
    fn a_table_where_only_the_command_is_cut() {
        let all = plan();
        assert!(
            shown(&all, None).contains("--include-probable stops it  python3 main.py --with many --more options\n")
        );
        let text = shown(&all[..1], Some(80));
        assert!(
            text.starts_with("PID  ACTION") && text.contains("oldest  python3 main.py --with many --more opt…\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn blocks_where_a_table_is_too_wide() {
        for width in [20, 40, 80] {
            let text = shown(&plan(), Some(width));
            assert!(!text.contains("ACTION"), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("PID 4242 blocked: pyth"), "{text}");
            assert!(words.contains("--include-probable stops it; origin"), "{text}");
            assert!(width == 20 || text.lines().all(|line| line.chars().count() <= width), "{text}");
        }
    }
}
