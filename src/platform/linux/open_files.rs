//! What a process has open: the descriptor walk.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::file::FileId;
use super::handle::living_thread;
use super::locks;
use super::proc::pids;
use crate::platform::kernel_lock::KernelLock;

/// A descriptor of any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    pub number: i32,
}

impl OpenFile {
    /// A path that leads to the open file, even if another file is at its path by now; `None` on a platform without one, where
    /// the file has been removed or renamed.
    pub fn path(self) -> Option<PathBuf> {
        Some(self.link())
    }

    fn link(self) -> PathBuf {
        format!("/proc/{}/fd/{}", self.pid, self.number).into()
    }

    /// The identity of the open file.
    pub fn file(self) -> Option<FileId> {
        FileId::of(&self.link())
    }

    /// What it is open on, as the kernel shows it: a path, `socket:[77]`, `pipe:[78]`.
    pub fn target(self) -> Option<PathBuf> {
        std::fs::read_link(self.link()).ok()
    }

    /// The number of the socket that it is.
    pub fn socket(self) -> Option<u64> {
        socket_number(self.target()?.to_str()?)
    }

    /// Whether it was opened for writing: the access mode is the last octal digit of `flags:` in fdinfo (`proc(5)`).
    pub fn is_for_writing(self) -> bool {
        says_writing(&self.info())
    }

    /// The locks that it carries.
    pub fn locks(self) -> Vec<KernelLock> {
        locks::of_fdinfo(&self.info())
    }

    /// The text of its `fdinfo`: position, flags, locks. Empty where it is gone.
    fn info(self) -> String {
        std::fs::read_to_string(format!("/proc/{}/fdinfo/{}", self.pid, self.number)).unwrap_or_default()
    }
}

pub(super) fn socket_number(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

pub(super) fn says_writing(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| i64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| matches!(flags & 3, 1 | 2))
}

/// Every descriptor of a process.
///
/// # Errors
/// They are another user's, or the process has ended.
pub fn descriptors(pid: i32) -> io::Result<Vec<OpenFile>> {
    let all = descriptors_of_thread(pid)?;
    // Other processes are not asked for another thread, because this runs for every process that may hold a lock.
    let thread = all.is_empty().then(|| living_thread(pid)).flatten();
    thread.map_or(Ok(all), descriptors_of_thread)
}

fn descriptors_of_thread(pid: i32) -> io::Result<Vec<OpenFile>> {
    let folder = rustix::fs::open(
        format!("/proc/{pid}/fd"),
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // The names are numbers, as those of processes are.
    Ok(pids(folder.as_fd())?.into_iter().map(|number| OpenFile { pid, number }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_for_writing() {
        assert!(says_writing("pos:\t0\nflags:\t0102001\nmnt_id:\t27\n"));
        assert!(says_writing("flags:\t02\n"));
        assert!(!says_writing("flags:\t0100000\n"));
        assert!(!says_writing(""));
    }

    #[test]
    fn what_is_a_socket() {
        assert_eq!(socket_number("socket:[77]"), Some(77));
        assert_eq!(socket_number("/dev/null"), None);
    }
}
