//! Running COMMAND: starting it, passing signals on, reaping everything, and knowing when the bot has really ended.
//!
//! COMMAND may be a wrapper (`sh -c 'python3 bot.py; true'`) or end and leave the bot running (a daemon). solobot is a child
//! subreaper, so everything that COMMAND leaves behind becomes its child. It waits until COMMAND *and every descendant that
//! is the bot, or may become it* ([`DescendantCounter`]) have ended. It does not wait for other descendants, but names them.

pub mod left_behind;

use std::io;
use std::time::{Duration, Instant};

use crate::platform::children::{self, Ended, Reaped};
use crate::platform::descriptor::Descriptor;
use crate::platform::identity::{Identity, Stat};
use crate::platform::memory;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::signals::{ReceivedSignal, Signal, Signals};
use crate::platform::spawn::Launch;
use crate::platform::table;
use left_behind::{CountedDescendants, Descendant, DescendantCounter, HANDED_ON};

/// A COMMAND that lives this long is worth the upkeep's first look; one that ends sooner (`true`) is not.
const UPKEEP_AFTER: Duration = Duration::from_millis(20);

/// How soon what may become the bot is looked at for the first time, and how often at last.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_AT_LAST: Duration = Duration::from_millis(500);

/// What else has to be done while COMMAND runs.
pub trait Upkeep {
    /// Descriptors of which one becomes readable when there is something to do.
    fn descriptors(&self) -> Vec<Descriptor<'_>>;
    /// Does it; called first after 20 ms.
    fn tend(&mut self);
    /// When to do it again, even if nothing wakes it.
    fn again_in(&self) -> Duration;
    /// That process has asked the bot to end, by solobot.
    fn asked_to_end_by(&mut self, sender: i32);
    /// COMMAND has ended, and this descendant of it is the bot now.
    fn passed_on(&mut self, to: Identity);
    /// The bot has ended, and these descendants of COMMAND run on.
    fn left(&mut self, running: &[Identity]);
    /// Children of ours that do not belong to COMMAND, nor does what is below them.
    fn apart(&self) -> Vec<i32> {
        Vec::new()
    }
    /// A child of ours that is not COMMAND has ended, and was waited for.
    fn reaped(&mut self, _pid: i32, _ended: Ended) {}
}

/// A started COMMAND.
#[derive(Debug)]
pub struct Child {
    identity: Identity,
    pidfd: Pidfd,
    /// What it leaves behind becomes ours.
    is_adopted_from: bool,
}

impl Child {
    /// Starts it, as a child of a subreaper where the platform has that.
    ///
    /// # Errors
    /// Those of `execve(2)`.
    pub fn start(launch: &Launch<'_>) -> io::Result<Self> {
        let is_adopted_from = match children::adopt_orphans() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
            adopted => adopted.map(|()| true)?,
        };
        Ok(Self { is_adopted_from, ..Self::of_spawned(launch.spawn()?)? })
    }

    /// One that has just been started here.
    ///
    /// # Errors
    /// No handle can be had: it is killed.
    pub fn of_spawned(pid: i32) -> io::Result<Self> {
        // It is our child and not reaped, so even a dead one still has its PID.
        let start_ticks = Stat::read(pid).map_or(0, |stat| stat.start_ticks);
        // Without a handle (no descriptor left, a seccomp filter) it could not be supervised, so it must not keep running.
        let pidfd = Pidfd::of_child(pid).inspect_err(|_| children::put_down(pid))?;
        Ok(Self { identity: Identity { pid, start_ticks }, pidfd, is_adopted_from: true })
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Kills it, and waits for its end.
    pub fn put_down(self) {
        children::put_down(self.identity.pid);
    }
}

/// What supervision needs beside the child.
pub struct Supervision<'a> {
    /// Where signals arrive.
    pub signals: &'a Signals,
    /// What counts as the bot among the descendants.
    pub counting: &'a DescendantCounter<'a>,
    /// How long after a TERM another one means KILL.
    pub grace: Duration,
    /// What else there is to do.
    pub upkeep: &'a mut dyn Upkeep,
}

/// What is running, and what was asked of it.
struct Supervised {
    command: Option<Child>,
    /// Once COMMAND has ended: its descendants that count.
    rest: Vec<(Identity, Pidfd)>,
    /// Which of them is the bot, as far as that was told.
    bot: Option<Identity>,
    /// How soon those that may become the bot are looked at again; `None` if there are none.
    look_in: Option<Duration>,
    /// No child is left only where no descendant is.
    is_adopted_from: bool,
    ended: Option<Ended>,
    ended_at: Option<Instant>,
    term_at: Option<Instant>,
    asked_to_end: bool,
    hung_up: bool,
}

/// Supervises COMMAND until the bot has ended; says how COMMAND ended, and whether solobot was asked to end it.
///
/// # Errors
/// Those of `poll(2)` and `wait(2)`.
pub fn supervise(child: Child, supervision: &mut Supervision<'_>) -> io::Result<(Ended, bool)> {
    let mut instance = Supervised::of(child);
    let mut next_upkeep = Instant::now() + UPKEEP_AFTER;
    let mut rests = false;
    loop {
        let more = instance.reap(supervision.upkeep)?;
        if let Some(ended) = instance.ended
            && ((!more && instance.is_adopted_from) || !instance.find_rest(supervision))
        {
            // A hangup asks many a program to read its files again; one that dies of it was asked to end.
            let hung_up = instance.hung_up && ended == Ended::Signal(Signal::SIGHUP.number());
            if more {
                let running = without(left_running(), &supervision.upkeep.apart());
                supervision.upkeep.left(&running);
            }
            return Ok((ended, instance.asked_to_end || hung_up));
        }
        let mut fds = vec![supervision.signals.descriptor()];
        let upkeep = supervision.upkeep.descriptors();
        let of_upkeep = 1..=upkeep.len();
        fds.extend(upkeep);
        fds.extend(instance.rest.iter().map(|(_, pidfd)| pidfd.descriptor()));
        let timeout = next_upkeep.saturating_duration_since(Instant::now());
        let timeout = instance.look_in.map_or(timeout, |look_in| look_in.min(timeout));
        // A wait needs little of the code that came before it.
        if std::mem::take(&mut rests) {
            memory::give_back_code();
        }
        let ready = poll::any_readable(&fds, Some(timeout))?;
        let upkeep_due = ready.iter().any(|at| of_upkeep.contains(at)) || Instant::now() >= next_upkeep;
        while let Some(arrived) = supervision.signals.take() {
            let is_first_term = arrived.signal == Signal::SIGTERM && instance.term_at.is_none();
            instance.pass_on(arrived, supervision);
            if is_first_term {
                supervision.upkeep.asked_to_end_by(arrived.sender);
            }
        }
        if upkeep_due {
            supervision.upkeep.tend();
            next_upkeep = Instant::now() + supervision.upkeep.again_in();
            rests = true;
        }
    }
}

impl Supervised {
    fn of(command: Child) -> Self {
        Self {
            is_adopted_from: command.is_adopted_from,
            command: Some(command),
            rest: Vec::new(),
            bot: None,
            look_in: None,
            ended: None,
            ended_at: None,
            term_at: None,
            asked_to_end: false,
            hung_up: false,
        }
    }

    /// Reaps every child that has ended; says whether any child is left.
    fn reap(&mut self, upkeep: &mut dyn Upkeep) -> io::Result<bool> {
        loop {
            match children::reap()? {
                Reaped::NoChildren => return Ok(false),
                Reaped::NoneEnded => return Ok(true),
                Reaped::Ended(pid, ended) => {
                    if self.command.as_ref().is_some_and(|command| command.identity.pid == pid) {
                        self.command = None;
                        self.ended = Some(ended);
                        self.ended_at = Some(Instant::now());
                    } else {
                        upkeep.reaped(pid, ended);
                    }
                }
            }
        }
    }

    /// COMMAND has ended: finds the descendants that count, and says whether there were any. A TERM that was meant for the
    /// bot is passed on to those that it has not reached yet. One that has ended since, or that no handle can be had of,
    /// counts too: its own child may run the program now, so the next look decides.
    fn find_rest(&mut self, supervision: &mut Supervision<'_>) -> bool {
        let running = self.rest_of(supervision);
        let before = std::mem::take(&mut self.rest);
        for &(identity, _) in &running {
            if let Ok(Some(pidfd)) = Pidfd::open(identity) {
                if self.term_at.is_some() && !before.iter().any(|(known, _)| *known == identity) {
                    let is_asked = forward(identity.pid, &pidfd, Signal::SIGTERM);
                    if !is_asked {
                        let _ = pidfd.send(Signal::SIGKILL);
                    }
                }
                self.rest.push((identity, pidfd));
            }
        }
        let of = |role: Descendant| running.iter().find(|(_, its)| *its == role).map(|(identity, _)| *identity);
        if let Some(bot) = of(Descendant::Bot)
            && self.bot != Some(bot)
        {
            self.bot = Some(bot);
            supervision.upkeep.passed_on(bot);
        }
        let is_new = self.ended_at.is_some_and(|ended_at| ended_at.elapsed() < HANDED_ON);
        let is_awaited = running.is_empty() && is_new && self.bot.is_none() && supervision.counting.is_handed_on();
        // There is no event when a fork executes another program.
        let later = self.look_in.map_or(LOOK_FIRST, |look_in| (look_in * 2).min(LOOK_AT_LAST));
        self.look_in = (is_awaited || of(Descendant::Perhaps).is_some()).then_some(later);
        is_awaited || !running.is_empty()
    }

    fn pass_on(&mut self, arrived: ReceivedSignal, supervision: &Supervision<'_>) {
        self.asked_to_end |= asks_to_end(arrived.signal);
        // Whose terminal has gone is not started again in the dark.
        self.asked_to_end |= arrived.signal == Signal::SIGHUP && arrived.from_terminal;
        self.hung_up |= arrived.signal == Signal::SIGHUP;
        match arrived.signal {
            Signal::SIGCHLD => {}
            Signal::SIGTSTP => {
                self.send_unless_had(arrived, supervision);
                supervision.signals.stop_ourselves();
            }
            Signal::SIGTERM => {
                let again = self.term_at.is_some_and(|at| at.elapsed() >= supervision.grace);
                self.term_at.get_or_insert_with(Instant::now);
                if again { self.kill(supervision) } else { self.send_unless_had(arrived, supervision) }
            }
            _ => self.send_unless_had(arrived, supervision),
        }
    }

    /// Passes a signal on. One from the terminal went to the whole foreground process group already: it is forwarded only
    /// to a COMMAND that has left our group. A hangup goes to the session's leader alone; if that is us, nobody else has
    /// it. On Windows, a program without a console cannot be asked to end: then all that counts is killed.
    fn send_unless_had(&self, arrived: ReceivedSignal, supervision: &Supervision<'_>) {
        let own = Identity::own().ok().and_then(|own| Some((own.pid, Stat::read(own.pid)?)));
        let alone = own.is_some_and(|(pid, stat)| arrived.signal == Signal::SIGHUP && stat.session == Some(pid));
        let own_group = own.and_then(|(_, stat)| stat.group);
        let had = |pid| arrived.from_terminal && !alone && Stat::read(pid).and_then(|stat| stat.group) == own_group;
        let unasked = self.targets().filter(|(pid, pidfd)| !had(*pid) && !forward(*pid, pidfd, arrived.signal)).count();
        if unasked > 0 && asks_to_end(arrived.signal) {
            self.kill(supervision);
        }
    }

    fn kill(&self, supervision: &Supervision<'_>) {
        for (_, pidfd) in self.targets() {
            let _ = pidfd.send(Signal::SIGKILL);
        }
        for (identity, _) in self.rest_of(supervision) {
            if let Ok(Some(pidfd)) = Pidfd::open(identity) {
                let _ = pidfd.send(Signal::SIGKILL);
            }
        }
    }

    /// The descendants of COMMAND that count; where orphans are not ours, those too that have our mark in their environment.
    fn rest_of(&self, supervision: &Supervision<'_>) -> CountedDescendants {
        let Ok(own) = Identity::own() else { return Vec::new() };
        let counting = supervision.counting;
        let mut found = counting.descendants(own.pid);
        if !self.is_adopted_from {
            let marked = counting.marked(own.pid).into_iter();
            found.extend(marked.filter(|(one, _)| found.iter().all(|(known, _)| known != one)).collect::<Vec<_>>());
        }
        let apart = below(&supervision.upkeep.apart());
        found.retain(|(one, _)| !apart.contains(&one.pid));
        found
    }

    fn targets(&self) -> impl Iterator<Item = (i32, &Pidfd)> {
        let command = self.command.iter().map(|child| (child.identity.pid, &child.pidfd));
        command.chain(self.rest.iter().map(|(identity, pidfd)| (identity.pid, pidfd)))
    }
}

/// Passes a signal on to one process; whether there is a way to.
fn forward(pid: i32, pidfd: &Pidfd, signal: Signal) -> bool {
    let Err(error) = pidfd.send(signal) else { return true };
    tracing::warn!(pid, %signal, %error, "cannot forward the signal");
    error.kind() != io::ErrorKind::Unsupported
}

fn asks_to_end(signal: Signal) -> bool {
    matches!(signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT)
}

/// These processes and what is below them.
fn below(roots: &[i32]) -> Vec<i32> {
    if roots.is_empty() {
        return Vec::new();
    }
    let mut all = table::descendants(roots).unwrap_or_default();
    all.extend(roots);
    all
}

fn without(mut all: Vec<Identity>, roots: &[i32]) -> Vec<Identity> {
    let apart = below(roots);
    all.retain(|one| !apart.contains(&one.pid));
    all
}

/// Our descendants that live.
fn left_running() -> Vec<Identity> {
    let below = Identity::own().ok().and_then(|own| table::descendants(&[own.pid]).ok());
    below.unwrap_or_default().into_iter().filter_map(Identity::of).collect()
}
