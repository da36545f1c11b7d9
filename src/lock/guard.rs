//! Taking the lock in your own program: [`acquire`], and a [`Guard`] that releases it.
//!
//! It is the same lock as the command's, with the same file, text and owner record. So the two exclude each other, and
//! `solobot status` shows who holds it. Promised: the rules of [`crate::lock`]. Not promised: that the text is written again
//! when another program empties it, or that anything looks for instances without the lock. The command does both.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::Error;
use super::file::LockFile;
use super::held::{Held, HolderFacts, SettleResult};
use super::holders;
use super::state::unseen_holder;
use super::wait::{self, LockPlace, WaitResult, Waiting};
use crate::base::error::{Expected, typed};
use crate::base::exit::Exit;
use crate::platform::identity::{self, Identity};
use crate::platform::signals::Signals;

/// A lock that this process holds. Dropping it clears the text, removes the owner record and unlocks the file. The file
/// itself stays.
///
/// If the process dies without dropping it, the kernel unlocks the file; only the text stays, and is stale.
#[derive(Debug)]
pub struct Guard(Held);

impl Guard {
    /// The lock's path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether the path still names the locked file. If not, another process has removed or replaced the file, and may
    /// hold the new one: your bot should stop polling.
    pub fn is_current(&self) -> bool {
        self.0.file().is_current()
    }
}

/// Why [`acquire`] did not take the lock.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another process holds it, still after the wait.
    #[error("lock `{}` is held by {}", .path.display(), named(.holders))]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who shares it; empty if no holder can be seen from this PID namespace.
        holders: Vec<Identity>,
    },
    /// The path cannot be locked.
    #[error(transparent)]
    Lock(#[from] Error),
}

fn named(holders: &[Identity]) -> String {
    let pids: Vec<String> = holders.iter().map(|holder| format!("PID {}", holder.pid)).collect();
    if pids.is_empty() { unseen_holder().to_owned() } else { pids.join(", ") }
}

impl Expected for Refused {
    fn exit(&self) -> Exit {
        match self {
            Self::Held { .. } => Exit::Held,
            Self::Lock(error) => error.exit(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Lock(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held { path, .. } => {
                vec![format!("to see the holder: solobot status --lock {}", typed(path))]
            }
            Self::Lock(error) => error.hints(),
        }
    }
}

/// Takes the lock on `path` for this process. `Some(Duration::ZERO)` does not wait, `None` waits forever.
///
/// Waiting blocks the calling thread in the kernel. Signals keep their usual effect. Child processes do not inherit the
/// lock. A relative path starts at the current folder.
///
/// # Errors
/// [`Refused::Held`] names the holders. [`Refused::Lock`] says why the path cannot be a lock.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use solobot::lock::{Refused, acquire};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("bot.lock");
/// let guard = acquire(&path, Some(Duration::from_secs(30)))?;
/// // Another one, even in this process, has to wait.
/// let second = acquire(&path, Some(Duration::ZERO));
/// assert!(matches!(second, Err(Refused::Held { holders, .. }) if holders[0].pid as u32 == std::process::id()));
/// drop(guard);
/// assert!(acquire(&path, Some(Duration::ZERO)).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn acquire(path: &Path, wait: Option<Duration>) -> Result<Guard, Refused> {
    let failed = |source| Error::io("look at", Path::new(identity::OWN_FOLDER), source);
    let path = std::path::absolute(path).map_err(|source| Error::io("look at", path, source))?;
    let own = Identity::own().map_err(failed)?;
    let signals = Signals::none().map_err(failed)?;
    // A deadline that no clock reaches means forever.
    let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
    loop {
        let mut on_wait = |_: &Path| {};
        let mut waiting = Waiting {
            deadline,
            allow_network_fs: false,
            signals: &signals,
            on_wait: &mut on_wait,
            prepare: &mut || {},
        };
        let lock = match wait::take(LockPlace::Path(&path), &mut waiting)? {
            WaitResult::Granted(lock) => lock,
            // No signal is waited for, so none can arrive.
            WaitResult::TimedOut | WaitResult::Signal(_) => return Err(refused(path)),
        };
        if let SettleResult::Held(held, _) = Held::settle(lock, claim(), own, own, false)? {
            return Ok(Guard(*held));
        }
    }
}

fn refused(path: PathBuf) -> Refused {
    let looked = LockFile::open(&path, false).and_then(|lock| holders::look(&lock, &[]));
    match looked {
        Err(error @ Error::Leased { .. }) => error.into(),
        looked => Refused::Held { path, holders: looked.map(|kernel| kernel.holders).unwrap_or_default() },
    }
}

fn claim() -> HolderFacts {
    let argv: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let program = argv.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    HolderFacts {
        app_name: program.to_string_lossy().into_owned(),
        argv,
        cwd: std::env::current_dir().ok(),
        ..HolderFacts::default()
    }
}
