//! `--takeover`: stop the holder and take its place, if it is proved to be the bot's.
//!
//! It stops only holders of this very lock that are proved to be the bot's ([`crate::survey::holders`]), and the
//! instances of step 4. If a keeper holds the lock, only the process that it holds the lock for is stopped. The keeper
//! releases the lock when that process has ended. A takeover refuses an ancestor, a holder that a manager would start
//! again, and one that itself took over less than ten minutes ago: two such starts would stop each other forever.

use std::cell::OnceCell;
use std::path::Path;
use std::time::Duration;

use super::error::Error as AcquireError;
use super::request::Request;
use crate::base::duration::show;
use crate::base::error::Error;
use crate::cli::Takeover;
use crate::lock::file::open_to_look;
use crate::lock::owner::FoundRecord;
use crate::lock::state::{LockFacts, State, inspect};
use crate::lock::{carriers, holders};
use crate::outcome::events::{Events, Notice};
use crate::outcome::lock::{HiddenHolder, lock_option};
use crate::outcome::process::ProcessView;
use crate::platform::advice::{self, KILL};
use crate::platform::identity::{Identity, ancestry};
use crate::process::origin;
use crate::process::stop::{self, StopOptions, StopStatus, StopTarget};
use crate::survey::Surveyor;
use crate::survey::holders::{HolderContext, LockCarrier, topmost};
use crate::survey::users::Users;

/// A holder that took over this recently is not taken over from.
const SETTLED_AFTER: Duration = Duration::from_mins(10);

/// What became of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeoverResult {
    /// The holder that was seen no longer holds the lock; a newer one may.
    Gone,
    Stopped,
    /// It is not an orphan, and only an orphan may be stopped: `acquire` waits for it as without a takeover.
    Left,
}

/// Stops whoever holds the lock now.
///
/// # Errors
/// The takeover is refused, or the holder cannot be stopped.
pub fn stop_holders(request: &Request<'_>, whom: Takeover, events: &mut dyn Events) -> Result<TakeoverResult, Error> {
    let facts = inspect(&request.bot.lock);
    let State::Held { orphaned, holders: ref seen } = facts.state else { return Ok(TakeoverResult::Gone) };
    if whom == Takeover::Orphan && !orphaned {
        return Ok(TakeoverResult::Left);
    }
    refuse_recent(request, &facts)?;
    let lock = open_to_look(&request.bot.lock)?;
    let carriers =
        carriers::of(&lock).map_err(|source| Error::Io { action: "find the holder of the lock".into(), source })?;
    let carrying = LockCarrier::present(&carriers);
    let sharers: Vec<Identity> = carrying.iter().map(|one| one.process).collect();
    if sharers.is_empty() {
        // On its way out it is in no list any more.
        let again = holders::look(&lock, &[])?;
        let is_hidden = again.held && again.holders.is_empty();
        return if is_hidden {
            Err(HiddenHolder { lock: request.bot.lock.clone() }.into())
        } else {
            Ok(TakeoverResult::Gone)
        };
    }
    // A newer holder was not judged, so it is not stopped. If the holder that was seen has the lock after the listing, it
    // had the lock during the whole listing.
    if !seen.iter().any(|holder| sharers.contains(holder) && holders::shares(&lock, holder.pid)) {
        return Ok(TakeoverResult::Gone);
    }
    let judged = judge(request, &request.bot.lock, &facts.record, &|judge| judge.holders(&carrying));
    if let Some((process, why)) = judged.unproved.first().filter(|_| judged.proved.is_empty()) {
        return Err(unproved(request, *process, why));
    }
    stop(request, &topmost(&judged.proved), &judged.proved, events).map(|()| TakeoverResult::Stopped)
}

/// Asks who of these may be stopped for this lock, or for one beside it. Who runs the bot's program is looked for where that
/// alone can tell.
pub fn judge<T>(request: &Request<'_>, lock: &Path, record: &FoundRecord, ask: &dyn Fn(&HolderContext<'_>) -> T) -> T {
    let (bot, settings) = (&request.bot, request.settings);
    let users = Users::of_bot(bot.program.as_ref(), lock, settings.context().caller, &bot.users);
    let running = OnceCell::new();
    let all_that_run = || {
        let survey = Surveyor::new(settings).look_at(std::slice::from_ref(bot)).unwrap_or_default();
        let instances = survey.bots.into_iter().flat_map(|bot| bot.found.instances);
        instances.flat_map(|one| one.members.into_iter().chain(one.wrappers)).collect::<Vec<_>>()
    };
    let runs_program = |process: Identity| running.get_or_init(all_that_run).contains(&process);
    ask(&HolderContext { lock, record, users: &users, runs_program: &runs_program })
}

fn unproved(request: &Request<'_>, process: Identity, why: &str) -> Error {
    refused(
        request,
        format!("cannot prove that PID {} is the bot: {why}", process.pid),
        format!("to look at it: solobot status {}", lock_option(&request.bot.lock)),
    )
}

/// Stops instances that run without the lock, which we hold by now.
///
/// # Errors
/// As [`stop_holders`].
pub fn stop_unlocked(request: &Request<'_>, instances: &[Identity], events: &mut dyn Events) -> Result<(), Error> {
    stop(request, instances, instances, events)
}

fn refuse_recent(request: &Request<'_>, facts: &LockFacts) -> Result<(), Error> {
    let Some(details) = facts.record.details().filter(|details| details.took_over) else { return Ok(()) };
    let Ok(since) = details.acquired_at.parse::<jiff::Timestamp>() else { return Ok(()) };
    let age = jiff::Timestamp::now().duration_since(since).unsigned_abs();
    if age >= SETTLED_AFTER {
        return Ok(());
    }
    let holder = details.holder();
    let starter = origin::of_process(holder).map_or_else(String::new, |origin| format!(", origin {origin}"));
    let typed = request.bot.typed();
    let why = format!(
        "the holder (PID {}{starter}) itself took over the lock {} ago; two starts that both take over would keep stopping each other",
        holder.pid,
        show(age)
    );
    let hints = vec![
        format!("to see what starts it, then turn off one of the two: solobot status {typed}"),
        format!("to go on anyway: solobot stop {} && solobot acquire …", lock_option(&request.bot.lock)),
    ];
    Err(refused_with(request, why, hints))
}

/// Stops the targets and what they started; `shown` are the processes to be named.
fn stop(request: &Request<'_>, targets: &[Identity], shown: &[Identity], events: &mut dyn Events) -> Result<(), Error> {
    for &target in targets {
        if ancestry().any(|pid| pid == target.pid) {
            return Err(refused(
                request,
                format!("PID {} is an ancestor of this solobot, and stopping it would stop this one too", target.pid),
                "from another terminal: solobot acquire --takeover …".into(),
            ));
        }
        refuse_managed(request, target)?;
    }
    events.notice(&Notice::TakingOver(shown.iter().copied().map(ProcessView::of).collect()));
    let options = StopOptions { grace: request.grace, ..StopOptions::default() };
    let targets: Vec<StopTarget> = targets.iter().copied().map(StopTarget::single).collect();
    let results = stop::stop(&targets, &options);
    let Some(left) = results.into_iter().find(|result| !result.outcome.is_stopped()) else { return Ok(()) };
    let pid = left.root.pid;
    let (why, hint) = match left.outcome {
        StopStatus::NotPermitted { user } => {
            (format!("PID {pid} belongs to {user}"), advice::as_user("to do it as that user", &user, "solobot …"))
        }
        StopStatus::Survived { pid, state, wait_channel } => (
            format!(
                "PID {pid} survives {KILL}, in state {}, waiting in {}",
                state,
                wait_channel.as_deref().unwrap_or("an unknown kernel function")
            ),
            "it ends when that kernel call returns; look for a hung disk, a network file system or a debugger".into(),
        ),
        StopStatus::Refused(refusal) => (
            format!("cannot stop PID {pid}: {}", refusal.reason()),
            "from another terminal: solobot acquire --takeover …".into(),
        ),
        StopStatus::Terminated | StopStatus::Killed | StopStatus::Gone => return Ok(()),
    };
    Err(refused(request, why, hint))
}

/// A manager would start again what is stopped, and the two would fight.
fn refuse_managed(request: &Request<'_>, target: Identity) -> Result<(), Error> {
    let Some(mut origin) = origin::of_process(target) else { return Ok(()) };
    origin::ManagerAnswers::default().forecast(&mut origin);
    if !origin.would_respawn() {
        return Ok(());
    }
    let why = format!("PID {} would be started again by {origin}", target.pid);
    let hint = origin.stop().map_or_else(
        || format!("stop it with what started it, {origin}"),
        |stop| format!("to stop it for good: {stop}"),
    );
    Err(refused(request, why, hint))
}

fn refused(request: &Request<'_>, why: String, hint: String) -> Error {
    refused_with(request, why, vec![hint])
}

fn refused_with(request: &Request<'_>, why: String, hints: Vec<String>) -> Error {
    AcquireError::TakeoverRefused { lock: request.bot.lock.clone(), why, hints, exit: request.conflict_exit }.into()
}
