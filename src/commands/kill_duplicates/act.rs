//! Carries out the plan, then looks again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::plan::{Plan, PlannedInstance};
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::cli;
use crate::outcome::events::{Activity, Events, Notice};
use crate::outcome::kill_duplicates::{Action, ResultView, StopStatusView};
use crate::platform::advice;
use crate::platform::identity::Identity;
use crate::platform::poll;
use crate::process::instance::Instance;
use crate::process::stop::{self, StopOptions, StopStatus, StopTarget};

/// How long after the last one has ended a new instance counts as started again.
const LOOK_AGAIN_FOR: Duration = Duration::from_secs(3);
/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Stops what is to be stopped; then the wrappers that are left over; then looks for what was started again, which is
/// none of the `known` processes.
///
/// # Errors
/// `/proc` cannot be read.
pub fn carry_out(
    plan: &Plan,
    args: &cli::Stopping,
    grace: Duration,
    known: &HashSet<Identity>,
    again: &mut dyn FnMut() -> Result<Vec<Instance>, Error>,
    events: &mut dyn Events,
) -> Result<Vec<ResultView>, Error> {
    let options = StopOptions { signal: args.signal, grace, force: args.force, protected: plan.protected() };
    let candidates: Vec<&PlannedInstance> = plan.to_stop().collect();
    events.notice(&Notice::Passing(Activity::Stopping {
        count: candidates.len(),
        grace: if args.force { Duration::ZERO } else { grace },
    }));
    let stopped = stop::stop(&targets(&candidates), &options);
    let mut results: Vec<ResultView> = Vec::new();
    for candidate in &candidates {
        let root = candidate.target().root;
        if let Some(stopped) = stopped.iter().find(|stopped| stopped.root == root) {
            let outcome = &stopped.outcome;
            results.push(ResultView {
                pid: candidate.root.pid,
                result: outcome.into(),
                detail: detail(root.pid, outcome),
            });
        }
    }
    stop_wrappers(&candidates, &options);
    let kept = plan.steps.iter().filter(|step| step.action == Action::Keep).map(|step| &step.candidate).collect();
    results.extend(respawned(known, kept, again, events)?);
    Ok(results)
}

/// The targets, each once. Loops and supervisors come before every bot.
fn targets(candidates: &[&PlannedInstance]) -> Vec<StopTarget> {
    let mut ordered = candidates.to_vec();
    ordered.sort_by_key(|candidate| !candidate.is_starter);
    let mut list: Vec<StopTarget> = Vec::new();
    for target in ordered.into_iter().map(PlannedInstance::target) {
        if list.iter().all(|known| known.root != target.root) {
            list.push(target);
        }
    }
    list
}

fn detail(pid: i32, outcome: &StopStatus) -> Option<String> {
    match outcome {
        StopStatus::Survived { pid, state, wait_channel } => {
            let place = wait_channel.as_ref().map_or_else(String::new, |place| format!(", waiting in {place}"));
            Some(format!("PID {pid} survives {} in state {state}{place}", advice::KILL))
        }
        StopStatus::NotPermitted { user } => {
            Some(format!("belongs to {user}; {}", advice::as_user("to stop it", user, &advice::end(None, &[pid]))))
        }
        StopStatus::Refused(refusal) => Some(refusal.reason().to_owned()),
        StopStatus::Terminated | StopStatus::Killed | StopStatus::Gone => None,
    }
}

/// A wrapper with nothing left to wrap ends by itself. One that is still running is told to end.
fn stop_wrappers(candidates: &[&PlannedInstance], options: &StopOptions) {
    let is_left = |wrapper: &&Identity| wrapper.is_alive() && !ends_soon(**wrapper);
    let left: Vec<StopTarget> = candidates
        .iter()
        .flat_map(|candidate| &candidate.wrappers)
        .filter(is_left)
        .map(|&wrapper| StopTarget::single(wrapper))
        .collect();
    if !left.is_empty() {
        stop::stop(&left, options);
    }
}

fn ends_soon(process: Identity) -> bool {
    use crate::platform::pidfd::Pidfd;
    match Pidfd::open(process) {
        Ok(Some(pidfd)) => pidfd.has_ended(Duration::from_millis(100)),
        _ => true,
    }
}

/// New instances that appear within three seconds, and what started them. If a kept instance has ended meanwhile, the one
/// that its manager starts in its place is not a duplicate.
fn respawned(
    known: &HashSet<Identity>,
    mut kept: Vec<&PlannedInstance>,
    again: &mut dyn FnMut() -> Result<Vec<Instance>, Error>,
    events: &mut dyn Events,
) -> Result<Vec<ResultView>, Error> {
    let until = Instant::now() + LOOK_AGAIN_FOR;
    let mut seen: HashSet<Identity> = HashSet::new();
    let mut results = Vec::new();
    loop {
        for instance in again()? {
            if !instance.members.iter().any(|member| known.contains(member)) && seen.insert(instance.root) {
                let origin = &instance.origin;
                let is_succeeded =
                    |one: &&PlannedInstance| !one.root.is_alive() && one.origin.manager.is_same_entry(&origin.manager);
                if let Some(at) = kept.iter().position(is_succeeded) {
                    kept.remove(at);
                    continue;
                }
                let stop = origin.stop().map_or_else(String::new, |stop| format!("; to stop it for good: {stop}"));
                let detail = format!("started again by {origin}{stop}");
                results.push(ResultView {
                    pid: instance.root.pid,
                    result: StopStatusView::Respawned,
                    detail: Some(detail),
                });
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(results);
        }
        events.notice(&Notice::Passing(Activity::LookingAgain { left }));
        poll::any_readable(&[], Some(left.min(LOOK_EVERY)))
            .map_err(|source| Error::Io { action: "wait".into(), source })?;
    }
}

/// The exit code: 0 if nothing surplus is left; 77 if nothing at all could be done for lack of permission.
pub fn exit(plan: &Plan, results: &[ResultView]) -> Exit {
    if results.iter().all(|result| result.result.is_stopped()) {
        return if plan.is_blocked() { Exit::No } else { Exit::Ok };
    }
    if results.iter().all(|result| result.result == StopStatusView::NotPermitted) {
        Exit::NotPermitted
    } else {
        Exit::No
    }
}
