//! What to type instead of a mistaken command line: the words that people know from systemctl, docker, pm2, kill and
//! flock(1), each with the command that does what they want.

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

use super::complaint::texts;
use super::typed::{Typed, operand};
use crate::base::nearest::nearest;
use crate::base::shell::join;
use crate::platform::advice::{PYTHON, SHELLS_PID};
use crate::platform::daemon::HAS_BACKGROUND;
use crate::process::launch::{command_for, is_interpreter, is_program, program_of};

/// Stands for a command that solobot cannot guess.
const COMMAND: [&str; 2] = [PYTHON, "main.py"];

/// What to type, most likely first; never nothing.
pub(super) fn hints(error: &clap::Error, typed: &Typed, command: &Command) -> Vec<String> {
    let tips = Tips { typed, command };
    let mut hints = match (typed.mistaken(), typed.subcommand()) {
        (Some(word), _) => tips.of_word(word),
        (None, Some(name)) if error.kind() == ErrorKind::UnknownArgument => tips.of_argument(name, error),
        _ => Vec::new(),
    };
    if hints.is_empty() {
        hints = tips.of_slip(error);
    }
    if hints.is_empty() {
        hints.push(match typed.subcommand() {
            Some(name) => all_options(name),
            None => "all subcommands: solobot --help".to_owned(),
        });
    }
    hints
}

fn all_options(name: &str) -> String {
    format!("all options: solobot {name} --help")
}

struct Tips<'a> {
    typed: &'a Typed,
    /// The whole command line, built.
    command: &'a Command,
}

impl Tips<'_> {
    /// For a word that is not a subcommand.
    fn of_word(&self, word: &str) -> Vec<String> {
        let rest = self.typed.behind();
        match word {
            "start" | "run" | "launch" | "exec" | "up" => self.start(rest),
            // `ps aux` is in the fingers.
            "ps" => vec![format!(
                "to see what is running: {}",
                self.line(&["status"], rest.strip_prefix(&["aux".to_owned()]).unwrap_or(rest))
            )],
            "list" | "ls" | "show" => vec![format!("to see what is running: {}", self.line(&["status"], rest))],
            "top" | "htop" | "watch" | "monitor" => {
                // `top -d 1`: a number is no bot.
                let bots: Vec<String> = rest.iter().filter(|word| word.parse::<f64>().is_err()).cloned().collect();
                vec![format!("to watch what is running: {}", self.line(&["status", "--watch"], &bots))]
            }
            "log" | "logs" => {
                let line = self.line(&["conflicts"], rest);
                vec![format!("to count conflict and network errors in a bot's logs: {line}")]
            }
            "reload" | "respawn" => {
                vec![format!("to stop it and start it again: {}", self.line(&["restart"], &selected(rest)))]
            }
            "unlock" => vec![
                format!("to release what `acquire --pid` or `--fd` holds: {}", self.line(&["release"], &lock(rest))),
                format!("if a bot holds the lock, stop the bot: {}", self.line(&["stop"], &lock(rest))),
            ],
            // flock(1)'s options come first, and mean nothing before a lock.
            "lock" | "flock" if rest.first().is_some_and(|word| word.starts_with('-')) => self.lock(&[]),
            "lock" | "flock" => self.lock(rest),
            "kill" | "killall" | "pkill" | "terminate" | "down" => {
                let is_hard = rest.iter().any(|word| matches!(word.as_str(), "-9" | "-KILL" | "-SIGKILL"));
                let stop: &[&str] = if is_hard { &["stop", "--force"] } else { &["stop"] };
                vec![format!("to stop every instance: {}", self.line(stop, &selected(rest)))]
            }
            "clean" | "cleanup" | "prune" => {
                vec![format!("to clear what dead processes left: {}", self.line(&["clean-stale"], rest))]
            }
            "health" | "healthcheck" | "ping" => {
                vec![format!("to check a running bot: {}", self.line(&["check", "--running"], &selected(rest)))]
            }
            "version" => vec!["to print the version: solobot --version".to_owned()],
            word if is_program(word) => {
                let words: Vec<String> = [word.to_owned()].into_iter().chain(rest.iter().cloned()).collect();
                let command = command_for(&words);
                let look = program_of(&command).map(|program| {
                    format!("to see whether it is running: {}", self.line(&["status", "-m", &program], &[]))
                });
                [format!("to run it: {}", self.run(&[], &command))].into_iter().chain(look).collect()
            }
            _ => Vec::new(),
        }
    }

    /// `start python3 bot.py`, `start bot.py`, `start main`.
    fn start(&self, rest: &[String]) -> Vec<String> {
        let command = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
        match command {
            [] => vec![
                format!("to run a bot under its lock: {}", self.run(&[], &[])),
                "to run a bot in solobot.toml: solobot acquire BOT".to_owned(),
            ],
            [name] if !is_program(name) && command.len() == rest.len() => vec![
                format!("if `{name}` is a bot in solobot.toml: {}", self.line(&["acquire"], rest)),
                format!("if it is a command: {}", self.run(&[], rest)),
            ],
            _ => vec![format!("to run it under its lock: {}", self.run(&[], &command_for(command)))],
        }
    }

    /// `lock FILE COMMAND`, as flock(1) has it.
    fn lock(&self, rest: &[String]) -> Vec<String> {
        let (path, command) = match rest.split_first() {
            Some((path, command)) if !is_interpreter(path) && !path.starts_with('-') => (Some(path), command),
            _ => (None, rest),
        };
        let option: Vec<&str> = path.map_or_else(Vec::new, |path| vec!["--lock", path]);
        vec![
            format!("to run a bot under the lock: {}", self.run(&option, command)),
            format!(
                "to hold it for a shell script: {} --pid {SHELLS_PID}",
                self.line(&[&["acquire"], &option[..]].concat(), &[])
            ),
        ]
    }

    /// For an option or an argument that the subcommand does not have.
    fn of_argument(&self, name: &str, error: &clap::Error) -> Vec<String> {
        let arg = texts(error, ContextKind::InvalidArg).into_iter().next().unwrap_or_default();
        let (purpose, instead) = match (name, arg.as_str()) {
            ("acquire", "--force" | "-f" | "--steal" | "--replace" | "--kill") => {
                ("to stop the holder and take its place", "--takeover")
            }
            ("acquire", "--no-wait" | "--nowait" | "--non-block") => ("to give up at once", "--nonblock"),
            ("acquire", "--background" | "--daemon" | "--daemonize" | "--bg" | "-b" | "-d") if HAS_BACKGROUND => {
                ("to run it in the background", "--detach")
            }
            ("stop" | "kill-duplicates", "-f" | "-9" | "--kill") => ("to kill at once", "--force"),
            ("status", "-w" | "-f" | "--follow") => ("to repeat it", "--watch"),
            ("acquire", _) if !self.typed.has_dashes() => {
                let Some(line) = self.dashed(self.typed.words().to_vec()) else { return Vec::new() };
                // The first word may as well be a bot, with a slip behind it.
                let words = self.typed.words();
                return match self.command_word(words).map(|at| &words[at]).filter(|word| !is_program(word)) {
                    Some(word) => vec![all_options(name), format!("if `{word}` is the bot's command: {line}")],
                    None => vec![format!("put `--` before the bot's command: {line}")],
                };
            }
            _ => return Vec::new(),
        };
        let mut words = self.typed.words().to_vec();
        let Some(word) = words.iter_mut().find(|word| **word == arg) else { return Vec::new() };
        instead.clone_into(word);
        let lacks_dashes =
            name == "acquire" && !self.typed.has_dashes() && self.typed.behind().iter().any(|word| is_program(word));
        let line = if lacks_dashes { self.dashed(words) } else { self.understood(&words) };
        let line = line.unwrap_or_else(|| format!("solobot {name} {instead}"));
        vec![format!("{purpose}: {line}")]
    }

    /// Where the command begins in `acquire python3 bot.py` or `acquire main python3 bot.py`.
    fn command_word(&self, words: &[String]) -> Option<usize> {
        let acquire = words.iter().position(|word| word == "acquire")?;
        let behind = words.get(acquire + 1..)?;
        let first = acquire + 1 + operand(self.command.find_subcommand("acquire")?, behind)?;
        let is_bot = !is_program(&words[first]) && words.get(first + 1).is_some_and(|word| is_program(word));
        Some(first + usize::from(is_bot))
    }

    /// `acquire python3 bot.py` with the `--` that it lacks.
    fn dashed(&self, mut words: Vec<String>) -> Option<String> {
        let first = self.command_word(&words)?;
        let command = command_for(&words.split_off(first));
        words.push("--".to_owned());
        words.extend(command);
        self.understood(&words)
    }

    /// For a slip of the finger: the line with the word that was probably meant.
    fn of_slip(&self, error: &clap::Error) -> Vec<String> {
        let pairs = [
            (ContextKind::InvalidArg, ContextKind::SuggestedArg),
            (ContextKind::InvalidValue, ContextKind::SuggestedValue),
        ];
        let mut slips: Vec<(String, String)> = Vec::new();
        for (wrong, right) in pairs {
            let Some(wrong) = texts(error, wrong).into_iter().next() else { continue };
            slips.extend(texts(error, right).into_iter().map(|right| (wrong.clone(), right)));
        }
        if let Some(wrong) = texts(error, ContextKind::InvalidSubcommand).into_iter().next() {
            slips.extend(self.subcommand_like(&wrong).map(|right| (wrong, right.to_owned())));
        }
        let corrected = |(wrong, right): &(String, String)| {
            let right = right.split([' ', '[']).next().unwrap_or_default();
            let correct = |word: &String| match word.strip_prefix(wrong.as_str()) {
                Some(rest) if rest.is_empty() || rest.starts_with('=') => format!("{right}{rest}"),
                _ => word.replace(&format!("={wrong}"), &format!("={right}")),
            };
            let words: Vec<String> = self.typed.words().iter().map(correct).collect();
            format!("did you mean: solobot {}", join(&words))
        };
        slips.iter().map(corrected).collect()
    }

    /// The subcommand that a word is the beginning of, or a misspelling.
    fn subcommand_like(&self, word: &str) -> Option<&str> {
        let names = || self.command.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name);
        let mut begun = names().filter(|name| word.len() > 1 && name.starts_with(word));
        begun.next().filter(|_| begun.next().is_none()).or_else(|| nearest(word, names()))
    }

    /// `acquire` with a command, or with the word that stands for one.
    fn run(&self, options: &[&str], command: &[String]) -> String {
        let acquire = self.line(&[&["acquire"], options].concat(), &[]);
        let command = if command.is_empty() { COMMAND.join(" ") } else { join(command) };
        format!("{acquire} -- {command}")
    }

    /// A whole line: what was typed before the subcommand, the subcommand, and as much of the rest as it understands.
    fn line(&self, subcommand: &[&str], rest: &[String]) -> String {
        let line = |rest: &[String]| {
            let before = self.typed.before().iter().cloned();
            let words = before.chain(subcommand.iter().map(|&word| word.to_owned())).chain(rest.iter().cloned());
            words.collect::<Vec<String>>()
        };
        let plain: Vec<String> = rest.iter().filter(|word| !word.starts_with('-')).cloned().collect();
        let understood = self.understood(&line(rest)).or_else(|| self.understood(&line(&plain)));
        understood.unwrap_or_else(|| format!("solobot {}", join(line(&[]))))
    }

    /// The words as one types them, if clap takes them.
    fn understood(&self, words: &[String]) -> Option<String> {
        let whole = ["solobot".to_owned()].into_iter().chain(words.iter().cloned());
        let is_understood = self.command.clone().try_get_matches_from(whole).is_ok();
        is_understood.then(|| format!("solobot {}", join(words)))
    }
}

/// Words that say which bot, as options: `bot.py` becomes `-m bot.py`, a lock file `--lock FILE`; a PID selects nothing.
fn selected(words: &[String]) -> Vec<String> {
    let program = program_of(words).filter(|_| words.first().is_some_and(|word| is_interpreter(word)));
    if let Some(program) = program {
        return vec!["-m".to_owned(), program];
    }
    let option = |word: &String| match word {
        word if word.parse::<u32>().is_ok() => Vec::new(),
        word if is_lock(word) => vec!["--lock".to_owned(), word.clone()],
        word if is_program(word) => vec!["-m".to_owned(), word.clone()],
        word => vec![word.clone()],
    };
    words.iter().filter(|word| !word.starts_with('-')).flat_map(option).collect()
}

/// The same where a lock is meant, so that every path is one.
fn lock(words: &[String]) -> Vec<String> {
    match words {
        [path] if path.contains('/') => vec!["--lock".to_owned(), path.clone()],
        _ => selected(words),
    }
}

fn is_lock(word: &str) -> bool {
    std::path::Path::new(word).extension().is_some_and(|extension| extension == "lock")
}
