//! The standard streams.

use std::fs::OpenOptions;
use std::os::fd::IntoRawFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

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
