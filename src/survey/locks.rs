//! Which locks belong to a bot, and their state.

use std::path::Path;

use crate::base::secret::TokenId;
use crate::lock::carriers::{LockedFile, LocksByName};
use crate::lock::layouts::{self, LayoutFile};
use crate::lock::state::{self, LockFacts, State, inspect_with};
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::settings::{Bot, Context, SetBy};

use super::find::FoundInstances;
use super::layout_files;
use super::scan::ProcessScan;

/// The locks of a bot.
#[derive(Debug, Clone)]
pub struct Locks {
    /// The one that stands for it: the one that is named; else the one that it holds or claims; else the first that is
    /// there; else the default, which is not there yet.
    pub own: LockFacts,
    /// Others that it may have: of the field's layouts, or held by it under whatever name. Absent ones are left out.
    pub others: Vec<LockFacts>,
    /// Those whose holder polls for this bot, whichever lock is the bot's own: layout B's beside its program, and those that
    /// other programs have for its token.
    pub beside: Vec<LockFacts>,
}

/// Looks at a bot's locks. Where flags or the file name one, that one alone is its lock. `token` is the bot's, where it is
/// known without an instance, and `ours` a lock that this process holds.
pub fn of_bot(
    bot: &Bot,
    found: &FoundInstances,
    token: Option<&TokenId>,
    scan: &ProcessScan,
    context: &Context,
    ours: Option<&Path>,
) -> Locks {
    let own_facts = |kin: &[i32], seen: &LocksByName| match ours {
        Some(ours) if ours == bot.lock => LockFacts::of_ours(ours),
        _ => facts(bot, kin, seen),
    };
    let kin = found.kin();
    let look = |file: &LayoutFile| LockFacts { layout: Some(file.layout), ..inspect_with(&file.path, &kin) };
    let usual = usual(bot, found, token, context);
    let of_token = usual.iter().filter(|one| one.is_by_token && one.file.layout.program.is_some());
    let mut beside: Vec<LockFacts> = of_token.map(|one| look(&one.file)).collect();
    if is_named(bot) {
        let default = own_facts(&kin, &LocksByName::default());
        let path = bot.program.as_ref().map(|program| program.default_lock_dir(&bot.dir).join(layouts::LAYOUT_B));
        let path = path.filter(|path| *path != bot.lock && path.is_file());
        beside.extend(path.map(|path| inspect_with(&path, &kin)));
        return Locks { own: default, others: Vec::new(), beside };
    }
    let carried = carried(found, scan);
    let mut all = vec![own_facts(&kin, &carried)];
    let held: Vec<&LockedFile> = carried.files.iter().filter(|file| file.path.is_file()).collect();
    for one in &usual {
        if all.iter().all(|known| known.path != one.file.path) {
            all.push(look(&one.file));
        }
    }
    for file in &held {
        if all.iter().all(|known| known.path != file.path) {
            all.push(inspect_with(&file.path, &kin));
        }
    }
    let folder = bot.lock.parent();
    // What was locked further up may be a deploy script's, whose descriptor it has inherited.
    let close = close_to(found, scan);
    let is_its_own = |file: &LockedFile| {
        file.caller
            .is_none_or(|caller| close.iter().any(|process| process.pid == caller) || Identity::of(caller).is_none())
    };
    let may_stand = |facts: &LockFacts| {
        if facts.program().is_some() {
            // It may be another program's, whatever token that has.
            return is_theirs(facts, found);
        }
        let is_of_token = || usual.iter().any(|one| one.is_by_token && one.file.path == facts.path);
        let is_usual = facts.path.parent() == folder || is_of_token() || facts.record.record().is_some();
        is_usual || held.iter().any(|file| file.path == facts.path && is_its_own(file))
    };
    all.retain(|facts| may_stand(facts) || is_theirs(facts, found));
    let is_there = |facts: &LockFacts| facts.state != State::Absent;
    let standing = || all.iter().enumerate().filter(|(_, facts)| may_stand(facts));
    let own =
        standing().find(|(_, facts)| is_theirs(facts, found)).or_else(|| standing().find(|(_, facts)| is_there(facts)));
    let own = own.map_or(0, |(at, _)| at);
    let own = moved_away(all.remove(own), &bot.lock);
    all.retain(is_there);
    Locks { own, others: all, beside }
}

/// If a deploy has moved the lock's folder, the lock that is held there is the one that was at the bot's path before.
fn moved_away(own: LockFacts, lock: &Path) -> LockFacts {
    let was_there = own.record.details().is_some_and(|details| details.lock.as_deref() == Some(lock));
    let State::Held { holders, .. } = &own.state else { return own };
    if own.path == lock || !was_there || holders.is_empty() {
        return own;
    }
    let state = State::Replaced { holders: holders.clone() };
    LockFacts { path: lock.to_owned(), state, ..own }
}

/// Whether flags or the file name the bot's lock.
pub fn is_named(bot: &Bot) -> bool {
    *bot.provenance.of("lock") != SetBy::Default
}

/// The state of the bot's own lock: where its program says who may hold it, a glance may do.
fn facts(bot: &Bot, kin: &[i32], seen: &LocksByName) -> LockFacts {
    let glance = bot.program.as_ref().and_then(|_| state::glance(&bot.lock, kin, seen));
    glance.unwrap_or_else(|| inspect_with(&bot.lock, kin))
}

/// A lock that such a bot may have.
struct UsualLock {
    file: LayoutFile,
    /// It is named after the bot's token, or its program reads that very token.
    is_by_token: bool,
}

/// The locks of the field's layouts that such a bot may have, and that are there.
fn usual(bot: &Bot, found: &FoundInstances, token: Option<&TokenId>, context: &Context) -> Vec<UsualLock> {
    let Some(folder) = bot.lock.parent() else { return Vec::new() };
    let token = found.instances.iter().find_map(Instance::known_token).or(token);
    let is_its = |file: &LayoutFile| {
        let token = token?;
        let named = file.token().map(|digits| digits.starts_with(&token.fingerprint));
        named.or_else(|| Some(layout_files::token_beside(file)?.0 == *token))
    };
    let processes = found.mine().map(|one| one.root.pid);
    let files = layouts::existing(folder, &layout_files::around(context, &bot.users, processes)).into_iter();
    let files = files.filter(|file| file.path.symlink_metadata().is_ok_and(|meta| meta.is_file()));
    files.map(|file| UsualLock { is_by_token: is_its(&file) == Some(true), file }).collect()
}

/// The files with a lock's name that an instance has locked, or its keeper, or an ancestor that is a solobot, a wrapper, a
/// shell or a home-made supervisor. Other ancestors (desktops, terminals, managers) have their own locks.
fn carried(found: &FoundInstances, scan: &ProcessScan) -> LocksByName {
    let above = found.instances.iter().flat_map(|one| &one.ancestors);
    let above = above.filter(|process| scan.may_hold_for_others(process.pid)).copied();
    LocksByName::of(close_to(found, scan).into_iter().chain(above).map(|process| process.pid))
}

/// The instances themselves, what wraps nothing else, and who keeps a lock for them.
fn close_to(found: &FoundInstances, scan: &ProcessScan) -> Vec<Identity> {
    let members: Vec<Identity> = found.instances.iter().flat_map(|one| one.members.clone()).collect();
    let wrappers = found.instances.iter().flat_map(|one| &one.wrappers).copied();
    let solobots = found.instances.iter().flat_map(|one| &one.ancestors).filter(|process| scan.is_solobot(process.pid));
    members.iter().copied().chain(wrappers).chain(solobots.copied()).chain(scan.keepers_of(&members)).collect()
}

/// Whether one of its instances, or what is above it, holds or claims it.
fn is_theirs(facts: &LockFacts, found: &FoundInstances) -> bool {
    let is_kin = |process: &Identity| {
        found.instances.iter().any(|one| one.members.contains(process) || one.ancestors.contains(process))
    };
    match &facts.state {
        State::OwnerAliveUnlocked(process) => is_kin(process),
        state => state.holders().iter().any(is_kin) || facts.kept_for.as_ref().is_some_and(is_kin),
    }
}
