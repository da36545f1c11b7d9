//! `/proc` as a whole: the list of processes, and one buffer for the files of many.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

/// The kernel's limit for `getdents` to be worth one call a thousand processes.
const DIRECTORY_BUFFER: usize = 64 * 1024;
/// The most that is read of a file: no command line has a megabyte of options before the program.
pub(super) const LONGEST: usize = 2 * 1024 * 1024;

/// Whether `/proc` hides other users' processes from us (`hidepid=`), so that the list may not be complete.
pub fn hides_others() -> bool {
    if rustix::process::getuid().is_root() {
        return false;
    }
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/proc")).any(|line| {
        line.split([' ', ',']).any(|option| {
            option.strip_prefix("hidepid=").is_some_and(|value| !matches!(value, "0" | "off" | "1" | "noaccess"))
        })
    })
}

/// Why something below `/proc/PID` could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcReadError {
    /// The process has ended, or is just ending.
    Gone,
    /// It is another user's, or out of reach for another reason.
    Refused,
}

impl From<Errno> for ProcReadError {
    fn from(errno: Errno) -> Self {
        if matches!(errno, Errno::NOENT | Errno::SRCH) { Self::Gone } else { Self::Refused }
    }
}

/// Opens `/proc`, which must show solobot under its own PID. If it is not mounted, or belongs to another PID namespace, it
/// would show no processes, or the wrong ones.
///
/// # Errors
/// Those of `open(2)`; it shows another process under our PID.
pub fn open() -> io::Result<OwnedFd> {
    let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let own = rustix::fs::readlinkat(&proc, "self", Vec::with_capacity(16)).ok();
    let shown = own.and_then(|own| own.to_str().ok()?.parse::<u32>().ok());
    if shown == Some(std::process::id()) {
        return Ok(proc);
    }
    Err(io::Error::other("/proc does not show this process: /proc is not mounted, or belongs to another PID namespace"))
}

/// Every PID in `/proc`; the threads of a process are not listed there.
///
/// # Errors
/// Those of `getdents(2)`.
pub fn pids(proc: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
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

/// Reads files below `/proc/PID` into one buffer.
#[derive(Debug)]
pub struct ProcReader<'a> {
    proc: BorrowedFd<'a>,
    path: [u8; 32],
    buffer: Vec<u8>,
}

impl<'a> ProcReader<'a> {
    /// Below this open `/proc`.
    pub fn new(proc: BorrowedFd<'a>) -> Self {
        Self { proc, path: [0; 32], buffer: vec![0; 8 * 1024] }
    }

    /// A file of a process, as far as it is looked at.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], ProcReadError> {
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

    /// Where a link of a process leads.
    ///
    /// # Errors
    /// As [`ProcReader::file`].
    pub fn link(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], ProcReadError> {
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

/// Every PID in `/proc`, whichever PID namespace that shows.
///
/// # Errors
/// It cannot be read.
pub fn all_pids() -> io::Result<Vec<i32>> {
    let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    pids(proc.as_fd())
}
