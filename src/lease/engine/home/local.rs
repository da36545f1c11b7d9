//! The flock of PATH: taken for whoever holds the lease, and who has it if it cannot be taken.

use std::path::Path;

use super::files::of_lock;
use crate::base::secret::mask;
use crate::lease::engine::EngineError;
use crate::lease::record::LeaseHolder;
use crate::lock::error::Error as LockError;
use crate::lock::file::{LockFile, LockReply};
use crate::lock::held::{Held, HolderFacts, SettleResult};
use crate::lock::holders;
use crate::lock::state::{self, State, unseen_holder};
use crate::platform::identity::{self, Identity};
use crate::platform::proc::{self, Handle};
use crate::platform::user;

/// The subcommand that holds PATH.
pub const SUBCOMMAND: &str = "hold";
/// How much of a command line is shown.
const LONGEST: usize = 160;
/// How often the file may be replaced while it is taken.
const MOST_MOVES: u32 = 5;

/// What came of trying to take the flock of PATH.
pub enum PathLock {
    Held(Box<Held>),
    /// Another `hold` has it, or the very bot that the lease is for: nobody else can have it.
    Excluded,
    /// A bot of this host has it, or something else that this text describes.
    Busy(String),
}

/// Takes it for that holder of the lease, without waiting.
///
/// # Errors
/// PATH must not be a lock, or cannot be opened.
pub fn take(path: &Path, by: &LeaseHolder) -> Result<PathLock, EngineError> {
    let failed = |error: LockError| of_lock(&error);
    for _ in 0..MOST_MOVES {
        let lock = LockFile::open(path, false).map_err(failed)?;
        if lock.try_lock().map_err(failed)? != LockReply::Granted {
            return judge(&lock, by).map_err(failed);
        }
        // A bot that has a PID file alone, or one that its solobot has left behind.
        if let Ok(State::OwnerAliveUnlocked(process)) = state::unlocked(&lock, &lock.record())
            && !is_hold(process.pid)
        {
            lock.unlock();
            return Ok(PathLock::Busy(described(process)));
        }
        let own = match Identity::own() {
            Ok(own) => own,
            Err(source) => return Err(failed(LockError::io("lock", path, source))),
        };
        let facts = HolderFacts {
            app_name: format!("{} on {}", by.name, by.host),
            argv: vec![by.command.clone()],
            ..HolderFacts::default()
        };
        match Held::settle(lock, facts, own, own, false).map_err(failed)? {
            SettleResult::Held(held, _) => return Ok(PathLock::Held(held)),
            SettleResult::Moved => {}
        }
    }
    Ok(PathLock::Busy("whoever replaces it again and again".into()))
}

fn judge(lock: &LockFile, by: &LeaseHolder) -> Result<PathLock, LockError> {
    let file = (lock.inode().device, lock.inode().inode);
    if by.lock == file && Some(by.boot_id.as_str()) == identity::boot_id() {
        return Ok(PathLock::Excluded);
    }
    let seen = holders::look(lock, &[])?;
    Ok(match seen.holders.iter().find(|holder| !is_hold(holder.pid)) {
        Some(&other) => PathLock::Busy(described(other)),
        None if !seen.holders.is_empty() => PathLock::Excluded,
        None => PathLock::Busy(unseen_holder().into()),
    })
}

/// Who else than a `hold` has the flock of PATH.
pub fn stranger(path: &Path) -> Option<String> {
    let lock = LockFile::open(path, false).ok()?;
    let seen = holders::look(&lock, &[]).ok()?;
    seen.holders.iter().find(|holder| !is_hold(holder.pid)).map(|&other| described(other))
}

/// Whether a process holds a lock for the holder of a lease. Its command line alone proves nothing: it must run our file, and
/// be ours or root's.
fn is_hold(pid: i32) -> bool {
    let Some(owner) = proc::owner(pid) else { return false };
    let line = Handle::open(pid).and_then(|handle| handle.cmdline().ok()).unwrap_or_default();
    let says_so = line.split(|&byte| byte == 0).nth(1) == Some(SUBCOMMAND.as_bytes());
    says_so && [0, user::effective_uid()].contains(&owner) && proc::runs_our_file(pid).unwrap_or(owner == 0)
}

fn described(process: Identity) -> String {
    let argv = Handle::open(process.pid).map(|handle| handle.argv()).unwrap_or_default();
    let line = argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    // Masked first: half a token would not be recognised.
    let line: String = mask(&line).chars().take(LONGEST).collect();
    if line.is_empty() { format!("PID {}", process.pid) } else { format!("PID {}: {line}", process.pid) }
}
