//! Our children, and those that become ours when their parent ends.

use std::io;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait, waitpid};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code, of 8 bits.
    Code(u32),
    /// By the signal of this number.
    Signal(i32),
}

/// What a look at the children found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This one had ended, and how; it is gone now.
    Ended(i32, Ended),
    /// There are children, and none has ended.
    NoneEnded,
    /// There are none.
    NoChildren,
}

/// Orphans among our descendants become our children (`PR_SET_CHILD_SUBREAPER`).
///
/// # Errors
/// Those of `prctl(2)`; `Unsupported` on macOS, where launchd adopts them.
pub fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(nix::sys::prctl::set_child_subreaper(true)?);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Kills a child that is not reaped yet (its PID is its own), and reaps it.
#[expect(clippy::disallowed_methods, reason = "this is for want of a pidfd, and an unreaped child keeps its PID")]
pub fn put_down(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    let _ = nix::sys::wait::waitpid(pid, None);
}

/// Waits until a child has ended, and reaps it.
///
/// # Errors
/// Those of `waitpid(2)`.
pub fn wait_for(pid: i32) -> io::Result<Ended> {
    loop {
        match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(ending(status)),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reaps one child that has ended, without waiting.
///
/// # Errors
/// Those of `wait(2)`, ECHILD excepted.
pub fn reap() -> io::Result<Reaped> {
    let (pid, status) = match retry_on_intr(|| wait(WaitOptions::NOHANG)) {
        Ok(Some(ended)) => ended,
        Ok(None) => return Ok(Reaped::NoneEnded),
        Err(Errno::CHILD) => return Ok(Reaped::NoChildren),
        Err(error) => return Err(error.into()),
    };
    Ok(Reaped::Ended(pid.as_raw_nonzero().get(), ending(status)))
}

fn ending(status: WaitStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => Ended::Signal(signal),
        (code, None) => Ended::Code(u32::try_from(code.unwrap_or(0)).unwrap_or(255)),
    }
}
