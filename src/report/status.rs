//! `status` as text: a first line about the host, then each bot with a sentence about its lock and a table of its
//! instances.

use std::fmt::Write;

use jiff::Timestamp;

use super::message::{self, hint_lines, local, size};
use super::style::{BAD, FAINT, GOOD, NAME, WARNING, paint};
use super::{sanitize, settings, table};
use crate::base::duration::show;
use crate::base::text::cut;
use crate::cli::again::TypedLine;
use crate::lock::coverage::LockCoverage;
use crate::outcome::holding::ENDED;
use crate::outcome::lease::{LeaseStateView, LeaseView};
use crate::outcome::lock::{LockStateView, LockView};
use crate::outcome::process::ProcessView;
use crate::outcome::sentence::shortened;
use crate::outcome::status::{BotView, InstanceView, PollingView, StatusOutcome};
use crate::platform::advice::SUDO_SHOWS_MORE;
use crate::settings::why_no_bot;

/// The whole of it, for a terminal of `width` columns; `None` cuts nothing.
pub fn status(outcome: &StatusOutcome, width: Option<usize>, verbose: bool, typed: TypedLine<'_>) -> String {
    let mut text = first_line(outcome);
    if outcome.bots.is_empty() {
        let why = why_no_bot(outcome.file.as_deref());
        let _ = writeln!(text, "\nno bot found: {why}, and no process looks like a Telegram bot");
        let mut hints = vec!["to look for a program: solobot status -m main.py".to_owned()];
        hints.extend(outcome.file.is_none().then(|| "to write a solobot.toml: solobot init".to_owned()));
        text.push_str(&hint_lines(&hints, typed));
    }
    for bot in &outcome.bots {
        text.push('\n');
        text.push_str(&one(bot, outcome, width));
        text.push_str(&hint_lines(&bot.hints, typed));
    }
    if verbose {
        text.push('\n');
        text.push_str(&settings::text(outcome.file.as_deref(), &outcome.provenance));
        text.push_str(&events(outcome));
    }
    text
}

fn first_line(outcome: &StatusOutcome) -> String {
    let mut line = format!("host {}, user {}", sanitize::line(&outcome.host), sanitize::line(&outcome.user));
    if outcome.processes > 0 {
        let _ = write!(line, ", {} processes", outcome.processes);
    }
    if outcome.uninspected > 0 {
        let _ = write!(line, ", {} not inspected", outcome.uninspected);
        if outcome.user != "root" {
            let _ = write!(line, " ({SUDO_SHOWS_MORE})");
        }
    }
    if outcome.hidden {
        let _ = write!(line, ", other users' processes are hidden ({SUDO_SHOWS_MORE})");
    }
    if is_blind(outcome) { paint(WARNING, line) + "\n" } else { line + "\n" }
}

/// There may be more than was seen.
fn is_blind(outcome: &StatusOutcome) -> bool {
    outcome.uninspected > 0 || outcome.hidden
}

fn one(bot: &BotView, outcome: &StatusOutcome, width: Option<usize>) -> String {
    let mut text = format!("{}: {}", paint(NAME, sanitize::line(&bot.label)), count(bot, is_blind(outcome)));
    if let Some(token) = &bot.token {
        let _ = write!(text, ", bot id {}, token {}", token.bot_id, token.fingerprint);
    }
    text.push('\n');
    text.push_str(&lock(&bot.lock, outcome.time));
    if let Some(view) = &bot.lease {
        let _ = writeln!(text, "  {}", lease(view));
    }
    text.push_str(&instances(&bot.instances, outcome.time, width));
    for (pid, log) in bot.instances.iter().filter_map(|one| Some((one.pid, one.origin.log.as_ref()?))) {
        let _ = writeln!(text, "  log of PID {pid}: {}", sanitize::line(&log.display().to_string()));
    }
    for why in bot.instances.iter().flat_map(remarks) {
        let _ = writeln!(text, "  {}", paint(WARNING, why));
    }
    text
}

fn remarks(one: &InstanceView) -> impl Iterator<Item = String> {
    let pid = one.pid;
    let doubt = one.doubt.map(|doubt| format!("PID {pid} is only probably this bot: {doubt}"));
    let stopped = || format!("PID {pid} is stopped by a signal and does nothing; to resume it: kill -CONT {pid}");
    doubt.into_iter().chain(one.is_stopped.then(stopped))
}

/// How many instances run, and how many more may be one.
fn count(bot: &BotView, is_blind: bool) -> String {
    let sure = bot.instances.iter().filter(|one| one.doubt.is_none()).count();
    let count = message::instances(sure);
    let count = match sure {
        0 | 1 if is_blind => format!("{count} seen"),
        0 => paint(FAINT, count),
        1 => paint(GOOD, count),
        _ => paint(BAD, count),
    };
    let is_waiting = bot.lease.as_ref().is_some_and(|lease| lease.state == LeaseStateView::WaitingHere);
    let count = if is_waiting { format!("{count}, {}", paint(WARNING, "waiting for its lease")) } else { count };
    match bot.instances.len() - sure {
        0 => count,
        probable => format!("{count}, {}", paint(WARNING, format!("{probable} probable"))),
    }
}

fn process(view: &ProcessView, now: Timestamp) -> String {
    let age = view.start.map_or_else(String::new, |start| format!(", for {}", age(start, now)));
    format!("PID {} ({}{age})", view.pid, sanitize::line(&shortened(&view.command)))
}

fn list(views: &[ProcessView], now: Timestamp) -> String {
    views.iter().map(|view| process(view, now)).collect::<Vec<_>>().join(", ")
}

/// The lease's state in a sentence.
pub fn lease(lease: &LeaseView) -> String {
    let state = sanitize::line(&lease.sentence());
    let state = match lease.state {
        LeaseStateView::HeldHere | LeaseStateView::Held | LeaseStateView::Released => state,
        LeaseStateView::StoppingHere => paint(BAD, state),
        LeaseStateView::WaitingHere
        | LeaseStateView::Absent
        | LeaseStateView::Foreign
        | LeaseStateView::Unreachable
        | LeaseStateView::Unusable => paint(WARNING, state),
    };
    format!("{}: {state}", sanitize::line(&lease.label()))
}

/// The lock's state in a sentence.
fn lock(lock: &LockView, now: Timestamp) -> String {
    let holders = || list(&lock.holders, now);
    let why = lock.why.as_deref().map(sanitize::line).unwrap_or_default();
    let state = match lock.state {
        LockStateView::Held if let Some((keeper, target)) = &lock.keeper => {
            format!("held by a keeper, PID {keeper}, for {}", process(target, now))
        }
        LockStateView::Held if lock.holders.is_empty() => format!("held by {}", lock.unseen.unwrap_or(ENDED)),
        LockStateView::Held if lock.orphaned => {
            paint(WARNING, format!("held by {}; orphaned: its solobot has died", holders()))
        }
        LockStateView::Held => format!("held by {}", holders()),
        LockStateView::Stale => paint(WARNING, format!("stale: {why}")),
        LockStateView::OwnerAliveUnlocked => paint(
            WARNING,
            format!("not locked, but names {}, a running process that does not hold the lock", holders()),
        ),
        LockStateView::Replaced => {
            let hold = if lock.holders.len() == 1 { "holds" } else { "hold" };
            paint(BAD, format!("replaced: {} still {hold} the lock file that was deleted", holders()))
        }
        LockStateView::Unreadable => paint(WARNING, format!("unknown: {why}")),
        LockStateView::Absent | LockStateView::Free => lock.state.as_str().to_owned(),
    };
    let of = lock.belongs_to.map_or_else(String::new, |program| format!(" of {program}"));
    let mut text = format!("  lock {}{of}: {state}\n", sanitize::line(&lock.path.display().to_string()));
    if let Some(since) = lock.since {
        let _ = writeln!(text, "  held since {}", local(since));
    }
    if let Some(leased_to) = &lock.leased_to {
        let _ = writeln!(text, "  leased to {}", sanitize::line(&leased_to.by));
    }
    if let Some(waiters) = lock.waiters.as_ref().filter(|waiters| !waiters.is_empty()) {
        let _ = writeln!(text, "  waiting: {}", list(waiters, now));
    }
    if let Some(problem) = &lock.record_problem {
        let _ = writeln!(text, "  {}", paint(WARNING, format!("owner record ignored: {}", sanitize::line(problem))));
    }
    text
}

fn instances(instances: &[InstanceView], now: Timestamp, width: Option<usize>) -> String {
    if instances.is_empty() {
        return String::new();
    }
    if width.is_some_and(|width| width < table::NARROW) {
        return instances.iter().map(|one| block(one, now, width)).collect();
    }
    let mut header = vec!["PID", "AGE", "USER", "ORIGIN", "POLLING", "LOCK", "MEM", "CPU", "COMMAND"];
    let mut rows: Vec<Vec<String>> = instances.iter().map(|one| row(one, now)).collect();
    let width = width.map(|width| width.saturating_sub(2));
    if width.is_some_and(|width| table::last_column(&header, &rows) + LEGIBLE > width) {
        header.drain(USAGE);
        for row in &mut rows {
            row.drain(USAGE);
        }
    }
    let lines = table::lines(&header, &rows, width);
    lines.iter().enumerate().fold(String::new(), |mut text, (index, line)| {
        let line = match index.checked_sub(1).and_then(|row| instances.get(row)) {
            None => paint(FAINT, line),
            Some(one) if one.lock == LockCoverage::Unlocked => paint(WARNING, line),
            Some(_) => line.clone(),
        };
        let _ = writeln!(text, "  {line}");
        text
    })
}

/// The columns that a narrow table does without: what instances use decides nothing.
const USAGE: std::ops::Range<usize> = 6..8;
/// A command line is told by so many characters.
const LEGIBLE: usize = 24;

fn row(one: &InstanceView, now: Timestamp) -> Vec<String> {
    vec![
        one.pid.to_string(),
        age(one.start, now),
        sanitize::line(&one.user),
        origin(one),
        polling(one.polling).to_owned(),
        covered(one.lock).to_owned(),
        one.memory_bytes.map_or_else(|| "unknown".to_owned(), size),
        one.cpu_percent.map_or_else(|| "unknown".to_owned(), |percent| format!("{percent:.1}%")),
        sanitize::line(&one.command),
    ]
}

fn block(one: &InstanceView, now: Timestamp, width: Option<usize>) -> String {
    let command = sanitize::line(&one.command);
    let head = format!("  PID {}  ", one.pid);
    let left = width.map_or(usize::MAX, |width| width.saturating_sub(head.len()).max(12));
    format!(
        "{head}{}\n    {}, user {}, origin {}\n    lock {}, polling {}\n",
        sanitize::cut_command(&command, left),
        age(one.start, now),
        sanitize::line(&one.user),
        origin(one),
        covered(one.lock),
        polling(one.polling)
    )
}

/// All of a screen are told by one clock: of one process there is one age.
fn age(start: Timestamp, now: Timestamp) -> String {
    show(now.duration_since(start).unsigned_abs())
}

fn origin(one: &InstanceView) -> String {
    const LONGEST_NAME: usize = 20;
    cut(&sanitize::line(&one.origin.to_string()), one.origin.kind.len() + 1 + LONGEST_NAME)
}

fn covered(covered: LockCoverage) -> &'static str {
    match covered {
        LockCoverage::Holder => "holder",
        LockCoverage::Covered => "covered",
        LockCoverage::Unlocked => "unlocked",
        LockCoverage::Unknown => "unknown",
    }
}

fn polling(polling: PollingView) -> &'static str {
    match polling {
        PollingView::Yes => "yes",
        PollingView::No => "no",
        PollingView::Unknown => "unknown",
    }
}

/// What solobot did last.
fn events(outcome: &StatusOutcome) -> String {
    let mut text = String::new();
    if !outcome.events.is_empty() {
        text.push_str("\nlast events\n");
    }
    for event in &outcome.events {
        let _ = write!(text, "  {} {}", local(event.time), paint(NAME, event.event.as_str()));
        if !event.bot.is_empty() {
            let _ = write!(text, " {}", sanitize::line(&event.bot));
        }
        if let Some(pid) = event.pid {
            let _ = write!(text, ", PID {pid}");
        }
        if let Some(seconds) = event.seconds {
            let _ =
                write!(text, ", after {}", show(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()));
        }
        if let Some(detail) = &event.detail {
            let _ = write!(text, ": {}", sanitize::line(detail));
        }
        text.push('\n');
    }
    if outcome.broken_events > 0 {
        let _ = writeln!(
            text,
            "  {}",
            paint(WARNING, format!("lines of the journal that cannot be read: {}", outcome.broken_events))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::origin::OriginView;

    const NOW: i64 = 1_000_000;

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// A bot that started 3 s before the look and holds its lock.
    fn one_held() -> StatusOutcome {
        let holder = ProcessView {
            pid: 4242,
            start: Some(moment(NOW - 3)),
            user: "bot".into(),
            command: "python3 main.py".into(),
        };
        let lock = LockView {
            belongs_to: None,
            path: "/l".into(),
            state: LockStateView::Held,
            why: None,
            orphaned: false,
            unseen: None,
            keeper: None,
            leased_to: None,
            holders: vec![holder],
            waiters: Some(vec![]),
            since: None,
            record_problem: None,
        };
        let origin =
            OriginView { kind: "systemd", name: Some("tgbot.service".into()), stop: None, respawns: "yes", log: None };
        let instance = InstanceView {
            pid: 4242,
            start: moment(NOW - 3),
            user: "bot".into(),
            origin,
            lock: LockCoverage::Holder,
            polling: PollingView::Yes,
            confidence: "file",
            doubt: None,
            counts: true,
            is_strangers: false,
            is_stopped: false,
            command: "python3 main.py".into(),
            pids: vec![4242],
            memory_bytes: None,
            cpu_percent: None,
            members: vec![],
            ancestors: vec![],
        };
        let bot = BotView {
            name: "main".into(),
            label: "main".into(),
            lock,
            lease: None,
            instances: vec![instance],
            hints: vec![],
            names_lock: true,
            has_no_program: false,
            rivals: vec![],
            may_be_unseen: false,
            token: None,
        };
        StatusOutcome {
            host: "vps".into(),
            user: "bot".into(),
            time: moment(NOW),
            bots: vec![bot],
            processes: 9,
            uninspected: 0,
            hidden: false,
            guessed: false,
            file: None,
            events: vec![],
            broken_events: 0,
            provenance: vec![],
            is_asked: false,
            watched: None,
        }
    }

    fn shown(width: Option<usize>) -> String {
        anstream::adapter::strip_str(&status(&one_held(), width, false, TypedLine(&[]))).to_string()
    }

    #[test]
    fn a_process_has_one_age_that_of_the_look() {
        let text = shown(None);
        assert!(text.contains("PID 4242 (python3 main.py, for 3s)") && text.contains("4242  3s "), "{text}");
        let narrow = shown(Some(40));
        assert!(narrow.contains("python3 main.py, for 3s)") && narrow.contains("    3s, user bot"), "{narrow}");
    }

    #[test]
    fn what_is_not_known_of_its_use_is_said_where_there_is_room() {
        assert!(shown(Some(120)).contains("MEM      CPU      COMMAND\n"), "{}", shown(Some(120)));
        assert!(shown(Some(120)).contains("unknown  unknown  python3 main.py\n"));
        assert!(!shown(Some(80)).contains("MEM") && shown(Some(80)).contains("COMMAND"), "{}", shown(Some(80)));
    }
}
