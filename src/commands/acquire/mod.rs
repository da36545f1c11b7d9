//! `acquire`: take the lock, make sure that nobody runs without it, then hold it by one of four modes.
//!
//! 1. try the lock;
//! 2. refused: say who holds it and wait, or take over;
//! 3. verify, write text and record, verify again;
//! 4. look for instances that run without the lock, and wait for those too;
//! 5. clear the webhook, if that is asked for;
//! 6. run COMMAND, become it, leave the lock with the shell's descriptor, or start a keeper.

mod environment;
mod error;
mod explain;
mod modes;
mod run;
mod story;
mod takeover;
mod unlocked;
mod webhook;

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

pub use self::error::Error as AcquireError;
use self::modes::Mode;
pub use self::story::Story;
use crate::base::duration::Limit;
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::base::secret::Token;
use crate::cli;
use crate::lock::held::{Claim, Held, Settled};
use crate::lock::wait::{self, Place, Waiting};
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::{Events, Notice};
use crate::outcome::holding;
use crate::outcome::process::Beside;
use crate::platform::identity::Identity;
use crate::platform::signals::Signals;
use crate::settings::{Bot, Settings};

pub use self::takeover::{hidden_holder, topmost};

/// Everything `acquire` was asked, settled.
struct Request<'a> {
    bot: Bot,
    mode: Mode,
    wait: Limit,
    grace: Duration,
    conflict_exit: Exit,
    args: &'a cli::Acquire,
    settings: &'a Settings,
    /// What the journal is told.
    story: story::Story,
}

impl Request<'_> {
    fn place(&self) -> Place<'_> {
        match self.mode {
            Mode::Descriptor(fd) => Place::Descriptor(fd),
            Mode::Run | Mode::Become | Mode::Keep(_) => Place::Path(&self.bot.lock),
        }
    }

    /// Where COMMAND is started: one of the file in its bot's folder, one that was typed where it was typed.
    fn folder(&self) -> &Path {
        if self.args.command.is_empty() { &self.bot.dir } else { &self.settings.context().cwd }
    }

    /// Whether BOT or flags say what the bot's program is, rather than COMMAND.
    fn names_program(&self) -> bool {
        let selection = &self.args.selection;
        self.bot.configured || selection.program.is_some() || selection.module.is_some()
    }

    fn command(&self) -> &[OsString] {
        self.bot.command.as_deref().unwrap_or_default()
    }
}

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
    let request = modes::settle(args, global, settings)?;
    if global.verbose > 0 {
        explain::explain(&request, settings, events);
    }
    // Whatever can block, as a password manager behind a pipe can, is read before anything is held.
    let token = token_of(&request.bot, events);
    let errand = webhook::prepare(&request, settings, events)?;
    if environment::is_held_for_us(&request, events) {
        if let Some(errand) = errand {
            errand.run(None, events)?;
        }
        return run::without_lock(&request, &[]);
    }
    let signals = Signals::block().map_err(|source| Error::Io { action: "block signals".into(), source })?;
    let deadline = if args.nonblock { Some(Instant::now()) } else { request.wait.deadline(Instant::now()) };
    let mut attempt = Attempt { request: &request, token, signals: &signals, deadline, took_over: false, events };
    match attempt.hold()? {
        Progress::Held(held) => match errand.map(|errand| errand.run(Some(&signals), attempt.events)) {
            None | Some(Ok(webhook::End::Done)) => modes::hold(&request, *held, &signals, attempt.events),
            Some(Ok(webhook::End::Signal(signal))) => {
                held.release();
                Ok(AcquireOutcome::Ended(Exit::Signal(signal)))
            }
            Some(Err(error)) => {
                held.release();
                Err(error)
            }
        },
        Progress::Signal(signal) => Ok(AcquireOutcome::Ended(Exit::Signal(signal))),
        Progress::Refused | Progress::Unlocked(_) if args.if_held == cli::IfHeld::Run => {
            attempt.events.notice(&Notice::PollingDisabled);
            drop(signals);
            run::without_lock(&request, &environment::without_polling(&request))
        }
        Progress::Unlocked(instances) => {
            let (lock, typed) = (request.bot.lock.clone(), request.bot.typed());
            Err(AcquireError::Unlocked { lock, instances, typed, exit: request.conflict_exit }.into())
        }
        Progress::Refused | Progress::Moved => {
            let refusal = attempt.refusal();
            if let Limit::For(after) = request.wait {
                request.story.timed_out(after);
            }
            Err(refusal.into())
        }
    }
}

/// One attempt to come to hold the lock alone.
struct Attempt<'a> {
    request: &'a Request<'a>,
    token: Option<&'a Token>,
    signals: &'a Signals,
    deadline: Option<Instant>,
    took_over: bool,
    events: &'a mut dyn Events,
}

/// How far an attempt came.
enum Progress {
    /// The lock is held, and no instance runs without it.
    Held(Box<Held>),
    /// Another holds it still.
    Refused,
    /// Nobody else holds it, but these instances run without it, or hold a file that was at its path.
    Unlocked(Vec<Beside>),
    /// The path names another file than the one that was locked: start over.
    Moved,
    /// A signal asked solobot to end.
    Signal(i32),
}

impl Attempt<'_> {
    fn hold(&mut self) -> Result<Progress, Error> {
        let mut progress = match self.request.args.takeover {
            Some(whom) => self.take_over(whom)?,
            None => self.take(self.deadline)?,
        };
        while let Progress::Held(held) = progress {
            match self.exclude_unlocked(*held)? {
                // Its file was removed while an instance without the lock was waited for: another may hold the new one.
                Progress::Held(held) if !held.file().is_current() => held.release(),
                Progress::Moved => {}
                settled => return Ok(settled),
            }
            progress = self.take(self.deadline)?;
        }
        Ok(progress)
    }

    /// The first try does not wait; whoever holds the lock then, and nobody later, is stopped.
    fn take_over(&mut self, whom: cli::Takeover) -> Result<Progress, Error> {
        let tried = self.take(Some(Instant::now()))?;
        if !matches!(tried, Progress::Refused) {
            return Ok(tried);
        }
        match takeover::stop_holders(self.request, whom, self.events)? {
            takeover::Holder::Left => {
                let why = "nobody is stopped: the holder's solobot lives, or it never had one; it is no orphan";
                self.events.notice(&Notice::Warning(why.into()));
                return self.take(self.deadline);
            }
            takeover::Holder::Gone => {}
            takeover::Holder::Stopped => {
                self.took_over = true;
                self.request.story.took_over();
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
    fn take(&mut self, deadline: Option<Instant>) -> Result<Progress, Error> {
        loop {
            let lock = match self.wait(deadline)? {
                wait::Outcome::Granted(lock) => lock,
                wait::Outcome::TimedOut => return Ok(Progress::Refused),
                wait::Outcome::Signal(arrived) => return Ok(Progress::Signal(arrived.signal as i32)),
            };
            let (request, deadline) = (self.request, self.deadline);
            if let Some(end) = unlocked::wait_for_predecessors(request, &lock, self.signals, deadline, self.events)? {
                lock.unlock();
                if matches!(end, Progress::Moved) {
                    continue;
                }
                return Ok(end);
            }
            let (process, holder) = self.request.mode.recorded(&lock)?;
            match Held::settle(lock, self.claim(), process, holder, self.request.args.selection.allow_network_fs)? {
                Settled::Moved => {}
                Settled::Held(held, incidents) => {
                    run::report(held.path(), incidents, self.events);
                    return Ok(Progress::Held(held));
                }
            }
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<wait::Outcome, Error> {
        let start = Instant::now();
        let wait = self.request.wait;
        let bot = &self.request.bot;
        let caller = self.request.settings.context().caller;
        let mut refused = false;
        let mut on_wait = |lock: &Path| {
            if std::mem::replace(&mut refused, true) {
                self.events.notice(&Notice::Waiting { elapsed: start.elapsed(), wait });
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
        };
        let outcome = wait::take(self.request.place(), &mut waiting)?;
        if refused && matches!(outcome, wait::Outcome::Granted(_)) {
            self.request.story.waited(start.elapsed());
            self.events.notice(&Notice::Granted { elapsed: start.elapsed() });
        }
        Ok(outcome)
    }

    fn claim(&self) -> Claim {
        let bot = &self.request.bot;
        Claim {
            app_name: bot.recorded_name(),
            argv: self.request.command().iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            cwd: Some(self.request.folder().to_owned()),
            token_fingerprint: self.token.map(|token| token.fingerprint().to_owned()),
            took_over: self.took_over,
        }
    }

    /// Step 4: instances that run without the lock count as holders too.
    fn exclude_unlocked(&mut self, held: Held) -> Result<Progress, Error> {
        if !unlocked::is_looked_for(self.request) {
            return Ok(Progress::Held(Box::new(held)));
        }
        let deadline = self.deadline;
        match unlocked::wait_for(self.request, &held, self.signals, deadline, self.events) {
            Ok(None) => Ok(Progress::Held(Box::new(held))),
            Ok(Some(end)) => {
                held.release();
                Ok(end)
            }
            Err(error) => {
                held.release();
                Err(error)
            }
        }
    }

    fn refusal(&self) -> AcquireError {
        let path = match self.request.place() {
            Place::Path(path) => path.to_owned(),
            Place::Descriptor(fd) => std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default(),
        };
        let (waited, exit) = (self.request.wait, self.request.conflict_exit);
        let waited = if self.request.args.nonblock { Limit::For(Duration::ZERO) } else { waited };
        let holding =
            Box::new(holding::describe(&path, Some(&self.request.bot), self.request.settings.context().caller));
        AcquireError::Held { holding, waited, exit }
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

/// The identity of this process, which exists.
fn own() -> Result<Identity, Error> {
    Identity::own().map_err(|source| Error::Io { action: "read /proc/self/stat".into(), source })
}
