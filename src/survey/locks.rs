//! Which locks are a bot's, and their state.

use std::path::PathBuf;

use crate::lock::carriers;
use crate::lock::layouts;
use crate::lock::state::{self, Facts, State, inspect_with};
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::settings::{Bot, Context, Origin};

use super::find::Found;
use super::sweep::Sweep;

/// The locks of a bot.
#[derive(Debug, Clone)]
pub struct Locks {
    /// The one that stands for it: the one that is named; else the one that it holds or claims; else the first that is
    /// there; else the default, which is not there yet.
    pub own: Facts,
    /// Others that it may have: of the field's layouts, or held by it under whatever name. Absent ones are left out.
    pub others: Vec<Facts>,
}

/// Looks at a bot's locks. Where flags or the file name one, that one alone is its lock.
pub fn of_bot(bot: &Bot, found: &Found, sweep: &Sweep, context: &Context) -> Locks {
    let kin = found.kin();
    let default = facts(bot, &kin);
    if is_named(bot) {
        return Locks { own: default, others: Vec::new() };
    }
    let mut all = vec![default];
    let held = around(found, sweep).into_iter().flat_map(held_by);
    for path in usual(bot, found, context).into_iter().chain(held) {
        if all.iter().all(|known| known.path != path) {
            all.push(inspect_with(&path, &kin));
        }
    }
    let folder = bot.lock.parent();
    all.retain(|facts| facts.path.parent() == folder || names_token(facts) || is_theirs(facts, found));
    let is_there = |facts: &Facts| facts.state != State::Absent;
    let own = all.iter().position(|facts| is_theirs(facts, found)).or_else(|| all.iter().position(is_there));
    let own = all.remove(own.unwrap_or_default());
    all.retain(is_there);
    Locks { own, others: all }
}

/// Whether flags or the file name the bot's lock.
pub fn is_named(bot: &Bot) -> bool {
    *bot.provenance.of("lock") != Origin::Default
}

/// The state of the bot's own lock: where its program says who may hold it, a glance may do.
fn facts(bot: &Bot, kin: &[i32]) -> Facts {
    let glance = bot.program.as_ref().and_then(|_| state::glance(&bot.lock, kin));
    glance.unwrap_or_else(|| inspect_with(&bot.lock, kin))
}

/// The locks of the field's layouts that such a bot would have, and that are there.
fn usual(bot: &Bot, found: &Found, context: &Context) -> Vec<PathBuf> {
    let Some(folder) = bot.lock.parent() else { return Vec::new() };
    let token = found.instances.iter().find_map(Instance::known_token).map(|token| token.fingerprint.as_str());
    let state = context.state_home();
    let mut paths = layouts::of_bot(folder, token, state.as_deref());
    paths.retain(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_file()));
    paths
}

/// Those that may hold a lock for an instance: itself, what is above it, and whoever keeps one for it. PID 1's locks are
/// nobody's in particular.
fn around(found: &Found, sweep: &Sweep) -> Vec<Identity> {
    let members: Vec<Identity> = found.instances.iter().flat_map(|one| one.members.clone()).collect();
    let above = found.instances.iter().flat_map(|one| &one.ancestors).filter(|process| process.pid != 1);
    members.iter().chain(above).copied().chain(sweep.keepers_of(&members)).collect()
}

/// The files that a process has locked and that are named like a lock.
fn held_by(process: Identity) -> impl Iterator<Item = PathBuf> {
    carriers::locks_by_name_of(process.pid).into_iter().map(|file| file.path).filter(|path| path.is_file())
}

fn names_token(facts: &Facts) -> bool {
    layouts::is_of_token(&facts.path)
}

/// Whether one of its instances, or what is above it, holds or claims it.
fn is_theirs(facts: &Facts, found: &Found) -> bool {
    let is_kin = |process: &Identity| {
        found.instances.iter().any(|one| one.members.contains(process) || one.ancestors.contains(process))
    };
    match &facts.state {
        State::OwnerAliveUnlocked(process) => is_kin(process),
        state => state.holders().iter().any(is_kin) || facts.kept_for.as_ref().is_some_and(is_kin),
    }
}
