//! Stopping instances: safely, all in parallel, and with a result for each.
//!
//! Invariant: a signal only ever goes through a pidfd whose process was identified after the pidfd was opened; so never
//! to a reused PID, a process group, PID 1 or below, a kernel thread, solobot itself or one of its ancestors
//! ([`ProtectedProcesses`] is the one place that says so). Not promised: that nothing starts the instance again.
//!
//! TERM and CONT go to the root of each instance; whatever of it and of its descendants is left after the grace gets
//! KILL. The whole takes as long as the slowest instance, not their sum.

mod guard;
mod opened;

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use super::instance::Instance;
use crate::platform::identity::{Identity, RunState, Stat};
use crate::platform::limits::DescriptorLimit;
use crate::platform::signals::Signal;
use crate::platform::{proc, table, user};

pub use self::guard::{ProtectedProcesses, StopRefusal};
use self::opened::{OpenResult, OpenedProcess, wait};

/// How long the kernel may take to end a process after KILL.
const AFTER_KILL: Duration = Duration::from_secs(2);
/// Descriptors that are left to everything else.
const SPARE: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopTarget {
    /// The process that gets the signal.
    pub root: Identity,
    /// Processes that belong to it, whether or not they still descend from it.
    pub members: Vec<Identity>,
}

impl StopTarget {
    /// A single process and its descendants: a wrapper, a keeper, a holding solobot.
    pub fn single(root: Identity) -> Self {
        Self { root, members: vec![] }
    }
}

impl From<&Instance> for StopTarget {
    fn from(instance: &Instance) -> Self {
        Self { root: instance.root, members: instance.members.clone() }
    }
}

/// How to stop it.
#[derive(Debug, Clone)]
pub struct StopOptions {
    /// What asks it to end: SIGTERM unless told otherwise.
    pub signal: Signal,
    /// How long an instance may take to end before it is killed.
    pub grace: Duration,
    /// KILL at once.
    pub force: bool,
    /// Processes that must not be touched, nor their descendants: those of the instance that is kept.
    pub protected: Vec<i32>,
}

impl Default for StopOptions {
    fn default() -> Self {
        Self { signal: Signal::SIGTERM, grace: Duration::from_secs(10), force: false, protected: vec![] }
    }
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopResult {
    /// The target's root.
    pub root: Identity,
    /// What became of it.
    pub outcome: StopStatus,
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopStatus {
    /// Its root ended by itself after the signal; descendants left over, if any, were killed.
    Terminated,
    /// Its root had to be killed.
    Killed,
    /// It had ended before.
    Gone,
    /// It, or one of its descendants, survived KILL.
    Survived {
        /// Which process.
        pid: i32,
        /// What it does.
        state: RunState,
        /// The kernel function that it hangs in, where it can be read.
        wait_channel: Option<String>,
    },
    /// The kernel does not allow it to this user.
    NotPermitted {
        /// Whose process it is: the user to become.
        user: String,
    },
    /// It must never be signalled.
    Refused(StopRefusal),
}

impl StopStatus {
    /// Whether the instance no longer exists.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Terminated | Self::Killed | Self::Gone)
    }
}

/// Stops all targets in parallel; one result for each, in their order.
pub fn stop(targets: &[StopTarget], options: &StopOptions) -> Vec<StopResult> {
    let limit = DescriptorLimit::raise();
    let guard = ProtectedProcesses::new(&options.protected);
    stop_within(targets, options, &guard, room(&limit))
}

/// As many at once as there is room for; usually all.
fn stop_within(
    targets: &[StopTarget],
    options: &StopOptions,
    guard: &ProtectedProcesses,
    room: usize,
) -> Vec<StopResult> {
    let parents = table::parents().unwrap_or_default();
    let mut attempts: Vec<StopInProgress> = Vec::with_capacity(targets.len());
    let mut used = 0;
    for target in targets {
        let attempt = StopInProgress::open(target, &parents, guard);
        if attempt.has_no_room && !attempts.is_empty() {
            break;
        }
        used += attempt.family.len() + 1;
        attempts.push(attempt);
        if used >= room {
            break;
        }
    }
    let (now, later) = targets.split_at(attempts.len());
    run(&mut attempts, options, guard);
    let mut results: Vec<StopResult> = now
        .iter()
        .zip(attempts)
        .map(|(target, attempt)| StopResult { root: target.root, outcome: attempt.outcome() })
        .collect();
    if !later.is_empty() {
        results.extend(stop_within(later, options, guard, room));
    }
    results
}

fn run(attempts: &mut [StopInProgress], options: &StopOptions, guard: &ProtectedProcesses) {
    if !options.force {
        for attempt in &mut *attempts {
            attempt.ask(options.signal);
        }
        let asked = living(attempts.iter_mut().filter(|attempt| !attempt.cannot_be_asked));
        wait(asked, Instant::now() + options.grace);
    }
    if living(&mut *attempts).is_empty() {
        return;
    }
    // What was started since the snapshot descends from what still lives.
    let parents = table::parents().unwrap_or_default();
    for attempt in &mut *attempts {
        attempt.kill(&parents, guard);
    }
    wait(living(attempts), Instant::now() + AFTER_KILL);
}

fn living<'a>(attempts: impl IntoIterator<Item = &'a mut StopInProgress>) -> Vec<&'a mut OpenedProcess> {
    attempts
        .into_iter()
        .filter(|attempt| attempt.verdict.is_none())
        .flat_map(|attempt| attempt.root.iter_mut().chain(attempt.family.iter_mut()))
        .filter(|opened| opened.is_alive)
        .collect()
}

/// The stopping of one target.
#[derive(Default)]
struct StopInProgress {
    root: Option<OpenedProcess>,
    /// Descendants and members.
    family: Vec<OpenedProcess>,
    /// Decided without waiting.
    verdict: Option<StopStatus>,
    /// There is no way to ask the root: on Windows, of a program without a console.
    cannot_be_asked: bool,
    /// The root was alive when KILL was sent.
    was_killed: bool,
    /// The root could not be opened for lack of descriptors.
    has_no_room: bool,
}

impl StopInProgress {
    /// Opens the root and everything below it, before any signal is sent.
    fn open(target: &StopTarget, parents: &HashMap<i32, i32>, guard: &ProtectedProcesses) -> Self {
        let decided = |verdict| Self { verdict: Some(verdict), ..Self::default() };
        if let Some(refusal) = guard.refusal(target.root.pid) {
            return decided(StopStatus::Refused(refusal));
        }
        let root = match OpenedProcess::open(target.root, guard) {
            OpenResult::Ready(opened) => opened,
            OpenResult::Gone => return decided(StopStatus::Gone),
            OpenResult::Refused(refusal) => return decided(StopStatus::Refused(refusal)),
            OpenResult::NoRoom => {
                let outcome = survived(target.root.pid).unwrap_or(StopStatus::Gone);
                return Self { has_no_room: true, verdict: Some(outcome), ..Self::default() };
            }
        };
        let mut attempt = Self { root: Some(root), ..Self::default() };
        for &member in &target.members {
            attempt.adopt(member, guard);
        }
        attempt.adopt_descendants(&[target.root.pid], parents, guard);
        attempt
    }

    fn adopt(&mut self, identity: Identity, guard: &ProtectedProcesses) {
        let is_known = self.root.iter().chain(&self.family).any(|opened| opened.identity == identity);
        if !is_known && let OpenResult::Ready(opened) = OpenedProcess::open(identity, guard) {
            self.family.push(opened);
        }
    }

    /// Adds what descends from these processes. A PID that was reused since the table was read has another parent.
    fn adopt_descendants(&mut self, of: &[i32], parents: &HashMap<i32, i32>, guard: &ProtectedProcesses) {
        let mut known: HashSet<i32> = of.iter().copied().collect();
        for pid in table::below(of, parents) {
            let Some(parent) = parents.get(&pid) else { continue };
            let Some(stat) = Stat::read(pid).filter(|stat| stat.parent == *parent && known.contains(parent)) else {
                continue;
            };
            if guard.refusal(pid).is_none() {
                known.insert(pid);
                self.adopt(Identity { pid, start_ticks: stat.start_ticks }, guard);
            }
        }
    }

    /// Asks the root to end. A stopped process sees nothing until CONT.
    fn ask(&mut self, signal: Signal) {
        if self.verdict.is_some() {
            return;
        }
        let Some(root) = &mut self.root else { return };
        match root.send(signal) {
            Ok(true) => {
                let _ = root.send(Signal::SIGCONT);
            }
            Ok(false) => root.is_alive = false,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.cannot_be_asked = true,
            Err(_) => self.verdict = Some(not_permitted(root.identity)),
        }
    }

    /// Kills what is left.
    fn kill(&mut self, parents: &HashMap<i32, i32>, guard: &ProtectedProcesses) {
        if self.verdict.is_some() {
            return;
        }
        let alive: Vec<i32> = self
            .root
            .iter()
            .chain(&self.family)
            .filter(|opened| opened.is_alive)
            .map(|opened| opened.identity.pid)
            .collect();
        self.adopt_descendants(&alive, parents, guard);
        if let Some(root) = self.root.iter().find(|root| root.is_alive) {
            self.was_killed = root.send(Signal::SIGKILL).is_ok_and(|sent| sent);
        }
        for opened in self.root.iter_mut().chain(&mut self.family).filter(|opened| opened.is_alive) {
            match opened.send(Signal::SIGKILL) {
                Ok(true) => {}
                Ok(false) => opened.is_alive = false,
                Err(_) => self.verdict = Some(not_permitted(opened.identity)),
            }
        }
    }

    fn outcome(self) -> StopStatus {
        if let Some(verdict) = self.verdict {
            return verdict;
        }
        let survivor = self.root.iter().chain(&self.family).find(|opened| opened.is_alive);
        match survivor.and_then(|opened| survived(opened.identity.pid)) {
            Some(outcome) => outcome,
            None if self.was_killed => StopStatus::Killed,
            None => StopStatus::Terminated,
        }
    }
}

fn survived(pid: i32) -> Option<StopStatus> {
    let stat = Stat::read(pid).filter(Stat::is_alive)?;
    Some(StopStatus::Survived { pid, state: stat.state, wait_channel: proc::sleeps_in(pid) })
}

fn not_permitted(identity: Identity) -> StopStatus {
    StopStatus::NotPermitted { user: proc::owner(identity.pid).map_or_else(|| "its user".to_owned(), user::name) }
}

/// How many processes may be held open at once.
fn room(limit: &DescriptorLimit) -> usize {
    let limit = limit.current().and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(1024).saturating_sub(SPARE).max(1)
}

#[cfg(test)]
mod tests;
