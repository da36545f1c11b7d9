//! Everywhere else: sysinfo lists the processes. Also the yardstick for the Linux listing in the tests.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;

use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::{Hit, Keep, Listing};

/// As [`super::list`].
///
/// # Errors
/// If sysinfo does not support this system.
pub fn list(keep: &Keep<'_>) -> io::Result<Listing> {
    listing(false, |_, cmdline| keep(cmdline))
}

/// As [`super::list_by_executable`].
///
/// # Errors
/// If sysinfo does not support this system.
pub fn list_by_executable(exe: &Keep<'_>, cmdline: &Keep<'_>) -> io::Result<Listing> {
    listing(true, |process, text| match process.exe() {
        Some(path) => exe(path.as_os_str().as_bytes()),
        None => cmdline(text),
    })
}

/// As [`super::parents`].
///
/// # Errors
/// If sysinfo does not support this system.
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    let system = refreshed()?;
    Ok(processes(&system)
        .filter_map(|process| Some((pid_of(process)?, i32::try_from(process.parent()?.as_u32()).ok()?)))
        .collect())
}

fn listing(with_exe: bool, keep: impl Fn(&Process, &[u8]) -> bool) -> io::Result<Listing> {
    let system = refreshed()?;
    let mut listing = Listing::default();
    for process in processes(&system) {
        let cmdline = cmdline(process);
        if cmdline.is_empty() {
            continue;
        }
        listing.total += 1;
        if let (true, Some(pid)) = (keep(process, &cmdline), pid_of(process)) {
            let exe = process.exe().filter(|_| with_exe).map(|exe| exe.as_os_str().as_bytes().to_vec());
            listing.hits.push(Hit { pid, cmdline, exe });
        }
    }
    listing.hits.sort_unstable_by_key(|hit| hit.pid);
    Ok(listing)
}

/// `refresh_processes` leaves the command line out: it must be asked for.
fn refreshed() -> io::Result<System> {
    let mut system = System::new().map_err(io::Error::other)?;
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_exe(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    Ok(system)
}

fn processes(system: &System) -> impl Iterator<Item = &Process> {
    system.processes().values().filter(|process| {
        process.thread_kind().is_none() && !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
    })
}

fn pid_of(process: &Process) -> Option<i32> {
    i32::try_from(process.pid().as_u32()).ok()
}

/// The arguments as `/proc` shows them: each ended by NUL.
fn cmdline(process: &Process) -> Vec<u8> {
    process.cmd().iter().flat_map(|arg| arg.as_bytes().iter().copied().chain([0])).collect()
}
