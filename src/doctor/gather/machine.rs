//! Nothing is named: every likely bot on this machine, and the locks that the field's bots use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::facts::{Bot, Facts, Lock, Seen};
use super::{LOCK_NAMES, OnWatch, count, drop_absent, folder_of, held_by, lock, look_closer, select, watch};
use crate::env;
use crate::lock::state::State;
use crate::process::find;
use crate::process::find::Found;

/// Layout A's locks with fixed names.
const FIXED: [&str; 2] = ["/tmp/telegram_polling.lock", "/tmp/jarvis_bot.lock"];

/// Where else locks may lie.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current folder.
    pub cwd: PathBuf,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, if it is set.
    pub state_home: Option<PathBuf>,
}

/// Looks at everything that may be a bot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of_machine(surroundings: &Surroundings, on_watch: &mut OnWatch<'_>) -> io::Result<Facts> {
    let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
    let mut found = find::likely_bots(&[])?;
    found.forecast();
    count(&mut facts, &found);
    let mut common: Vec<Lock> =
        well_known(surroundings).iter().map(|path| lock::look(path, std::iter::empty(), false)).collect();
    common.retain(|lock| lock.facts.state != State::Absent);
    for instances in bots(&found) {
        let mut bot = bot_of(instances);
        let mut locks: Vec<Lock> = places(&bot).iter().map(|path| lock::look(path, bot.all(), false)).collect();
        let (ours, others) = common.into_iter().partition(|lock| belongs(lock, &bot));
        common = others;
        locks.extend::<Vec<Lock>>(ours);
        locks.sort_by(|one, other| one.facts.path.cmp(&other.facts.path));
        locks.dedup_by(|one, other| one.facts.path == other.facts.path);
        bot.locks = drop_absent(locks);
        common.retain(|lock| bot.locks.iter().all(|ours| ours.facts.path != lock.facts.path));
        if let Some(program) = bot.instances[0].instance.program.clone() {
            watch(&mut bot, &program, on_watch);
        }
        facts.bots.push(bot);
    }
    facts.bots.extend(common.into_iter().map(lock_alone));
    Ok(facts)
}

/// One token and one program are one bot: a web front end with the same `.env` does not poll.
fn bots(found: &Found) -> Vec<Vec<Seen>> {
    let mut bots: Vec<Vec<Seen>> = Vec::new();
    for instance in &found.instances {
        let seen = look_closer(instance, Some(env::SKIP_LOCK));
        let is_same = |other: &Seen| {
            let (one, other) = (&seen.instance, &other.instance);
            let program = |instance: &crate::process::instance::Instance| {
                instance.program.as_ref().map_or_else(|| instance.command.clone(), ToString::to_string)
            };
            one.token == other.token && program(one) == program(other)
        };
        match bots.iter_mut().find(|bot| is_same(&bot[0])) {
            Some(bot) => bot.push(seen),
            None => bots.push(vec![seen]),
        }
    }
    bots
}

fn bot_of(instances: Vec<Seen>) -> Bot {
    let first = &instances[0].instance;
    let program = first.program.as_ref();
    Bot {
        name: program.map_or_else(|| first.command.clone(), ToString::to_string),
        select: program.and_then(select),
        has_program: true,
        skip_env: Some(env::SKIP_LOCK.to_owned()),
        instances,
        ..Bot::default()
    }
}

/// Where a bot's lock may be: beside its program, in its working folder, and what it holds.
fn places(bot: &Bot) -> Vec<PathBuf> {
    let first = &bot.instances[0].instance;
    let folders = [folder_of(first), first.cwd.clone()];
    let beside = folders.iter().flatten().flat_map(|folder| LOCK_NAMES.iter().map(|name| folder.join(name)));
    beside.chain(held_by(bot)).collect()
}

/// Locks that may be anybody's.
fn well_known(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = LOCK_NAMES.iter().map(|name| surroundings.cwd.join(name)).collect();
    paths.extend(FIXED.iter().map(PathBuf::from));
    let state = surroundings.state_home.clone().or_else(|| Some(surroundings.home.as_ref()?.join(".local/state")));
    let entries = state.and_then(|state| fs::read_dir(state.join("jarvis/locks")).ok());
    let is_lock = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("telegram_polling_") && Path::new(&name).extension().is_some_and(|it| it == "lock")
    };
    paths.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_lock));
    paths
}

/// Whether a lock is that bot's: one of its processes holds or claims it.
fn belongs(lock: &Lock, bot: &Bot) -> bool {
    let claims = lock.claimant.as_ref().is_some_and(|claimant| bot.has_process(claimant.process));
    claims || lock.sharers.iter().any(|sharer| bot.has_process(sharer.who.process))
}

fn lock_alone(lock: Lock) -> Bot {
    let path = lock.facts.path.display().to_string();
    let select = format!("-l {}", shell_words::quote(&path));
    Bot { name: path, select: Some(select), locks: vec![lock], ..Bot::default() }
}
