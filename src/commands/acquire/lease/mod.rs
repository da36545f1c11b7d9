//! The lease of `acquire`'s bot: waiting for it while the lock is held, starting COMMAND behind the guardian's gate, and
//! releasing it once every process of the bot is dead.
//!
//! The [renewer](crate::lease::renewer) decides and renews on its own thread, the guardian stops the bot at the deadline. This
//! is the third part: it starts guardians and COMMAND, says what happens, and is the second watcher: if the guardian is dead
//! or stopped when the deadline has passed, the bot is stopped from here.

mod book;
mod grant;
mod holder;
mod wording;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::book::LeaseBook;
use self::grant::{LeaseGrant, OwnStop};
use super::error::{Error as AcquireError, lease_lost};
use super::request::{Request, own};
use super::unlocked;
use crate::base::duration::Limit;
use crate::base::error::{Error, plain};
use crate::base::secret::Token;
use crate::lease::LeaseTarget;
use crate::lease::engine::{self, EngineError, Register};
use crate::lease::guardian::client::GuardianClient;
use crate::lease::guardian::{GrantMarks, GuardianMessage};
use crate::lease::renewer::{LeaseNews, Renewer, clocks};
use crate::lease::step::{Candidacy, EndReason, LeaseDeadline, LeaseEvent, LeaseTimes, LossReason, WaitReason};
use crate::lock::held::Held;
use crate::lock::wait::ending_signal;
use crate::outcome::events::{Awaited, Events, Notice};
use crate::outcome::lease_notice::{LeaseName, LeaseNotice, WaitingFor};
use crate::platform::descriptor::Descriptor;
use crate::platform::locks::{KernelKey, kernel_key};
use crate::platform::poll;
use crate::platform::signals::{Signal, Signals};
use crate::platform::spawn::{HAS_GATES, Launch, is_gate_shut};
use crate::platform::user;
use crate::platform::watch::Watch;
use crate::process::run::Child;

/// How long the guardian may take to open the gate.
const GATE: Duration = Duration::from_secs(5);
/// In how many ways an engine may fail before no more of them are said.
const MOST_TOLD: usize = 5;
/// How often who waits looks at the clocks and the lock.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is settled before anything is held.
pub struct PreparedLease {
    target: LeaseTarget,
    times: LeaseTimes,
    register: Box<dyn Register>,
}

impl PreparedLease {
    pub fn target(&self) -> &LeaseTarget {
        &self.target
    }
}

/// Settles which lease the bot runs under, and resolves its engine's name; `None`: under none.
///
/// # Errors
/// The platform has none; the lease's settings; a grace that leaves no time to renew.
pub fn prepare(request: &Request<'_>, token: Option<&Token>) -> Result<Option<PreparedLease>, Error> {
    if request.bot.lease.is_some() && !HAS_GATES {
        return Err(AcquireError::NoLeases { bot: request.bot.name.clone() }.into());
    }
    let Some(target) = request.bot.lease_target(token)? else { return Ok(None) };
    let times = LeaseTimes::new(target.ttl, request.grace)
        .ok_or_else(|| Error::Bug("the grace leaves no time to renew the lease".into()))?;
    let register = engine::open(&target.engine, &target.name)?;
    Ok(Some(PreparedLease { target, times, register }))
}

/// How a wait for the lease ended.
pub enum LeaseWait {
    /// COMMAND may be started.
    Granted,
    TimedOut,
    Signal(i32),
    /// It will not be granted, for this reason.
    Refused(EndReason),
}

/// How a start at the gate ended.
pub enum GatedStart {
    Started(Child),
    /// The deadline has passed or a stop has begun meanwhile.
    Refused,
}

/// The lease of one `acquire`.
pub struct BotLease<'a> {
    request: &'a Request<'a>,
    target: LeaseTarget,
    times: LeaseTimes,
    /// Our name in the record.
    holder: String,
    renewer: Renewer,
    guardian: Option<Arc<GuardianClient>>,
    /// Why none could be started before COMMAND.
    no_guardian: Option<io::Error>,
    /// When to start another one for a running COMMAND.
    guard_again: Option<Instant>,
    lock: Option<KernelKey>,
    /// Nothing of the bot is left.
    is_swept: bool,
    /// Of the present grant.
    grant: Option<LeaseGrant>,
    /// COMMAND may be started.
    may_start: bool,
    /// Why the present grant was lost.
    pub lost: Option<LossReason>,
    ended: Option<EndReason>,
    waits: Option<WaitReason>,
    failure: Option<EngineError>,
    /// What was said of the engine in this wait.
    told: Vec<String>,
    /// How long is waited, and since when.
    limit: Limit,
    waiting_since: Instant,
    book: LeaseBook,
}

impl<'a> BotLease<'a> {
    /// Begins to watch the lease. `held`: the lock, if it is held by us, after step 4.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(prepared: PreparedLease, request: &'a Request<'a>, held: Option<&Held>) -> Result<Self, Error> {
        let PreparedLease { target, times, register } = prepared;
        let by = Arc::new(holder::holder(request, &target, held)?);
        let holder = holder::random_name();
        let book = LeaseBook::new(request, &target, held.is_some());
        let nobody_here = held.is_some() && unlocked::is_looked_for(request);
        let renewer = Renewer::start(Candidacy { times, holder: holder.clone(), by }, register, nobody_here)
            .map_err(|source| Error::Io { action: "start the thread that renews the lease".into(), source })?;
        Ok(Self {
            request,
            target,
            times,
            holder,
            renewer,
            guardian: None,
            no_guardian: None,
            guard_again: None,
            is_swept: true,
            lock: held.and_then(|held| kernel_key(held.file().locked().file()).ok()),
            grant: None,
            may_start: false,
            lost: None,
            ended: None,
            waits: None,
            failure: None,
            told: Vec::new(),
            limit: request.wait,
            waiting_since: Instant::now(),
            book,
        })
    }

    /// What people call it.
    pub fn name(&self) -> LeaseName {
        let bot = &self.request.bot;
        LeaseName {
            name: self.target.name.clone(),
            engine: self.target.engine.shown(),
            bot: bot.configured.then(|| bot.name.clone()),
        }
    }

    /// Waits until COMMAND may be started; the lock is looked after meanwhile.
    ///
    /// # Errors
    /// Those of `poll(2)`; no guardian can be started.
    pub fn wait(
        &mut self,
        held: &mut Option<Held>,
        signals: &Signals,
        until: Option<Instant>,
        events: &mut dyn Events,
    ) -> Result<LeaseWait, Error> {
        self.waiting_since = Instant::now();
        self.limit = if until.is_some() { self.request.wait } else { Limit::Forever };
        let mut said = Duration::ZERO;
        loop {
            self.tend(events);
            if self.may_start {
                return Ok(LeaseWait::Granted);
            }
            if let Some(source) = self.no_guardian.take() {
                return Err(Error::Io { action: "start the guardian of the lease".into(), source });
            }
            // It was granted and lost before COMMAND was started.
            if self.lost.is_some() && self.ended.is_some() {
                self.again(events);
                continue;
            }
            if let Some(reason) = self.ended.clone() {
                return Ok(LeaseWait::Refused(reason));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) && self.has_looked() {
                return Ok(LeaseWait::TimedOut);
            }
            let pause = left.filter(|left| !left.is_zero()).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            let watch = held.as_ref().and_then(Held::watch).map(Watch::descriptor);
            let fds = [Some(signals.descriptor()), Some(self.renewer.descriptor()), watch];
            let io = |source| Error::Io { action: "wait for the lease".into(), source };
            let [signalled, _, changed] = poll::readable(fds, Some(pause)).map_err(io)?;
            if signalled && let Some(arrived) = ending_signal(signals) {
                return Ok(LeaseWait::Signal(arrived.signal.number()));
            }
            if let Some(held) = held {
                tend_lock(held, changed, events);
            }
            let elapsed = self.waiting_since.elapsed();
            if self.waits.is_some() && elapsed >= said + LOOK_EVERY {
                said = elapsed;
                events.notice(&Notice::Waiting { what: Awaited::Lease, elapsed, wait: self.limit });
            }
        }
    }

    /// Does what the renewer and the guardian ask for, and stops the bot if nobody else does.
    pub fn tend(&mut self, events: &mut dyn Events) {
        for news in self.renewer.news() {
            self.take(news, events);
        }
        self.hear_guardian(events);
        let now = Instant::now();
        if let Some(again) = self.guard_again.as_mut().filter(|again| **again <= now) {
            *again = now + LOOK_EVERY;
            self.renewer.tell(LeaseEvent::GuardianGone);
        }
        self.stop_ourselves(events);
        let command_runs = self.grant.as_ref().is_some_and(|grant| grant.command.is_some());
        self.book.write_down(command_runs);
    }

    fn take(&mut self, news: LeaseNews, events: &mut dyn Events) {
        match news {
            LeaseNews::Guard { generation, deadline } => self.guard(generation, deadline, events),
            LeaseNews::Start { generation } => {
                self.renewer.tell(LeaseEvent::Started);
                self.may_start = true;
                let waited = self.waits.take().map(|_| self.waiting_since.elapsed());
                self.book.granted(generation, waited);
                if let Some(elapsed) = waited {
                    events.notice(&Notice::Lease(self.name(), LeaseNotice::Granted { generation, elapsed }));
                }
            }
            LeaseNews::Deadline(deadline) => {
                if let Some(grant) = &mut self.grant {
                    grant.deadline = deadline;
                }
                // Whatever failed before is not why it may be lost later.
                self.failure = None;
                self.book.renewed(deadline, deadline.kill_at.saturating_sub(self.times.kill_after()));
            }
            // The guardian has been told; if there is none, the deadline is ours.
            LeaseNews::Term => self.must_stop(OwnStop::Term),
            LeaseNews::Kill => self.must_stop(OwnStop::Kill),
            LeaseNews::Lost(reason) => {
                self.may_start = false;
                let lost = wording::lost_lease(&reason, self.failure.as_ref());
                self.book.lost(self.generation(), &lease_lost(&self.name(), &lost));
                self.lost = Some(reason);
                events.notice(&Notice::Lease(self.name(), LeaseNotice::Lost(lost)));
            }
            LeaseNews::Waits(reason) => {
                if self.waits.as_ref().is_none_or(|before| !wording::is_same_wait(before, &reason)) {
                    self.told.clear();
                    self.say_wait(&reason, events);
                }
                self.book.waits(wording::waits_for(&reason, self.failure.as_ref()));
                self.waits = Some(reason);
            }
            LeaseNews::OtherTtl(ttl) => {
                let ours = self.times.ttl();
                events.notice(&Notice::Lease(self.name(), LeaseNotice::OtherTtl { ttl, ours }));
            }
            LeaseNews::Failed(error) => {
                tracing::debug!(%error, "the engine did not answer");
                // While it is held the first tells most: the last calls before a deadline are short.
                if self.grant.is_none() || self.failure.as_ref().is_none_or(|first| first.kind != error.kind) {
                    self.failure = Some(error);
                }
                self.book.call_failed();
                // Behind a login that took its time there may be a lock that is held.
                if let Some(WaitReason::EngineAway(kind)) = self.waits {
                    let reason = WaitReason::EngineAway(kind);
                    self.say_wait(&reason, events);
                    self.book.waits(wording::waits_for(&reason, self.failure.as_ref()));
                }
            }
            LeaseNews::Ended(reason) => self.ended = Some(reason),
        }
    }

    /// Whoever does not wait is told the same as an error. Each way in which the engine fails is said once.
    fn say_wait(&mut self, reason: &WaitReason, events: &mut dyn Events) {
        let wait = self.limit;
        let why = wording::waiting_for(reason, &self.holder, self.failure.as_ref());
        let Some(why) = why.filter(|_| wait != Limit::For(Duration::ZERO)) else { return };
        if let WaitingFor::Engine { why, .. } = &why {
            if self.told.len() == MOST_TOLD || self.told.contains(why) {
                return;
            }
            self.told.push(why.clone());
        }
        events.notice(&Notice::Lease(self.name(), LeaseNotice::Waits { why, wait }));
    }

    /// Starts a guardian for this grant.
    fn guard(&mut self, generation: u64, deadline: LeaseDeadline, events: &mut dyn Events) {
        let command = self.grant.as_ref().filter(|grant| grant.marks.generation == generation);
        let command = command.and_then(|grant| grant.command);
        let Ok(supervisor) = own() else { return };
        let marks = GrantMarks { supervisor, generation, lock: self.lock };
        self.grant = Some(LeaseGrant::new(marks, deadline, command));
        (self.lost, self.ended) = (None, None);
        match GuardianClient::start(self.times.grace(), marks, deadline) {
            Ok(guardian) => {
                let guardian = Arc::new(guardian);
                if let Some(command) = command {
                    let _ = guardian.adopt(command);
                    events.notice(&Notice::Lease(self.name(), LeaseNotice::NewGuardian));
                }
                self.renewer.set_guardian(Arc::clone(&guardian));
                self.guardian = Some(guardian);
                self.guard_again = None;
                self.renewer.tell(LeaseEvent::Guarded);
            }
            Err(error) if command.is_none() => self.no_guardian = Some(error),
            Err(error) => {
                if self.guard_again.replace(Instant::now() + LOOK_EVERY).is_none() {
                    events.notice(&Notice::Lease(self.name(), LeaseNotice::NoGuardian(plain(&error))));
                }
            }
        }
    }

    fn hear_guardian(&mut self, events: &mut dyn Events) {
        while let Some(message) = self.guardian.as_ref().and_then(|guardian| guardian.next_message()) {
            match message {
                GuardianMessage::Swept => self.is_swept = true,
                GuardianMessage::Left { pid, uid } => {
                    let user = uid.map_or_else(|| "another user".to_owned(), |uid| format!("user {}", user::name(uid)));
                    let why = format!("PID {pid} belongs to the bot, but cannot be stopped: it runs as {user}");
                    events.notice(&Notice::Warning(why));
                }
                GuardianMessage::Gone => {
                    self.guardian = None;
                    self.renewer.tell(LeaseEvent::GuardianGone);
                }
                GuardianMessage::Ready
                | GuardianMessage::Stops
                | GuardianMessage::Opened { .. }
                | GuardianMessage::Refused { .. } => {}
            }
        }
    }

    /// A stop that a guardian carries out, unless there is none.
    fn must_stop(&mut self, stop: OwnStop) {
        if let Some(grant) = self.grant.as_mut().filter(|_| self.guardian.is_none()) {
            grant.stop(stop);
        }
    }

    /// The second watcher.
    fn stop_ourselves(&mut self, events: &mut dyn Events) {
        let is_guarded = self.guardian.is_some();
        let grant = self.grant.as_mut().filter(|_| !self.is_swept);
        match grant.and_then(|grant| grant.watch(is_guarded)) {
            None => {}
            Some(Ok(pass)) => self.is_swept = !pass.left,
            Some(Err(error)) => {
                events.notice(&Notice::Warning(format!("cannot look for the bot's processes: {error}")));
            }
        }
    }

    /// What to wait for.
    pub fn descriptors(&self) -> Vec<Descriptor<'_>> {
        let guardian = self.guardian.as_ref().map(|guardian| guardian.descriptor());
        [self.renewer.descriptor()].into_iter().chain(guardian).collect()
    }

    /// When to look again, even if nothing wakes us.
    pub fn again_in(&self) -> Duration {
        let grant = self.grant.as_ref().filter(|_| !self.is_swept);
        grant.map_or(LOOK_EVERY, |grant| grant.again_in(self.guardian.is_some(), LOOK_EVERY))
    }

    /// The variables by which COMMAND's processes are known.
    pub fn generation(&self) -> Option<u64> {
        self.grant.as_ref().map(|grant| grant.marks.generation)
    }

    /// Starts COMMAND behind the guardian's gate.
    ///
    /// # Errors
    /// Those of `execve(2)`.
    pub fn start_command(&mut self, launch: &Launch<'_>, events: &mut dyn Events) -> io::Result<GatedStart> {
        self.tend(events);
        let start = self.start_at_gate(launch);
        if !matches!(start, Ok(GatedStart::Started(_))) {
            self.nothing_started();
            self.tend(events);
        }
        start
    }

    fn start_at_gate(&mut self, launch: &Launch<'_>) -> io::Result<GatedStart> {
        let Some(guardian) = self.guardian.clone().filter(|_| self.may_start) else { return Ok(GatedStart::Refused) };
        let gated = launch.spawn_gated()?;
        let child = Child::of_spawned(gated.pid)?;
        self.is_swept = false;
        if let Some(grant) = &mut self.grant {
            grant.command = Some(child.identity());
        }
        if guardian.open_gate(child.identity(), gated.gate).is_err() {
            child.put_down();
            return Ok(GatedStart::Refused);
        }
        // A guardian that is stopped opens no gate: COMMAND must not start whenever it goes on.
        let [has_answered] = poll::readable([Some(gated.execution.descriptor())], Some(GATE))?;
        if !has_answered {
            child.put_down();
            return Ok(GatedStart::Refused);
        }
        match gated.execution.wait() {
            Ok(()) => Ok(GatedStart::Started(child)),
            Err(error) if is_gate_shut(&error) => {
                child.put_down();
                Ok(GatedStart::Refused)
            }
            Err(error) => {
                child.put_down();
                Err(error)
            }
        }
    }

    /// COMMAND has ended: stops what is left of it, and waits until nothing is. A second request to end kills it at once.
    ///
    /// # Errors
    /// Those of `poll(2)`.
    pub fn sweep(&mut self, signals: &Signals, events: &mut dyn Events) -> io::Result<()> {
        let told = self.guardian.as_ref().is_some_and(|guardian| guardian.finish().is_ok());
        let grace = self.times.grace();
        let kill_at = clocks().boot + grace;
        // A guardian that is stopped says nothing.
        let ours_at = if told { kill_at + GATE } else { clocks().boot };
        loop {
            self.tend(events);
            if self.is_swept {
                break;
            }
            let now = clocks().boot;
            if let Some(grant) = self.grant.as_mut().filter(|_| self.guardian.is_none() || now >= ours_at) {
                grant.stop(if now >= kill_at { OwnStop::Kill } else { OwnStop::Term });
            }
            let mut fds = self.descriptors();
            fds.push(signals.descriptor());
            poll::any_readable(&fds, Some(self.again_in()))?;
            if let Some(arrived) = ending_signal(signals)
                && matches!(arrived.signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT)
            {
                let killed = self.guardian.as_ref().is_some_and(|guardian| guardian.kill().is_ok());
                if let Some(grant) = self.grant.as_mut().filter(|_| !killed) {
                    grant.stop(OwnStop::Kill);
                }
            }
        }
        if let Some(grant) = &mut self.grant {
            grant.clear();
        }
        self.renewer.tell(LeaseEvent::Swept);
        Ok(())
    }

    /// COMMAND is to be started again, by the same grant or, if that was lost, by another.
    pub fn again(&mut self, events: &mut dyn Events) {
        if self.lost.take().is_some() || self.grant.as_ref().is_some_and(LeaseGrant::is_overdue) {
            self.await_end(events);
            (self.ended, self.grant) = (None, None);
        }
        self.may_start = false;
        self.dismiss_guardian();
        self.renewer.tell(LeaseEvent::Again);
    }

    /// The gate was not opened, so nothing runs.
    fn nothing_started(&mut self) {
        self.is_swept = true;
        if let Some(grant) = &mut self.grant {
            grant.clear();
        }
        self.renewer.tell(LeaseEvent::Swept);
    }

    /// Each guardian is there for one start of COMMAND: a stop that has begun is final.
    fn dismiss_guardian(&mut self) {
        if let Some(guardian) = self.guardian.take() {
            // While something of the bot may be left, the guardian goes on, as if we had died.
            if self.is_swept {
                guardian.leave();
            }
            self.renewer.tell(LeaseEvent::GuardianGone);
        }
    }

    /// Waits until nothing more is to be done about the present grant: one call that is under way, the release, and one more.
    fn await_end(&mut self, events: &mut dyn Events) {
        let until = Instant::now() + self.times.call_limit() * 4;
        while self.ended.is_none() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let _ = poll::readable([Some(self.renewer.descriptor())], Some(left));
            self.tend(events);
        }
    }

    /// Gives the lease back, or gives up waiting for it.
    pub fn leave(mut self, events: &mut dyn Events) {
        self.renewer.tell(LeaseEvent::Leave);
        if self.is_swept {
            self.renewer.tell(LeaseEvent::Swept);
        }
        self.await_end(events);
        self.dismiss_guardian();
        if let Some(grant) = &self.grant {
            match self.ended {
                None | Some(EndReason::NotReleased) => {
                    let ttl = self.times.ttl();
                    events.notice(&Notice::Lease(self.name(), LeaseNotice::NotReleased { ttl }));
                }
                Some(EndReason::Released) => self.book.released(grant.marks.generation),
                Some(_) => {}
            }
        }
        self.book.close();
    }

    /// Whether the engine has been asked once.
    fn has_looked(&self) -> bool {
        self.waits.is_some() || self.failure.is_some()
    }

    /// Why it was not granted, as `acquire`'s error.
    pub fn refusal(&self, end: &LeaseWait) -> AcquireError {
        let lease = self.name();
        let ended = match end {
            LeaseWait::Refused(reason) => Some(reason),
            LeaseWait::Granted | LeaseWait::TimedOut | LeaseWait::Signal(_) => None,
        };
        let is_away =
            matches!(self.waits, None | Some(WaitReason::EngineAway(_))) || matches!(ended, Some(EndReason::Engine(_)));
        if let (true, Some(error)) = (is_away, &self.failure) {
            return AcquireError::Engine { lease, error: error.clone() };
        }
        if let Some(EndReason::OtherBot(record)) = ended {
            return AcquireError::OtherBot { lease, record: record.clone() };
        }
        let why = self.waits.as_ref();
        let why = why.and_then(|reason| wording::waiting_for(reason, &self.holder, self.failure.as_ref()));
        let waited = self.request.wait;
        AcquireError::LeaseHeld { lease, why: why.map(Box::new), waited, exit: self.request.conflict_exit }
    }

    /// Whether the grant that COMMAND runs under is ours still.
    pub fn is_fresh(&self) -> bool {
        let is_overdue = self.grant.as_ref().is_none_or(LeaseGrant::is_overdue);
        self.may_start && self.lost.is_none() && !is_overdue
    }

    /// Why the bot was stopped, as `acquire`'s error.
    pub fn loss(&self) -> Option<AcquireError> {
        let is_overdue = self.grant.as_ref().is_some_and(LeaseGrant::is_overdue);
        let reason = self.lost.as_ref().or(is_overdue.then_some(&LossReason::Silence))?;
        let why = wording::lost_lease(reason, self.failure.as_ref());
        Some(AcquireError::LeaseLost { lease: self.name(), why, exit: self.request.conflict_exit })
    }
}

fn tend_lock(held: &mut Held, changed: bool, events: &mut dyn Events) {
    let mut incidents = Vec::new();
    match held.watch() {
        None => incidents = held.start_watching(true),
        Some(watch) if changed => {
            let _ = watch.take();
            incidents = held.tend();
        }
        Some(_) => {}
    }
    events.incidents(held.path(), incidents);
}
