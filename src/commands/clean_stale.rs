//! `clean-stale`: clears what dead processes left. It never touches a held lock. The file itself stays: Python's
//! lockers and `flock(1)` do not compare the inode again, so removing it could make two holders. `--remove` removes it
//! if no process has the file open and every process could be inspected.
//!
//! What cannot be a lock (a folder, a FIFO, a device, a link, a file of procfs) is kept and reported, and the exit code
//! is 78, as for `acquire`: the script has a wrong path. A regular file with other content is kept, and is no failure:
//! a pattern may match it beside locks. A path where nothing exists is reported, and is no failure either, as for `rm
//! -f`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, typed};
use crate::base::exit::Exit;
use crate::cli;
use crate::journal::{Event, EventKind, Journal};
use crate::lock::file::{LockFile, LockReply, open_to_look};
use crate::lock::state::{self, LockFacts, Obstacle, State, inspect};
use crate::lock::{held, owner};
use crate::outcome::clean_stale::{CleanStaleOutcome, Cleaned, Cleaning};
use crate::outcome::process::ProcessView;
use crate::outcome::sentence::shortened;
use crate::platform::advice::{self, WITH_SUDO};
use crate::platform::identity::{self, Identity};
use crate::platform::proc;
use crate::settings::Settings;
use crate::survey::folder;

/// Runs `clean-stale`.
///
/// # Errors
/// Nothing says which lock is meant; a file cannot be changed.
pub fn run(args: &cli::CleanStale, settings: &Settings) -> Result<CleanStaleOutcome, Error> {
    let mut outcome = CleanStaleOutcome { files: Vec::new(), dry_run: args.dry_run, refused: None };
    let journal = Journal::at(settings.journal());
    for path in paths(args, settings)? {
        let (cleaned, refused) = clean(&path, args)?;
        if cleaned.action != Cleaning::Kept && !args.dry_run {
            let bot = settings.bot_of_lock(&path).unwrap_or_default();
            journal.append(&Event::new(EventKind::StaleCleaned, bot).lock(&path).detail(&cleaned.reason));
        }
        outcome.files.push(cleaned);
        // A wrong path needs a person to fix it; a refused path may be free next time.
        outcome.refused = match (outcome.refused, refused) {
            (Some(Exit::No) | None, Some(exit)) => Some(exit),
            (before, _) => before,
        };
    }
    Ok(outcome)
}

/// The locks that are meant: bots by name, else paths; none named: the flags', or all of the file.
fn paths(args: &cli::CleanStale, settings: &Settings) -> Result<Vec<PathBuf>, Error> {
    if args.targets.is_empty() {
        let bots = folder::select_many(settings, &args.selection, &[], "clean-stale")?;
        let mut locks: Vec<PathBuf> = bots.into_iter().map(|bot| bot.lock).collect();
        locks.dedup();
        return Ok(locks);
    }
    args.targets.iter().map(|target| path_of(target, args, settings)).collect()
}

fn path_of(target: &OsString, args: &cli::CleanStale, settings: &Settings) -> Result<PathBuf, Error> {
    match target.to_str().filter(|name| settings.knows(name)) {
        Some(name) => Ok(settings.select_one(&args.selection, Some(name))?.lock),
        None => Ok(settings.context().cwd.join(Path::new(target))),
    }
}

/// Cleans one lock file; says too with which code, where that is not success.
fn clean(path: &Path, args: &cli::CleanStale) -> Result<(Cleaned, Option<Exit>), Error> {
    let facts = inspect(path);
    let is_missing = facts.state == State::Absent && facts.record == owner::FoundRecord::Absent;
    let cleaned = |action, reason: String| Cleaned { path: path.to_owned(), action, reason, is_missing };
    let say = |action, reason: String| (cleaned(action, reason), None);
    if let Some(why) = keep(&facts) {
        let refused = match &facts.state {
            State::Unreadable { obstacle: Obstacle::NotPermitted, .. } => Some(Exit::NotPermitted),
            State::Unreadable { obstacle: Obstacle::Leased, .. } => Some(Exit::Held),
            // A plain file with other content can be looked at.
            State::Unreadable { .. } if open_to_look(path).is_err() => Some(Exit::Config),
            State::Absent => None,
            _ => args.remove.then_some(Exit::No),
        };
        return Ok((cleaned(Cleaning::Kept, why), refused));
    }
    let why = match &facts.state {
        State::Stale(stale) => format!("stale: {stale}"),
        _ => "free".to_owned(),
    };
    if !args.remove && (facts.is_existence_a_lock() || matches!(facts.state, State::Free)) {
        return Ok(say(Cleaning::Kept, only_removal_helps(&facts, &why)));
    }
    if args.remove
        && let Some(why) = removal_refused(&open_to_look(path)?)
    {
        return Ok((cleaned(Cleaning::Kept, why), Some(Exit::No)));
    }
    let action = if args.remove { Cleaning::Removed } else { Cleaning::Cleaned };
    if args.dry_run {
        return Ok(say(action, why));
    }
    // Everything was judged without the lock: judge again while nobody else can take it.
    let lock = if facts.is_existence_a_lock() {
        open_to_look(path)?
    } else {
        LockFile::open(path, args.selection.allow_network_fs)?
    };
    if lock.try_lock()? != LockReply::Granted {
        return Ok(say(Cleaning::Kept, "has just been taken".into()));
    }
    let done = finish(&lock, args.remove, facts.is_existence_a_lock());
    lock.unlock();
    match done? {
        Some(why_not) => Ok(say(Cleaning::Kept, why_not)),
        None => Ok(say(action, why)),
    }
}

/// Under the lock: makes sure of everything once more, then clears, unless the text is JSON, then unlinks if asked. `Some` says
/// why not.
fn finish(lock: &LockFile, remove: bool, is_json: bool) -> Result<Option<String>, Error> {
    if !lock.is_current() {
        return Ok(Some("has just been replaced".into()));
    }
    let record = lock.record();
    match crate::lock::state::unlocked(lock, &record)? {
        State::OwnerAliveUnlocked(process) => return Ok(Some(alive(lock.path(), process, None))),
        State::Free if !remove => return Ok(Some("has just been cleaned".into())),
        State::Unreadable { why, .. } => return Ok(Some(why)),
        _ => {}
    }
    if remove && let Some(why) = removal_refused(lock) {
        return Ok(Some(why));
    }
    if !is_json {
        held::clear_stale(lock)?;
    }
    if remove {
        // Its program renames such a file away and creates a new one.
        if !lock.is_current() {
            return Ok(Some("has just been replaced".into()));
        }
        lock.remove()?;
    }
    Ok(None)
}

/// Why a file is left alone, whatever was asked.
fn keep(facts: &LockFacts) -> Option<String> {
    match &facts.state {
        State::Absent if facts.record.record().is_some() => {
            Some("does not exist, but its owner record does; the next acquire replaces that".into())
        }
        State::Absent => Some("does not exist".into()),
        State::Held { holders, .. } => Some(match holders.first() {
            Some(holder) => format!("held by PID {}", holder.pid),
            None => format!("held by {}", state::unseen_holder()),
        }),
        State::OwnerAliveUnlocked(process) => Some(alive(&facts.path, *process, facts.program())),
        State::Replaced { holders } => {
            let pid = holders.first().map_or(0, |holder| holder.pid);
            Some(format!("PID {pid} still holds the lock file that was deleted here; stop it first"))
        }
        State::Unreadable { why, .. } => {
            let remedy = facts.remedy().map_or_else(String::new, |remedy| format!("; {remedy}"));
            Some(format!("{why}{remedy}"))
        }
        State::Free | State::Stale(_) => None,
    }
}

/// A process that lives is never cleaned away. Whether it is the bot, a bare PID does not say: a person has to.
fn alive(path: &Path, process: Identity, program: Option<&str>) -> String {
    let ProcessView { pid, command, .. } = ProcessView::of(process);
    let named = format!("names PID {pid} ({}), a running process", shortened(&command));
    match program {
        Some(program) => format!("{named}: the file belongs to {program}"),
        None => {
            format!(
                "{named} that does not hold the lock; if that is not your bot, remove the file: {}",
                advice::remove(path)
            )
        }
    }
}

/// Why nothing was cleaned although nobody has the lock, and what helps a program to which the file is the lock.
fn only_removal_helps(facts: &LockFacts, why: &str) -> String {
    let remove = format!("solobot clean-stale --remove {}", typed(&facts.path));
    match facts.program() {
        Some(program) => format!("{why}; to {program} the file itself is the lock; to remove it: {remove}"),
        None => format!(
            "nothing to clean: free and empty; if your program takes the file's existence for a lock, remove it: {remove}"
        ),
    }
}

/// Why the file cannot be removed safely: a process has it open, and would then hold, or wait for, a file that no other
/// process can find. The processes that can be seen are asked first, because they have names; then the kernel, which knows
/// all of them.
fn removal_refused(lock: &LockFile) -> Option<String> {
    let openers = proc::openers(lock.file()).ok();
    if let Some(opener) = openers.iter().flat_map(|openers| &openers.seen).next() {
        return Some(format!("PID {} has it open; removing it would allow two holders", opener.pid));
    }
    let uninspected = openers.as_ref().map_or(0, |openers| openers.unasked);
    if uninspected > 0 {
        return Some(format!(
            "it may be open in a process that cannot be inspected (there are {uninspected}); try again {WITH_SUDO}"
        ));
    }
    if proc::hides_others() {
        return Some(format!("other users' processes are hidden, and one may have it open; try again {WITH_SUDO}"));
    }
    match lock.locked().is_open_elsewhere() {
        Ok(true) => Some("a process that cannot be seen from here has it open; look on the host".into()),
        Err(_) if openers.is_none() => Some("nobody can say here who has it open".into()),
        // Where the kernel does not tell, everybody must have been seen.
        Err(_) if !identity::is_initial_pid_namespace() => {
            Some("a process outside this container may have it open; try again on the host".into())
        }
        Ok(false) | Err(_) => None,
    }
}
