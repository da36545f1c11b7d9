//! The state of a lock path: one enum, from the kernel's view, the text and the owner record.
//!
//! Looking changes nothing: no file is created or written. Only if `/proc/locks` does not tell, a shared lock is taken for
//! an instant.

use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use super::carriers::LocksByName;
use super::claim;
use super::file::{self, LockFile};
use super::holders::{self, KernelHolders};
use super::keeper;
use super::layouts::{self, Content, LockLayout};
use super::orphan;
use super::owner::{self, FoundRecord};
use super::replaced::LockPathNow;
use super::text::LockText;
use crate::platform::advice;
use crate::platform::identity::{self, Identity};
use crate::platform::proc;

pub use super::claim::Stale;

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// There is no file.
    Absent,
    /// The file exists, and nobody holds or claims it.
    Free,
    /// A process holds the kernel's lock.
    Held {
        /// Who shares it; empty if the holder is outside this PID namespace or hidden from us.
        holders: Vec<Identity>,
        /// The solobot that took it is dead, and its COMMAND still holds it.
        orphaned: bool,
    },
    /// Nobody holds it, and the process that it names is gone.
    Stale(Stale),
    /// Nobody holds it, but the process that it names is running: a bot that records its PID and takes no flock.
    OwnerAliveUnlocked(Identity),
    /// A process holds a file that was at this path before: whoever locks the present file is a second holder.
    Replaced {
        /// Who holds the file that was replaced.
        holders: Vec<Identity>,
    },
    /// The state is unknown.
    Unreadable { why: String, obstacle: Obstacle },
}

impl State {
    /// Who holds the file, or the file that was at its path before.
    pub fn holders(&self) -> &[Identity] {
        match self {
            Self::Held { holders, .. } | Self::Replaced { holders } => holders,
            Self::Absent | Self::Free | Self::Stale(_) | Self::OwnerAliveUnlocked(_) | Self::Unreadable { .. } => &[],
        }
    }
}

/// Why the state of a lock is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Permissions: another user may be able to look.
    NotPermitted,
    /// Another process has a lease on the file: a later look may succeed.
    Leased,
    /// The path itself, or what is at it.
    Place,
}

impl Obstacle {
    fn of(error: &Error) -> Self {
        match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Self::NotPermitted,
            Error::Leased { .. } => Self::Leased,
            _ => Self::Place,
        }
    }
}

/// Everything that is known about a lock path.
#[derive(Debug, Clone, PartialEq)]
pub struct LockFacts {
    pub path: PathBuf,
    pub state: State,
    pub record: FoundRecord,
    /// Who waits for it; `None` on a platform that does not show that.
    pub waiters: Option<Vec<Identity>>,
    /// The process that a keeper holds it for.
    pub kept_for: Option<Identity>,
    /// The layout whose file it is.
    pub layout: Option<&'static LockLayout>,
}

impl LockFacts {
    fn new(path: &Path, state: State, record: FoundRecord) -> Self {
        let layout = layouts::of_path(path);
        Self { path: path.to_owned(), state, record, waiters: Some(Vec::new()), kept_for: None, layout }
    }

    /// The facts of a lock that this process holds, without asking the kernel for all its locks ([`glance`]).
    pub fn of_ours(path: &Path) -> Self {
        let holders = Identity::own().into_iter().collect();
        Self::new(path, State::Held { holders, orphaned: false }, FoundRecord::Absent)
    }

    /// The program whose own file it is, as people call it.
    pub fn program(&self) -> Option<&'static str> {
        self.layout?.program
    }

    /// Whether the program takes the file's existence for a lock, so that an empty file, too, would keep it from starting.
    pub fn is_existence_a_lock(&self) -> bool {
        self.layout.is_some_and(|layout| layout.content == Content::Json)
    }

    /// What to do about a program's own file that cannot be read.
    pub fn remedy(&self) -> Option<String> {
        let program = self.program()?;
        match &self.state {
            State::Unreadable { obstacle: Obstacle::Place, .. } => {
                Some(format!("if {program} is not running, remove it: {}", advice::remove(&self.path)))
            }
            State::Unreadable { obstacle: Obstacle::NotPermitted, .. } => {
                Some(format!("try again {}", advice::WITH_SUDO))
            }
            _ => None,
        }
    }

    /// It is held, and who holds it cannot be seen from here.
    pub fn is_held_unseen(&self) -> bool {
        matches!(&self.state, State::Held { holders, .. } if holders.is_empty())
    }
}

/// How to name a holder that cannot be seen.
pub fn unseen_holder() -> &'static str {
    if proc::hides_others() {
        advice::HIDDEN_HOLDER
    } else if identity::pid_namespace().is_none() && identity::is_initial_pid_namespace() {
        advice::FOREIGN_HOLDER
    } else {
        "a process outside this PID namespace"
    }
}

pub fn inspect(path: &Path) -> LockFacts {
    inspect_with(path, &[])
}

/// Looks at a lock path. `running` are processes that run the bot's program: they are asked whether they hold a file that
/// was at the path before. If file and owner record were removed, nothing else leads to a bot that inherited the lock of a
/// dead solobot, because `/proc/locks` of a PID namespace does not list it.
pub fn inspect_with(path: &Path, candidates: &[i32]) -> LockFacts {
    let unreadable = |record, why: String, obstacle| LockFacts::new(path, State::Unreadable { why, obstacle }, record);
    let lock = match file::open_to_look(path) {
        Ok(lock) => Some(lock),
        Err(error) if error.is_absence() => None,
        Err(error) => {
            return unreadable(FoundRecord::Absent, error.reason(), Obstacle::of(&error));
        }
    };
    let record = lock.as_ref().map_or_else(|| owner::read(path, None), LockFile::record);
    match judge(path, lock.as_ref(), &record, candidates) {
        Ok((state, waiters)) => {
            let kept_for = keeper::among(state.holders()).map(|(_, target)| target);
            LockFacts { waiters, kept_for, ..LockFacts::new(path, state, record) }
        }
        Err(error) => unreadable(record, error.reason(), Obstacle::Place),
    }
}

/// The facts of a lock that nobody holds, if that can be told without asking the kernel for all its locks: it stops all
/// lockers for that answer, and waits 10 ms and more until they have stopped. `running` are the processes of the bot's
/// instances, and their ancestors.
///
/// Where none runs, the file tells: nobody else has it open, and no process that was recorded lives. Where one runs and
/// there is no file, it is asked whether it holds one that was removed. All else takes [`inspect`]: where neither is, a
/// file may have been removed from under its holder. What a glance does not see is a holder of a removed file that is
/// neither an instance nor in the record. Whoever `seen` has asked is not asked again.
pub fn glance(path: &Path, running: &[i32], seen: &LocksByName) -> Option<LockFacts> {
    let facts = |state, record| LockFacts::new(path, state, record);
    if !running.is_empty() {
        let error = file::open_to_look(path).err()?;
        let record = owner::read(path, None);
        let removed = proc::deleted(&orphan::resolved(path));
        let unasked = running.iter().copied().filter(|&pid| !seen.has_asked(pid, path)).chain(record.named());
        let is_absent = error.is_absence()
            && seen.files.iter().all(|file| file.path != removed)
            && LockPathNow::of(path, None, &record).held_by(unasked).is_empty();
        return is_absent.then(|| facts(State::Absent, record));
    }
    let lock = file::open_to_look(path).ok()?;
    let record = lock.record();
    let is_named_alive = record.named().into_iter().any(|pid| Identity::of(pid).is_some());
    if is_named_alive || lock.locked().is_open_elsewhere().ok()? {
        return None;
    }
    let state = unlocked(&lock, &record).ok()?;
    let is_settled = matches!(state, State::Free | State::Stale(_));
    is_settled.then(|| facts(state, record))
}

fn judge(
    path: &Path,
    lock: Option<&LockFile>,
    record: &FoundRecord,
    candidates: &[i32],
) -> Result<(State, Option<Vec<Identity>>), Error> {
    let mut hints = record.named();
    let mut kernel = lock.map(|lock| holders::look(lock, &hints)).transpose()?.unwrap_or_default();
    // Nobody waits for a file that is not there.
    let waiters = if lock.is_some() { kernel.waiters.take() } else { Some(Vec::new()) };
    hints.extend(candidates);
    let replaced = LockPathNow::of(path, lock.map(LockFile::inode), record).holders(&hints);
    let replaced = replaced.into_iter().map(|one| one.process);
    let uncovered: Vec<Identity> = replaced.filter(|&one| !is_covered(one, &kernel)).collect();
    if !uncovered.is_empty() {
        return Ok((State::Replaced { holders: uncovered }, waiters));
    }
    let Some(lock) = lock else { return Ok((State::Absent, waiters)) };
    if kernel.held {
        let orphaned = orphan::is_orphaned(lock, record, &kernel.holders);
        return Ok((State::Held { holders: kernel.holders, orphaned }, waiters));
    }
    Ok((unlocked(lock, record)?, waiters))
}

/// A process that holds the replaced file is covered if it, or an ancestor of it, holds the present one too: that is a
/// solobot which took the new file after the old one was removed under it.
fn is_covered(process: Identity, kernel: &KernelHolders) -> bool {
    identity::lineage(process.pid).any(|pid| kernel.holders.iter().any(|holder| holder.pid == pid))
}

/// What a lock is that nobody else holds: free, stale, claimed by a process that lives without a flock (one living claim is
/// enough), or somebody's file, which [`LockFile::open`] refuses to take for a lock.
///
/// # Errors
/// The text cannot be read.
pub fn unlocked(lock: &LockFile, record: &FoundRecord) -> Result<State, Error> {
    let text = lock.read_text().map_err(|error| Error::io("read lock", lock.path(), error))?;
    let is_json = layouts::of_path(lock.path()).is_some_and(|layout| layout.content == Content::Json);
    if is_json && text == LockText::Foreign {
        return Ok(match claim::of_json(lock) {
            Ok(Ok(process)) => State::OwnerAliveUnlocked(process),
            Ok(Err(stale)) => State::Stale(stale),
            Err(why) => State::Unreadable { why, obstacle: Obstacle::Place },
        });
    }
    let recorded = claim::of_record(record);
    // A text that repeats the record adds nothing: the record knows the start time, a bare PID may be anybody's.
    let repeats = record.record().is_some_and(|record| text.pid().map(i64::from) == Some(record.pid));
    let claims = [if repeats { None } else { claim::of_text(lock, text) }, recorded];
    let living = claims.iter().flatten().find_map(|claim| claim.as_ref().ok());
    let stale = claims.iter().flatten().find_map(|claim| claim.as_ref().err());
    Ok(match (living, stale) {
        (Some(&process), _) => State::OwnerAliveUnlocked(process),
        (None, _) if text == LockText::Foreign => {
            let why = Error::ForeignContent { path: lock.path().to_owned() }.reason();
            State::Unreadable { why, obstacle: Obstacle::Place }
        }
        (None, Some(stale)) => State::Stale(stale.clone()),
        (None, None) => State::Free,
    })
}

#[cfg(test)]
mod tests;
