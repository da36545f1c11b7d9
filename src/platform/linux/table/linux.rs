//! Linux: `/proc` is opened once and read relative to that descriptor, with one buffer a thread.
//!
//! Nothing is allocated for a process that the filter drops. Above [`ALONE`] processes two threads take chunks of
//! [`CHUNK`] PIDs in turn; more threads gain nothing, since the kernel serialises on the process table.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::handle::living_thread;
use super::super::identity::Stat;
use super::super::proc::{self, Reader, Unread};
use super::{Hit, Keep, Listing};

/// Up to here one thread is faster than starting a second.
const ALONE: usize = 300;
/// How many PIDs a thread takes at once.
const CHUNK: usize = 64;

pub fn list(keep: &Keep<'_>) -> io::Result<Listing> {
    let proc = proc::open()?;
    let seen = visit(&proc, &|reader, pid| match reader.file(pid, b"cmdline") {
        // Kernel threads and zombies have no command line.
        Ok([]) => None,
        Ok(cmdline) => Some(keep(cmdline).then(|| Hit { pid, cmdline: cmdline.to_vec(), exe: None }).into()),
        Err(why) => unreadable(why),
    })?;
    Ok(gather(seen))
}

pub fn list_by_executable(exe: &Keep<'_>, cmdline: &Keep<'_>) -> io::Result<Listing> {
    let proc = proc::open()?;
    let seen = visit(&proc, &|reader, pid| {
        let mut shown = pid;
        let kept = loop {
            match reader.link(shown, b"exe") {
                // Kernel threads and zombies have no executable; nor has a process that is just ending. One of which only the
                // first thread has ended shows it in another.
                Err(Unread::Gone) if shown == pid => shown = living_thread(pid)?,
                Err(Unread::Gone) => return None,
                Ok(path) if !exe(path) => return Some(Seen::Passed),
                Ok(path) => break Some(path.to_vec()),
                Err(_) => break None,
            }
        };
        match reader.file(shown, b"cmdline") {
            // Nor has one a command line, unless it has wiped it.
            Ok([]) if kept.is_none() => None,
            Ok(text) => {
                let is_kept = kept.is_some() || cmdline(text);
                Some(is_kept.then(|| Hit { pid, cmdline: text.to_vec(), exe: kept }).into())
            }
            Err(why) => unreadable(why),
        }
    })?;
    Ok(gather(seen))
}

pub fn parents() -> io::Result<HashMap<i32, i32>> {
    let proc = proc::open()?;
    let chunks = visit(&proc, &|reader, pid| {
        let stat = Stat::parse(reader.file(pid, b"stat").ok()?)?;
        (stat.is_alive() && !stat.is_kernel_thread()).then_some((pid, stat.parent))
    })?;
    Ok(chunks.into_iter().flatten().collect())
}

/// Descendants by `/proc/PID/task/TID/children`; `None` where the kernel has no such file (`CONFIG_PROC_CHILDREN`).
pub fn descendants_by_children_files(roots: &[i32]) -> Option<Vec<i32>> {
    std::fs::metadata("/proc/thread-self/children").ok()?;
    let mut found: Vec<i32> = Vec::new();
    let mut next = roots.to_vec();
    while let Some(parent) = next.pop() {
        // Gone meanwhile: its children are another's now.
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
                if !found.contains(&child) && !roots.contains(&child) {
                    found.push(child);
                    next.push(child);
                }
            }
        }
    }
    Some(found)
}

/// One process as the filter saw it.
enum Seen {
    Kept(Hit),
    Passed,
    Unreadable,
}

impl From<Option<Hit>> for Seen {
    fn from(hit: Option<Hit>) -> Self {
        hit.map_or(Self::Passed, Self::Kept)
    }
}

fn unreadable(why: Unread) -> Option<Seen> {
    (why == Unread::Refused).then_some(Seen::Unreadable)
}

fn gather(chunks: Vec<Vec<Seen>>) -> Listing {
    let mut listing = Listing::default();
    for seen in chunks.into_iter().flatten() {
        listing.total += 1;
        match seen {
            Seen::Kept(hit) => listing.hits.push(hit),
            Seen::Passed => {}
            Seen::Unreadable => listing.unreadable += 1,
        }
    }
    listing.hits.sort_unstable_by_key(|hit| hit.pid);
    listing
}

/// Calls `look` for every PID and collects what it returns, in no order, a vector a thread.
fn visit<T: Send>(
    proc: &OwnedFd,
    look: &(dyn Fn(&mut Reader<'_>, i32) -> Option<T> + Sync),
) -> io::Result<Vec<Vec<T>>> {
    let pids = proc::pids(proc.as_fd())?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reader = Reader::new(proc.as_fd());
        let mut found = Vec::new();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(rest) = pids.get(start..).filter(|rest| !rest.is_empty()) else { return found };
            found.extend(rest.iter().take(CHUNK).filter_map(|&pid| look(&mut reader, pid)));
        }
    };
    if pids.len() <= ALONE {
        return Ok(vec![work()]);
    }
    std::thread::scope(|scope| {
        // No second thread, no harm: the first does it all.
        let second = std::thread::Builder::new().spawn_scoped(scope, work);
        let first = work();
        let second = second.ok().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(vec![first, second])
    })
}
