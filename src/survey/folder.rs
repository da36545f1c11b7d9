//! Which bot is meant where nothing is named and there is no solobot.toml: the one whose lock lies in the current folder,
//! else the only likely one of this folder.
//!
//! A lock's owner record says which program it is, where a file there may be believed as solobot.toml would be; else
//! whatever runs here and would take that lock says it. Not promised: a bot whose record has gone and that does not run.

use std::fs;
use std::path::{Path, PathBuf};

use super::Surveyor;
use super::{marks, scripts};
use crate::base::error::{Error, typed};
use crate::cli::Selection;
use crate::lock::layouts;
use crate::lock::owner;
use crate::process::program::Program;
use crate::settings::{self, Bot, Settings};

/// More commands than these are not proposed.
const MOST_HINTS: usize = 5;

/// The bots for a subcommand that may work on several: those that are named or configured, else those of this folder.
///
/// # Errors
/// For an unknown BOT, and where nothing says which bot is meant.
pub fn select_many(
    settings: &Settings,
    selection: &Selection,
    named: &[String],
    command: &str,
) -> Result<Vec<Bot>, Error> {
    let bots = settings.select_many(selection, named)?;
    if bots.is_empty() { here(settings, command) } else { Ok(bots) }
}

/// The one for a subcommand that works on one.
///
/// # Errors
/// As [`select_many`], and where several may be meant.
pub fn select_one(
    settings: &Settings,
    selection: &Selection,
    named: Option<&str>,
    command: &str,
) -> Result<Bot, Error> {
    match settings.select_one(selection, named) {
        Err(settings::Error::NothingNamed) => {}
        selected => return Ok(selected?),
    }
    let mut bots = here(settings, command)?;
    match (bots.pop(), bots.len()) {
        (Some(bot), 0) => Ok(bot),
        (last, _) => {
            bots.extend(last);
            let all: Vec<&str> = bots.iter().map(|bot| bot.name.as_str()).collect();
            let message = format!("which bot? here it could be {}", all.join(", "));
            Err(proposing(message, command, bots.iter().map(Bot::typed)))
        }
    }
}

/// The bots of the current folder.
fn here(settings: &Settings, command: &str) -> Result<Vec<Bot>, Error> {
    let cwd = &settings.context().cwd;
    let locks = locks_in(cwd);
    let of_lock = |lock: &PathBuf| (lock.clone(), program_of(lock, settings));
    let known: Vec<(PathBuf, Option<Program>)> = locks.iter().map(of_lock).collect();
    if !known.is_empty() && known.iter().all(|(_, program)| program.is_some()) {
        let bot = |(lock, program): &(PathBuf, Option<Program>)| settings.bot_of_lock_file(lock, program.as_ref());
        return Ok(known.iter().map(bot).collect());
    }
    let survey = Surveyor::new(settings).look_around(&[])?;
    let is_here = |bot: &Bot| bot.lock.parent() == Some(cwd);
    let running: Vec<&Bot> = survey.bots.iter().map(|one| &one.bot).filter(|bot| is_here(bot)).collect();
    let mut found: Vec<Bot> = Vec::new();
    for (lock, program) in &known {
        let of_lock =
            |one: &&super::FoundBot| is_here(&one.bot) && (one.locks.own.path == *lock || one.bot.lock == *lock);
        let own: Vec<&Bot> = survey.bots.iter().filter(of_lock).map(|one| &one.bot).collect();
        if program.is_some() || own.is_empty() {
            found.push(settings.bot_of_lock_file(lock, program.as_ref()));
        } else {
            let with_lock = own.iter().map(|bot| settings.bot_of_lock_file(lock, bot.program.as_ref()));
            found.extend(with_lock);
        }
    }
    if found.is_empty() {
        found.extend(running.into_iter().cloned());
    }
    if found.is_empty() {
        let scripts = scripts::polling_in(cwd).into_iter().map(|script| format!("-m {}", typed(&script)));
        let elsewhere = survey.bots.iter().map(|one| one.bot.typed());
        let why = settings.why_no_bot();
        let message = format!("which bot? {why}, and neither a lock nor a running bot is in this folder");
        return Err(proposing(message, command, scripts.chain(elsewhere)));
    }
    Ok(found)
}

/// An error that names the commands which were perhaps meant.
fn proposing(message: String, command: &str, could_be: impl Iterator<Item = String>) -> Error {
    let mut hints: Vec<String> = could_be.take(MOST_HINTS).map(|words| format!("solobot {command} {words}")).collect();
    if hints.is_empty() {
        hints.push(format!("name its program, or its lock: solobot {command} -m main.py, or --lock PATH"));
    }
    hints.push("see what runs here: solobot status".into());
    Error::Usage { message, hints }
}

/// The locks that lie in a folder, by name.
fn locks_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path());
    let mut locks: Vec<PathBuf> = files.filter(|path| layouts::lies_beside_its_bot(path)).collect();
    locks.sort();
    locks
}

/// The program that a lock was taken for last, where its owner record may be believed.
fn program_of(lock: &Path, settings: &Settings) -> Option<Program> {
    use std::os::unix::fs::MetadataExt;
    settings::may_believe(&owner::path_of(lock), settings.context())?;
    let found = owner::read(lock, Some(fs::metadata(lock).ok()?.uid()));
    marks::program_of(found.details()?, lock)
}
