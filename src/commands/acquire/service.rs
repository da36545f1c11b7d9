//! What systemd is told by an `acquire` that it started as a service of `Type=notify`: `STATUS=` and more time while it waits,
//! `READY=1` once the lock, and the lease, is held and COMMAND has started, `WATCHDOG=1` while that is so, `STOPPING=1`.
//!
//! - `WATCHDOG=1` follows a look that the lock's path still names the file that we hold, and that the lease's deadline is
//!   not over. A lock that was lost, a lease that cannot be renewed and a solobot that is stopped or hangs let the watchdog of
//!   the unit run out. systemd then ends all of the unit, and the next start waits.
//! - With `--restart` the unit is ready from COMMAND's first start on. The lock stays held between two runs, so the watchdog
//!   is told so. Whoever has lost the lease and waits for it again runs nothing: the watchdog is asked to wait too, with
//!   `WATCHDOG_USEC=0`, until COMMAND runs again.
//! - With `--handover` the lock is the bot's own, and not ours to judge: the watchdog is told that solobot is alive.
//! - With `--takeover` the time that the old holder has to end is asked for.
//! - With `-F` COMMAND becomes the service: it gets the variables, and says `READY=1` itself. Only the wait is told from here.
//!   A bot that does not speak to systemd needs `Type=exec` with `-F`.
//! - With `--fd` and `--pid` the script is the service. Only the wait is told, where `NotifyAccess=all` lets it be heard.
//! - COMMAND without a lock (`--if-held run`, or because the parent holds it) replaces solobot, and nobody is left to speak:
//!   the unit is ready, and its watchdog is turned off.
//!
//! `MAINPID=` is never said: systemd knows the process that it started, solobot stays that process, and in a PID namespace
//! the number would mean another one.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use crate::base::duration::show;
use crate::outcome::events::{Events, Notice};
use crate::outcome::holding::Holding;
use crate::outcome::lease_notice::{LeaseNotice, WaitingFor};
use crate::outcome::process::ProcessView;
use crate::outcome::status::StatusOutcome;
use crate::platform::notify::{self, ServiceWord};
use crate::platform::user;

/// So much time is asked for while we wait, from each of those words on.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How often a look that found something wrong is repeated.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Where nobody listens, there is nothing to be said.
const NEVER: Duration = Duration::from_hours(1);

/// The unit that this `acquire` is, if it is one.
pub struct UnitNotifier {
    is_ours: bool,
    /// COMMAND runs below us.
    has_command: bool,
    grace: Duration,
    asked: Cell<Option<Instant>>,
    is_ready: Cell<bool>,
    is_stopping: Cell<bool>,
    /// COMMAND's PID.
    pid: Cell<i32>,
    /// Half of the watchdog's time.
    every: Cell<Option<Duration>>,
    next: Cell<Option<Instant>>,
    was_well: Cell<bool>,
}

impl UnitNotifier {
    /// `has_command`: COMMAND is to run below us; `grace`: how long whoever is stopped may take to end.
    pub fn of_process(has_command: bool, grace: Duration) -> Self {
        let is_ours = notify::is_ours();
        Self {
            is_ours,
            has_command,
            grace,
            asked: Cell::new(None),
            is_ready: Cell::new(false),
            is_stopping: Cell::new(false),
            pid: Cell::new(0),
            every: Cell::new(if is_ours { notify::watchdog().map(|within| within / 2) } else { None }),
            next: Cell::new(None),
            was_well: Cell::new(true),
        }
    }

    /// Whether COMMAND is kept from speaking for us.
    pub fn speaks_for_command(&self) -> bool {
        self.is_ours && self.has_command
    }

    fn tell(&self, words: &[ServiceWord<'_>]) {
        if self.is_ours
            && let Err(error) = notify::tell(words)
        {
            tracing::debug!(%error, ?words, "the service manager was not told");
        }
    }

    /// We wait, and need more time for that.
    pub fn waits(&self) {
        let is_due = self.asked.get().is_none_or(|at| at.elapsed() >= ASK_EVERY);
        // Later it would be asked of the time that the unit may run.
        if self.is_ours && is_due && !self.is_ready.get() {
            self.asked.set(Some(Instant::now()));
            self.tell(&[ServiceWord::Patience(PATIENCE)]);
        }
    }

    fn waits_for(&self, what: &str) {
        self.tell(&[ServiceWord::Status(&format!("waiting: {what}"))]);
        self.waits();
    }

    /// COMMAND has started, for the first time or again.
    ///
    /// # Errors
    /// Nobody was told that the unit is ready.
    pub fn runs(&self, pid: i32) -> io::Result<()> {
        if !self.speaks_for_command() {
            return Ok(());
        }
        self.pid.set(pid);
        let status = running(pid);
        let mut words = vec![ServiceWord::Status(&status)];
        let was_ready = self.is_ready.replace(true);
        match (was_ready, self.every.get(), self.next.get()) {
            (false, ..) => words.push(ServiceWord::Ready),
            (true, Some(every), None) => words.push(ServiceWord::Watched(every * 2)),
            (true, ..) => {}
        }
        self.next.set(self.every.get().map(|_| Instant::now()));
        let told = notify::tell(&words);
        if was_ready { Ok(()) } else { told }
    }

    /// Tells the watchdog, if it is time, that all is well; or nothing, if it is not.
    pub fn watch(&self, is_well: impl FnOnce() -> bool) {
        let (Some(every), Some(next)) = (self.every.get(), self.next.get()) else { return };
        if Instant::now() < next {
            return;
        }
        let is_well = is_well();
        self.next.set(Some(Instant::now() + if is_well { every } else { every.min(LOOK_AGAIN) }));
        let was_well = self.was_well.replace(is_well);
        match (was_well, is_well) {
            (true, true) => self.tell(&[ServiceWord::Well]),
            (false, true) => self.tell(&[ServiceWord::Well, ServiceWord::Status(&running(self.pid.get()))]),
            (true, false) => self.tell(&[ServiceWord::Status(LOST)]),
            (false, false) => {}
        }
    }

    /// When to look again for the watchdog.
    pub fn again_in(&self) -> Duration {
        self.next.get().map_or(NEVER, |next| next.saturating_duration_since(Instant::now()))
    }

    /// Nothing runs until the lease is granted again.
    pub fn rests(&self) {
        if self.next.take().is_some() {
            self.tell(&[ServiceWord::Watched(Duration::ZERO)]);
        }
    }

    /// COMMAND is about to replace us, without a lock.
    pub fn becomes_command(&self) {
        if self.speaks_for_command() {
            let status = ServiceWord::Status("running without the lock");
            self.tell(&[ServiceWord::Ready, ServiceWord::Watched(Duration::ZERO), status]);
        }
    }

    pub fn stops(&self) {
        if self.is_ready.get() && !self.is_stopping.replace(true) {
            self.tell(&[ServiceWord::Stopping]);
        }
    }
}

/// Why the watchdog is told nothing.
const LOST: &str = "the lock or the lease is lost: two instances may be running";

fn running(pid: i32) -> String {
    format!("running: PID {pid}")
}

/// Notices on their way to people, of which the service manager is told what it understands.
pub struct ServiceEvents<'a> {
    pub service: &'a UnitNotifier,
    pub events: &'a mut dyn Events,
}

impl Events for ServiceEvents<'_> {
    fn notice(&mut self, notice: &Notice) {
        if self.service.is_ours {
            tell_of(self.service, notice);
        }
        self.events.notice(notice);
    }

    fn can_ask(&self) -> bool {
        self.events.can_ask()
    }

    fn confirm(&mut self, question: &str) -> Option<bool> {
        self.events.confirm(question)
    }

    fn ask(&mut self, question: &str, proposal: Option<&str>) -> Option<String> {
        self.events.ask(question, proposal)
    }

    fn interim(&mut self, seen: &StatusOutcome) -> bool {
        self.events.interim(seen)
    }

    fn suspend(&mut self) {
        self.events.suspend();
    }
}

fn tell_of(service: &UnitNotifier, notice: &Notice) {
    match notice {
        Notice::Refused { holding, .. } => service.waits_for(&format!("held by {}", holder(holding))),
        Notice::Unlocked { instances, .. } => {
            let first = instances.first().map_or_else(String::new, |one| here(&one.process));
            service.waits_for(&format!("already running without the lock, {first}"));
        }
        Notice::TakingOver(_) => {
            let status = ServiceWord::Status("waiting: the holder is being stopped");
            service.tell(&[status, ServiceWord::Patience(service.grace + PATIENCE)]);
        }
        Notice::Lease(_, LeaseNotice::Waits { why, .. }) => service.waits_for(&lease(why)),
        Notice::Waiting { .. } | Notice::Retrying { .. } => service.waits(),
        Notice::Restarting { why, after, .. } => {
            let status = format!("ended with {why}; starting it again in {}", show(*after));
            service.tell(&[ServiceWord::Status(&status)]);
        }
        _ => {}
    }
}

fn holder(holding: &Holding) -> String {
    match (&holding.lock.leased_to, &holding.main) {
        (None, Some(main)) => here(main),
        _ => holding.by_briefly(),
    }
}

fn here(process: &ProcessView) -> String {
    let since = process.start.map_or_else(String::new, |start| format!(" since {start}"));
    format!("PID {} on {}{since}", process.pid, user::host_name())
}

fn lease(why: &WaitingFor) -> String {
    match why {
        WaitingFor::Holder { record, .. } => {
            format!("held by PID {} on {} since {}", record.by.pid, record.by.host, record.by.since)
        }
        WaitingFor::Own { free_in } => format!("our own last lease ends in {}", show(*free_in)),
        WaitingFor::Unused { free_in } => {
            format!("nobody has the lease, as this engine knows; it is ours in {}", show(*free_in))
        }
        WaitingFor::Foreign { free_in } => format!("the lease is not readable; it is free in {}", show(*free_in)),
        WaitingFor::Engine { why, .. } => format!("the engine of the lease does not answer: {why}"),
    }
}
