//! Who holds the lock, since when, and what would resolve it: what a refusal says.

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;

use super::lock::{LockView, lock_option};
use super::origin::{OriginView, hint_if_started_again};
use super::process::ProcessView;
use super::sentence::shortened;
use crate::base::secret::mask;
use crate::lock::error::HINT_OF_LEASE;
use crate::lock::file;
use crate::lock::layouts;
use crate::lock::state::{LockFacts, State, inspect};
use crate::platform::advice;
use crate::platform::identity::{Identity, lineage, own_pid};
use crate::platform::proc;
use crate::process::origin::{self, Origin};
use crate::settings::{Bot, Caller};
use crate::survey::held_locks;
use crate::survey::users::Users;

/// Who held a lock and is gone by now.
pub const ENDED: &str = "a process that has since ended";

/// Who holds a lock and what would resolve it: what a refusal says.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    pub lock: LockView,
    /// The program that it was taken for, if that is not the one that asks.
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
        if let Some(leased_to) = &self.lock.leased_to {
            return leased_to.by.clone();
        }
        self.main
            .as_ref()
            .map_or_else(|| self.by_unseen().to_owned(), |main| format!("PID {}: {}", main.pid, main.command))
    }

    /// The same in a line that a person can read.
    pub fn by_briefly(&self) -> String {
        if let Some(leased_to) = &self.lock.leased_to {
            return shortened(&leased_to.by);
        }
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
    let is_leased = facts.state.holders().is_empty() && !facts.is_held_unseen() && file::is_leased(path);
    if is_leased {
        lock.unseen = Some("a process that has a kernel file lease on it");
    }
    let holders: &[Identity] = match &facts.state {
        State::Held { holders, .. } => holders,
        _ => &[],
    };
    let kept_for = lock.keeper.as_ref().map(|(_, target)| target.clone());
    let held_for = facts.record.record().map(|record| record.app_name.clone()).filter(|name| !name.is_empty());
    let held_for = held_for.filter(|_| bot.is_none_or(|bot| is_another(&facts, bot)));
    let origin = holders.first().and_then(|&holder| origin::of_process(holder));
    let main = kept_for.clone().or_else(|| main_process(&facts, &lock, holders));
    let program = bot.and_then(|bot| bot.program.as_ref());
    let users = Users::of_bot(program, path, caller, bot.map_or(&[], |bot| &bot.users));
    let stranger = main.as_ref().filter(|main| !users.include(proc::owner(main.pid)));
    let remedies = match (&lock.leased_to, stranger) {
        (Some(leased), _) => leased.remedies.iter().cloned().chain([WAIT.into()]).collect(),
        (None, Some(stranger)) => {
            let status = format!("solobot status {}", lock_option(path));
            let (pid, user) = (stranger.pid, &stranger.user);
            vec![
                format!("PID {pid} belongs to user {user}, who does not run this bot; to look at it: {status}"),
                WAIT.into(),
            ]
        }
        (None, None) => Remedies {
            path,
            held_for: held_for.as_deref(),
            bot,
            by: match holders {
                [] if is_leased => HeldBy::Lease,
                [] => HeldBy::Unseen,
                _ if kept_for.is_some() => HeldBy::Keeper,
                _ if lock.orphaned => HeldBy::Orphan,
                _ => HeldBy::Process,
            },
            origin: origin.as_ref(),
        }
        .all(),
    };
    // The record names the lease then, and no program.
    let held_for = held_for.filter(|_| lock.leased_to.is_none());
    Holding { lock, bot: held_for, main, kept_for, origin: origin.as_ref().map(OriginView::of), remedies }
}

const WAIT: &str = "to wait until it ends: solobot acquire --wait forever …";

/// The process that an operator would call the holder, unless a keeper holds the lock.
fn main_process(facts: &LockFacts, lock: &LockView, holders: &[Identity]) -> Option<ProcessView> {
    let named = facts.record.record().and_then(|record| i32::try_from(record.pid).ok());
    // A shell that holds it by a descriptor has passed that on to us.
    let is_another = |holder: &&ProcessView| holder.pid != own_pid();
    let holding = |pid: i32| lock.holders.iter().find(|holder| holder.pid == pid).cloned();
    let below = |pid: i32| Identity::of(pid).filter(|_| is_below(pid, holders)).map(ProcessView::of);
    named
        .and_then(|pid| holding(pid).or_else(|| below(pid)))
        .or_else(|| lock.holders.iter().filter(is_another).max_by_key(|holder| holder.pid).cloned())
        .or_else(|| lock.holders.first().cloned())
}

/// What holds it, as far as it matters for what to type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeldBy {
    Process,
    Keeper,
    /// COMMAND of a solobot that is dead.
    Orphan,
    /// A kernel file lease keeps lockers out.
    Lease,
    /// Nobody in sight.
    Unseen,
}

/// What decides what to type.
struct Remedies<'a> {
    path: &'a Path,
    held_for: Option<&'a str>,
    bot: Option<&'a Bot>,
    by: HeldBy,
    origin: Option<&'a Origin>,
}

impl Remedies<'_> {
    /// Most likely first.
    fn all(&self) -> Vec<String> {
        let lock_option = lock_option(self.path);
        let mut all: Vec<String> = self.of_another_program().into_iter().collect();
        match self.by {
            HeldBy::Keeper => all.push(format!("to release it: solobot release {lock_option}")),
            HeldBy::Orphan => {
                all.push("to stop the orphan and take its place: solobot acquire --takeover=orphan …".into());
            }
            HeldBy::Process | HeldBy::Lease | HeldBy::Unseen => {}
        }
        let managers = self.origin.and_then(hint_if_started_again);
        let is_managed = managers.is_some();
        all.extend(managers);
        match self.by {
            // It would be started again: solobot refuses.
            HeldBy::Process | HeldBy::Orphan if is_managed => {}
            HeldBy::Process | HeldBy::Orphan => all.push(format!("to stop it: solobot stop {lock_option}")),
            HeldBy::Keeper => {}
            HeldBy::Lease => all.push(HINT_OF_LEASE.into()),
            HeldBy::Unseen => {
                let look = format!("solobot status {lock_option}");
                all.push(if proc::hides_others() {
                    advice::as_root("to see it", &look)
                } else {
                    format!("to see it, on the host or in the other container: {look}")
                });
            }
        }
        all.push(WAIT.into());
        if matches!(self.by, HeldBy::Process | HeldBy::Keeper) && !is_managed {
            all.push("to stop it and take its place: solobot acquire --takeover …".into());
        }
        all
    }

    /// Two programs in one folder share the default lock.
    fn of_another_program(&self) -> Option<String> {
        let (held_for, bot) = (self.held_for?, self.bot?);
        let is_default = bot.lock.file_name() == Some(layouts::SOLOBOT.as_ref());
        let own = format!(".solobot-{}.lock", bot.name);
        let text = format!(
            "it is held for another program, `{held_for}`; to use another lock: solobot acquire --lock {own} …"
        );
        is_default.then_some(text)
    }
}

/// Whether the record says that the lock was taken for another program: by what it runs, since a bot may have had another
/// name then; by its name alone where that is all that it says. Without a program of our own nothing is another one, and what
/// one COMMAND starts is one program, whatever `-m` calls it.
fn is_another(facts: &LockFacts, bot: &Bot) -> bool {
    let details = facts.record.details();
    let masked = |word: &OsString| mask(&word.to_string_lossy()).into_owned();
    let ours = bot.command.as_ref().map(|words| words.iter().map(masked).collect::<Vec<_>>());
    if ours.is_some() && details.map(|details| &details.argv) == ours.as_ref() {
        return false;
    }
    let theirs = details.and_then(|details| held_locks::program_of(details, &facts.path));
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
