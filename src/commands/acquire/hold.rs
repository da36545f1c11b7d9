//! Holding the lock in one of four modes: while COMMAND runs, as COMMAND, with the shell's descriptor, or by a keeper.

use super::lease::BotLease;
use super::request::{Mode, Request, own};
use super::{keep, run};
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::lock::held::Held;
use crate::lock::wait::ending_signal;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::Events;
use crate::platform::signals::Signals;

/// Holds the lock, and the lease, as the mode says. Only with a lease may the lock be another's, that holds it for us.
///
/// # Errors
/// COMMAND cannot be run; the keeper cannot be started.
pub fn hold(
    request: &Request<'_>,
    held: Option<Held>,
    lease: Option<BotLease<'_>>,
    signals: &Signals,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    match (request.mode, held) {
        (Mode::Run, held) => run::as_child(request, held, lease, signals, events),
        (_, None) => Err(Error::Bug("nothing is held".into())),
        (Mode::Become, Some(held)) => run::in_our_place(request, held, signals),
        (Mode::Descriptor(fd), Some(held)) => {
            if let Some(arrived) = ending_signal(signals) {
                held.release();
                return Ok(AcquireOutcome::Ended(Exit::Signal(arrived.signal.number())));
            }
            // From here on the shell holds it and is told so: no signal may make the answer another one.
            signals.keep_blocked();
            held.leave();
            request.lock_journal.taken(own()?.pid);
            request.lock_journal.tell();
            Ok(AcquireOutcome::Descriptor(fd))
        }
        (Mode::Keep(target), Some(held)) => {
            let (name, journal) = (request.bot.recorded_name(), request.lock_journal.journal());
            let keeper = keep::start_keeper(&held, &name, journal, target, signals, request.conflict_exit)?;
            signals.keep_blocked();
            held.leave();
            request.lock_journal.taken(target.pid);
            request.lock_journal.tell();
            Ok(AcquireOutcome::Kept(keeper))
        }
    }
}
