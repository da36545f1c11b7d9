//! Running COMMAND: as a child under the lock, repeatedly, in place of solobot, or without the lock.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::background::Background;
use super::environment;
use super::error::Error as AcquireError;
use super::lease::{BotLease, GatedStart, LeaseWait};
use super::request::{Mode, Request, own};
use crate::alert::Alerts;
use crate::base::error::{Error, plain};
use crate::base::exit::Exit;
use crate::cli::Restart;
use crate::lock::held::Held;
use crate::lock::orphan::is_solobot;
use crate::lock::wait::ending_signal;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::{Events, Notice};
use crate::outcome::process::ProcessView;
use crate::platform::children::Ended;
use crate::platform::descriptor::Descriptor;
use crate::platform::identity::Identity;
use crate::platform::poll;
use crate::platform::proc::Handle;
use crate::platform::signals::{Mask, Signals};
use crate::platform::spawn::Launch;
use crate::platform::watch::{Watch, WatchEvents};
use crate::process::details::Details;
use crate::process::origin::{self, Manager};
use crate::process::run::left_behind::DescendantCounter;
use crate::process::run::{self, Child, Supervision, Upkeep};
use crate::settings::alerts::AlertKind;

/// COMMAND that fails sooner than this may have been refused by its own lock.
const SOON: Duration = Duration::from_mins(1);
/// Whoever holds nothing has nothing to look after.
const IDLE: Duration = Duration::from_hours(1);
/// How soon a bot that was handed on is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// So many guardians may fail to let COMMAND start.
const SHUT_GATES: u32 = 3;
/// The first pause before a restart.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause before a restart, and how long COMMAND must run for the pause to be the first one again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Runs COMMAND under the lock until the bot has ended, restarting it if that was asked for.
///
/// # Errors
/// COMMAND is not found or cannot be executed.
pub fn as_child(
    request: &Request<'_>,
    held: Option<Held>,
    lease: Option<BotLease<'_>>,
    signals: &Signals,
    events: &mut dyn Events,
) -> Result<AcquireOutcome, Error> {
    let mut pause = FIRST_PAUSE;
    let mut holding = LockUpkeep {
        held,
        lease,
        shut_gates: 0,
        request,
        record_is_old: false,
        touched: None,
        bot: BotPlace::InCommand,
        runs: None,
        alerts: request.alerts.take(),
        background: request.background.take(),
        events,
    };
    if let Err(error) = enter_folder(request) {
        holding.end();
        return Err(error);
    }
    let mut has_run = false;
    loop {
        let started = Instant::now();
        let ran_before = std::mem::replace(&mut has_run, true);
        let (ended, asked_to_end) = match run_once(request, &mut holding, signals) {
            Ok(RunEnd::NotStarted) => {
                if let Some(end) = holding.after_shut_gate(signals) {
                    holding.end();
                    return end;
                }
                continue;
            }
            // It ran before, so a deploy may just be at it: that is a failure like any other.
            Err(Error::Expected(error)) if ran_before => {
                holding.events.notice(&Notice::Warning(error.to_string()));
                (Ended::Code(error.exit().code()), false)
            }
            Err(error) => {
                holding.end();
                return Err(error);
            }
            Ok(RunEnd::Ended(ended, asked_to_end)) => (ended, asked_to_end),
        };
        holding.tell_of_end(ended, asked_to_end);
        let loss = holding.lease.as_ref().and_then(BotLease::loss);
        let failed = ended != Ended::Code(0);
        if failed && !asked_to_end && loss.is_none() && started.elapsed() < SOON {
            let command = request.shown_command();
            match holding.touched {
                Some(Touched::Opened) => holding.events.notice(&Notice::PerhapsLocksItself { command }),
                Some(Touched::Read) => holding.events.notice(&Notice::PerhapsReadsPid { command }),
                None => {}
            }
        }
        let again = match request.args.restart {
            // Whoever waits for its start is told that it failed.
            _ if holding.background.as_ref().is_some_and(|background| !background.has_started()) => false,
            // It waits for another grant.
            Some(_) if loss.is_some() => true,
            // Another one would be a second.
            _ if holding.bot == BotPlace::Elsewhere => false,
            Some(Restart::Always) => true,
            Some(Restart::OnFailure) => failed,
            None => false,
        };
        if !again || asked_to_end {
            holding.end();
            return match loss {
                Some(loss) if !asked_to_end => Err(loss.into()),
                _ => Ok(AcquireOutcome::Ended(exit_of(ended))),
            };
        }
        if started.elapsed() >= LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        if loss.is_none() {
            let command = request.shown_command();
            holding.events.notice(&Notice::Restarting { command, why: how(ended), after: pause });
            if let Some(signal) = holding.pause(signals, pause)? {
                holding.end();
                return Ok(AcquireOutcome::Ended(Exit::Signal(signal)));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if let Some(end) = holding.wait_for_lease(signals) {
            holding.end();
            return end;
        }
    }
}

/// How others used the lock's file. A locker opens it for writing; a bot with a PID file reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Read,
    Opened,
}

impl Touched {
    fn by(happened: WatchEvents) -> Option<Self> {
        let read = happened.read.then_some(Self::Read);
        if happened.opened { Some(Self::Opened) } else { read }
    }
}

/// Whoever hands the lock over holds nothing while COMMAND runs.
struct LockUpkeep<'a> {
    held: Option<Held>,
    lease: Option<BotLease<'a>>,
    /// How often a guardian did not let COMMAND start.
    shut_gates: u32,
    request: &'a Request<'a>,
    record_is_old: bool,
    /// What others did with the file while COMMAND ran.
    touched: Option<Touched>,
    bot: BotPlace,
    /// COMMAND's PID, while it runs.
    runs: Option<i32>,
    alerts: Option<Alerts>,
    background: Option<Background>,
    events: &'a mut dyn Events,
}

/// Where the bot is, as far as that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BotPlace {
    InCommand,
    /// COMMAND has ended, and a descendant of it is the bot.
    Below,
    /// COMMAND has ended, and the bot runs without the lock.
    Elsewhere,
}

/// How one run of COMMAND ended.
enum RunEnd {
    /// So; and whether solobot was asked to end it.
    Ended(Ended, bool),
    /// The guardian did not open the gate.
    NotStarted,
}

fn run_once(request: &Request<'_>, holding: &mut LockUpkeep<'_>, signals: &Signals) -> Result<RunEnd, Error> {
    if let Some(background) = &mut holding.background {
        background.enter()?;
    }
    let handover = environment::hands_over(request);
    let generation = holding.lease.as_ref().and_then(BotLease::generation);
    let environment = environment::for_command(request, holding.held.as_ref(), generation);
    if handover && let Some(held) = holding.held.take() {
        held.hand_over();
    }
    if let Some(held) = holding.held.as_mut().filter(|held| held.watch().is_none()) {
        held.mark_unread();
    }
    let descriptor = holding.held.as_ref().filter(|_| !request.args.close).map(Held::descriptor);
    let launch = Launch {
        argv: request.command(),
        env: &environment,
        mask: signals.original_mask(),
        inherit: descriptor.as_slice(),
    };
    let child = match &mut holding.lease {
        None => Child::start(&launch).map_err(|error| cannot_run(request, error))?,
        Some(lease) => {
            let started = lease.start_command(&launch, holding.events).map_err(|error| cannot_run(request, error))?;
            match started {
                GatedStart::Started(child) => child,
                GatedStart::Refused => return Ok(RunEnd::NotStarted),
            }
        }
    };
    holding.now_runs(child.identity());
    request.lock_journal.taken(child.identity().pid);
    holding.tell_of_start(child.identity().pid);
    let named = request.names_program().then_some(request.bot.program.as_ref()).flatten();
    let counting = DescendantCounter { command: request.command(), cwd: request.folder(), named };
    let mut supervision = Supervision { signals, counting: &counting, grace: request.grace, upkeep: holding };
    let command = child.identity();
    let ended = run::supervise(child, &mut supervision).map_err(|source| {
        // As if we had been killed: while COMMAND is running, the lock is not released.
        holding.leave();
        let pid = command.pid;
        Error::Io { action: format!("wait for PID {pid}, which keeps the lock while it is running"), source }
    })?;
    if !ended.1 && holding.bot == BotPlace::InCommand {
        holding.look_elsewhere(&counting, command);
    }
    let swept = holding.lease.as_mut().map(|lease| lease.sweep(signals, holding.events)).transpose();
    swept.map_err(|source| {
        // As above: something of the bot may be left.
        holding.leave();
        Error::Io { action: "wait until nothing of the bot is left".into(), source }
    })?;
    // What happened to the file in its last moments.
    let happened = holding.held.as_ref().and_then(Held::watch).map(Watch::take).unwrap_or_default();
    holding.is_touched(Touched::by(happened));
    holding.was_read_unwatched();
    if happened.changed {
        holding.tend();
    }
    // Between two runs, the PID in the lock is ours.
    if request.args.restart.is_some() {
        holding.now_runs(own()?);
    }
    Ok(RunEnd::Ended(ended.0, ended.1))
}

impl LockUpkeep<'_> {
    /// The text is changed at once, the record with the next upkeep: a COMMAND like `true` has ended by then.
    fn now_runs(&mut self, process: Identity) {
        if let Some(held) = &mut self.held {
            let incidents = held.set_process(process);
            self.request.lock_journal.incidents(&incidents);
            self.events.incidents(held.path(), incidents);
            self.record_is_old = true;
        }
    }

    /// COMMAND has ended, and nothing below it is the bot: says whether it runs somewhere else now.
    fn look_elsewhere(&mut self, counting: &DescendantCounter<'_>, command: Identity) {
        let Some(after) = counting.may_start_elsewhere() else { return };
        let until = Instant::now() + after;
        let mut found = counting.elsewhere(command);
        while found.is_empty() && Instant::now() < until {
            std::thread::sleep(LOOK_AGAIN);
            found = counting.elsewhere(command);
        }
        if !found.is_empty() {
            self.bot = BotPlace::Elsewhere;
        }
        for bot in found {
            let details = Handle::open(bot.pid).and_then(|handle| Details::read(&handle));
            let typed = details.and_then(|details| details.typed());
            let notice = Notice::LeftElsewhere {
                command: self.request.shown_command(),
                bot: ProcessView::of(bot),
                by: origin::of_process(bot).and_then(|origin| starter(&origin.manager)),
                acquire: typed.map(|typed| format!("solobot acquire -- {typed}")),
            };
            self.events.notice(&notice);
        }
    }

    fn tell_of_start(&mut self, pid: i32) {
        self.runs = Some(pid);
        if let Some(background) = &mut self.background {
            background.now_runs();
        }
        if let Err(error) = self.request.service.runs(pid) {
            let why = format!("cannot tell systemd (NOTIFY_SOCKET) that the bot is running: {}", plain(&error));
            self.events.notice(&Notice::Warning(why));
        }
    }

    fn tell_of_end(&mut self, ended: Ended, asked_to_end: bool) {
        self.runs = None;
        // It runs on, without the lock.
        if self.bot == BotPlace::Elsewhere {
            return;
        }
        let Some(alerts) = &mut self.alerts else { return };
        let why = if asked_to_end { "it was asked to end".into() } else { format!("it ended with {}", how(ended)) };
        alerts.down(self.request.alerted(), &why, self.events);
    }

    /// Tells whoever wants to know how the bot is.
    fn alert(&mut self) {
        let Some(mut alerts) = self.alerts.take() else { return };
        let (bot, is_well) = (self.request.alerted(), self.is_well());
        if let Some(pid) = self.runs {
            let is_lost = !is_well && (self.lease.is_some() || self.held.is_some());
            let lost = is_lost.then_some("the lock or the lease is lost: two instances may be running");
            alerts.set(bot, AlertKind::Lost, lost, self.events);
            alerts.up(bot, &format!("PID {pid}"), true, self.events);
        }
        let runs = self.runs.is_some();
        alerts.tend(bot.name, || runs && is_well, self.events);
        self.alerts = Some(alerts);
    }

    /// The lock is ours, and the lease is fresh. A lock that was handed over is the bot's own.
    fn is_well(&self) -> bool {
        self.held.as_ref().is_none_or(Held::is_at_its_path) && self.lease.as_ref().is_none_or(BotLease::is_fresh)
    }

    fn tend_lock(&mut self) {
        let Some(held) = &mut self.held else { return };
        let mut incidents = Vec::new();
        if std::mem::take(&mut self.record_is_old) {
            incidents.extend(held.write_record());
        }
        let happened = held.watch().map(Watch::take).unwrap_or_default();
        self.is_touched(Touched::by(happened));
        self.was_read_unwatched();
        let Some(held) = &mut self.held else { return };
        // Not before, since closing an inotify descriptor takes the kernel some 10 ms.
        if held.watch().is_none() {
            incidents.extend(held.start_watching(true));
        }
        incidents.extend(held.tend());
        self.request.lock_journal.incidents(&incidents);
        self.events.incidents(held.path(), incidents);
    }

    fn is_touched(&mut self, touched: Option<Touched>) {
        self.touched = self.touched.max(touched);
    }

    /// Until the file is watched, its times tell. What comes later may be solobot's own reading.
    fn was_read_unwatched(&mut self) {
        let was_read = self.held.as_ref().is_some_and(|held| held.watch().is_none() && held.was_read());
        self.is_touched(was_read.then_some(Touched::Read));
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.release();
        }
    }

    /// Leaves it with COMMAND, which has its descriptor.
    fn leave(&mut self) {
        if let Some(held) = self.held.take() {
            held.leave();
        }
    }

    /// Waits for the lease before a restart; how `acquire` ends, if it is not granted.
    fn wait_for_lease(&mut self, signals: &Signals) -> Option<Result<AcquireOutcome, Error>> {
        let lease = self.lease.as_mut()?;
        lease.again(self.events);
        self.request.service.rests();
        match lease.wait(&mut self.held, signals, None, self.events) {
            Ok(LeaseWait::Granted) => None,
            Ok(LeaseWait::Signal(signal)) => Some(Ok(AcquireOutcome::Ended(Exit::Signal(signal)))),
            Ok(end) => Some(Err(lease.refusal(&end).into())),
            Err(error) => Some(Err(error)),
        }
    }

    /// The gate stayed shut: with a lost lease that is the end, unless COMMAND is to be started again; else a guardian is at
    /// fault, and another one may do better.
    fn after_shut_gate(&mut self, signals: &Signals) -> Option<Result<AcquireOutcome, Error>> {
        let loss = self.lease.as_ref().and_then(BotLease::loss);
        self.shut_gates += 1;
        match loss {
            Some(loss) if self.request.args.restart.is_none() => Some(Err(loss.into())),
            None if self.shut_gates > SHUT_GATES => {
                let source = io::Error::other("the guardian does not open the gate");
                Some(Err(Error::Io { action: "start COMMAND".into(), source }))
            }
            _ => self.wait_for_lease(signals),
        }
    }

    /// Gives the lease and the lock back for good, in this order.
    fn end(&mut self) {
        self.request.service.stops();
        // Before the lock: whoever has that next may write to the same log.
        self.background = None;
        if let Some(lease) = self.lease.take() {
            lease.leave(self.events);
        }
        let handed_over = self.held.is_none();
        self.release();
        if handed_over {
            self.request.lock_journal.tell();
        } else {
            self.request.lock_journal.released();
        }
        // With nothing held any more: the next start does not wait for them.
        if let Some(alerts) = &mut self.alerts {
            alerts.finish(self.events);
        }
    }

    /// Waits before a restart; a signal that asks to end ends it.
    fn pause(&mut self, signals: &Signals, pause: Duration) -> Result<Option<i32>, Error> {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Who has lost the lease has to wait for it, not for the pause.
            if left.is_zero() || self.lease.as_ref().is_some_and(|lease| lease.lost.is_some()) {
                return Ok(None);
            }
            let mut fds = self.descriptors();
            fds.push(signals.descriptor());
            let ready = poll::any_readable(&fds, Some(left.min(self.again_in())))
                .map_err(|source| Error::Io { action: "wait before the restart".into(), source })?;
            let changed = ready.iter().any(|at| at + 1 < fds.len());
            if let Some(arrived) = ending_signal(signals) {
                return Ok(Some(arrived.signal.number()));
            }
            let is_due =
                self.request.service.again_in().is_zero() || self.alerts.is_some() || self.background.is_some();
            if changed || self.lease.is_some() || is_due {
                self.tend();
            }
        }
    }
}

impl Upkeep for LockUpkeep<'_> {
    fn descriptors(&self) -> Vec<Descriptor<'_>> {
        let watch = self.held.as_ref().and_then(Held::watch).map(Watch::descriptor);
        let lease = self.lease.iter().flat_map(BotLease::descriptors);
        watch.into_iter().chain(lease).collect()
    }

    fn tend(&mut self) {
        self.request.lock_journal.tell();
        if let Some(lease) = &mut self.lease {
            lease.tend(self.events);
        }
        self.tend_lock();
        self.request.service.watch(|| self.is_well());
        self.alert();
        if let Some(warning) = self.background.as_mut().and_then(Background::tend) {
            self.events.notice(&Notice::Warning(warning));
        }
    }

    fn again_in(&self) -> Duration {
        let alerts = self.alerts.as_ref().map_or(IDLE, Alerts::again_in);
        let background = self.background.as_ref().map_or(IDLE, Background::again_in);
        let lock = self.held.as_ref().map_or(IDLE, Held::look_in).min(self.request.service.again_in());
        let lock = lock.min(alerts).min(background);
        self.lease.as_ref().map_or(lock, |lease| lock.min(lease.again_in()))
    }

    fn asked_to_end_by(&mut self, sender: i32) {
        self.request.service.stops();
        // A manager that stops its service needs no notice, another solobot does.
        if let Some(solobot) = Identity::of(sender).filter(|_| is_solobot(sender)) {
            let notice = Notice::AskedToEnd { command: self.request.shown_command(), by: ProcessView::of(solobot) };
            self.events.notice(&notice);
        }
    }

    fn passed_on(&mut self, to: Identity) {
        self.now_runs(to);
        // Once: a chain of them would say it for each.
        if std::mem::replace(&mut self.bot, BotPlace::Below) != BotPlace::Below {
            let notice = Notice::PassedOn { command: self.request.shown_command(), to: ProcessView::of(to) };
            self.events.notice(&notice);
        }
    }

    fn apart(&self) -> Vec<i32> {
        self.alerts.as_ref().map_or_else(Vec::new, Alerts::pids)
    }

    fn reaped(&mut self, pid: i32, ended: Ended) {
        if let Some(alerts) = &mut self.alerts {
            alerts.reaped(pid, ended);
        }
    }

    fn left(&mut self, running: &[Identity]) {
        // With a lease nothing is left running.
        if self.lease.is_some() {
            return;
        }
        let running: Vec<ProcessView> = running.iter().copied().map(ProcessView::of).collect();
        if !running.is_empty() {
            self.events.notice(&Notice::LeftRunning(running));
        }
    }
}

impl Drop for LockUpkeep<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.leave();
        }
    }
}

/// Becomes COMMAND, which inherits the locked descriptor and so holds the lock until it ends.
///
/// # Errors
/// COMMAND is not found or cannot be executed; the lock is released then.
pub fn in_our_place(request: &Request<'_>, held: Held, signals: &Signals) -> Result<AcquireOutcome, Error> {
    enter_folder(request)?;
    let environment = environment::for_command(request, Some(&held), None);
    let launch = Launch {
        argv: request.command(),
        env: &environment,
        mask: signals.original_mask(),
        inherit: &[held.descriptor()],
    };
    // After the exec there is no solobot to write it down. The lock is already held.
    request.lock_journal.taken(own()?.pid);
    request.lock_journal.tell();
    let error = launch.exec();
    held.release();
    request.lock_journal.released();
    Err(cannot_run(request, error))
}

/// Becomes COMMAND without any lock; without a COMMAND to be run, there is nothing to do.
///
/// # Errors
/// COMMAND is not found or cannot be executed.
pub fn without_lock(
    request: &Request<'_>,
    env: &[(&str, Option<std::ffi::OsString>)],
) -> Result<AcquireOutcome, Error> {
    if !matches!(request.mode, Mode::Run | Mode::Become) {
        return Ok(AcquireOutcome::HeldForUs);
    }
    enter_folder(request)?;
    request.service.becomes_command();
    let launch = Launch { argv: request.command(), env, mask: Mask::present(), inherit: &[] };
    Err(cannot_run(request, launch.exec()))
}

/// A command of the file runs in its bot's folder; one that was typed runs where it was typed.
fn enter_folder(request: &Request<'_>) -> Result<(), Error> {
    if !request.args.command.is_empty() {
        return Ok(());
    }
    let dir = request.folder();
    std::env::set_current_dir(dir)
        .map_err(|source| Error::Io { action: format!("enter the bot's folder `{}`", dir.display()), source })
}

fn cannot_run(request: &Request<'_>, error: io::Error) -> Error {
    let word = request.command().first().cloned().unwrap_or_default();
    let command = word.to_string_lossy().into_owned();
    // ENOENT for a file that exists means its interpreter.
    let exists = command.contains('/') && Path::new(&word).exists();
    if command.contains('/') && Path::new(&word).is_dir() {
        return AcquireError::NotExecutable { command, source: io::ErrorKind::IsADirectory.into() }.into();
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !exists => AcquireError::NotFound { command }.into(),
        io::ErrorKind::NotFound => {
            let source = io::Error::other("the interpreter named in its first line does not exist");
            AcquireError::NotExecutable { command, source }.into()
        }
        _ => AcquireError::NotExecutable { command, source: error }.into(),
    }
}

/// What people call it, where a setting of its own says what it starts.
fn starter(manager: &Manager) -> Option<String> {
    match manager {
        Manager::Detached | Manager::Hidden | Manager::Terminal | Manager::Ssh => None,
        Manager::Loop(script) | Manager::Parent(script) | Manager::Solobot(script) => Some(script.name.clone()),
        manager => Some(manager.as_str().to_owned()),
    }
}

pub fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::Code(0) => Exit::Ok,
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal(signal) => Exit::Signal(signal),
    }
}

pub fn how(ended: Ended) -> String {
    match ended {
        Ended::Code(code) => format!("exit code {code}"),
        Ended::Signal(signal) => format!("signal {signal}"),
    }
}
