//! Watches processes come and go, and picks out the starts of bots, however short their lives are.
//!
//! Not promised: a life that is over between two looks, a few milliseconds apart.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use super::super::facts::{NamedProcess, WatchedStart};
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc::{self, Handle};
use crate::platform::table;
use crate::process::argv::ParsedArgv;
use crate::process::candidate::Candidate;
use crate::process::details::Details;
use crate::process::matching::{Confidence, Matcher};
use crate::process::origin::{self, Origin};
use crate::process::program::Program;

/// How often to look at all processes.
const EVERY: Duration = Duration::from_millis(5);
/// How often to look below those that are suspected.
const OFTEN: Duration = Duration::from_micros(500);
/// A look may take this part of the time.
const SHARE: u32 = 4;
/// Between its fork and its exec a process looks like its parent: so long it is looked at again.
const YOUNG: Duration = Duration::from_secs(1);
/// So many starts prove a loop.
const ENOUGH: usize = 3;

/// A bot whose starts are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub program: &'a Program,
    /// Its name in solobot.toml.
    pub name: Option<&'a str>,
}

/// A start that was seen.
pub struct CaughtStart {
    pub start: WatchedStart,
    pub origin: Origin,
    /// Who called fork for it, if that could still be seen.
    pub parent: Option<NamedProcess>,
}

/// The starts of one bot.
pub struct BotStarts<'a> {
    wanted: Wanted<'a>,
    matcher: Matcher<'a>,
    /// What its processes' descendants start is a part of it.
    members: HashSet<i32>,
    /// Those that ran at first.
    pub running: Vec<WatchedStart>,
    pub caught: Vec<CaughtStart>,
}

impl<'a> BotStarts<'a> {
    pub fn new(wanted: Wanted<'a>, running: Vec<Identity>, members: HashSet<i32>) -> Self {
        let running = running.into_iter().map(|process| WatchedStart { process, lived: None }).collect();
        Self { matcher: Matcher::new(wanted.program), wanted, members, running, caught: Vec::new() }
    }

    /// The starts that came, and of those that ran at first what has ended since: the others go on.
    pub fn seen(&self) -> impl Iterator<Item = &WatchedStart> {
        let ended = self.running.iter().filter(|start| start.lived.is_some());
        ended.chain(self.caught.iter().map(|caught| &caught.start))
    }

    /// Several that end one after the other; those that run side by side are duplicates.
    pub fn is_proved(&self) -> bool {
        let ended = self.seen().filter(|start| start.lived.is_some()).count();
        self.seen().count() >= ENOUGH && ended + 1 >= ENOUGH
    }

    fn notice_ends(&mut self) {
        let caught = self.caught.iter_mut().map(|caught| &mut caught.start);
        for start in self.running.iter_mut().chain(caught).filter(|start| start.lived.is_none()) {
            if !start.process.is_alive() {
                start.lived = start.process.age();
            }
        }
    }

    /// Takes a process for a start, if it is one.
    fn take(&mut self, candidate: &Candidate) -> bool {
        if !self.is_start(candidate) {
            return false;
        }
        let details = &candidate.details;
        let is_its =
            |pid: i32| self.members.contains(&pid) || self.caught.iter().any(|caught| caught.start.process.pid == pid);
        if is_its(details.identity.pid) || lineage(details.stat.parent).any(is_its) {
            return true;
        }
        let parent = Handle::open(details.stat.parent).and_then(|handle| Details::read(&handle));
        self.caught.push(CaughtStart {
            start: WatchedStart { process: details.identity, lived: None },
            origin: origin::of_details(details),
            parent: parent.as_ref().map(NamedProcess::of),
        });
        true
    }

    fn is_start(&self, candidate: &Candidate) -> bool {
        match &candidate.reading {
            ParsedArgv::Runs(_) => {
                candidate.judge(&self.matcher).is_some_and(|found| found.confidence > Confidence::Probable)
                    && self.wanted.program.args().is_none_or(|args| args.fit(candidate.args()))
                    || self.starts_it(candidate)
            }
            // A loop goes on: what it starts is a start.
            ParsedArgv::Wraps(_) => self.starts_it(candidate),
        }
    }

    fn starts_it(&self, candidate: &Candidate) -> bool {
        let Some(cwd) = &candidate.cwd else { return false };
        if origin::starter_of(&candidate.details) == origin::Starter::Loop {
            return false;
        }
        self.wanted.program.start_by(&candidate.details.argv, cwd, self.wanted.name).is_some()
    }
}

/// A process that came while it was watched.
struct FreshProcess {
    pid: i32,
    since: Instant,
    cmdline: Vec<u8>,
}

pub struct Watcher<'a> {
    pub bots: Vec<BotStarts<'a>>,
    /// Processes that are suspected to start them.
    pub below: Vec<i32>,
    known: HashSet<i32>,
    fresh: Vec<FreshProcess>,
    pub watched: Duration,
}

impl<'a> Watcher<'a> {
    pub fn new(bots: Vec<BotStarts<'a>>, below: Vec<i32>) -> Self {
        let known = proc::all_pids().unwrap_or_default().into_iter().collect();
        Self { bots, below, known, fresh: Vec::new(), watched: Duration::ZERO }
    }

    /// Watches for so long, or until `is_enough`.
    pub fn watch(&mut self, limit: Duration, is_enough: &dyn Fn(&[BotStarts<'a>]) -> bool) {
        let begin = Instant::now();
        let mut all_at = begin;
        while begin.elapsed() < limit && !is_enough(&self.bots) {
            let look = Instant::now();
            if look >= all_at {
                self.look_at_all();
                all_at = Instant::now() + EVERY.max(look.elapsed() * SHARE);
            }
            if !self.below.is_empty() {
                let below = table::descendants(&self.below).unwrap_or_default();
                self.add(below);
            }
            self.judge();
            self.bots.iter_mut().for_each(BotStarts::notice_ends);
            thread::sleep(if self.below.is_empty() { EVERY } else { OFTEN }.max(look.elapsed() * 2));
        }
        self.watched += begin.elapsed();
    }

    fn look_at_all(&mut self) {
        let all = proc::all_pids().unwrap_or_default();
        let now: HashSet<i32> = all.iter().copied().collect();
        self.add(all);
        // A PID that is used again is another process.
        self.known = now;
    }

    fn add(&mut self, pids: Vec<i32>) {
        for pid in pids {
            if self.known.insert(pid) {
                self.fresh.push(FreshProcess { pid, since: Instant::now(), cmdline: Vec::new() });
            }
        }
    }

    /// Looks at what is new, in the order in which it came: a parent before its children.
    fn judge(&mut self) {
        let bots = &mut self.bots;
        self.fresh.retain_mut(|fresh| {
            let Some(handle) = Handle::open(fresh.pid) else { return false };
            let Ok(cmdline) = handle.cmdline() else { return false };
            if cmdline == fresh.cmdline {
                return fresh.since.elapsed() < YOUNG;
            }
            fresh.cmdline.clone_from(&cmdline);
            let Some(candidate) = Candidate::read_now(&handle, cmdline) else { return false };
            let starts = bots.iter_mut().filter_map(|bot| bot.take(&candidate).then_some(())).count();
            starts == 0 && fresh.since.elapsed() < YOUNG
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_proved_by_several_ends() {
        let program = Program::script("/srv/bot.py".as_ref());
        let start = |pid, lived: bool| WatchedStart {
            process: Identity { pid, start_ticks: 1 },
            lived: lived.then_some(Duration::from_secs(1)),
        };
        let is_proved = |running: &[bool], caught: &[bool]| {
            let mut bot = BotStarts::new(Wanted { program: &program, name: None }, Vec::new(), HashSet::new());
            bot.running = (1..).zip(running).map(|(pid, &lived)| start(pid, lived)).collect();
            let caught = (9..).zip(caught).map(|(pid, &lived)| start(pid, lived));
            let caught = caught.map(|start| CaughtStart { start, origin: Origin::unknown(), parent: None });
            bot.caught = caught.collect();
            bot.is_proved()
        };
        assert!(is_proved(&[true], &[true, false]));
        assert!(is_proved(&[], &[true, true, true]));
        // One that ran before and goes on is no part of it.
        assert!(!is_proved(&[false], &[true, true]));
        // Three that run side by side are duplicates, no loop.
        assert!(!is_proved(&[], &[false, false, false, true]));
    }
    #[test]
    fn a_watch_ends_once_enough_was_seen_and_not_before() {
        let mut watcher = Watcher::new(Vec::new(), Vec::new());
        watcher.watch(Duration::from_secs(3600), &|_| true);
        assert!(watcher.watched < Duration::from_secs(60), "{:?}", watcher.watched);
        watcher.watch(EVERY, &|_| false);
        assert!(watcher.watched >= EVERY);
    }
}
