//! What the first moments of the program set up, and what they must see before it is changed.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::IntoRawFd;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SigHandler, SigSet, Signal};

use super::signals::{Mask, is_ignored, set_handler};

/// Opens `/dev/null` for every standard stream that is closed, as Rust's runtime would: else the first file to be opened
/// would become stdin, stdout or stderr.
pub fn fill_closed() {
    let is_closed = |result: nix::Result<_>| result == Err(Errno::EBADF);
    let closed = [
        is_closed(fcntl(std::io::stdin(), FcntlArg::F_GETFD)),
        is_closed(fcntl(std::io::stdout(), FcntlArg::F_GETFD)),
        is_closed(fcntl(std::io::stderr(), FcntlArg::F_GETFD)),
    ];
    for _ in closed.into_iter().filter(|&closed| closed) {
        // A new descriptor gets the lowest free number, which is one of the three.
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _stays_open = null.into_raw_fd();
        }
    }
}

/// Whether SIGPIPE was ignored when the process started.
static SIGPIPE_WAS_IGNORED: OnceLock<bool> = OnceLock::new();

/// A write to a pipe whose reader has gone becomes an error instead of our end. COMMAND finds SIGPIPE as it was.
pub fn ignore_broken_pipes() {
    let _ = SIGPIPE_WAS_IGNORED.set(is_ignored(Signal::SIGPIPE));
    let _ = set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
}

/// Signals that a new program must have at their default although solobot ignores them.
pub(super) fn to_default() -> SigSet {
    let mut set = SigSet::empty();
    if SIGPIPE_WAS_IGNORED.get() == Some(&false) {
        set.add(Signal::SIGPIPE);
    }
    set
}

/// Restores for ourselves what a program that replaces us must find: the mask, and SIGPIPE's disposition.
pub(super) fn restore(mask: Mask) -> io::Result<()> {
    for signal in &to_default() {
        set_handler(signal, SigHandler::SigDfl)?;
    }
    Ok(mask.signals().thread_set_mask()?)
}
