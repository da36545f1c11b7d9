//! `acquire`: take the lock, make sure that no instance runs without it, then hold it in one of four modes.
//!
//! 1. try the lock;
//! 2. if it is held: say who holds it and wait, or take over;
//! 3. verify, write text and record, verify again;
//! 4. look for instances that run without the lock, and wait for those too;
//! 5. clear the webhook, if the flag is given;
//! 6. run COMMAND, become COMMAND, leave the lock with the shell's descriptor, or start a keeper.

mod attempt;
mod environment;
mod error;
mod explain;
mod hold;
mod home_lease;
mod keep;
mod request;
mod run;
mod takeover;
mod unlocked;
mod webhook;

use std::time::Instant;

use self::attempt::{Attempt, AttemptResult};
use self::error::Error as AcquireError;
use crate::base::duration::Limit;
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::base::secret::Token;
use crate::cli;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::{Events, Notice};
use crate::platform::signals::Signals;
use crate::settings::{Bot, Settings};

/// Runs `acquire`.
///
/// # Errors
/// The lock is held by another; COMMAND cannot be run; everything [`crate::lock::Error`] names.
pub fn run(
    args: &cli::Acquire,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    let request = request::settle(args, global, settings)?;
    if global.verbose > 0 {
        explain::explain(&request, settings, events);
    }
    // Whatever can block, as a password manager behind a pipe can, is read before anything is held.
    let token = token_of(&request.bot, events);
    let _lease = request.bot.lease_target(token)?;
    let remover = webhook::prepare(&request, settings, events)?;
    if environment::is_held_for_us(&request, events) {
        if let Some(remover) = remover {
            remover.run(None, events)?;
        }
        return run::without_lock(&request, &[]);
    }
    let signals = Signals::block().map_err(|source| Error::Io { action: "block signals".into(), source })?;
    let deadline = if args.nonblock { Some(Instant::now()) } else { request.wait.deadline(Instant::now()) };
    let mut attempt = Attempt { request: &request, token, signals: &signals, deadline, took_over: false, events };
    match attempt.hold()? {
        AttemptResult::Held(held) => match remover.map(|remover| remover.run(Some(&signals), attempt.events)) {
            None | Some(Ok(webhook::RemovalEnd::Done)) => hold::hold(&request, *held, &signals, attempt.events),
            Some(Ok(webhook::RemovalEnd::Signal(signal))) => {
                held.release();
                Ok(AcquireOutcome::Ended(Exit::Signal(signal)))
            }
            Some(Err(error)) => {
                held.release();
                Err(error)
            }
        },
        AttemptResult::Signal(signal) => Ok(AcquireOutcome::Ended(Exit::Signal(signal))),
        AttemptResult::Refused | AttemptResult::Unlocked(_) if args.if_held == cli::IfHeld::Run => {
            let notice = Notice::PollingDisabled { command: request.shown_command() };
            attempt.events.notice(&notice);
            drop(signals);
            run::without_lock(&request, &environment::without_polling(&request))
        }
        AttemptResult::Unlocked(instances) => {
            let (lock, typed) = (request.bot.lock.clone(), request.bot.typed());
            Err(AcquireError::Unlocked { lock, instances, typed, exit: request.conflict_exit }.into())
        }
        AttemptResult::Refused => {
            let refusal = attempt.refusal();
            if let Limit::For(after) = request.wait {
                request.lock_journal.timed_out(after);
            }
            Err(refusal.into())
        }
    }
}

/// A bot's token, if it can be told; what is odd about it is said, and no more: the lock does not need it.
fn token_of<'a>(bot: &'a Bot, events: &mut dyn Events) -> Option<&'a Token> {
    match bot.token.resolve() {
        Ok(Some(resolved)) => {
            for warning in &resolved.warnings {
                events.notice(&Notice::Warning(warning.clone()));
            }
            Some(&resolved.token)
        }
        Ok(None) => None,
        Err(error) => {
            events.notice(&Notice::Warning(format!("{}: token unknown: {error}", bot.name)));
            None
        }
    }
}
