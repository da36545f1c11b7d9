//! Getting the lock: at once, after a wait, or after a takeover, and with no instance beside it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Error as AcquireError;
use super::home_lease::{HomeLeaseGate, LeaseWaitEnd};
use super::request::Request;
use super::takeover;
use super::unlocked::{self, Interrupted, Lookout};
use crate::base::duration::Limit;
use crate::base::error::Error;
use crate::base::secret::Token;
use crate::cli;
use crate::lock::held::{Held, HolderFacts, SettleResult};
use crate::lock::wait::{self, LockPlace, Waiting};
use crate::outcome::events::{Awaited, Events, Notice};
use crate::outcome::holding;
use crate::outcome::process::UnlockedProcess;
use crate::platform::filesystem;
use crate::platform::signals::Signals;

/// One attempt to come to hold the lock alone.
pub struct Attempt<'a> {
    pub request: &'a Request<'a>,
    pub token: Option<&'a Token>,
    pub signals: &'a Signals,
    pub deadline: Option<Instant>,
    pub took_over: bool,
    pub lookout: Lookout<'a>,
    pub events: &'a mut dyn Events,
}

/// How far an attempt came.
pub enum AttemptResult {
    /// The lock is held, and no instance runs without it.
    Held(Box<Held>),
    /// Another holds it still.
    Refused,
    /// Nobody else holds it, but these instances run without it, or hold a file that was at its path.
    Unlocked(Vec<UnlockedProcess>),
    /// A signal asked solobot to end.
    Signal(i32),
}

impl AttemptResult {
    /// How far the attempt came where the wait for others was cut short; `None` if it is to start over.
    fn after(why: Interrupted) -> Option<Self> {
        match why {
            Interrupted::TimedOut(instances) => Some(Self::Unlocked(instances)),
            Interrupted::Signal(signal) => Some(Self::Signal(signal)),
            Interrupted::Moved => None,
        }
    }
}

impl Attempt<'_> {
    pub fn hold(&mut self) -> Result<AttemptResult, Error> {
        let mut progress = match self.request.args.takeover {
            Some(whom) => self.take_over(whom)?,
            None => self.take(self.deadline)?,
        };
        while let AttemptResult::Held(held) = progress {
            let settled = self.exclude_unlocked(*held)?;
            match settled {
                // Its file was removed while an instance without the lock was waited for: another may hold the new one.
                Some(AttemptResult::Held(held)) if !held.file().is_current() => held.release(),
                Some(settled) => return Ok(settled),
                None => {}
            }
            progress = self.take(self.deadline)?;
        }
        Ok(progress)
    }

    /// The first try does not wait. Only the process that holds the lock at that moment is stopped, and no later holder.
    fn take_over(&mut self, whom: cli::Takeover) -> Result<AttemptResult, Error> {
        let tried = self.take(Some(Instant::now()))?;
        if !matches!(tried, AttemptResult::Refused) {
            return Ok(tried);
        }
        match takeover::stop_holders(self.request, whom, self.events)? {
            takeover::TakeoverResult::Left => {
                let why = "not taking over: the holder is not an orphan";
                self.events.notice(&Notice::Warning(why.into()));
                return self.take(self.deadline);
            }
            takeover::TakeoverResult::Gone => {}
            takeover::TakeoverResult::Stopped => {
                self.took_over = true;
                self.request.lock_journal.took_over();
            }
        }
        self.take(Some(self.takeover_deadline()))
    }

    /// Whoever was stopped has ended; the lock is free in a moment. A newer holder keeps it.
    fn takeover_deadline(&self) -> Instant {
        let moment = Instant::now() + Duration::from_secs(1);
        self.deadline.map_or(moment, |deadline| deadline.max(moment))
    }

    /// Takes the lock, waiting until `deadline`.
    fn take(&mut self, deadline: Option<Instant>) -> Result<AttemptResult, Error> {
        let mut gate = HomeLeaseGate::default();
        loop {
            let lock = match self.wait(deadline)? {
                wait::WaitResult::Granted(lock) => lock,
                wait::WaitResult::TimedOut => return Ok(AttemptResult::Refused),
                wait::WaitResult::Signal(arrived) => return Ok(AttemptResult::Signal(arrived.signal.number())),
            };
            let (request, deadline) = (self.request, self.deadline);
            if let Some(why) = unlocked::wait_for_predecessors(request, &lock, self.signals, deadline, self.events)? {
                lock.unlock();
                match AttemptResult::after(why) {
                    Some(end) => return Ok(end),
                    None => continue,
                }
            }
            if gate.is_closed(&lock) {
                lock.unlock();
                match gate.wait(&lock, request, self.signals, deadline, self.events)? {
                    LeaseWaitEnd::Free => continue,
                    LeaseWaitEnd::TimedOut => return Ok(AttemptResult::Refused),
                    LeaseWaitEnd::Signal(signal) => return Ok(AttemptResult::Signal(signal)),
                }
            }
            let (process, holder) = self.request.mode.recorded(&lock)?;
            match Held::settle(lock, self.claim(), process, holder, self.request.args.selection.allow_network_fs)? {
                SettleResult::Moved => {}
                SettleResult::Held(held, incidents) => {
                    self.events.incidents(held.path(), incidents);
                    return Ok(AttemptResult::Held(held));
                }
            }
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<wait::WaitResult, Error> {
        let start = Instant::now();
        let wait = self.request.wait;
        let bot = &self.request.bot;
        let caller = self.request.settings.context().caller;
        let mut refused = false;
        let mut on_wait = |lock: &Path| {
            if std::mem::replace(&mut refused, true) {
                self.events.notice(&Notice::Waiting { what: Awaited::Lock, elapsed: start.elapsed(), wait });
            } else {
                let holding = Box::new(holding::describe(lock, Some(bot), caller));
                self.events.notice(&Notice::Refused { holding, wait });
            }
        };
        let mut waiting = Waiting {
            deadline,
            allow_network_fs: self.request.args.selection.allow_network_fs,
            signals: self.signals,
            on_wait: &mut on_wait,
            prepare: &mut || self.lookout.look_ahead(),
        };
        let outcome = wait::take(self.request.place(), &mut waiting)?;
        if refused && matches!(outcome, wait::WaitResult::Granted(_)) {
            self.request.lock_journal.waited(start.elapsed());
            self.events.notice(&Notice::Granted { elapsed: start.elapsed() });
        }
        Ok(outcome)
    }

    fn claim(&self) -> HolderFacts {
        let bot = &self.request.bot;
        HolderFacts {
            app_name: bot.recorded_name(),
            argv: self.request.command().iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            cwd: Some(self.request.folder().to_owned()),
            token_fingerprint: self.token.map(|token| token.fingerprint().to_owned()),
            took_over: self.took_over,
        }
    }

    /// Step 4: instances that run without the lock count as holders too. `None`: the lock's file was replaced meanwhile.
    fn exclude_unlocked(&mut self, held: Held) -> Result<Option<AttemptResult>, Error> {
        if !unlocked::is_looked_for(self.request) {
            return Ok(Some(AttemptResult::Held(Box::new(held))));
        }
        let waited = unlocked::wait_for(self.request, &held, self.signals, self.deadline, self.events);
        match waited {
            Ok(None) => Ok(Some(AttemptResult::Held(Box::new(held)))),
            Ok(Some(why)) => {
                held.release();
                Ok(AttemptResult::after(why))
            }
            Err(error) => {
                held.release();
                Err(error)
            }
        }
    }

    pub fn refusal(&self) -> AcquireError {
        let path = match self.request.place() {
            LockPlace::Path(path) => path.to_owned(),
            LockPlace::Descriptor(fd) => filesystem::path_of_descriptor(fd).unwrap_or_default(),
        };
        let (waited, exit) = (self.request.wait, self.request.conflict_exit);
        let waited = if self.request.args.nonblock { Limit::For(Duration::ZERO) } else { waited };
        let holding =
            Box::new(holding::describe(&path, Some(&self.request.bot), self.request.settings.context().caller));
        AcquireError::Held { holding, waited, exit }
    }
}
