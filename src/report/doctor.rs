//! `doctor` as text: what was looked at, then each finding with its evidence and how to fix it. Nothing is cut.

use std::fmt::Write;

use super::message::instances;
use super::style::{BAD, COMMAND, FAINT, GOOD, NAME, WARNING, paint};
use super::{sanitize, wrap};
use crate::base::finding_code::Code;
use crate::base::text::plural;
use crate::doctor::{self, ExplanationLine, Finding, Level};
use crate::outcome::doctor::{DiagnosedBot, Diagnosis, DoctorOutcome};
use crate::outcome::lock::LockStateView;
use crate::platform::advice::typed_here;

/// Longer lines are hard to read, whatever the terminal's width is.
const WIDEST: usize = 100;
/// More lines of evidence convince nobody; `--json` has them all.
const MOST: usize = 12;
/// What stands before each line of evidence.
const INDENT: &str = "  ";

/// The whole of it, for a terminal of `width` columns; `None` cuts nothing.
pub fn doctor(outcome: &DoctorOutcome, width: Option<usize>) -> String {
    match outcome {
        DoctorOutcome::Explained(code) => explanation(*code, width),
        DoctorOutcome::Diagnosed(diagnosis) => self::diagnosis(diagnosis),
        DoctorOutcome::Interrupted(_) => String::new(),
    }
}

fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut text = format!("host {}, user {}", sanitize::line(&diagnosis.host), sanitize::line(&diagnosis.user));
    if diagnosis.processes > 0 {
        let _ = write!(text, ", {} processes", diagnosis.processes);
    }
    text.push('\n');
    if diagnosis.bots.is_empty() {
        text.push_str("found no process with a bot's token or a connection to Telegram, no script that polls, and none of the usual locks\n");
    }
    for bot in &diagnosis.bots {
        let _ = writeln!(text, "{}", looked(bot));
    }
    for unseen in &diagnosis.unseen {
        let _ = writeln!(text, "{} {}", paint(WARNING, "not checked:"), sanitize::line(unseen));
    }
    for finding in &diagnosis.findings {
        text.push('\n');
        text.push_str(&self::finding(finding));
    }
    text.push('\n');
    text.push_str(&summary(diagnosis));
    text
}

/// What was looked at for one bot, whether or not something was found.
fn looked(bot: &DiagnosedBot) -> String {
    let count = instances(bot.instances.len());
    let is_lock = bot.locks.first().is_some_and(|lock| lock.path.to_string_lossy() == bot.name);
    let is = if is_lock { ":" } else { " is" };
    let locks: Vec<String> =
        bot.locks.iter().map(|lock| format!("lock {}{is} {}", lock.path.display(), state(lock.state))).collect();
    let name = sanitize::line(&bot.name);
    let token = bot
        .token
        .as_ref()
        .map_or_else(String::new, |token| format!(", token of bot {} ({})", token.bot_id, token.fingerprint));
    let telegram = bot.telegram.as_ref().map_or_else(String::new, |telegram| {
        let name =
            telegram.username.as_deref().map(|name| format!(" as @{}", sanitize::line(name))).unwrap_or_default();
        format!(", known to Telegram{name}, {} waiting", plural(telegram.pending_updates, "update"))
    });
    let logs = match bot.logs.as_slice() {
        [] => String::new(),
        logs => format!(", read {}", sanitize::line(&logs.join(", "))),
    };
    let beyond = format!("{token}{telegram}{logs}");
    match (locks.is_empty(), is_lock) {
        (true, _) => format!("looked at {name}: {count}{beyond}"),
        (false, true) => format!("looked at {}", sanitize::line(&locks.join(", "))),
        (false, false) => format!("looked at {name}: {count}, {}{beyond}", sanitize::line(&locks.join(", "))),
    }
}

fn state(state: LockStateView) -> &'static str {
    match state {
        LockStateView::OwnerAliveUnlocked => "not locked, but names a running process",
        state => state.as_str(),
    }
}

fn finding(finding: &Finding) -> String {
    let style = match finding.level {
        Level::Error => BAD,
        Level::Warning => WARNING,
        Level::Info => FAINT,
    };
    let head = format!("{} {}:", paint(style, word(finding.level)), paint(NAME, finding.code.as_str()));
    let mut text = format!("{head} {}\n", sanitize::line(&finding.summary));
    for line in finding.evidence.iter().take(MOST) {
        let _ = writeln!(text, "{INDENT}{}", sanitize::line(line));
    }
    if finding.evidence.len() > MOST {
        let _ = writeln!(text, "{INDENT}… and {} more: --json shows them", finding.evidence.len() - MOST);
    }
    if let Some(command) = &finding.command {
        let label = if finding.only_shows { "to see more:" } else { "fix:" };
        let _ = writeln!(text, "{INDENT}{} {}", paint(FAINT, label), paint(COMMAND, sanitize::line(command)));
    }
    text
}

/// As a person says it; JSON has `info` for a note.
fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

/// The last line: how many findings, and what to type next.
fn summary(diagnosis: &Diagnosis) -> String {
    let count = |level: Level| diagnosis.findings.iter().filter(|finding| finding.level == level).count() as u64;
    let parts: Vec<String> = [Level::Error, Level::Warning, Level::Info]
        .into_iter()
        .map(|level| (count(level), word(level)))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| plural(count, word))
        .collect();
    if parts.is_empty() {
        let blind = if diagnosis.unseen.is_empty() { "" } else { " in what could be seen" };
        return format!("{}{blind}\n", paint(GOOD, "no findings"));
    }
    let example = diagnosis.findings[0].code.as_str();
    let about = if diagnosis.findings.len() == 1 { "to learn more" } else { "to learn more about the first one" };
    let explain = paint(COMMAND, format!("solobot doctor --explain {example}"));
    format!("{}\n  {} {about}: {explain}\n", parts.join(", "), paint(FAINT, "hint:"))
}

fn explanation(code: Code, width: Option<usize>) -> String {
    let explanation = doctor::explanation(code);
    let mut text = format!("{}\n", paint(NAME, code.as_str()));
    for (label, body) in
        [("cause", explanation.cause), ("how to be sure", explanation.check), ("how to fix it", explanation.fix)]
    {
        let _ = writeln!(text, "\n{}", paint(FAINT, label));
        let columns = width.unwrap_or(WIDEST).min(WIDEST).saturating_sub(INDENT.len()).max(20);
        for line in doctor::lines(body) {
            match line {
                ExplanationLine::Prose(prose) => {
                    for line in wrap::lines(prose, columns) {
                        let _ = writeln!(text, "{INDENT}{line}");
                    }
                }
                ExplanationLine::Command(command) => {
                    let _ = writeln!(text, "{INDENT}{INDENT}{}", paint(COMMAND, typed_here(command)));
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::lock::LockBrief;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn diagnosed(findings: Vec<Finding>, unseen: &[&str]) -> Diagnosis {
        let lock = LockBrief { path: "/run/lock/x.lock".into(), state: LockStateView::Held };
        Diagnosis {
            host: "vps".into(),
            user: "bot".into(),
            time: jiff::Timestamp::UNIX_EPOCH,
            findings,
            bots: vec![DiagnosedBot {
                name: "main".into(),
                instances: vec![7],
                probable: vec![],
                locks: vec![lock],
                token: None,
                telegram: None,
                logs: vec![],
            }],
            processes: 100,
            uninspected: 0,
            unseen: unseen.iter().map(|&text| text.to_owned()).collect(),
            guessed: false,
            elsewhere: None,
        }
    }

    #[test]
    fn no_findings_are_said_with_what_was_looked_at() {
        let looked = "host vps, user bot, 100 processes\n\
                      looked at main: one instance, lock /run/lock/x.lock is held\n";
        let text = doctor(&DoctorOutcome::Diagnosed(diagnosed(vec![], &[])), None);
        assert_eq!(plain(&text), format!("{looked}\nno findings\n"));
        let text = doctor(&DoctorOutcome::Diagnosed(diagnosed(vec![], &["3 processes"])), None);
        assert_eq!(plain(&text), format!("{looked}not checked: 3 processes\n\nno findings in what could be seen\n"));
    }

    #[test]
    fn evidence_is_harmless_and_nothing_is_cut() {
        let finding = Finding::new(Code::StaleLock, Level::Warning, "it is stale")
            .shown_by(["a\x1b[31m line that is too long for the terminal".to_owned()])
            .fixed_by("solobot clean-stale /a/path/that/is/longer/than/the/terminal".to_owned());
        let text = plain(&doctor(&DoctorOutcome::Diagnosed(diagnosed(vec![finding], &[])), Some(30)));
        let evidence = "  a\\u{1b}[31m line that is too long for the terminal\n";
        assert!(text.contains(&format!("warning stale-lock: it is stale\n{evidence}")), "{text}");
        assert!(text.contains("  fix: solobot clean-stale /a/path/that/is/longer/than/the/terminal\n"), "{text}");
        assert!(text.ends_with("1 warning\n  hint: to learn more: solobot doctor --explain stale-lock\n"), "{text}");
    }

    #[test]
    fn explanations_are_wrapped_between_words() {
        for &code in Code::ALL {
            let text = plain(&doctor(&DoctorOutcome::Explained(code), Some(80)));
            assert!(text.starts_with(code.as_str()) && text.contains("how to fix it\n"), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(!text.contains("$ "), "{text}");
        }
    }
}
