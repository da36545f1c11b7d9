//! Watches for starts: a respawn loop only shows over time.
//!
//! It watches only what is suspicious: an instance that is young and would be started again, or a shell loop around the
//! program while no instance is running. Not promised: a loop that pauses for longer than the watch lasts.

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::super::find::{self, Search};
use super::facts::{NamedProcess, SeenInstance, WatchedStart};
use crate::platform::identity::{Identity, Stat};
use crate::platform::proc::Handle;
use crate::platform::table;
use crate::process::argv::{self, Inner, ParsedArgv};
use crate::process::candidate::descendants_running;
use crate::process::details::Details;
use crate::process::origin::{self, Starter};
use crate::process::program::Program;
use crate::settings::Caller;

/// An instance younger than this may be one of many short lives.
const YOUNG: Duration = Duration::from_secs(15);
/// How long to watch: the usual pause of a manager is ten seconds.
pub const WATCH: Duration = Duration::from_secs(12);
/// How often to look below a process that starts the bot.
const EVERY: Duration = Duration::from_millis(20);
/// How often to look at all processes, where no such process is known.
const SELDOM: Duration = Duration::from_millis(250);
/// So many starts prove a loop.
const ENOUGH: usize = 3;

/// What deserves a watch.
#[derive(Debug, Default)]
pub struct Suspicion {
    /// The processes below which the bot would be started again; empty: anywhere.
    below: Vec<i32>,
    /// A shell loop, while nothing runs.
    pub starter: Option<NamedProcess>,
}

/// Whether the starts of a bot deserve a watch.
pub fn suspicion(program: &Program, instances: &[SeenInstance]) -> Option<Suspicion> {
    if instances.is_empty() {
        let loops = loops_around(program);
        let below: Vec<i32> = loops.iter().map(|one| one.process.pid).collect();
        return (!below.is_empty()).then(|| Suspicion { below, starter: loops.into_iter().next() });
    }
    let young: Vec<&SeenInstance> = instances
        .iter()
        .filter(|seen| seen.instance.origin.would_respawn())
        .filter(|seen| seen.instance.root.age().is_some_and(|age| age < YOUNG))
        .collect();
    if young.is_empty() {
        return None;
    }
    let below: Vec<i32> = young.iter().filter_map(|seen| seen.instance.origin.pid).collect();
    let is_anywhere = below.len() < young.len();
    Some(Suspicion { below: if is_anywhere { Vec::new() } else { below }, starter: None })
}

/// What stops a loop for good: its manager's own command, or else a signal.
pub fn stop_of(starter: Identity) -> String {
    let origin = origin::of_process(starter).filter(|origin| origin.is_managed() || origin.would_respawn());
    origin.and_then(|origin| origin.stop()).unwrap_or_else(|| origin::kill_by_hand(&[starter.pid]))
}

/// Watches until a loop is proved, or the time is over. Returns every start and how long it took.
pub fn watch(
    program: &Program,
    suspicion: &Suspicion,
    instances: &[SeenInstance],
    limit: Duration,
    caller: Caller,
) -> (Vec<WatchedStart>, Duration) {
    let begin = Instant::now();
    let mut starts: Vec<WatchedStart> =
        instances.iter().map(|seen| WatchedStart { process: seen.instance.root, lived: None }).collect();
    let every = if suspicion.below.is_empty() { SELDOM } else { EVERY };
    while begin.elapsed() < limit && !is_proved(&starts) {
        for process in running(program, &suspicion.below, caller) {
            if starts.iter().all(|start| start.process != process) {
                starts.push(WatchedStart { process, lived: None });
            }
        }
        for start in starts.iter_mut().filter(|start| start.lived.is_none() && !start.process.is_alive()) {
            start.lived = start.process.age();
        }
        thread::sleep(every);
    }
    (starts, begin.elapsed())
}

fn is_proved(starts: &[WatchedStart]) -> bool {
    starts.len() >= ENOUGH && starts.iter().filter(|start| start.lived.is_some()).count() + 1 >= ENOUGH
}

/// The instances' roots: of processes that run the program, those whose parent does not.
fn running(program: &Program, below: &[i32], caller: Caller) -> Vec<Identity> {
    if below.is_empty() {
        let found = find::quickly(&Search::new(program, caller)).unwrap_or_default();
        return found.instances.iter().map(|instance| instance.root).collect();
    }
    let all = descendants_running(below, program);
    let pids: HashSet<i32> = all.iter().map(|process| process.pid).collect();
    let is_root = |process: &Identity| !Stat::read(process.pid).is_some_and(|stat| pids.contains(&stat.parent));
    all.into_iter().filter(is_root).collect()
}

/// Shell loops on a command line that start the program.
fn loops_around(program: &Program) -> Vec<NamedProcess> {
    let keep =
        |line: &[u8]| ["while", "until", "for "].iter().any(|word| memmem::find(line, word.as_bytes()).is_some());
    let Ok(listing) = table::list(&keep) else { return Vec::new() };
    let starts_it = |details: &Details, cwd: &Path| match argv::read(&details.argv, details.exe.as_deref()) {
        ParsedArgv::Wraps(wrapped) => wrapped.inner.iter().any(|inner: &Inner| {
            let folder = inner.dir.as_deref().map_or_else(|| cwd.to_owned(), |dir| cwd.join(dir));
            Program::of_command(&inner.argv, &folder).is_some_and(|inner| inner.is_same(program))
        }),
        ParsedArgv::Runs(_) => false,
    };
    let loops = listing.kept.iter().filter_map(|hit| {
        let handle = Handle::open(hit.pid)?;
        let details = Details::read(&handle).filter(|details| Starter::of(details) == Starter::Loop)?;
        starts_it(&details, &handle.cwd()?).then(|| NamedProcess::of(&details))
    });
    loops.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_proved_by_several_ends() {
        let start = |pid, lived: bool| WatchedStart {
            process: Identity { pid, start_ticks: 1 },
            lived: lived.then_some(Duration::from_secs(1)),
        };
        assert!(is_proved(&[start(1, true), start(2, true), start(3, false)]));
        // Three that run side by side are duplicates, no loop.
        assert!(!is_proved(&[start(1, false), start(2, false), start(3, false), start(4, true)]));
        assert!(!is_proved(&[start(1, true), start(2, false)]));
    }
}
