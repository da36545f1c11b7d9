//! Linux: `/proc` is opened once and read relative to that descriptor, with one buffer a thread.
//!
//! Nothing is allocated for a process that the filter drops. Above [`ALONE`] processes two threads take chunks of
//! [`CHUNK`] PIDs in turn; more threads gain nothing, since the kernel serialises on the process table.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::super::identity::Stat;
use super::{Hit, Keep, Listing};

/// Up to here one thread is faster than starting a second.
const ALONE: usize = 300;
/// How many PIDs a thread takes at once.
const CHUNK: usize = 64;
/// The kernel's limit for `getdents` to be worth one call a thousand processes.
const DIRECTORY_BUFFER: usize = 64 * 1024;
/// More of a command line is not looked at: no program stands behind a megabyte of options.
const LONGEST: usize = 2 * 1024 * 1024;

pub fn list(keep: &Keep<'_>) -> io::Result<Listing> {
    let proc = open_proc()?;
    let seen = visit(&proc, &|reader, pid| match reader.file(pid, b"cmdline") {
        // Kernel threads and zombies have no command line.
        Ok([]) => None,
        Ok(cmdline) => Some(keep(cmdline).then(|| Hit { pid, cmdline: cmdline.to_vec() }).into()),
        Err(errno) => unreadable(errno),
    })?;
    Ok(gather(seen))
}

pub fn list_by_executable(exe: &Keep<'_>, cmdline: &Keep<'_>) -> io::Result<Listing> {
    let proc = open_proc()?;
    let seen = visit(&proc, &|reader, pid| {
        let kept = match reader.link(pid, b"exe") {
            // Kernel threads and zombies have no executable; nor has a process that is just ending.
            Err(Errno::NOENT | Errno::SRCH) => return None,
            Ok(path) if !exe(path) => return Some(Seen::Passed),
            Ok(_) => true,
            Err(_) => false,
        };
        match reader.file(pid, b"cmdline") {
            // Nor has one a command line, unless it has wiped it.
            Ok([]) if !kept => None,
            Ok(text) => Some((kept || cmdline(text)).then(|| Hit { pid, cmdline: text.to_vec() }).into()),
            Err(errno) => unreadable(errno),
        }
    })?;
    Ok(gather(seen))
}

pub fn parents() -> io::Result<HashMap<i32, i32>> {
    let proc = open_proc()?;
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

fn unreadable(errno: Errno) -> Option<Seen> {
    (!matches!(errno, Errno::NOENT | Errno::SRCH)).then_some(Seen::Unreadable)
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

/// Opens `/proc`, which must show us by our own PID: unmounted, or of another PID namespace, it would say that nothing
/// runs, or name strangers.
fn open_proc() -> io::Result<OwnedFd> {
    let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let own = rustix::fs::readlinkat(&proc, "self", Vec::with_capacity(16)).ok();
    let shown = own.and_then(|own| own.to_str().ok()?.parse::<u32>().ok());
    if shown == Some(std::process::id()) {
        return Ok(proc);
    }
    Err(io::Error::other("/proc does not show this process: it is not mounted, or belongs to another PID namespace"))
}

/// Every PID in `/proc`; the threads of a process are not listed there.
fn pids(proc: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
    let mut buffer: Vec<u8> = Vec::with_capacity(DIRECTORY_BUFFER);
    let space: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut entries = RawDir::new(proc, space);
    let mut pids = Vec::with_capacity(1024);
    while let Some(entry) = entries.next() {
        if let Some(pid) = parse_pid(entry?.file_name()) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn parse_pid(name: &CStr) -> Option<i32> {
    let digits = name.to_bytes();
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Calls `look` for every PID and collects what it returns, in no order, a vector a thread.
fn visit<T: Send>(
    proc: &OwnedFd,
    look: &(dyn Fn(&mut Reader<'_>, i32) -> Option<T> + Sync),
) -> io::Result<Vec<Vec<T>>> {
    let pids = pids(proc.as_fd())?;
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

/// Reads files below `/proc/PID` into one buffer.
struct Reader<'a> {
    proc: BorrowedFd<'a>,
    path: [u8; 32],
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(proc: BorrowedFd<'a>) -> Self {
        Self { proc, path: [0; 32], buffer: vec![0; 8 * 1024] }
    }

    fn file(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], Errno> {
        let path = path_of(&mut self.path, pid, name);
        let file = rustix::fs::openat(self.proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut filled = 0;
        loop {
            filled += rustix::io::read(&file, &mut self.buffer[filled..])?;
            // A read that leaves room is the whole file: `/proc` fills the buffer if it can.
            if filled < self.buffer.len() || filled >= LONGEST {
                return Ok(&self.buffer[..filled]);
            }
            self.buffer.resize(self.buffer.len() * 4, 0);
        }
    }

    fn link(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], Errno> {
        let path = path_of(&mut self.path, pid, name);
        let length = rustix::fs::readlinkat_raw(self.proc, path, self.buffer.as_mut_slice())?;
        Ok(&self.buffer[..length])
    }
}

/// `PID/name` as a C string, without an allocation.
fn path_of<'a>(space: &'a mut [u8; 32], pid: i32, name: &[u8]) -> &'a CStr {
    use std::io::Write as _;
    let length = {
        let mut rest = &mut space[..31];
        let before = rest.len();
        let _ = write!(rest, "{pid}/");
        let _ = rest.write_all(name);
        before - rest.len()
    };
    space[length] = 0;
    CStr::from_bytes_until_nul(&space[..=length]).unwrap_or_default()
}
