//! Waiting for several descriptors at once.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::descriptor::Descriptor;
pub use crate::platform::host::wakeup::Wakeup;

/// Waits until one of `fds` is readable or `timeout` has passed (`None`: forever). Says of each whether it is readable
/// (or broken, so that reading it tells). An interruption by a signal is not a wake-up.
///
/// # Errors
/// Those of `poll(2)`, EINTR excepted.
pub fn readable<const N: usize>(fds: [Option<Descriptor<'_>>; N], timeout: Option<Duration>) -> io::Result<[bool; N]> {
    let present: Vec<(usize, Descriptor<'_>)> =
        fds.iter().enumerate().filter_map(|(index, fd)| fd.map(|fd| (index, fd))).collect();
    let list: Vec<Descriptor<'_>> = present.iter().map(|&(_, fd)| fd).collect();
    let mut answer = [false; N];
    for index in any_readable(&list, timeout)? {
        answer[present[index].0] = true;
    }
    Ok(answer)
}

/// The same for a list of any length: the indices of the readable ones; empty when `timeout` has passed.
///
/// # Errors
/// Those of `poll(2)`, EINTR excepted.
pub fn any_readable(fds: &[Descriptor<'_>], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut list: Vec<PollFd<'_>> = fds.iter().map(|&fd| PollFd::new(fd.fd(), PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut list, poll_timeout(deadline)) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((0..list.len()).filter(|&index| list[index].any() == Some(true)).collect())
}

/// Whether something can be written before `timeout` is over, or the reader is found to have gone.
///
/// # Errors
/// Those of `poll(2)`, EINTR excepted.
pub fn is_writable_within(fd: Descriptor<'_>, timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now().checked_add(timeout);
    let mut list = [PollFd::new(fd.fd(), PollFlags::POLLOUT)];
    loop {
        match poll(&mut list, poll_timeout(deadline)) {
            Ok(_) => return Ok(list[0].any() == Some(true)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How much can be written at once to a pipe that is writable.
pub const WRITABLE_AT_ONCE: usize = nix::libc::PIPE_BUF;

/// What must be asked for to learn that a reader has gone. macOS tells nothing unasked, and calls what cannot be polled invalid.
#[cfg(target_os = "linux")]
const ASKS_FOR_END: (PollFlags, PollFlags) =
    (PollFlags::empty(), PollFlags::POLLERR.union(PollFlags::POLLHUP).union(PollFlags::POLLNVAL));
#[cfg(not(target_os = "linux"))]
const ASKS_FOR_END: (PollFlags, PollFlags) = (PollFlags::POLLOUT, PollFlags::POLLERR.union(PollFlags::POLLHUP));

/// Whether a write of up to [`WRITABLE_AT_ONCE`] to stderr will not block before `patience` is over; always true for a
/// file.
pub fn is_stderr_writable(patience: Duration) -> bool {
    let stderr = io::stderr();
    let mut list = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    poll(&mut list, patience).is_ok() && list[0].any() == Some(true)
}

/// Whether the other end of stdout, a pipe or a socket, has gone.
pub fn is_stdout_broken() -> bool {
    let stdout = io::stdout();
    let (asked, gone) = ASKS_FOR_END;
    let mut list = [PollFd::new(stdout.as_fd(), asked)];
    poll(&mut list, PollTimeout::ZERO).is_ok() && list[0].revents().is_some_and(|events| events.intersects(gone))
}

/// Rounds up, so that a wait never ends before its deadline.
fn poll_timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = left.as_micros().div_ceil(1000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
