//! Completion of command lines for shells.
//!
//! The files in `completions/` only register solobot with a shell. On Tab the shell starts it with [`env::COMPLETE`]
//! set and the words so far after `--`, and solobot prints what can follow. So completion never misses an option, and
//! knows the bots of solobot.toml, this machine's processes and doctor's codes. It never shows a token: command lines
//! are masked. Without that variable, none of this code runs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use crate::base::env;
use crate::base::error::Error;
use crate::base::finding_code::Code;
use crate::base::secret::mask;
use crate::base::text::cut;
use crate::cli::{self, Arg, Shell, StyledStr, ValueHint};
use crate::platform::identity::own_pid;
use crate::platform::{proc, table};
use crate::process::details::command_line;
use crate::report::sanitize;
use crate::settings::{self, Context, Purpose};

/// A process's command line is shown up to this many columns.
const COMMAND_COLUMNS: usize = 120;

/// What registers solobot with PowerShell. `clap_complete`'s own would run `$(…)` in what was typed so far, create the file
/// behind a `>`, and lose the empty last word in Windows PowerShell.
const POWERSHELL: &str = include_str!("completion/register.ps1");

/// What registers solobot with a shell: the text of the files in `completions/`.
///
/// # Errors
/// None in practice: it is written into memory.
pub fn registration(shell: Shell) -> Result<String, Error> {
    if shell == Shell::PowerShell {
        return Ok(POWERSHELL.to_owned());
    }
    let mut text = Vec::new();
    of(shell)
        .write_registration(env::COMPLETE, "solobot", "solobot", "solobot", &mut text)
        .map_err(|source| Error::Io { action: "write completions".into(), source })?;
    let mut text = format!("{}\n", String::from_utf8_lossy(&text).trim());
    if shell == Shell::Zsh {
        // Loaded by compinit from `fpath`, this text is the body of the function that zsh calls for the first Tab.
        text.push_str("if [[ $funcstack[1] == _solobot ]]; then _clap_dynamic_completer_solobot \"$@\"; fi\n");
    }
    Ok(text)
}

/// The answer to a shell's question; `None` if it is none of ours (the variable has leaked into an ordinary start).
pub fn answer(shell: &OsStr, args: &[OsString]) -> Option<Vec<u8>> {
    let shell = match shell.to_str()? {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => return None,
    };
    let mut words = args.split_first()?.1.strip_prefix(&[OsString::from("--")])?.to_vec();
    // An empty word, as our script for PowerShell has to write it.
    if let Some(last) = words.last_mut().filter(|last| shell == Shell::PowerShell && *last == "\"\"") {
        last.clear();
    }
    let mut text = Vec::new();
    let cwd = std::env::current_dir().ok();
    let config = config_of(&words);
    let mut command = cli::command();
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |one| one.mut_args(|arg| with_values(arg, config.as_deref())));
    }
    // Whatever goes wrong, a shell must not see it on the line that is being typed.
    let _ = of(shell).write_complete(&mut command, words, cwd.as_deref(), &mut text);
    Some(text)
}

fn of(shell: Shell) -> &'static dyn EnvCompleter {
    match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::PowerShell => &Powershell,
    }
}

/// An argument with what is known about its values.
fn with_values(arg: Arg, config: Option<&Path>) -> Arg {
    let bots = config.map(Path::to_owned);
    match arg.get_id().as_str() {
        "bot" | "bots" => arg.add(ArgValueCandidates::new(move || self::bots(bots.as_deref()))),
        "targets" | "inputs" => arg.add(ArgValueCompleter::new(BotOrPath { config: bots })),
        "program" => arg.value_hint(ValueHint::FilePath),
        "pid" => arg.add(ArgValueCandidates::new(processes)),
        "explain" => arg.add(ArgValueCandidates::new(codes)),
        "keep" => arg.add(ArgValueCandidates::new(|| {
            ["holder", "managed", "oldest", "newest", "none"].map(CompletionCandidate::new).into()
        })),
        _ => arg,
    }
}

/// The file that the line names with `-c`.
fn config_of(words: &[OsString]) -> Option<PathBuf> {
    let before = words.iter().take_while(|word| *word != "--").collect::<Vec<_>>();
    before.iter().enumerate().find_map(|(index, word)| {
        let text = word.to_str()?;
        let joined = text.strip_prefix("--config=").map(PathBuf::from);
        joined.or_else(|| matches!(text, "-c" | "--config").then(|| before.get(index + 1).map(PathBuf::from))?)
    })
}

fn bots(config: Option<&Path>) -> Vec<CompletionCandidate> {
    let Ok(context) = Context::of_process(Purpose::Looking) else { return Vec::new() };
    let variable = context.vars.get(env::CONFIG).map(PathBuf::from);
    let names = settings::names_in(config.or(variable.as_deref()), &context);
    names.iter().map(|name| CompletionCandidate::new(mask(name).into_owned())).collect()
}

/// Where a bot's name or a path may stand.
struct BotOrPath {
    config: Option<PathBuf>,
}

impl ValueCompleter for BotOrPath {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let typed = current.to_string_lossy();
        let mut all = bots(self.config.as_deref());
        all.retain(|bot| bot.get_value().to_string_lossy().starts_with(&*typed));
        all.extend(PathCompleter::any().complete(current));
        all
    }
}

/// The caller's processes.
fn processes() -> Vec<CompletionCandidate> {
    let own = own_pid();
    let listing = table::list(&|line| !line.is_empty()).unwrap_or_default();
    let others = listing.kept.iter().filter(|hit| hit.pid != own && hit.pid > 1);
    others.map(|hit| with_help(hit.pid.to_string(), &command_line(&proc::words(&hit.cmdline)))).collect()
}

fn codes() -> Vec<CompletionCandidate> {
    Code::ALL.iter().map(|code| CompletionCandidate::new(code.as_str())).collect()
}

fn with_help(value: String, help: &str) -> CompletionCandidate {
    let help = cut(&sanitize::line(help), COMMAND_COLUMNS);
    CompletionCandidate::new(value).help(Some(StyledStr::from(help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn only_a_shells_question_is_answered() {
        assert!(answer(OsStr::new("bash"), &words("solobot status")).is_none());
        assert!(answer(OsStr::new("0"), &words("solobot -- solobot s")).is_none());
        assert!(answer(OsStr::new("bash"), &words("solobot")).is_none());
        assert!(
            answer(OsStr::new("fish"), &words("solobot -- solobot stat"))
                .is_some_and(|text| { String::from_utf8(text).unwrap().starts_with("status\tShow instances") })
        );
    }

    #[test]
    fn the_file_that_the_line_names() {
        for (line, file) in [
            ("solobot -c a.toml status", Some("a.toml")),
            ("solobot status --config b.toml x", Some("b.toml")),
            ("solobot status --config=c.toml", Some("c.toml")),
            ("solobot acquire -- bash -c x", None),
            ("solobot status -c", None),
        ] {
            assert_eq!(config_of(&words(line)).as_deref(), file.map(Path::new), "{line}");
        }
    }
}
