//! `init` as text: with `--dry-run` the file itself, otherwise what was written and what to type next.

use crate::base::shell;
use crate::outcome::init::{BotDraft, Guess, InitOutcome};
use crate::platform::advice;
use std::fmt::Write;
use std::path::Path;

use super::sanitize;
use super::style::{COMMAND, FAINT, NAME, paint};

/// The whole of it.
pub fn text(outcome: &InitOutcome) -> String {
    if !outcome.written {
        return outcome.text.clone();
    }
    let path = sanitize::line(&outcome.path.display().to_string());
    let mut text = match outcome.bots.len() {
        0 => format!("wrote {path}: a template, because no bot is running here\n"),
        1 => format!("wrote {path}: one bot\n"),
        many => format!("wrote {path}: {many} bots\n"),
    };
    for bot in &outcome.bots {
        let _ = writeln!(text, "  {}: {}", paint(NAME, sanitize::line(&bot.name)), line(bot));
    }
    if let Some(guess) = &outcome.guess {
        let _ = writeln!(text, "  {}", guessed(guess));
    }
    let edit = advice::edit(Path::new(&path));
    // The words that make it count.
    let solobot = |words: &str| {
        if !outcome.is_distrusted {
            return format!("solobot {words}");
        }
        format!("solobot -c {} {words}", shell::quote(&path))
    };
    let mut steps = match outcome.bots.first() {
        None => vec![(edit, "fill in your bot"), (solobot("status"), "see whether solobot finds it")],
        Some(_) => vec![(solobot("status"), "see what is running"), (solobot("doctor"), "look for problems")],
    };
    let steps: Vec<(String, String)> = steps.drain(..).map(|(line, why)| (line, why.to_owned())).collect();
    for (line, why) in steps.into_iter().chain(outcome.bots.iter().filter_map(|bot| start(bot, &solobot))) {
        let _ = writeln!(text, "  {} {}   # {why}", paint(FAINT, "next:"), paint(COMMAND, line));
    }
    if !outcome.elsewhere.is_empty() {
        let all = outcome.elsewhere.iter().map(|program| sanitize::line(program)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  not in this file, because they run in other folders: {all}");
    }
    text
}

fn guessed(guess: &Guess) -> String {
    let script = sanitize::line(&guess.script.display().to_string());
    match guess.count {
        1 => format!("guessed `{script}`: the only script here that polls Telegram"),
        many => format!("guessed `{script}`: the likeliest of {many} scripts here that poll Telegram"),
    }
}

/// What comes next for a bot: to be started; or, where it runs without its lock, to be started under it from then on.
fn start(bot: &BotDraft, solobot: &dyn Fn(&str) -> String) -> Option<(String, String)> {
    bot.command.as_ref()?;
    let acquire = solobot(&format!("acquire {}", bot.name));
    let acquire = bot.other_user.as_ref().map_or(acquire.clone(), |user| advice::typed_as_user(user, &acquire));
    match (bot.pids.as_slice(), &bot.unlocked_under) {
        ([], _) => Some((acquire, "start it".into())),
        ([_], None) => None,
        ([_], Some(under)) => Some((acquire, format!("from now on, instead of its command in {under}"))),
        ([..], _) => Some((solobot(&format!("kill-duplicates {}", bot.name)), "stop all but one".into())),
    }
}

fn line(bot: &BotDraft) -> String {
    let state = match bot.pids.as_slice() {
        [] => "not running".to_owned(),
        [pid] => format!("running as PID {pid}"),
        many => {
            let pids: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("{} instances are running, PID {}", many.len(), pids.join(", "))
        }
    };
    format!("{}, {state}", sanitize::line(&bot.program))
}
