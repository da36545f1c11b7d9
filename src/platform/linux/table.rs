//! The process listing: every PID's command line, at the least cost, and parents.
//!
//! One facade over two ways of listing: Linux reads `/proc` itself, everything else goes through sysinfo. Both give the
//! same [`Listing`] (a test compares them). Invariant: zombies, kernel threads and threads are no processes; a process
//! that cannot be read is counted in [`Listing::unreadable`], never skipped in silence. Not promised: a snapshot.
//! Processes come and go while the listing runs, and one that is gone at any step was never there.

#[cfg(target_os = "linux")]
mod linux;
pub mod portable;

use std::collections::HashMap;
use std::io;

/// A process that the filter kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its PID.
    pub pid: i32,
    /// Its `cmdline`, arguments separated by NUL.
    pub cmdline: Vec<u8>,
    /// The path of its executable, where it was asked for and can be read.
    pub exe: Option<Vec<u8>>,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What the filter kept, by PID.
    pub hits: Vec<Hit>,
    /// How many processes were looked at, unreadable ones included.
    pub total: usize,
    /// How many of them could not be read.
    pub unreadable: usize,
}

/// A filter on the raw bytes of a command line. It runs on several threads, once for each process.
pub type Keep<'a> = dyn Fn(&[u8]) -> bool + Sync + 'a;

/// Lists the processes whose command line passes the filter.
///
/// # Errors
/// If the process table itself cannot be read (`/proc` not mounted).
pub fn list(keep: &Keep<'_>) -> io::Result<Listing> {
    #[cfg(target_os = "linux")]
    return linux::list(keep);
    #[cfg(not(target_os = "linux"))]
    portable::list(keep)
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command
/// line decides.
///
/// # Errors
/// As [`list`].
pub fn list_by_executable(exe: &Keep<'_>, cmdline: &Keep<'_>) -> io::Result<Listing> {
    #[cfg(target_os = "linux")]
    return linux::list_by_executable(exe, cmdline);
    #[cfg(not(target_os = "linux"))]
    portable::list_by_executable(exe, cmdline)
}

/// Every process and its parent.
///
/// # Errors
/// As [`list`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    #[cfg(target_os = "linux")]
    return linux::parents();
    #[cfg(not(target_os = "linux"))]
    portable::parents()
}

/// Every descendant of these processes, themselves left out. One that has ended and is not reaped yet is still listed: what
/// it started has got another parent just then, so a list with it in it may lack something.
///
/// # Errors
/// As [`list`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    #[cfg(target_os = "linux")]
    if let Some(found) = linux::descendants_by_children_files(roots) {
        return Ok(found);
    }
    Ok(below(roots, &parents()?))
}

/// The descendants in a table of parents, nearest first.
pub(crate) fn below(roots: &[i32], parents: &HashMap<i32, i32>) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (&pid, &parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let mut found: Vec<i32> = Vec::new();
    let mut seen: std::collections::HashSet<i32> = roots.iter().copied().collect();
    let mut queue: std::collections::VecDeque<i32> = roots.iter().copied().collect();
    while let Some(parent) = queue.pop_front() {
        let mut below = children.get(&parent).cloned().unwrap_or_default();
        below.sort_unstable();
        for pid in below {
            if seen.insert(pid) {
                found.push(pid);
                queue.push_back(pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::super::identity::Identity;
    use super::*;

    /// A child that is ended, by its handle, when the test ends.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> Self {
            Self(Command::new("sleep").arg("47.11").spawn().unwrap())
        }

        fn pid(&self) -> i32 {
            i32::try_from(self.0.id()).unwrap()
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn until<T>(mut probe: impl FnMut() -> Option<T>) -> T {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            if let Some(value) = probe() {
                return value;
            }
            assert!(std::time::Instant::now() < deadline, "the deadline passed");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn both_listings_agree() {
        let sleepers = [Sleeper::start(), Sleeper::start()];
        let keep = |cmdline: &[u8]| cmdline == b"sleep\x0047.11\0";
        let ours = |listing: Listing| -> Vec<Hit> {
            listing.hits.into_iter().filter(|hit| sleepers.iter().any(|sleeper| sleeper.pid() == hit.pid)).collect()
        };
        let direct = until(|| Some(ours(list(&keep).unwrap())).filter(|hits| hits.len() == 2));
        assert_eq!(direct, ours(portable::list(&keep).unwrap()));
        let exe = |path: &[u8]| path.ends_with(b"/sleep") || path.ends_with(b"coreutils");
        let direct = ours(list_by_executable(&exe, &|_| false).unwrap());
        assert_eq!(direct, ours(portable::list_by_executable(&exe, &|_| false).unwrap()));
        assert_eq!(direct.len(), 2);
    }

    #[test]
    fn parents_agree_and_descendants_are_found() {
        let sleeper = Sleeper::start();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(parents().unwrap().get(&sleeper.pid()), Some(&own));
        assert_eq!(portable::parents().unwrap().get(&sleeper.pid()), Some(&own));
        assert!(descendants(&[own]).unwrap().contains(&sleeper.pid()));
    }

    #[test]
    fn totals_count_processes_and_not_zombies() {
        let mut dead = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(dead.id()).unwrap();
        until(|| (!Identity::of(pid).is_some_and(Identity::is_alive)).then_some(()));
        let listing = list(&|_| true).unwrap();
        assert!(listing.hits.iter().all(|hit| hit.pid != pid));
        assert_eq!(listing.total, listing.hits.len() + listing.unreadable);
        dead.wait().unwrap();
    }

    #[test]
    fn a_cycle_of_parents_ends() {
        let parents = HashMap::from([(2, 3), (3, 2), (4, 3), (5, 1)]);
        assert_eq!(below(&[2], &parents), [3, 4]);
    }
}
