//! Where the lock of a bot may be when nobody has named it: solobot's default and the field's layouts, and whatever an
//! instance holds.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::facts::{Bot, Lock};
use super::{Surroundings, lock};
use crate::lock::layouts;
use crate::lock::state::State;
use crate::process::instance::Instance;

/// The locks of a bot; `default` is where its own would be if there is none yet.
pub fn locks_of(bot: &Bot, default: Option<&Path>, surroundings: &Surroundings, network_allowed: bool) -> Vec<Lock> {
    let first = bot.instances.first().map(|seen| &seen.instance);
    let mut folders: Vec<PathBuf> = first.and_then(folder_of).into_iter().collect();
    folders.extend(default.and_then(Path::parent).filter(|_| folders.is_empty()).map(Path::to_owned));
    folders.extend(first.and_then(|first| first.cwd.clone()));
    let token = first.and_then(|first| first.token.as_deref());
    let usual = folders.iter().flat_map(|folder| layouts::of_bot(folder, token, surroundings.state.as_deref()));
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in usual.chain(held_by(bot)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let is_beside = |path: &Path| folders.iter().any(|folder| path.parent() == Some(folder));
    let looked = paths.iter().map(|path| lock::look(path, bot.all(), network_allowed));
    // A lock for everybody, as in /tmp, is this bot's only if the bot has something to do with it.
    let locks: Vec<Lock> = looked.filter(|lock| is_beside(&lock.facts.path) || belongs(lock, bot)).collect();
    let is_there = |lock: &Lock| lock.facts.state != State::Absent;
    if locks.iter().any(is_there) {
        locks.into_iter().filter(is_there).collect()
    } else {
        locks.into_iter().take(1).collect()
    }
}

/// Locks that may be anybody's: in the current folder, in /tmp, and layout A's that are named after a token.
pub fn well_known(surroundings: &Surroundings) -> Vec<Lock> {
    let mut paths = layouts::of_bot(&surroundings.cwd, None, None);
    let entries = surroundings.state.as_ref().and_then(|state| fs::read_dir(state.join("jarvis/locks")).ok());
    let is_lock = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("telegram_polling_") && path.extension().is_some_and(|extension| extension == "lock")
    };
    paths.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_lock));
    let locks = paths.iter().map(|path| lock::look(path, std::iter::empty(), false));
    locks.filter(|lock| lock.facts.state != State::Absent).collect()
}

/// The folder of an instance's default lock.
fn folder_of(instance: &Instance) -> Option<PathBuf> {
    let cwd = instance.cwd.as_deref()?;
    Some(instance.program.as_ref().map_or_else(|| cwd.to_owned(), |program| program.default_lock_dir(cwd)))
}

/// The files named like a lock that its instances or their ancestors hold, and that are still there.
fn held_by(bot: &Bot) -> Vec<PathBuf> {
    let files = bot.instances.iter().flat_map(|seen| &seen.flocks).filter(|file| file.is_named_like_a_lock());
    files.map(|file| file.path.clone()).filter(|path| path.is_file()).collect()
}

/// Whether a lock is that bot's: one of its processes holds or claims it.
fn belongs(lock: &Lock, bot: &Bot) -> bool {
    let claims = lock.claimant.as_ref().is_some_and(|claimant| bot.has_process(claimant.process));
    claims || lock.sharers.iter().any(|sharer| bot.has_process(sharer.who.process))
}
