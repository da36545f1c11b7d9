//! What one look at a process shows: `KERN_PROC` of `sysctl(3)`, which tells it of every user's processes.

#[cfg(feature = "cli")]
use std::io;

use nix::libc;

use super::kernel;
use crate::platform::darwin::{KINFO, KernelProcess};
use crate::platform::stat::Stat;

impl Stat {
    /// `None` if there is no such process.
    pub fn read(pid: i32) -> Option<Self> {
        Some(Self { session: session(pid), ..process(pid)?.stat })
    }
}

/// What the kernel tells of one process.
pub(super) fn process(pid: i32) -> Option<KernelProcess> {
    if pid <= 0 {
        return None;
    }
    let question = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid];
    KernelProcess::parse(&kernel::ask_within(&question, KINFO).ok()?).filter(|one| one.pid == pid)
}

/// What the kernel tells of all.
///
/// # Errors
/// Those of `sysctl(3)`.
#[cfg(feature = "cli")]
pub(super) fn processes() -> io::Result<Vec<KernelProcess>> {
    let question = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_ALL];
    let mut all = KernelProcess::parse_all(&kernel::ask(&question)?);
    for one in &mut all {
        one.stat.session = session(one.pid);
    }
    Ok(all)
}

fn session(pid: i32) -> Option<i32> {
    nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).ok().map(nix::unistd::Pid::as_raw)
}
