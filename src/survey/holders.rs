//! Which holders of a lock may be stopped.
//!
//! Anyone who can read a file can flock it. A descriptor can be passed to anyone. Anyone who can write to a folder can
//! write an owner record in it. And a command line says whatever its author likes. So a process is never stopped
//! because another user named it.
//!
//! A holder is proved only by what no other user can forge. It is a process of one of the bot's users, and it called
//! flock on this very lock, or one of its ancestors did. If the caller has ended, one of these must be true of the
//! holder or of a descendant: it runs the bot's program; a record that one of the bot's users wrote names it; its
//! environment contains what the dead solobot gave to its COMMAND. A keeper is judged by its target (`keeper::target`).

use std::path::Path;

use super::users::Users;
use crate::lock::carriers::Carrier;
use crate::lock::keeper;
use crate::lock::orphan::has_outlived_its_solobot;
use crate::lock::owner::{FoundRecord, OwnerRecord};
use crate::lock::replaced::ReplacedHolder;
use crate::platform::identity::{Identity, lineage};
use crate::platform::locks::LockKind;
use crate::platform::{proc, user};

/// A process that carries the lock in one of its own descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockCarrier {
    pub process: Identity,
    /// The PID that called for the lock; 0 or less where it has ended or is elsewhere, `None` where nobody can say.
    caller: Option<i32>,
    /// The kernel says that it is this lock; else the owner record does.
    is_by_name: bool,
}

impl LockCarrier {
    /// Those of the file that is at the lock's path.
    pub fn present(carriers: &[Carrier]) -> Vec<Self> {
        let flocks = carriers.iter().filter(|carrier| carrier.kind == LockKind::Flock);
        flocks.map(|one| Self { process: one.process, caller: one.caller, is_by_name: true }).collect()
    }

    /// Those of a file that was there.
    pub fn replaced(replaced: &[ReplacedHolder]) -> Vec<Self> {
        let of = |one: &ReplacedHolder| Self { process: one.process, caller: one.caller, is_by_name: one.is_by_name };
        replaced.iter().map(of).collect()
    }
}

/// What is known of a lock's bot.
pub struct HolderContext<'a> {
    pub lock: &'a Path,
    /// Its owner record.
    pub record: &'a FoundRecord,
    /// Whose processes the bot's are.
    pub users: &'a Users,
    /// Whether a process runs the bot's program.
    pub runs_program: &'a dyn Fn(Identity) -> bool,
}

/// The holders of a lock, judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// They may be stopped; for a keeper its target.
    pub proved: Vec<Identity>,
    /// They are only named, each with what is missing.
    pub unproved: Vec<(Identity, String)>,
}

impl HolderContext<'_> {
    /// Judges them.
    pub fn holders(&self, carrying: &[LockCarrier]) -> Holders {
        let mut found = Holders::default();
        for one in carrying {
            if let Some(target) = keeper::target(one.process.pid) {
                match self.stranger(target) {
                    None => found.proved.push(target),
                    Some(why) => found.unproved.push((target, why)),
                }
            } else {
                match self.missing(one) {
                    None => found.proved.push(one.process),
                    Some(why) => found.unproved.push((one.process, why)),
                }
            }
        }
        let below = |process: Identity| found.proved.iter().any(|one| lineage(one.pid).any(|pid| pid == process.pid));
        let is_above = |(process, _): &(Identity, String)| below(*process) && self.stranger(*process).is_none();
        let (above, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut found.unproved).into_iter().partition(is_above);
        found.unproved = rest;
        found.proved.extend(above.into_iter().map(|(process, _)| process));
        found.proved.sort_unstable();
        found.proved.dedup();
        found
    }

    /// Whether a process that carries no lock is COMMAND of a solobot that is dead.
    pub fn is_left_behind(&self, process: Identity) -> bool {
        self.stranger(process).is_none() && has_outlived_its_solobot(process, self.lock)
    }

    /// What is missing for a proof.
    fn missing(&self, one: &LockCarrier) -> Option<String> {
        if let Some(why) = self.stranger(one.process) {
            return Some(why);
        }
        let called = lineage(one.process.pid).any(|pid| Some(pid) == one.caller);
        let is_named = self.record.may_speak_of(one.process.pid)
            && self.record.record().and_then(OwnerRecord::process) == Some(one.process);
        if called && (one.is_by_name || is_named) {
            return None;
        }
        if let Some(caller) = one.caller.filter(|&caller| !called && Identity::of(caller).is_some()) {
            return Some(format!("the lock was taken by PID {caller}, which did not start it"));
        }
        let is_its = (one.is_by_name && is_named)
            || (self.runs_program)(one.process)
            || has_outlived_its_solobot(one.process, self.lock);
        let who = match one.caller {
            Some(_) => "the process that took the lock has ended",
            None => "which process took the lock is not known",
        };
        (!is_its).then(|| format!("{who}, and this one does not run the bot's program"))
    }

    fn stranger(&self, process: Identity) -> Option<String> {
        match proc::owner(process.pid) {
            Some(uid) if self.users.include(Some(uid)) => None,
            Some(uid) => Some(format!("it belongs to user {}, who does not run this bot", user::name(uid))),
            None => Some("its user is unknown".to_owned()),
        }
    }
}

/// Those that no other one of them started: a holding solobot rather than its COMMAND, since it is the loop that would
/// start the bot again, and it passes TERM on.
pub fn topmost(sharers: &[Identity]) -> Vec<Identity> {
    let is_sharer = |pid: i32| sharers.iter().any(|sharer| sharer.pid == pid);
    sharers.iter().copied().filter(|sharer| !lineage(sharer.pid).skip(1).any(is_sharer)).collect()
}
