//! `init` as text: the file itself with `--dry-run`; else what was written, and what to type next.

use std::fmt::Write;

use super::sanitize;
use super::style::{COMMAND, NAME, paint};
use crate::commands::init::{Entry, Outcome};

/// The whole of it.
pub fn text(outcome: &Outcome) -> String {
    if !outcome.written {
        return outcome.text.clone();
    }
    let path = sanitize::line(&outcome.path.display().to_string());
    let mut text = match outcome.bots.len() {
        0 => format!("wrote {path}: a template, since no bot runs here\n"),
        1 => format!("wrote {path}: one bot\n"),
        many => format!("wrote {path}: {many} bots\n"),
    };
    for bot in &outcome.bots {
        let _ = writeln!(text, "  {}: {}", paint(NAME, sanitize::line(&bot.name)), line(bot));
    }
    let edit = format!("${{EDITOR:-nano}} {}", shell_words::quote(&path));
    // The words that make it count.
    let solobot = |words: &str| {
        if !outcome.is_distrusted {
            return format!("solobot {words}");
        }
        format!("solobot -c {} {words}", shell_words::quote(&path))
    };
    let mut steps = match outcome.bots.first() {
        None => vec![(edit, "fill it in"), (solobot("status"), "then look")],
        Some(_) => vec![(solobot("status"), "who runs?"), (solobot("doctor"), "is all well?")],
    };
    if let Some(bot) = outcome.bots.iter().find(|bot| bot.command.is_some()) {
        steps.push((solobot(&format!("acquire {}", bot.name)), "start it"));
    }
    for (line, why) in steps {
        let _ = writeln!(text, "  {} {line}   # {why}", paint(COMMAND, "next:"));
    }
    text
}

fn line(bot: &Entry) -> String {
    let state = match bot.pids.as_slice() {
        [] => "does not run now".to_owned(),
        [pid] => format!("runs as PID {pid}"),
        many => {
            let pids: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("{} instances run, PID {}", many.len(), pids.join(", "))
        }
    };
    format!("{}, {state}", sanitize::line(&bot.program))
}
