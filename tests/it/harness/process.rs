//! Looking at processes and signalling them, without solobot's help.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The fields of `/proc/PID/stat` from the state on.
fn stat(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

fn state(pid: i32) -> Option<char> {
    stat(&format!("/proc/{pid}/stat"))?.first()?.chars().next()
}

/// Whether the process runs; a zombie does not.
pub fn alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether the process was stopped by a signal.
pub fn is_stopped(pid: i32) -> bool {
    state(pid) == Some('T')
}

/// The parent's PID.
pub fn parent(pid: i32) -> Option<i32> {
    stat(&format!("/proc/{pid}/stat"))?.get(1)?.parse().ok()
}

/// The start time in clock ticks since boot.
pub fn start_ticks(pid: i32) -> Option<u64> {
    stat(&format!("/proc/{pid}/stat"))?.get(19)?.parse().ok()
}

/// How long the process has been on a processor, threads and all: user's and system's time.
pub fn cpu_time(pid: i32) -> Duration {
    let fields = stat(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// A field of a process's status file, summed over its threads: `voluntary_ctxt_switches`.
pub fn thread_stat(pid: i32, field: &str) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            let line =
                status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Every process: PID and parent.
fn table() -> Vec<(i32, i32)> {
    let listing = fs::read_dir("/proc").expect("/proc");
    listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect()
}

/// The living children of a process.
pub fn children(of: i32) -> Vec<i32> {
    table().into_iter().filter(|&(pid, parent)| parent == of && alive(pid)).map(|(pid, _)| pid).collect()
}

/// The living processes below a process.
pub fn descendants(of: i32) -> Vec<i32> {
    let mut found = children(of);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Whether the process has the file open.
pub fn holds_descriptor(pid: i32, path: &Path) -> bool {
    let Ok(listing) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    listing.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|target| target == path)
}

/// Signals a process that the test started; panics if it has gone.
#[track_caller]
pub fn send(pid: i32, signal: Signal) {
    assert!(send_to(pid, signal), "process {pid} has gone");
}

/// Signals a process that the test started; false if it has gone.
#[track_caller]
pub fn send_to(pid: i32, signal: Signal) -> bool {
    let target = Pid::from_raw(pid).filter(|_| pid > 1).expect("a PID above 1");
    let Ok(pidfd) = pidfd_open(target, PidfdFlags::empty()) else { return false };
    pidfd_send_signal(&pidfd, signal).is_ok()
}
