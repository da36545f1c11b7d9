//! Opening files that somebody else may have put there, locking them, reading and writing at a place in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Options for opening a path that another user may have planted: a symbolic link is refused (see
/// [`is_link_refusal`]), a FIFO does not block, a terminal does not become ours, no child inherits the descriptor.
pub fn careful_open() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits());
    options
}

/// The same, to append to a file that is created where it is absent, for everybody to read.
pub fn careful_append() -> OpenOptions {
    let mut options = careful_open();
    options.append(true).create(true).mode(0o644);
    options
}

/// Creates a file that nobody but us may write, whatever the umask allows, and everybody may read who may by it.
///
/// # Errors
/// Those of `open(2)`; there is one already.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)
}

/// Lets every user read a file, even if the umask says otherwise.
///
/// # Errors
/// Those of `fchmod(2)`.
pub fn make_readable_by_all(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Reads at a place in a file, without moving anybody's position in it: as much as one call gives, 0 at its end.
///
/// # Errors
/// Those of `pread(2)`, EINTR excepted.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Writes all of it at a place in a file, without moving anybody's position in it.
///
/// # Errors
/// Those of `pwrite(2)`.
pub fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// Opens a file that was named, through links, for reading: a FIFO is not waited on.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    OpenOptions::new().custom_flags(flags.bits()).read(true).open(path)
}

/// An operation of `flock(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flock {
    /// The lock, without waiting.
    TryExclusive,
    /// A shared one, without waiting.
    TryShared,
    /// The lock: waits for it, until a signal comes ([`io::ErrorKind::Interrupted`]).
    Exclusive,
    /// Unlocks, for every process that has the descriptor.
    Unlock,
}

/// Tries once; `false` if another process has the lock.
///
/// # Errors
/// Those of `flock(2)`.
pub fn flock(file: &File, what: Flock) -> io::Result<bool> {
    let operation = match what {
        Flock::TryExclusive => FlockOperation::NonBlockingLockExclusive,
        Flock::TryShared => FlockOperation::NonBlockingLockShared,
        Flock::Exclusive => FlockOperation::LockExclusive,
        Flock::Unlock => FlockOperation::Unlock,
    };
    match rustix::fs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Everything in a file, or in a pipe, that is no longer than `most` bytes.
///
/// # Errors
/// Those of `read(2)`; it is longer ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

/// Whether `error` says that a path was not opened because it is a symbolic link.
pub fn is_link_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Moves a file's descriptor to the first free number from `lowest` on, or to the first one after the standard streams if
/// the limit of descriptors (`ulimit -n`) is lower.
///
/// # Errors
/// EMFILE.
pub fn renumber(file: &File, lowest: i32) -> io::Result<File> {
    let above = |lowest| rustix::io::fcntl_dupfd_cloexec(file, lowest);
    Ok(above(lowest).or_else(|_| above(3))?.into())
}

/// Whether the descriptor was opened for writing.
pub fn is_writable(file: &File) -> bool {
    let flags = fcntl(file, FcntlArg::F_GETFL).map_or(OFlag::O_RDONLY, OFlag::from_bits_truncate);
    flags.intersects(OFlag::O_RDWR | OFlag::O_WRONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(is_link_refusal(&careful_open().read(true).open(&link).unwrap_err()));
    }
}
