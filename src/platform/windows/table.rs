//! The list of processes.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::command_line::split;
use super::handle::ended_by_nul;
use super::identity::Identity;
use super::job::Job;
use super::native::open_process;
use super::peb;
use super::processes::{self, LOOK, all};
use crate::platform::listing::{Filter, Listed, Listing, below};
use crate::platform::stat::Stat;

/// What a look at one process tells the list.
enum TableEntry {
    Kept(Listed),
    Passed,
    /// It has just ended.
    Gone,
    /// It is another user's.
    Unreadable,
}

/// Lists the processes whose command line passes the filter.
///
/// # Errors
/// The list itself cannot be read.
pub fn list(keep: &Filter<'_>) -> io::Result<Listing> {
    listing(|pid| {
        let process = open_process(pid, LOOK)?;
        let cmdline = ended_by_nul(split(&peb::command_line(pid, &process)?));
        Ok(if keep(&cmdline) { TableEntry::Kept(Listed { pid, cmdline, exe: None }) } else { TableEntry::Passed })
    })
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command line
/// decides.
///
/// # Errors
/// As [`list`].
pub fn list_by_executable(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<Listing> {
    listing(|pid| {
        let process = open_process(pid, LOOK)?;
        let path = processes::image(&process).ok().map(PathBuf::into_os_string);
        let path = path.map(std::ffi::OsString::into_encoded_bytes);
        if path.as_ref().is_some_and(|path| !exe(path)) {
            return Ok(TableEntry::Passed);
        }
        let line = ended_by_nul(split(&peb::command_line(pid, &process)?));
        let is_kept = path.is_some() || cmdline(&line);
        Ok(if is_kept { TableEntry::Kept(Listed { pid, cmdline: line, exe: path }) } else { TableEntry::Passed })
    })
}

fn listing(look: impl Fn(i32) -> io::Result<TableEntry>) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for one in all()?.into_iter().filter(|one| !one.is_kernels()) {
        let entry = look(one.pid).unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => TableEntry::Unreadable,
            _ => TableEntry::Gone,
        });
        match entry {
            TableEntry::Gone => continue,
            TableEntry::Kept(listed) => listing.kept.push(listed),
            TableEntry::Unreadable => listing.unreadable += 1,
            TableEntry::Passed => {}
        }
        listing.total += 1;
    }
    listing.kept.sort_unstable_by_key(|hit| hit.pid);
    Ok(listing)
}

/// What a look at each process shows.
///
/// # Errors
/// As [`list`].
pub fn stats() -> io::Result<HashMap<i32, Stat>> {
    let seen = all()?.into_iter().filter(|one| !one.is_kernels());
    Ok(seen.map(|one| (one.pid, Stat::of_listed(&one))).collect())
}

/// Every process and its parent.
///
/// # Errors
/// As [`list`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    Ok(all()?.into_iter().map(|one| (one.pid, one.parent)).collect())
}

/// Every descendant of these processes, themselves left out. A process whose parent has ended belongs to nobody by its parent;
/// but what a solobot has started, and whatever came of that, is in the job of this solobot.
///
/// # Errors
/// As [`list`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    let of_jobs = roots.iter().filter_map(|&root| Job::of(Identity::of(root)?)).filter_map(|job| job.members().ok());
    let in_jobs: Vec<i32> = of_jobs.flatten().collect();
    let parents = parents()?;
    let mut found = below(roots, &parents);
    let is_new = |pid: &i32| !found.contains(pid) && !roots.contains(pid);
    let mut more: Vec<i32> = in_jobs.into_iter().filter(is_new).collect();
    let below_those = below(&more, &parents);
    more.extend(below_those.into_iter().filter(|pid| !found.contains(pid) && !roots.contains(pid)));
    found.extend(more);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::platform::windows::identity::own_pid;

    #[test]
    fn we_are_listed_with_our_child_below_us() {
        let mut child = Command::new("cmd").args(["/c", "pause"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let listing = list(&|_| true).unwrap();
        assert_eq!(listing.total, listing.kept.len() + listing.unreadable);
        let seen = listing.kept.iter().find(|hit| hit.pid == pid).unwrap();
        assert!(seen.cmdline.ends_with(b"/c\0pause\0"), "{seen:?}");
        assert!(descendants(&[own_pid()]).unwrap().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        // We still hold it open.
        assert!(Stat::read(pid).is_none_or(|stat| !stat.is_alive()));
        assert!(list(&|_| true).unwrap().kept.iter().all(|hit| hit.pid != pid));
    }
}
