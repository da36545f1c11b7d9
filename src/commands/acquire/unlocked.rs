//! Step 4: instances that run without the lock count as holders, for example a bot that was started by hand or that
//! does not know the lock. `acquire` waits for them on their pidfds, until the same deadline. A process that is
//! doubtful only because its token cannot be seen counts too: nothing is started beside it, and it is not stopped
//! either.
//!
//! Two kinds of earlier processes also count. They are looked for as soon as the lock is granted, before anything is
//! written into it: a process that holds a removed lock file of this path, and COMMAND of a solobot that was killed, if
//! COMMAND does not share the lock (`acquire -o`, or a file that was replaced). They are not found by their program, so
//! `--lock-only` does not skip them. Only those that are proved are stopped ([`crate::survey::holders`]).
//!
//! A solobot that waits here already holds a file. It checks the file's path like any other waiter. If the path names
//! another file, it releases its own and starts over. Otherwise two that wait for the same holder would wait for each
//! other forever.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::environment;
use super::error::Error as AcquireError;
use super::request::Request;
use super::takeover;
use crate::base::error::Error;
use crate::cli::Takeover;
use crate::lock::file::{LockFile, open_to_look};
use crate::lock::held::Held;
use crate::lock::orphan::{abandoned, has_outlived_its_solobot};
use crate::lock::replaced::LockPathNow;
use crate::lock::state::{self, LockFacts, State};
use crate::lock::text::LockText;
use crate::lock::wait::ending_signal;
use crate::lock::{carriers, holders, layouts};
use crate::outcome::events::{Events, Notice};
use crate::outcome::origin::hint_if_started_again;
use crate::outcome::process::{ProcessView, TokenRival, UnlockedProcess};
use crate::outcome::sentence::shortened;
use crate::platform::identity::{Identity, ancestry};
use crate::platform::memory;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::signals::Signals;
use crate::process::instance::Instance;
use crate::process::matching::{Doubt, StartVerdict};
use crate::process::origin;
use crate::survey::find::{self, Search};
use crate::survey::holders::LockCarrier;
use crate::survey::{FoundBot, Surveyor};

/// How often a predecessor is asked whether it is still one: it may give the removed file back and wait for us.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A wait of so many looks ahead, of which there is one a second, may become a long one.
const LONG_WAIT: u32 = 2;
/// Looking ahead may take one part in so many of the time.
const AHEAD: u32 = 200;

/// Why the wait for them ended while one was left.
pub enum Interrupted {
    /// The time is over, and these are there still.
    TimedOut(Vec<UnlockedProcess>),
    /// The path names another file than the one that was locked: start over.
    Moved,
    /// A signal asked solobot to end.
    Signal(i32),
}

/// Whether to look for them at all: a COMMAND like `true` is not a bot, and looking costs time. Whoever names a program says
/// that it is one.
pub fn is_looked_for(request: &Request<'_>) -> bool {
    let bot = &request.bot;
    let is_bot = bot.program.as_ref().is_some_and(|program| program.is_script_or_module() || request.names_program());
    !request.args.lock_only && is_bot
}

/// Who looks for them already while the lock is another's, so that the look after the grant, for which the bot waits, finds its
/// code and the list of processes in memory. That look alone decides: a process may have become the bot since. Ahead, only
/// processes are read: for the kernel's list of locks all lockers would stop, and a manager may take long to answer.
pub struct Lookout<'a> {
    request: &'a Request<'a>,
    next: Instant,
    turns: u32,
}

impl<'a> Lookout<'a> {
    pub fn new(request: &'a Request<'a>) -> Self {
        Self { request, next: Instant::now(), turns: 0 }
    }

    /// Looks ahead, at the cost of [`AHEAD`] at most.
    pub fn look_ahead(&mut self) {
        self.turns = self.turns.saturating_add(1);
        let start = Instant::now();
        // Not sooner: after a short wait, what comes next is still there from the start. Again later, because each line about the
        // wait brings code in; and ever more seldom, as those lines are, because the next turn needs some of it.
        if self.turns >= LONG_WAIT && self.turns.is_power_of_two() {
            memory::give_back_code();
            // The look brings its own in again.
            self.next = start;
        }
        let program = self.request.bot.program.as_ref().filter(|_| is_looked_for(self.request) && self.next <= start);
        if let Some(program) = program {
            // What is wrong is said after the grant.
            let _ = find::quickly(&Search::new(program, self.request.settings.context().caller));
            self.next = Instant::now() + start.elapsed() * AHEAD;
        }
    }
}

/// Waits until none is left beside the lock that is held; says how far that came if one is.
///
/// # Errors
/// `/proc` cannot be read; a takeover is refused; it cannot be told whether one runs.
pub fn wait_for(
    request: &Request<'_>,
    held: &Held,
    signals: &Signals,
    deadline: Option<Instant>,
    events: &mut dyn Events,
) -> Result<Option<Interrupted>, Error> {
    let mut surveyor = Surveyor::new(request.settings);
    surveyor.holds(held.path());
    let mut warned = false;
    let find = |events: &mut dyn Events| {
        let running = running(request, held, &mut surveyor)?;
        if !std::mem::replace(&mut warned, true) {
            running.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
        }
        match running.undecided {
            Some(one) if running.beside.is_empty() => Err(undecided(request, &one)),
            _ => Ok(running.beside),
        }
    };
    wait_until_none(request, held.file(), find, false, signals, deadline, events)
}

/// Waits until no earlier process is left that counts as a holder of the lock that was just granted.
///
/// # Errors
/// As [`wait_for`].
pub fn wait_for_predecessors(
    request: &Request<'_>,
    lock: &LockFile,
    signals: &Signals,
    deadline: Option<Instant>,
    events: &mut dyn Events,
) -> Result<Option<Interrupted>, Error> {
    let find = |_: &mut dyn Events| Ok(predecessors(lock, environment::hands_over(request)));
    wait_until_none(request, lock, find, true, signals, deadline, events)
}

/// Asking the kernel for all locks is slow, so it is done only with a reason: there was no file, or it names a running
/// process. If there was no file, processes that may have inherited a dead solobot's lock are asked too, because they are in
/// no list. What is found is written into the text, so that the next start asks it even if this solobot dies.
///
/// Of a bot that takes the lock itself (`takes_itself`), a living PID in the file is enough: it may be all that such a bot
/// does.
fn predecessors(lock: &LockFile, takes_itself: bool) -> Vec<Rival> {
    let record = lock.record();
    let text = lock.read_text().ok().and_then(LockText::pid);
    let is_named_alive = || record.named().into_iter().chain(text).any(|pid| Identity::of(pid).is_some());
    let mut found: Vec<Rival> = Vec::new();
    if lock.is_new() || is_named_alive() {
        let heirs = if lock.is_new() { carriers::suspects().unwrap_or_default() } else { Vec::new() };
        let heirs = heirs.iter().map(|one| one.pid);
        let asked: Vec<i32> = record.named().into_iter().chain(text).chain(heirs).collect();
        let replaced = LockPathNow::of(lock.path(), Some(lock.inode()), &record).holders(&asked);
        found.extend(LockCarrier::replaced(&replaced).into_iter().map(Rival::holder));
    }
    // The text names COMMAND before the record does: it is asked itself.
    let named = text.and_then(Identity::of).filter(|&process| has_outlived_its_solobot(process, lock.path()));
    let claimant = match state::unlocked(lock, &record) {
        Ok(State::OwnerAliveUnlocked(process)) if takes_itself => Some(process),
        _ => None,
    };
    found.extend(abandoned(&record).into_iter().chain(named).chain(claimant).map(Rival::named));
    found.retain(|one| !is_ours(one.process, lock));
    found.sort_by_key(|one| one.process);
    found.dedup_by_key(|one| one.process);
    if let Some(first) = found.first().filter(|first| lock.is_writable() && text != Some(first.process.pid)) {
        let _ = lock.write_text(first.process.pid);
    }
    found
}

/// A process beside the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rival {
    process: Identity,
    by: RivalEvidence,
}

/// What speaks for a process beside the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RivalEvidence {
    /// It is an instance of the bot.
    Instance,
    /// It may be one.
    Doubtful(Doubt),
    /// It carries a lock: one that was at the path, or layout B's.
    Carries(LockCarrier),
    /// The text or the record names it.
    Named,
    /// A lock of this program, for the bot's token, names it.
    OfProgram(&'static str),
}

impl Rival {
    fn holder(carries: LockCarrier) -> Self {
        Self { process: carries.process, by: RivalEvidence::Carries(carries) }
    }

    fn named(process: Identity) -> Self {
        Self { process, by: RivalEvidence::Named }
    }

    fn of_program(process: Identity, program: &'static str) -> Self {
        Self { process, by: RivalEvidence::OfProgram(program) }
    }

    /// An instance, or what may be one.
    fn instance(process: Identity, doubt: Option<Doubt>) -> Self {
        Self { process, by: doubt.map_or(RivalEvidence::Instance, RivalEvidence::Doubtful) }
    }

    fn doubt(&self) -> Option<Doubt> {
        match self.by {
            RivalEvidence::Doubtful(doubt) => Some(doubt),
            _ => None,
        }
    }

    /// Whether it may be stopped. In doubt nothing is.
    fn is_proved(&self, request: &Request<'_>, lock: &LockFile) -> bool {
        let record = lock.record();
        match self.by {
            RivalEvidence::Instance => true,
            RivalEvidence::Doubtful(_) => false,
            RivalEvidence::Carries(carries) => {
                takeover::judge(request, lock.path(), &record, &|judge| !judge.holders(&[carries]).proved.is_empty())
            }
            RivalEvidence::Named | RivalEvidence::OfProgram(_) => is_left_behind(request, self.process, lock),
        }
    }
}

/// Waits until `find` finds no process: waits for the end of those that it found, and looks again every second if `again`.
fn wait_until_none(
    request: &Request<'_>,
    lock: &LockFile,
    mut find: impl FnMut(&mut dyn Events) -> Result<Vec<Rival>, Error>,
    again: bool,
    signals: &Signals,
    deadline: Option<Instant>,
    events: &mut dyn Events,
) -> Result<Option<Interrupted>, Error> {
    let io = |source| Error::Io { action: "look for instances without the lock".into(), source };
    let (mut said, mut stopped) = (false, false);
    loop {
        let found = find(events)?;
        if found.is_empty() {
            return Ok(None);
        }
        let instances: Vec<Identity> = found.iter().map(|one| one.process).collect();
        if !std::mem::replace(&mut stopped, true) && may_stop(request, lock, &found) {
            takeover::stop_unlocked(request, &instances, events)?;
            continue;
        }
        let views = || found.iter().map(|&one| beside(request, one, lock)).collect::<Vec<_>>();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Some(Interrupted::TimedOut(views())));
        }
        if !std::mem::replace(&mut said, true) {
            events.notice(&Notice::Unlocked { instances: views(), wait: request.wait });
        }
        loop {
            let next = Instant::now() + LOOK_EVERY;
            let until = deadline.map_or(next, |deadline| deadline.min(next));
            if let Some(signal) = wait_for_end(&instances, signals, until).map_err(io)? {
                return Ok(Some(Interrupted::Signal(signal)));
            }
            request.service.waits();
            if !lock.is_current() {
                return Ok(Some(Interrupted::Moved));
            }
            let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if again || is_over || !instances.iter().all(|one| one.is_alive()) {
                break;
            }
        }
    }
}

fn may_stop(request: &Request<'_>, lock: &LockFile, found: &[Rival]) -> bool {
    match request.args.takeover {
        Some(Takeover::Any) => found.iter().all(|one| one.is_proved(request, lock)),
        Some(Takeover::Orphan) => found.iter().all(|one| is_left_behind(request, one.process, lock)),
        None => false,
    }
}

/// Whether it is COMMAND of a solobot that is dead.
fn is_left_behind(request: &Request<'_>, process: Identity, lock: &LockFile) -> bool {
    let record = lock.record();
    takeover::judge(request, lock.path(), &record, &|judge| judge.is_left_behind(process))
}

fn beside(request: &Request<'_>, one: Rival, lock: &LockFile) -> UnlockedProcess {
    let record = lock.record();
    let process = one.process;
    UnlockedProcess {
        process: ProcessView::of(process),
        holds_removed: LockPathNow::of(lock.path(), Some(lock.inode()), &record).is_held_by(process),
        orphaned: is_left_behind(request, process, lock),
        doubt: one.doubt().map(Doubt::reason),
        program: match one.by {
            RivalEvidence::OfProgram(program) => Some(program),
            _ => None,
        },
        is_proved: one.is_proved(request, lock),
        started_again: origin::of_process(process).as_ref().and_then(hint_if_started_again),
    }
}

/// Waits until all of them have ended, the deadline, or a signal that asks to end.
fn wait_for_end(instances: &[Identity], signals: &Signals, deadline: Instant) -> io::Result<Option<i32>> {
    for &instance in instances {
        let Some(pidfd) = Pidfd::open(instance)? else { continue };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let [signalled, ended] =
                poll::readable([Some(signals.descriptor()), Some(pidfd.descriptor())], Some(left))?;
            if signalled && let Some(arrived) = ending_signal(signals) {
                return Ok(Some(arrived.signal.number()));
            }
            if ended || deadline <= Instant::now() {
                break;
            }
        }
    }
    Ok(None)
}

/// What runs without the lock.
#[derive(Default)]
struct Rivals {
    /// The roots of the instances: of the same program, or holding layout B's lock in its folder.
    beside: Vec<Rival>,
    /// A process that may be an instance, but cannot be judged from here.
    undecided: Option<Instance>,
    /// What may be another bot, or uses the bot's token: that is for people to judge.
    warnings: Vec<String>,
}

/// What belongs to our own tree is none: we hold the lock for it, or it started us. A shell that merely wraps both has
/// started both.
fn running(request: &Request<'_>, held: &Held, surveyor: &mut Surveyor<'_>) -> Result<Rivals, Error> {
    let survey = surveyor.look_at(std::slice::from_ref(&request.bot))?;
    let mut running = Rivals::default();
    if survey.hidden {
        running
            .warnings
            .push("other users' processes are hidden, and one of them may be the bot; run as root to see them".into());
    }
    let is_around_us = |one: &Instance| one.members.iter().any(|&member| is_ours(member, held.file()));
    for bot in &survey.bots {
        let counted = bot.found.for_starting().filter(|one| !is_around_us(one));
        running.beside.extend(counted.map(|one| Rival::instance(one.root, one.doubt)));
        let holders = holders_beside(bot, is_layout_b(held.path()));
        running.beside.extend(holders.into_iter().filter(|one| !is_ours(one.process, held.file())));
        let undecided = bot.found.undecided().find(|one| !is_around_us(one)).cloned();
        running.undecided = running.undecided.take().or(undecided);
        let doubtful = bot.found.probable.iter().filter(|one| !is_around_us(one) && !does_count(one));
        running.warnings.extend(doubtful.filter_map(doubtful_warning));
        running.warnings.extend(bot.rivals.iter().map(|one| TokenRival::of(one, true).sentence().brief));
    }
    running.beside.sort_unstable_by_key(|one| one.process);
    running.beside.dedup_by_key(|one| one.process);
    Ok(running)
}

/// Whoever holds layout B's lock beside the program, unless that is the lock that was taken, or has another program's lock for
/// the bot's token.
fn holders_beside(bot: &FoundBot, holds_layout_b: bool) -> Vec<Rival> {
    let carrying = |facts: &LockFacts| {
        let carriers = open_to_look(&facts.path).ok().and_then(|lock| carriers::of(&lock).ok()).unwrap_or_default();
        LockCarrier::present(&carriers)
    };
    let of = |(facts, holder): (&LockFacts, Identity)| match facts.program() {
        Some(program) => Some(Rival::of_program(holder, program)),
        None if holds_layout_b => None,
        None => {
            let carries = carrying(facts).into_iter().find(|one| one.process == holder);
            Some(carries.map_or(Rival::named(holder), Rival::holder))
        }
    };
    bot.holders_beside().into_iter().filter_map(of).collect()
}

fn is_layout_b(lock: &Path) -> bool {
    lock.file_name().is_some_and(|name| name == layouts::LAYOUT_B)
}

fn does_count(one: &Instance) -> bool {
    one.doubt.is_some_and(|doubt| doubt.starting() != StartVerdict::DoesNotCount)
}

fn doubtful_warning(one: &Instance) -> Option<String> {
    let why = one.doubt?.reason();
    let (pid, command) = (one.root.pid, shortened(&one.command));
    Some(format!("PID {pid} ({command}) may be the same bot running without the lock: same program, but {why}"))
}

fn undecided(request: &Request<'_>, one: &Instance) -> Error {
    AcquireError::Undecided {
        pid: one.root.pid,
        user: one.user.clone(),
        command: one.command.clone(),
        typed: request.bot.typed(),
    }
    .into()
}

/// Ourselves, an ancestor, or a process that shares our own lock (with `--fd`: the shell and what it runs).
fn is_ours(process: Identity, lock: &LockFile) -> bool {
    ancestry().any(|pid| pid == process.pid) || holders::shares(lock, process.pid)
}
