//! What a background process does first, and the pipe on which it says that it is ready.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// Leaves session and terminal, folder and standard streams of whoever started us: nothing waits for our end of a pipe
/// (`$(solobot acquire --pid $$)`), and no file system is kept busy.
///
/// # Errors
/// Those of `setsid(2)`, `chdir(2)`, and of opening `/dev/null`.
pub fn detach() -> io::Result<()> {
    // A group leader cannot; it has no terminal to lose then but its parent's, and the streams go anyway.
    let _ = nix::unistd::setsid();
    std::env::set_current_dir("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Closes every descriptor but the standard streams and those in `keep`: what a script had open when it started us (a pipe
/// that somebody reads to its end, another lock) is not for a background process to keep.
///
/// # Errors
/// `/proc/self/fd` cannot be read.
///
/// # Safety
/// Nothing in this process may own another descriptor.
pub unsafe fn close_others(keep: &[RawFd]) -> io::Result<()> {
    // Collected first, so that the folder's own descriptor is closed before its number is met.
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2 && !keep.contains(fd))
        .collect();
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// A pipe: the end to read from, the end to write to.
///
/// # Errors
/// EMFILE.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Waits until the other end wrote a byte: `true`, or is closed without: `false`.
pub fn is_ready(fd: OwnedFd) -> bool {
    File::from(fd).read_exact(&mut [0]).is_ok()
}

/// Writes that byte.
///
/// # Errors
/// EPIPE: nobody waits any more.
pub fn say_ready(fd: OwnedFd) -> io::Result<()> {
    use std::io::Write;
    File::from(fd).write_all(b"1")
}

/// Takes over a descriptor that was inherited for this purpose.
///
/// # Errors
/// EBADF if it is not open.
///
/// # Safety
/// Nothing else in this process may own `fd`.
pub unsafe fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: borrowed only to ask whether it is open.
    nix::fcntl::fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, nix::fcntl::FcntlArg::F_GETFD)?;
    // SAFETY: open, as just asked, and by the caller's promise ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
