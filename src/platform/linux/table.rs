//! The list of processes, at the least cost: `/proc` is opened once and read relative to that descriptor, with one buffer a
//! thread.
//!
//! Nothing is allocated for a process that the filter drops. Above [`ALONE`] processes two threads take chunks of
//! [`CHUNK`] PIDs in turn; more threads gain nothing, because the kernel serialises on the process table.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::handle::living_thread;
use super::proc::{self, ProcReadError, ProcReader};
use crate::platform::listing::{Filter, Listed, Listing, below};
use crate::platform::stat::Stat;

/// Up to here one thread is faster than starting a second.
const ALONE: usize = 300;
/// How many PIDs a thread takes at once.
const CHUNK: usize = 64;

/// Lists the processes whose command line passes the filter.
///
/// # Errors
/// The list itself cannot be read (`/proc` not mounted).
pub fn list(keep: &Filter<'_>) -> io::Result<Listing> {
    let proc = proc::open()?;
    let seen = visit(&proc, &|reader, pid| match reader.file(pid, b"cmdline") {
        // Kernel threads and zombies have no command line.
        Ok([]) => None,
        Ok(cmdline) => Some(keep(cmdline).then(|| Listed { pid, cmdline: cmdline.to_vec(), exe: None }).into()),
        Err(why) => unreadable(why),
    })?;
    Ok(gather(seen))
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command line
/// decides.
///
/// # Errors
/// As [`list`].
pub fn list_by_executable(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<Listing> {
    let proc = proc::open()?;
    let seen = visit(&proc, &|reader, pid| {
        let mut shown = pid;
        let kept = loop {
            match reader.link(shown, b"exe") {
                // Kernel threads and zombies have no executable; nor has a process that is just ending. One of which only the
                // first thread has ended shows it in another.
                Err(ProcReadError::Gone) if shown == pid => shown = living_thread(pid)?,
                Err(ProcReadError::Gone) => return None,
                Ok(path) if !exe(path) => return Some(FilterResult::Passed),
                Ok(path) => break Some(path.to_vec()),
                Err(_) => break None,
            }
        };
        match reader.file(shown, b"cmdline") {
            // Nor has one a command line, unless it has wiped it.
            Ok([]) if kept.is_none() => None,
            Ok(text) => {
                let is_kept = kept.is_some() || cmdline(text);
                Some(is_kept.then(|| Listed { pid, cmdline: text.to_vec(), exe: kept }).into())
            }
            Err(why) => unreadable(why),
        }
    })?;
    Ok(gather(seen))
}

/// What a look at each process shows.
///
/// # Errors
/// As [`list`].
pub fn stats() -> io::Result<HashMap<i32, Stat>> {
    let proc = proc::open()?;
    let chunks = visit(&proc, &|reader, pid| {
        let stat = Stat::parse(reader.file(pid, b"stat").ok()?)?;
        (stat.is_alive() && !stat.is_kernel_thread).then_some((pid, stat))
    })?;
    Ok(chunks.into_iter().flatten().collect())
}

/// Every process and its parent.
///
/// # Errors
/// As [`list`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    Ok(stats()?.into_iter().map(|(pid, stat)| (pid, stat.parent)).collect())
}

/// Every descendant of these processes, themselves left out. One that has ended and is not reaped yet is still listed: what
/// it started has got another parent just then, so a list with it in it may lack something.
///
/// # Errors
/// As [`list`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    match descendants_by_children_files(roots) {
        Some(found) => Ok(found),
        None => Ok(below(roots, &parents()?)),
    }
}

/// Descendants by `/proc/PID/task/TID/children`; `None` where the kernel has no such file (`CONFIG_PROC_CHILDREN`).
fn descendants_by_children_files(roots: &[i32]) -> Option<Vec<i32>> {
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
enum FilterResult {
    Kept(Listed),
    Passed,
    Unreadable,
}

impl From<Option<Listed>> for FilterResult {
    fn from(hit: Option<Listed>) -> Self {
        hit.map_or(Self::Passed, Self::Kept)
    }
}

fn unreadable(why: ProcReadError) -> Option<FilterResult> {
    (why == ProcReadError::Refused).then_some(FilterResult::Unreadable)
}

fn gather(chunks: Vec<Vec<FilterResult>>) -> Listing {
    let mut listing = Listing::default();
    for seen in chunks.into_iter().flatten() {
        listing.total += 1;
        match seen {
            FilterResult::Kept(hit) => listing.kept.push(hit),
            FilterResult::Passed => {}
            FilterResult::Unreadable => listing.unreadable += 1,
        }
    }
    listing.kept.sort_unstable_by_key(|hit| hit.pid);
    listing
}

/// Calls `look` for every PID and collects what it returns, in no order, a vector a thread.
fn visit<T: Send>(
    proc: &OwnedFd,
    look: &(dyn Fn(&mut ProcReader<'_>, i32) -> Option<T> + Sync),
) -> io::Result<Vec<Vec<T>>> {
    let pids = proc::pids(proc.as_fd())?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reader = ProcReader::new(proc.as_fd());
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::identity::Identity;
    use super::*;

    #[test]
    fn totals_count_processes_and_not_zombies() {
        let mut dead = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(dead.id()).unwrap();
        while Identity::of(pid).is_some() {
            std::thread::yield_now();
        }
        let listing = list(&|_| true).unwrap();
        assert!(listing.kept.iter().all(|hit| hit.pid != pid));
        assert_eq!(listing.total, listing.kept.len() + listing.unreadable);
        dead.wait().unwrap();
    }
}
