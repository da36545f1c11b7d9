//! Starting a keeper.

use std::path::Path;

use super::error::Error as AcquireError;
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::journal::Journal;
use crate::lock::held::Held;
use crate::lock::keeper::{self, KeeperRequest};
use crate::platform::children::{self, Ended};
use crate::platform::daemon;
use crate::platform::identity::Identity;
use crate::platform::signals::Signals;
use crate::platform::spawn::Launch;

/// Starts a keeper that shares the held lock, and returns its PID once it holds it; `conflict` is the code for a lock that
/// has not come to be held.
///
/// # Errors
/// It could not be started, it was ended before it held the lock, or `target` ended meanwhile.
pub fn start_keeper(
    held: &Held,
    name: &str,
    journal: &Journal,
    target: Identity,
    signals: &Signals,
    conflict: Exit,
) -> Result<i32, Error> {
    let failed = |source| Error::Io { action: "start the keeper".into(), source };
    let (mut awaited, ready) = daemon::pipe().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let line = keeper::command_line(&program, target, held.descriptor(), ready.descriptor());
    let journal = journal.path().map(Path::to_owned);
    let request = KeeperRequest { lock: held.path().to_owned(), name: name.to_owned(), journal };
    let launch = Launch {
        argv: &line,
        env: &request.variables(),
        mask: signals.original_mask(),
        inherit: &[held.descriptor(), ready.descriptor()],
    };
    let pid = launch.spawn().map_err(failed)?;
    drop(ready);
    if awaited.comes() {
        return Ok(pid);
    }
    let ended = children::wait_for(pid);
    if !target.is_alive() {
        return Err(AcquireError::TargetGone { pid: target.pid }.into());
    }
    Err(match ended {
        Ok(Ended::Code(code)) if code != 0 => AcquireError::Keeper { code }.into(),
        // It was killed, or the lock's file was replaced under it.
        _ => AcquireError::KeeperEnded { lock: held.path().to_owned(), exit: conflict }.into(),
    })
}
