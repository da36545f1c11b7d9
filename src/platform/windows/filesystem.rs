//! File systems; opening files that somebody else may have put there. (Not there yet.)

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::windows::fs::FileExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_LOCK_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::descriptor::Descriptor;
use super::native::{succeeded, unsupported};
use super::signals::is_interrupted_within;

/// The name of the network file system that the open file is on.
///
/// # Errors
/// None.
pub fn network_fs(_file: &File) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// The name of the kernel's file system.
///
/// # Errors
/// None.
pub fn kernel_fs(_file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// The name of the file system that does not survive a reboot.
///
/// # Errors
/// None.
pub fn volatile_fs(_file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Options for opening a path that another user may have planted.
pub fn careful_open() -> OpenOptions {
    OpenOptions::new()
}

/// The same, to append.
pub fn careful_append() -> OpenOptions {
    let mut options = careful_open();
    options.append(true).create(true);
    options
}

/// Creates a file.
///
/// # Errors
/// There is one already.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Lets every user read a file.
///
/// # Errors
/// None.
pub fn make_readable_by_all(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Reads at a place in a file.
///
/// # Errors
/// Those of reading.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

/// Writes all of it at a place in a file.
///
/// # Errors
/// Those of writing.
pub fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// The path of a descriptor of the calling shell.
///
/// # Errors
/// Always `Unsupported`.
pub fn path_of_descriptor(_number: i32) -> io::Result<PathBuf> {
    Err(unsupported("a descriptor of the calling shell"))
}

/// The path of the current folder.
///
/// # Errors
/// Those of asking for it.
pub fn path_of_current_folder() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// Opens a file that was named.
///
/// # Errors
/// Those of opening it.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a regular file that was only found.
///
/// # Errors
/// Those of opening it.
pub fn open_regular(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a regular file that another user has named.
///
/// # Errors
/// Those of opening it.
pub fn open_named(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// An operation on the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flock {
    TryExclusive,
    TryShared,
    Exclusive,
    Unlock,
}

/// How often a lock that is waited for is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Tries once; `false` if another process has the lock.
///
/// # Errors
/// Those of `LockFileEx`; [`io::ErrorKind::Interrupted`].
pub fn flock(file: &File, what: Flock) -> io::Result<bool> {
    let mut place = OVERLAPPED::default();
    let handle = file.as_raw_handle();
    let flags = match what {
        Flock::Unlock => {
            // SAFETY: the file is open, and `place` lives until the call returns.
            return succeeded(unsafe { UnlockFileEx(handle, 0, 1, 0, &raw mut place) }).map(|()| true);
        }
        Flock::TryShared => LOCKFILE_FAIL_IMMEDIATELY,
        Flock::TryExclusive | Flock::Exclusive => LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK,
    };
    loop {
        // SAFETY: the file is open, and `place` lives until the call returns, because it is not asynchronous.
        match succeeded(unsafe { LockFileEx(handle, flags, 0, 1, 0, &raw mut place) }) {
            Ok(()) => return Ok(true),
            Err(error) if error.raw_os_error() != Some(ERROR_LOCK_VIOLATION.cast_signed()) => return Err(error),
            Err(_) if what != Flock::Exclusive => return Ok(false),
            Err(_) if is_interrupted_within(TRY_EVERY) => return Err(io::ErrorKind::Interrupted.into()),
            Err(_) => {}
        }
    }
}

/// Everything in a file that is no longer than `most` bytes.
///
/// # Errors
/// Those of reading; it is longer.
pub fn read_bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

/// Whether a path was not opened because it is a symbolic link.
pub fn is_link_refusal(_error: &io::Error) -> bool {
    false
}

/// Numbers of handles cannot be chosen.
///
/// # Errors
/// Those of duplicating it.
pub fn renumber(file: &File, _lowest: i32) -> io::Result<File> {
    file.try_clone()
}

/// Opens a file once more.
///
/// # Errors
/// Always `Unsupported`.
pub fn reopen(_file: &File) -> io::Result<(File, bool)> {
    Err(unsupported("opening an open file again"))
}

/// Whether the file was opened for writing.
pub fn is_writable(_file: &File) -> bool {
    true
}

/// Whether anybody else has the file open.
///
/// # Errors
/// Always `Unsupported`.
pub fn is_open_elsewhere(_file: &File) -> io::Result<bool> {
    Err(unsupported("who else has a file open"))
}
