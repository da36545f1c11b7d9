//! `release`: ends a keeper, or unlocks the calling shell's descriptor. A lock that a bot holds is refused: `stop` is
//! there for that.

use std::time::Duration;

use crate::base::error::Error;
use crate::cli;
use crate::journal::{Event, EventKind, Journal};
use crate::lock::file::{LockFile, open_to_look};
use crate::lock::state::{LockFacts, State, inspect};
use crate::lock::{held, holders, keeper};
use crate::outcome::events::Events;
use crate::outcome::holding;
use crate::outcome::lock::Unreadable;
use crate::outcome::process::ProcessView;
use crate::outcome::release::{Reason, ReleaseOutcome};
use crate::platform::identity::{self, Identity, ancestry};
use crate::platform::pidfd::Pidfd;
use crate::platform::signals::Signal;
use crate::settings::Settings;
use crate::survey::folder;

/// How long a keeper may take to give the lock back.
const KEEPER_ENDS_IN: Duration = Duration::from_secs(5);

/// Runs `release`.
///
/// # Errors
/// No terminal to ask on and no `-y`; the lock cannot be looked at; the keeper is another user's.
pub fn run(args: &cli::Release, settings: &Settings, events: &mut dyn Events) -> Result<ReleaseOutcome, Error> {
    if let Some(fd) = args.fd {
        let outcome = of_descriptor(fd, args.selection.allow_network_fs)?;
        tell(&Journal::at(settings.journal()), args.bot.as_deref().unwrap_or_default(), &outcome);
        return Ok(outcome);
    }
    let mut bot = folder::select_one(settings, &args.selection, args.bot.as_deref(), "release")?;
    bot.set_lease(&args.lease, settings.context())?;
    let facts = inspect(&bot.lock);
    let outcome = |reason| Ok(ReleaseOutcome { lock: bot.lock.clone(), reason });
    let State::Held { holders, .. } = &facts.state else { return not_held(facts) };
    let Some((keeper, target)) = keeper::among(holders) else {
        return outcome(Reason::HeldByBot(Box::new(holding::describe(&bot.lock, None, settings.context().caller))));
    };
    if !args.yes && !is_ours(target) {
        let view = ProcessView::of(target);
        let question = format!("The lock is held for PID {}: {}. Release it?", view.pid, view.command);
        match events.confirm(&question) {
            Some(true) => {}
            Some(false) => return outcome(Reason::Declined),
            None => {
                return Err(Error::usage(
                    format!(
                        "the lock is held for PID {}: {}, which did not start this solobot",
                        view.pid, view.command
                    ),
                    "to release it anyway: solobot release --yes …",
                ));
            }
        }
    }
    outcome(end_keeper(&bot.lock, keeper)?)
}

/// A keeper writes its own end down, whoever asked for it.
fn tell(journal: &Journal, bot: &str, outcome: &ReleaseOutcome) {
    if matches!(outcome.reason, Reason::DescriptorUnlocked(_)) {
        journal.append(&Event::new(EventKind::LockReleased, bot).lock(&outcome.lock));
    }
}

fn not_held(facts: LockFacts) -> Result<ReleaseOutcome, Error> {
    match facts.state {
        State::Unreadable { why, obstacle } => Err(Unreadable { path: facts.path, why, obstacle }.into()),
        _ => Ok(ReleaseOutcome { lock: facts.path, reason: Reason::NothingToRelease }),
    }
}

/// From inside the kept process's tree no question is needed: that tree took the lock.
fn is_ours(target: Identity) -> bool {
    ancestry().any(|pid| pid == target.pid) && target.is_alive()
}

fn end_keeper(lock: &std::path::Path, keeper: Identity) -> Result<Reason, Error> {
    let io = |source| Error::Io { action: format!("end the keeper, PID {}", keeper.pid), source };
    // The holder was found by its descriptor; look once more now, so that nobody else is asked to end.
    let proved = keeper::is_proved(&open_to_look(lock)?, keeper);
    let Some(pidfd) = Pidfd::open(keeper).map_err(io)?.filter(|_| proved) else {
        return Ok(Reason::NothingToRelease);
    };
    pidfd.send(Signal::SIGTERM).map_err(io)?;
    if pidfd.has_ended(KEEPER_ENDS_IN) {
        return Ok(Reason::KeeperEnded(keeper.pid));
    }
    Ok(Reason::KeeperSurvived(ProcessView::of(keeper)))
}

fn of_descriptor(fd: i32, allow_network_fs: bool) -> Result<ReleaseOutcome, Error> {
    let lock = LockFile::from_fd(fd, allow_network_fs)?;
    let path = lock.path().to_owned();
    let own = Identity::own()
        .map_err(|source| Error::Io { action: format!("read {}/stat", identity::OWN_FOLDER), source })?;
    let reason = if holders::shares(&lock, own.pid) {
        // What cannot be cleared is no reason to keep the lock.
        let cleared = if lock.is_writable() { held::clear_stale(&lock) } else { Ok(()) };
        lock.unlock();
        cleared?;
        Reason::DescriptorUnlocked(fd)
    } else {
        Reason::NothingToRelease
    };
    Ok(ReleaseOutcome { lock: path, reason })
}
