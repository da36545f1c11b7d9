//! `acquire`: take the lock, make sure that no instance runs without it, then hold it in one of four modes.
//!
//! 1. try the lock;
//! 2. if it is held: say who holds it and wait, or take over;
//! 3. verify, write text and record, verify again;
//! 4. look for instances that run without the lock, and wait for those too;
//! 5. with a lease: take it, under the same deadline;
//! 6. clear the webhook, if the flag is given;
//! 7. run COMMAND, become COMMAND, leave the lock with the shell's descriptor, or start a keeper.

mod attempt;
pub mod background;
mod detach;
mod environment;
mod error;
mod explain;
mod hold;
mod home_lease;
mod keep;
mod lease;
mod log_file;
mod request;
mod run;
mod service;
mod takeover;
mod unlocked;
mod webhook;

use std::time::Instant;

use self::attempt::{Attempt, AttemptResult};
use self::background::Background;
use self::error::Error as AcquireError;
use self::lease::{BotLease, LeaseWait, PreparedLease};
use self::request::Request;
use self::service::ServiceEvents;
use self::unlocked::Lookout;
use self::webhook::{RemovalEnd, WebhookRemover};
use crate::base::duration::Limit;
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::base::secret::Token;
use crate::cli;
use crate::lock::held::Held;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::{Events, Notice};
use crate::platform::signals::Signals;
use crate::settings::{Bot, Settings};

/// Runs `acquire`; `background`: as the solobot that goes on in the background.
///
/// # Errors
/// The lock is held by another; COMMAND cannot be run; everything [`crate::lock::Error`] names.
pub fn run(
    args: &cli::Acquire,
    background: Option<Background>,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    let request = request::settle(args, global, settings)?;
    if args.detach && background.is_none() {
        detach::refuse(&request)?;
        return detach::start(&request, events);
    }
    request.background.replace(background);
    let events = &mut ServiceEvents { service: &request.service, events };
    if global.verbose > 0 {
        explain::explain(&request, settings, events);
    }
    // Whatever can block, as a password manager behind a pipe can, is read before anything is held.
    let token = token_of(&request.bot, events);
    let remover = webhook::prepare(&request, settings, events)?;
    let lease = lease::prepare(&request, token)?;
    let is_held_for_us = environment::is_held_for_us(&request, events);
    if is_held_for_us && args.detach {
        return Err(detach::held_for_us());
    }
    if is_held_for_us && lease.as_ref().is_none_or(|lease| environment::has_lease_for_us(&request, lease.target())) {
        if let Some(remover) = remover {
            remover.run(None, events)?;
        }
        return run::without_lock(&request, &[]);
    }
    let signals = Signals::block().map_err(|source| Error::Io { action: "block signals".into(), source })?;
    let deadline = if args.nonblock { Some(Instant::now()) } else { request.wait.deadline(Instant::now()) };
    if is_held_for_us {
        return under_lease(&request, None, lease, remover, WaitContext { signals, deadline }, events);
    }
    let mut attempt = Attempt {
        request: &request,
        token,
        signals: &signals,
        deadline,
        took_over: false,
        lookout: Lookout::new(&request),
        events: &mut *events,
    };
    match attempt.hold()? {
        AttemptResult::Held(held) => {
            under_lease(&request, Some(*held), lease, remover, WaitContext { signals, deadline }, events)
        }
        AttemptResult::Signal(signal) => Ok(AcquireOutcome::Ended(Exit::Signal(signal))),
        AttemptResult::Refused | AttemptResult::Unlocked(_) if args.if_held == cli::IfHeld::Run => {
            without_polling(&request, "another process holds the lock".into(), signals, events)
        }
        AttemptResult::Unlocked(instances) => {
            let (lock, typed) = (request.bot.lock.clone(), request.bot.typed());
            Err(AcquireError::Unlocked { lock, instances, typed, exit: request.conflict_exit }.into())
        }
        AttemptResult::Refused => {
            let refusal = attempt.refusal();
            Err(given_up(&request, refusal))
        }
    }
}

/// What a wait needs.
struct WaitContext {
    signals: Signals,
    deadline: Option<Instant>,
}

/// The lock is held, by us or for us: takes the lease, if there is one, removes the webhook, and holds both as the mode says.
/// Whatever ends it before gives back the lease, then the lock.
fn under_lease(
    request: &Request<'_>,
    mut held: Option<Held>,
    lease: Option<PreparedLease>,
    remover: Option<WebhookRemover>,
    WaitContext { signals, deadline }: WaitContext,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    let mut lease = lease.map(|lease| BotLease::start(lease, request, held.as_ref())).transpose()?;
    if let Some(waiting) = &mut lease {
        match waiting.wait(&mut held, &signals, deadline, events) {
            Ok(LeaseWait::Granted) => {}
            Ok(end) => {
                let refusal = waiting.refusal(&end);
                give_back(lease, held, events);
                return refused(request, &end, refusal, signals, events);
            }
            Err(error) => {
                give_back(lease, held, events);
                return Err(error);
            }
        }
    }
    match remover.map(|remover| remover.run(Some(&signals), events)).transpose() {
        Ok(None | Some(RemovalEnd::Done)) => hold::hold(request, held, lease, &signals, events),
        Ok(Some(RemovalEnd::Signal(signal))) => {
            give_back(lease, held, events);
            Ok(AcquireOutcome::Ended(Exit::Signal(signal)))
        }
        Err(error) => {
            give_back(lease, held, events);
            Err(error)
        }
    }
}

fn give_back(lease: Option<BotLease<'_>>, held: Option<Held>, events: &mut dyn Events) {
    if let Some(lease) = lease {
        lease.leave(events);
    }
    if let Some(held) = held {
        held.release();
    }
}

/// The lease was not granted.
fn refused(
    request: &Request<'_>,
    end: &LeaseWait,
    refusal: AcquireError,
    signals: Signals,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    match end {
        LeaseWait::Signal(signal) => Ok(AcquireOutcome::Ended(Exit::Signal(*signal))),
        // What waiting would not change is an error all the same.
        LeaseWait::TimedOut if request.args.if_held == cli::IfHeld::Run => {
            without_polling(request, refusal.to_string(), signals, events)
        }
        _ => Err(given_up(request, refusal)),
    }
}

/// `--if-held run`.
fn without_polling(
    request: &Request<'_>,
    why: String,
    signals: Signals,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    events.notice(&Notice::PollingDisabled { command: request.shown_command(), why });
    drop(signals);
    run::without_lock(request, &environment::without_polling(request))
}

/// The wait is over, and that is written down.
fn given_up(request: &Request<'_>, refusal: AcquireError) -> Error {
    if let Limit::For(after) = request.wait {
        request.lock_journal.timed_out(after);
    }
    refusal.into()
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
