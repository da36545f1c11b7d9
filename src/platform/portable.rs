//! Processes by sysinfo, which works on every platform: the list for a platform without a faster way, the reference for those
//! that have one, and what processes use. The only file that uses sysinfo.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::listing::{Filter, Listed, Listing, below};

/// A process as sysinfo shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSnapshot {
    pub pid: i32,
    /// Its parent: the process that started or adopted it, if any.
    pub parent: Option<i32>,
    /// Its arguments; empty where they cannot be seen.
    pub argv: Vec<OsString>,
    /// Its executable; `None` where that cannot be seen.
    pub exe: Option<PathBuf>,
    /// When it started, cut to a second.
    pub started: SystemTime,
}

impl ProcessSnapshot {
    /// The arguments in one, each ended by NUL.
    fn cmdline(&self) -> Vec<u8> {
        self.argv.iter().flat_map(|arg| arg.as_encoded_bytes().iter().copied().chain([0])).collect()
    }
}

/// What processes use together. Only shown to people; nothing depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResourceUse {
    /// Resident, in bytes; shared memory counts for each.
    pub memory: u64,
    /// In percent of one processor, over the life of each, as `ps` shows it.
    pub cpu: f64,
}

impl ResourceUse {
    /// For each of these groups, of its running processes; `None` if none is running, or sysinfo does not support this system.
    pub fn of_each(groups: &[Vec<i32>]) -> Vec<Option<Self>> {
        let number = |pid: &i32| u32::try_from(*pid).ok().map(sysinfo::Pid::from_u32);
        let all: Vec<sysinfo::Pid> = groups.iter().flatten().filter_map(number).collect();
        let Ok(mut system) = System::new() else { return vec![None; groups.len()] };
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&all), true, kind);
        let of_group = |group: &Vec<i32>| {
            let members = || group.iter().filter_map(number).filter_map(|pid| system.process(pid));
            members().next()?;
            Some(Self { memory: members().map(sysinfo::Process::memory).sum(), cpu: members().map(cpu_of).sum() })
        };
        groups.iter().map(of_group).collect()
    }
}

fn cpu_of(process: &sysinfo::Process) -> f64 {
    let life = Duration::from_secs(process.run_time().max(1));
    Duration::from_millis(process.accumulated_cpu_time()).as_secs_f64() / life.as_secs_f64() * 100.0
}

/// Every process, in no order, without threads and zombies.
///
/// # Errors
/// If sysinfo does not support this system.
pub fn processes() -> io::Result<Vec<ProcessSnapshot>> {
    let mut system = System::new().map_err(io::Error::other)?;
    // sysinfo leaves out the command line unless it is asked for.
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_exe(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let pid = |pid: sysinfo::Pid| i32::try_from(pid.as_u32()).ok();
    let portrait = |process: &sysinfo::Process| {
        let is_one =
            process.thread_kind().is_none() && !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
        is_one.then_some(ProcessSnapshot {
            pid: pid(process.pid())?,
            parent: process.parent().and_then(pid),
            argv: process.cmd().to_vec(),
            exe: process.exe().map(ToOwned::to_owned),
            started: SystemTime::UNIX_EPOCH + Duration::from_secs(process.start_time()),
        })
    };
    Ok(system.processes().values().filter_map(portrait).collect())
}

/// Lists the processes whose command line passes the filter.
///
/// # Errors
/// As [`processes`].
pub fn list(keep: &Filter<'_>) -> io::Result<Listing> {
    Ok(listing(processes()?, |one| keep(&one.cmdline()).then_some(None)))
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command line
/// decides.
///
/// # Errors
/// As [`processes`].
pub fn list_by_executable(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<Listing> {
    let kept = |one: &ProcessSnapshot| match one.exe.as_ref().map(|exe| exe.as_os_str().as_encoded_bytes()) {
        Some(path) => exe(path).then(|| Some(path.to_vec())),
        None => cmdline(&one.cmdline()).then_some(None),
    };
    Ok(listing(processes()?, kept))
}

/// `kept` decides whether a process is kept, and with which executable.
fn listing(processes: Vec<ProcessSnapshot>, kept: impl Fn(&ProcessSnapshot) -> Option<Option<Vec<u8>>>) -> Listing {
    let mut listing = Listing::default();
    for one in processes.into_iter().filter(|one| one.exe.is_some() || !one.argv.is_empty()) {
        listing.total += 1;
        listing.kept.extend(kept(&one).map(|exe| Listed { pid: one.pid, cmdline: one.cmdline(), exe }));
    }
    listing.kept.sort_unstable_by_key(|listed| listed.pid);
    listing
}

/// Every process and its parent.
///
/// # Errors
/// As [`processes`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    Ok(processes()?.into_iter().filter_map(|one| Some((one.pid, one.parent?))).collect())
}

/// Every descendant of these processes, nearest first, themselves left out.
///
/// # Errors
/// As [`processes`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    Ok(below(roots, &parents()?))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_process_uses_memory_and_nobody_none() {
        let own = i32::try_from(std::process::id()).unwrap();
        let all = ResourceUse::of_each(&[vec![own], vec![], vec![-1]]);
        assert!(all[0].is_some_and(|one| one.memory > 100_000 && one.cpu >= 0.0), "{all:?}");
        assert_eq!(all[1..], [None, None]);
    }
    use crate::platform::identity::Identity;
    use crate::platform::table;

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

    /// Three children that run `sleep` by now: one that was just forked shows our own command line.
    fn sleepers() -> [Sleeper; 3] {
        let sleepers = [Sleeper::start(), Sleeper::start(), Sleeper::start()];
        let deadline = Instant::now() + Duration::from_secs(30);
        for sleeper in &sleepers {
            while std::fs::read(format!("/proc/{}/cmdline", sleeper.pid())).unwrap() != CMDLINE {
                assert!(Instant::now() < deadline, "the deadline passed");
                std::thread::yield_now();
            }
        }
        sleepers
    }

    const CMDLINE: &[u8] = b"sleep\x0047.11\0";

    #[test]
    fn both_lists_show_the_same_of_whoever_lives_through_both() {
        let sleepers = sleepers();
        let own = i32::try_from(std::process::id()).unwrap();
        let is_ours = |pid: i32| sleepers.iter().any(|sleeper| sleeper.pid() == pid);
        let ours = |listing: io::Result<Listing>| {
            listing.unwrap().kept.into_iter().filter(|listed| is_ours(listed.pid)).collect::<Vec<_>>()
        };
        let keep = |cmdline: &[u8]| cmdline == CMDLINE;
        let quick = ours(table::list(&keep));
        assert_eq!((quick.len(), &quick), (3, &ours(list(&keep))));
        let exe = |path: &[u8]| path.ends_with(b"/sleep") || path.ends_with(b"coreutils");
        let quick = ours(table::list_by_executable(&exe, &|_| false));
        assert_eq!((quick.len(), &quick), (3, &ours(list_by_executable(&exe, &|_| false))));
        for parents in [table::parents().unwrap(), parents().unwrap()] {
            assert!(sleepers.iter().all(|sleeper| parents.get(&sleeper.pid()) == Some(&own)));
        }
        for below in [table::descendants(&[own]).unwrap(), descendants(&[own]).unwrap()] {
            assert!(sleepers.iter().all(|sleeper| below.contains(&sleeper.pid())));
        }
    }

    #[test]
    fn a_process_starts_when_its_identity_says_so() {
        let sleepers = sleepers();
        let processes = processes().unwrap();
        for sleeper in &sleepers {
            let one = processes.iter().find(|one| one.pid == sleeper.pid()).unwrap();
            assert_eq!(one.argv, ["sleep", "47.11"]);
            let started = Identity::of(one.pid).unwrap().started_at().unwrap();
            let apart = started.duration_since(one.started).unwrap_or_else(|error| error.duration());
            assert!(apart < Duration::from_secs(3), "{started:?} {:?}", one.started);
        }
    }
}
