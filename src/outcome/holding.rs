//! Who holds the lock, since when, and what would resolve it: what a refusal says.

use std::path::Path;

use serde::Serialize;

use super::lock::{LockView, lock_option};
use super::origin::OriginView;
use super::process::ProcessView;
use super::sentence::shortened;
use crate::base::secret::mask;
use crate::lock::error::HINT_OF_LEASE;
use crate::lock::file;
use crate::lock::keeper;
use crate::lock::layouts;
use crate::lock::state::{Facts, State, inspect};
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc;
use crate::process::origin::{self, Respawns};
use crate::settings::{Bot, Caller};
use crate::survey::marks;
use crate::survey::whose::Users;

/// Who held a lock and is gone by now.
pub const ENDED: &str = "a process that has ended since";

/// Who holds a lock and what would resolve it: what a refusal says.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    /// The lock.
    pub lock: LockView,
    /// For whom it was taken, where that is another program than the one that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
    /// The process that an operator would call the holder: COMMAND rather than the solobot around it.
    #[serde(skip)]
    pub main: Option<ProcessView>,
    /// The process that a keeper holds the lock for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<ProcessView>,
    /// Who started the holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginView>,
    /// What to type, most likely first.
    #[serde(skip)]
    pub remedies: Vec<String>,
}

impl Holding {
    /// Who holds it, in a sentence: one process, or why none can be named.
    pub fn by(&self) -> String {
        self.main
            .as_ref()
            .map_or_else(|| self.by_unseen().to_owned(), |main| format!("PID {}: {}", main.pid, main.command))
    }

    /// The same in a line that a person can read.
    pub fn by_briefly(&self) -> String {
        let main = self.main.as_ref();
        main.map_or_else(
            || self.by_unseen().to_owned(),
            |main| format!("PID {}: {}", main.pid, shortened(&main.command)),
        )
    }

    /// Who holds it where no process can be named.
    pub fn by_unseen(&self) -> &'static str {
        self.lock.unseen.unwrap_or(ENDED)
    }
}

/// Describes the holder of a lock; `bot` is the one that wants it, `caller` who asks.
pub fn describe(path: &Path, bot: Option<&Bot>, caller: Caller) -> Holding {
    let facts = inspect(path);
    let mut lock = LockView::of(&facts);
    // Asked once more: a look, which only reads, passes by a lease that keeps a locker out.
    let leased = facts.state.holders().is_empty() && !facts.is_held_unseen() && file::is_leased(path);
    if leased {
        lock.unseen = Some("a process that has a kernel file lease on it");
    }
    let (holders, orphaned) = match &facts.state {
        State::Held { holders, orphaned } => (holders.clone(), *orphaned),
        _ => (Vec::new(), false),
    };
    let kept_for = keeper::among(&holders).map(|(_, target)| ProcessView::of(target));
    let held_for = facts.record.record().map(|record| record.app_name.clone()).filter(|name| !name.is_empty());
    let held_for = held_for.filter(|_| bot.is_none_or(|bot| is_another(&facts, bot)));
    let origin = holders.first().and_then(|&holder| origin::of_process(holder));
    let named = facts.record.record().and_then(|record| i32::try_from(record.pid).ok());
    // A shell that holds it by a descriptor has passed that on to us.
    let is_another = |holder: &&ProcessView| u32::try_from(holder.pid) != Ok(std::process::id());
    let main = kept_for
        .clone()
        .or_else(|| lock.holders.iter().find(|holder| Some(holder.pid) == named).cloned())
        .or_else(|| named.filter(|&pid| is_below(pid, &holders)).and_then(Identity::of).map(ProcessView::of))
        .or_else(|| lock.holders.iter().filter(is_another).max_by_key(|holder| holder.pid).cloned())
        .or_else(|| lock.holders.first().cloned());
    let mut remedies = Vec::new();
    if let (Some(held_for), Some(bot)) = (&held_for, bot)
        && bot.lock.file_name() == Some(layouts::SOLOBOT.as_ref())
    {
        let own = format!(".solobot-{}.lock", bot.name);
        remedies.push(format!("it is held for another program, `{held_for}`; with a lock of its own: --lock {own}"));
    }
    let lock_option = lock_option(path);
    if kept_for.is_some() && !holders.is_empty() {
        remedies.push(format!("to give it back: solobot release {lock_option}"));
    }
    if orphaned {
        remedies.push(
            "its solobot is dead; to stop the orphan and take its place: solobot acquire --takeover=orphan …".into(),
        );
    }
    let program = bot.and_then(|bot| bot.program.as_ref());
    let users = Users::of_bot(program, path, caller, bot.map_or(&[], |bot| &bot.users));
    let stranger = main.as_ref().filter(|main| !users.include(proc::owner(main.pid)));
    if let Some(stranger) = stranger {
        let wait = "to wait until it ends: solobot acquire --wait forever …".to_owned();
        remedies = vec![format!("it is a process of user {}, who is none of this bot's", stranger.user), wait];
        let origin = origin.as_ref().map(OriginView::of);
        return Holding { lock, bot: held_for, main, kept_for, origin, remedies };
    }
    let managed = origin.as_ref().filter(|origin| origin.would_respawn());
    if let Some(stop) = managed.and_then(|origin| origin.stop.as_ref()) {
        let again = if origin.as_ref().is_some_and(|origin| origin.respawns == Respawns::Yes) {
            " (whatever ends it otherwise, it is started again)"
        } else {
            ""
        };
        remedies.push(format!("to stop it: {stop}{again}"));
    }
    if !holders.is_empty() && kept_for.is_none() {
        remedies.push(format!("to stop it: solobot stop {lock_option}"));
    }
    if leased {
        remedies.push(HINT_OF_LEASE.into());
    } else if holders.is_empty() {
        let whence = if proc::hides_others() { "as root: sudo" } else { "on the host, or in the other container:" };
        remedies.push(format!("look {whence} solobot status {lock_option}"));
    }
    remedies.push("to wait until it ends: solobot acquire --wait forever …".into());
    if !orphaned && !holders.is_empty() {
        remedies.push("to stop it and take its place: solobot acquire --takeover …".into());
    }
    Holding { lock, bot: held_for, main, kept_for, origin: origin.as_ref().map(OriginView::of), remedies }
}

/// Whether the record says that the lock was taken for another program: by what it runs, since a bot may have had another
/// name then; by its name alone where that is all that it says. Without a program of our own nothing is another one.
fn is_another(facts: &Facts, bot: &Bot) -> bool {
    let theirs = facts.record.details().and_then(|details| marks::program_of(details, &facts.path));
    match (&theirs, &bot.program) {
        // A record has tokens masked: a folder may be named by one.
        (Some(theirs), Some(ours)) => {
            !theirs.is_same_but_for_args(ours) && theirs.to_string() != mask(&ours.to_string())
        }
        (_, None) => false,
        (None, Some(_)) => {
            facts.record.record().is_some_and(|record| ![&bot.name, &bot.recorded_name()].contains(&&record.app_name))
        }
    }
}

/// Whether one of the holders is an ancestor of the process: the bot of a solobot that does not let it inherit the lock.
fn is_below(pid: i32, holders: &[Identity]) -> bool {
    lineage(pid).any(|pid| holders.iter().any(|holder| holder.pid == pid))
}
