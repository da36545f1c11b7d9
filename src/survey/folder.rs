//! Which bot is meant if none is named and there is no solobot.toml: the one whose lock is in the current folder,
//! otherwise the only likely bot of this folder.
//!
//! The lock's owner record says which program that is, if a solobot.toml in its place would be trusted. Otherwise it is
//! the only script that polls, or what runs here and would take that lock. If nothing says which program it is, only
//! the lock is looked at.

use std::fs;
use std::path::{Path, PathBuf};

use super::{FoundBot, Survey, Surveyor, held_locks, scripts};
use crate::base::error::{Error, typed};
use crate::cli::Selection;
use crate::lock::layouts;
use crate::lock::owner;
use crate::lock::state::{State, inspect};
use crate::platform::filesystem::FileStatus;
use crate::process::program::Program;
use crate::settings::{self, Access, Bot, Purpose, Settings};

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
            let message = format!("which bot? this folder has {}", all.join(", "));
            Err(proposing(message, command, bots.iter().map(Bot::typed)))
        }
    }
}

/// The bots of the current folder: one a program. Whoever looks at it tells several with one program apart.
fn here(settings: &Settings, command: &str) -> Result<Vec<Bot>, Error> {
    let context = settings.context();
    let cwd = &context.cwd;
    // A lock where somebody else may write is only proposed: what it says, and who holds it, is for that one to choose.
    let (locks, strange): (Vec<PathBuf>, Vec<PathBuf>) =
        locks_in(cwd).into_iter().partition(|lock| settings::believed(lock, context).is_some());
    let mut known: Vec<(PathBuf, Option<Program>)> =
        locks.into_iter().map(|lock| (lock.clone(), program_of(&lock, settings))).collect();
    if let [(_, program @ None)] = known.as_mut_slice() {
        *program = only_script(settings);
    }
    // Who runs need not be asked where the locks say it all.
    let is_clear = !known.is_empty() && known.iter().all(|(_, program)| program.is_some());
    let survey = if is_clear { Survey::default() } else { Surveyor::new(settings).look_around(&[])? };
    let is_here =
        |one: &&FoundBot| one.bot.lock.parent() == Some(cwd) || one.found.mine().any(|it| it.cwd.as_ref() == Some(cwd));
    let running: Vec<&FoundBot> = survey.bots.iter().filter(is_here).collect();
    let mut here = FolderContents::default();
    for (lock, program) in known {
        let is_its = |one: &&&FoundBot| {
            let seen = [&one.locks.own].into_iter().chain(&one.locks.others);
            one.bot.lock == lock || seen.into_iter().any(|facts| facts.path == lock)
        };
        let own: Vec<Program> = match program {
            Some(program) => vec![program],
            None => running.iter().filter(is_its).filter_map(|one| one.bot.program.clone()).collect(),
        };
        if own.is_empty() {
            here.without_program.push(settings.bot_of_lock_file(&lock, None));
        }
        for program in own {
            here.add(program, Some(lock.clone()));
        }
    }
    if here.programs.is_empty() {
        // It could not be found again by anything that names it, and "none runs" would be wrong.
        if let Some(one) = running.iter().find(|one| one.bot.program.is_none()).and_then(|one| one.found.mine().next())
        {
            let message = format!("which bot? PID {} runs in this folder, but its program is unknown", one.root.pid);
            return Err(proposing(message, command, std::iter::empty()));
        }
    }
    if here.is_empty() {
        for program in running.iter().filter_map(|one| one.bot.program.clone()) {
            here.add(program, None);
        }
    }
    if here.is_empty() {
        let strange = strange.iter().map(|lock| format!("--lock {}", typed(lock)));
        let scripts = scripts::polling_in(cwd).into_iter().map(|script| format!("-m {}", typed(&script)));
        let elsewhere = survey.bots.iter().map(|one| one.bot.typed());
        let why = settings.why_no_bot();
        let message = format!("which bot? {why}, and this folder has neither a lock file of yours nor a running bot");
        return Err(proposing(message, command, strange.chain(scripts).chain(elsewhere)));
    }
    Ok(here.bots(settings))
}

/// What was found in a folder.
#[derive(Default)]
struct FolderContents {
    programs: Vec<(Program, Vec<PathBuf>)>,
    without_program: Vec<Bot>,
}

impl FolderContents {
    fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.without_program.is_empty()
    }

    fn add(&mut self, program: Program, lock: Option<PathBuf>) {
        match self.programs.iter_mut().find(|(known, _)| known.is_same_but_for_args(&program)) {
            Some((_, locks)) => locks.extend(lock),
            None => self.programs.push((program, lock.into_iter().collect())),
        }
    }

    fn bots(self, settings: &Settings) -> Vec<Bot> {
        let cwd = &settings.context().cwd;
        let of_program = |(program, locks): &(Program, Vec<PathBuf>)| {
            // Of several the one that is held, else the default, as `status` has it.
            let default = program.default_lock_dir(cwd).join(layouts::SOLOBOT);
            let is_held = |lock: &&PathBuf| matches!(inspect(lock).state, State::Held { .. });
            let held = locks.iter().find(is_held);
            match held.or_else(|| locks.iter().find(|lock| **lock == default)).or(locks.first()) {
                Some(lock) => settings.bot_of_lock_file(lock, Some(program)),
                None => settings.bot_running(program, cwd),
            }
        };
        self.programs.iter().map(of_program).chain(self.without_program).collect()
    }
}

/// An error that names the commands which were perhaps meant.
fn proposing(message: String, command: &str, could_be: impl Iterator<Item = String>) -> Error {
    let mut hints: Vec<String> = could_be.take(MOST_HINTS).map(|words| format!("solobot {command} {words}")).collect();
    if hints.is_empty() {
        hints.push(format!("to name its program: solobot {command} -m main.py"));
    }
    hints.push("to see what is running: solobot status".into());
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

/// The only script of the current folder that polls.
fn only_script(settings: &Settings) -> Option<Program> {
    let cwd = &settings.context().cwd;
    let mut found = scripts::polling_in(cwd);
    found.retain(|script| script.parent() == Some(cwd));
    let [script] = found.as_slice() else { return None };
    settings::believed(script, settings.context())?;
    Some(Program::script(script))
}

/// The program that a lock was taken for last, where its owner record may be believed. A record of the user who called `sudo`
/// names no executable to act on, as that one's solobot.toml does not.
fn program_of(lock: &Path, settings: &Settings) -> Option<Program> {
    let context = settings.context();
    let access = settings::believed(&owner::path_of(lock), context)?;
    let found = owner::read(lock, Some(FileStatus::of(lock).ok()?.owner()));
    let program = held_locks::program_of(found.details()?, lock)?;
    let may_be_any = access == Access::Full || context.caller.purpose == Purpose::Looking;
    (may_be_any || program.is_script_or_module()).then_some(program)
}
