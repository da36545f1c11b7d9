//! `status --watch`: looks again at every interval, and in between when something wakes it.
//!
//! On Linux, two things wake it: the end of a process that it knows (it has a pidfd for each process of the instances
//! and for each holder), and any change of a lock file, its name or its owner record (inotify). Then it looks again at
//! what it already knows, the locks and which processes are still running, at most ten times a second. Nothing
//! announces a new instance: the process list finds it, once in each interval.
//!
//! The process list does not reuse the one before. Its filter is one `readlink` of `/proc/PID/exe` for each process,
//! which is the cheapest possible question. To remember processes that are no candidates, solobot would have to prove
//! that each is still the same process and has not called exec. The cheapest such proof, the start ticks of
//! `/proc/PID/stat`, takes more than twice as long as the link and does not show an exec. Measured with 1,000 sleeping
//! processes and an interval of 2 s: 0.45% of a core, and 0.7% while the lock file is rewritten fifty times a second.
//!
//! Not promised: a lock that is taken without text and record, or a process that waits for it, may show only at the
//! next interval, because `flock(2)` itself causes no event.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use super::alerts::WatchAlerts;
use super::look::{StatusObserver, add_events};
use super::signs::SignReader;
use crate::base::error::Error;
use crate::base::time::to_the_second;
use crate::journal::{Event, Journal};
use crate::lock::coverage::LockCoverage;
use crate::lock::owner;
use crate::lock::state::inspect_with;
use crate::outcome::events::Events;
use crate::outcome::lock::LockView;
use crate::outcome::status::{PollingView, StatusOutcome, WatchEnd};

use crate::platform::descriptor::Descriptor;
use crate::platform::filesystem::{FileId, FileStatus};
use crate::platform::identity::Identity;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::signals::{Signal, Signals};
use crate::platform::watch::{Watch, WatchId};

/// However often something happens: two looks are at least this far apart.
const APART: Duration = Duration::from_millis(100);
/// More processes than these are not waited for: the next listing shows their end.
const MOST_PIDFDS: usize = 500;

/// Watches until a signal comes or nobody reads any more; says what was seen last.
///
/// # Errors
/// As for one look; signals cannot be blocked, descriptors not be waited for.
pub fn run(
    mut look: StatusObserver<'_>,
    every: Duration,
    journal: Option<Journal>,
    mut alerts: Option<WatchAlerts>,
    events: &mut dyn Events,
) -> Result<StatusOutcome, Error> {
    if alerts.is_some() {
        look.look_for_signs();
    }
    // Before the first look: no signal finds the terminal in disorder, and every thread inherits the mask.
    let signals = Signals::block().map_err(|source| Error::Io { action: "block signals".into(), source })?;
    let mut wakers = WakeSources::new(signals);
    let mut journal = journal.map(RecentEvents::new);
    let mut polling = HashMap::new();
    loop {
        let began = Instant::now();
        let mut seen = look.again(&polling, &mut |pause| !wakers.is_raised_within(pause), events)?;
        if let Some(journal) = &mut journal {
            journal.add_to(&mut seen);
        }
        polling = seen.polling();
        let end = follow(&mut seen, &mut wakers, began + every, alerts.as_mut(), look.signs.as_ref(), events)?;
        if let Some(end) = end {
            if let Some(alerts) = &mut alerts {
                alerts.finish(events);
            }
            return Ok(StatusOutcome { watched: Some(end), ..seen });
        }
    }
}

/// Shows what was seen, and what becomes of it until it is time for the next listing.
fn follow(
    seen: &mut StatusOutcome,
    wakers: &mut WakeSources,
    next: Instant,
    mut alerts: Option<&mut WatchAlerts>,
    signs: Option<&SignReader<'_>>,
    events: &mut dyn Events,
) -> Result<Option<WatchEnd>, Error> {
    wakers.looked = Instant::now();
    let next = next.max(wakers.looked + APART);
    loop {
        if wakers.attach(seen) {
            // Something has changed between the look and the attachment.
            seen.look_again();
            wakers.attach(seen);
        }
        match &mut alerts {
            Some(alerts) => alerts.see(seen, signs, events),
            None if !events.interim(seen) => return Ok(Some(WatchEnd::Unread)),
            None => {}
        }
        // What runs is looked after more often than bots are.
        let again_in = alerts.as_ref().map_or(Duration::MAX, |alerts| alerts.again_in().max(APART));
        let until = Instant::now().checked_add(again_in).map_or(next, |at| at.min(next));
        match wakers.wait(until, events).map_err(|source| Error::Io { action: "wait".into(), source })? {
            WakeReason::Time if Instant::now() < next => {}
            WakeReason::Time => return Ok(None),
            WakeReason::Change => seen.look_again(),
            WakeReason::Redraw => {}
            WakeReason::Signal(signal) => {
                // While signals are blocked still: the next one ends us at once.
                events.suspend();
                return Ok(Some(WatchEnd::Signal(signal)));
            }
        }
    }
}

impl StatusOutcome {
    /// Looks again at what is known: the locks, and which processes are still running. The process list finds connections and new
    /// instances.
    fn look_again(&mut self) {
        self.time = to_the_second(Timestamp::now());
        for bot in &mut self.bots {
            let known: Vec<i32> = bot.instances.iter().flat_map(|one| one.pids.iter().copied()).collect();
            let facts = inspect_with(&bot.lock.path, &known);
            bot.instances.retain_mut(|instance| {
                instance.members.retain(|member| member.is_alive());
                // What has outlived its root is an instance by itself.
                instance.pids = instance.members.iter().map(|member| member.pid).collect();
                instance.pid = instance.pids.first().copied().unwrap_or(instance.pid);
                instance.lock = LockCoverage::of(&instance.members, &instance.ancestors, &facts);
                !instance.members.is_empty()
            });
            bot.lock = LockView::of(&facts);
        }
    }

    fn polling(&self) -> HashMap<Identity, PollingView> {
        let instances = self.bots.iter().flat_map(|bot| &bot.instances);
        instances.filter_map(|one| Some((*one.members.first()?, one.polling))).collect()
    }
}

/// Why a wait has ended.
enum WakeReason {
    /// It is time for the next listing.
    Time,
    /// Something happened to what is known.
    Change,
    /// The terminal has another size, or is ours again.
    Redraw,
    /// A signal that asks for the end.
    Signal(i32),
}

/// Whatever wakes a watcher.
struct WakeSources {
    signals: Signals,
    /// None where the user's limit of inotify instances is reached: then the listing finds what happened.
    watch: Option<Watch>,
    /// The files that are watched, and what they are called.
    watched: HashSet<WatchId>,
    names: HashSet<OsString>,
    pidfds: HashMap<Identity, Pidfd>,
    /// When the last look was.
    looked: Instant,
}

impl WakeSources {
    fn new(signals: Signals) -> Self {
        Self {
            signals,
            watch: Watch::new().ok(),
            watched: HashSet::new(),
            names: HashSet::new(),
            pidfds: HashMap::new(),
            looked: Instant::now(),
        }
    }

    /// Attaches to everything that was seen, and lets go of the rest; whether something was new or has gone meanwhile, so
    /// that another look is due.
    fn attach(&mut self, seen: &StatusOutcome) -> bool {
        let files = self.attach_to_files(seen);
        let processes = self.attach_to_processes(seen);
        files || processes
    }

    fn attach_to_files(&mut self, seen: &StatusOutcome) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut present = HashSet::new();
        self.names.clear();
        for lock in seen.bots.iter().map(|bot| &bot.lock) {
            let record = owner::path_of(&lock.path);
            present.extend(lock.path.parent().and_then(|folder| watch.add_folder(folder).ok()));
            for path in [&lock.path, &record] {
                present.extend(watch.add(path, false).ok());
                self.names.extend(path.file_name().map(OsString::from));
            }
        }
        let is_new = !present.is_subset(&self.watched);
        self.watched = present;
        is_new
    }

    fn attach_to_processes(&mut self, seen: &StatusOutcome) -> bool {
        let members = seen.bots.iter().flat_map(|bot| &bot.instances).flat_map(|one| one.members.iter().copied());
        let locks = seen.bots.iter().map(|bot| &bot.lock);
        let at_lock = locks.flat_map(|lock| lock.holders.iter().chain(lock.waiters.iter().flatten()));
        let at_lock = at_lock.filter_map(|process| Identity::of(process.pid));
        let present: HashSet<Identity> = members.chain(at_lock).take(MOST_PIDFDS).collect();
        self.pidfds.retain(|process, _| present.contains(process));
        let mut has_gone = false;
        for process in present {
            if let Entry::Vacant(place) = self.pidfds.entry(process) {
                match Pidfd::open(process) {
                    Ok(Some(pidfd)) => drop(place.insert(pidfd)),
                    Ok(None) => has_gone = true,
                    // No more descriptors: the listing will tell.
                    Err(_) => {}
                }
            }
        }
        has_gone
    }

    /// Whether anything happens within that time. It stays to be told by [`WakeSources::wait`].
    fn is_raised_within(&self, time: Duration) -> bool {
        let fds = self.descriptors();
        poll::any_readable(&fds, Some(time)).is_ok_and(|ready| !ready.is_empty())
    }

    /// The signals first.
    fn descriptors(&self) -> Vec<Descriptor<'_>> {
        let watch = self.watch.as_ref().map(Watch::descriptor);
        [self.signals.descriptor()]
            .into_iter()
            .chain(watch)
            .chain(self.pidfds.values().map(Pidfd::descriptor))
            .collect()
    }

    fn wait(&mut self, next: Instant, events: &mut dyn Events) -> io::Result<WakeReason> {
        loop {
            let now = Instant::now();
            if now >= next {
                return Ok(WakeReason::Time);
            }
            let calm = self.looked + APART;
            let (until, count) = if now < calm { (calm.min(next), 1) } else { (next, usize::MAX) };
            let fds = self.descriptors();
            let ready = poll::any_readable(&fds[..count.min(fds.len())], Some(until - now))?;
            if ready.contains(&0)
                && let Some(woken) = self.signalled(events)
            {
                return Ok(woken);
            }
            if ready.iter().any(|&index| index > 0) {
                // Whatever it was: a busy folder must not wake us more often than this.
                self.looked = Instant::now();
                if self.has_changed() {
                    return Ok(WakeReason::Change);
                }
            }
        }
    }

    fn has_changed(&self) -> bool {
        let names = &self.names;
        let file = self.watch.as_ref().is_some_and(|watch| watch.take_of(&|name| names.contains(name)).changed);
        file || self.pidfds.values().any(|pidfd| pidfd.has_ended(Duration::ZERO))
    }

    fn signalled(&self, events: &mut dyn Events) -> Option<WakeReason> {
        let mut woken = None;
        while let Some(arrived) = self.signals.take() {
            match arrived.signal {
                Signal::SIGCHLD => {}
                Signal::SIGCONT | Signal::SIGWINCH => woken = Some(WakeReason::Redraw),
                Signal::SIGTSTP => {
                    events.suspend();
                    self.signals.stop_ourselves();
                    woken = Some(WakeReason::Redraw);
                }
                signal => return Some(WakeReason::Signal(signal.number())),
            }
        }
        woken
    }
}

/// The journal's last events, read again only where there are new ones.
struct RecentEvents {
    journal: Journal,
    stamp: Option<JournalStamp>,
    events: Vec<Event>,
    broken: u64,
}

/// A journal with the same has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct JournalStamp {
    file: FileId,
    length: u64,
    modified: SystemTime,
}

impl JournalStamp {
    fn of(path: &Path) -> Option<Self> {
        let seen = FileStatus::of(path).ok()?;
        Some(Self { file: seen.id(), length: seen.len(), modified: seen.modified().ok()? })
    }
}

impl RecentEvents {
    fn new(journal: Journal) -> Self {
        Self { journal, stamp: None, events: Vec::new(), broken: 0 }
    }

    fn add_to(&mut self, seen: &mut StatusOutcome) {
        let stamp = self.journal.path().and_then(JournalStamp::of);
        if stamp.is_none() || stamp != self.stamp {
            add_events(seen, &self.journal);
            (self.stamp, self.events, self.broken) = (stamp, seen.events.clone(), seen.broken_events);
        } else {
            (seen.events, seen.broken_events) = (self.events.clone(), self.broken);
        }
    }
}
