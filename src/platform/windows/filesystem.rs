//! File systems, and which of them do not exclude reliably; opening files that somebody else may have put there.

use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, ERROR_STOPPED_ON_SYMLINK};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_TYPE_DISK, GetFileType, GetFinalPathNameByHandleW, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::descriptor::Descriptor;
use super::file::{FileKind, FileStatus};
use super::native::{succeeded, unsupported};

/// A byte that no file reaches: on Windows nobody can read what is locked.
const BEYOND: u64 = 1 << 62;

/// The name of the network file system that the open file is on; `None` for a local one.
///
/// # Errors
/// Those of `GetFinalPathNameByHandleW`.
pub fn network_fs(file: &File) -> io::Result<Option<&'static str>> {
    Ok(path_of(file)?.as_os_str().as_encoded_bytes().starts_with(br"\\?\UNC\").then_some("SMB"))
}

/// No file system of Windows is the kernel's.
///
/// # Errors
/// None.
pub fn kernel_fs(_file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// No file system of Windows is emptied by a reboot.
///
/// # Errors
/// None.
pub fn volatile_fs(_file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// The path of an open file, as `\\?\C:\…` or `\\?\UNC\…`.
///
/// # Errors
/// Those of `GetFinalPathNameByHandleW`.
pub(super) fn path_of(file: &File) -> io::Result<PathBuf> {
    let mut buffer = vec![0_u16; 512];
    loop {
        let room = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the handle is open, and the buffer is ours and has that room.
        let length = unsafe { GetFinalPathNameByHandleW(file.as_raw_handle(), buffer.as_mut_ptr(), room, 0) } as usize;
        match length {
            0 => return Err(io::Error::last_os_error()),
            // With the NUL where there was no room for it.
            length if length >= buffer.len() => buffer.resize(length + 1, 0),
            length => return Ok(OsString::from_wide(&buffer[..length]).into()),
        }
    }
}

/// Options for opening a path that another user may have planted: a symbolic link is opened itself, and not followed (see
/// [`refuse_link`]).
pub fn careful_open() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// The same, to append to a file that is created where it is absent.
pub fn careful_append() -> OpenOptions {
    let mut options = careful_open();
    options.append(true).create(true);
    options
}

/// Creates a file; who may read it is its folder's to say.
///
/// # Errors
/// Those of `CreateFileW`; there is one already.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Who may read a file is its folder's to say.
///
/// # Errors
/// None.
pub fn make_readable_by_all(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Reads at a place in a file, and leaves our position in it where it was: as much as one call gives, 0 at its end.
///
/// # Errors
/// Those of `ReadFile` and `SetFilePointerEx`.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut positioned = file;
    let before = positioned.stream_position()?;
    let length = file.seek_read(buffer, at)?;
    positioned.seek(SeekFrom::Start(before))?;
    Ok(length)
}

/// Writes all of it at a place in a file.
///
/// # Errors
/// Those of `WriteFile`.
pub fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], at + written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => written += count,
        }
    }
    Ok(())
}

/// No shell of Windows passes files on by number.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn path_of_descriptor(_number: i32) -> io::Result<PathBuf> {
    Err(unsupported("a descriptor of the calling shell"))
}

/// The path of the current folder.
///
/// # Errors
/// Those of `GetCurrentDirectoryW`.
pub fn path_of_current_folder() -> io::Result<PathBuf> {
    env::current_dir()
}

/// Opens a file that was named, through links, for reading.
///
/// # Errors
/// Those of `CreateFileW`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a regular file that was only found, and that another user may have planted; refuses anything else.
///
/// # Errors
/// Those of `CreateFileW`; it is a symbolic link, a device or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(refuse_link(careful_open().read(true).open(path)?)?)
}

/// Opens a regular file that another user has named, following symbolic links; refuses anything else.
///
/// # Errors
/// Those of `CreateFileW`; it is not a regular file.
pub fn open_named(path: &Path) -> io::Result<File> {
    regular(File::open(path)?)
}

fn regular(file: File) -> io::Result<File> {
    // SAFETY: the handle is open.
    let is_on_a_disk = unsafe { GetFileType(file.as_raw_handle()) } == FILE_TYPE_DISK;
    if is_on_a_disk && file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Refuses a symbolic link that was opened itself.
///
/// # Errors
/// It is one ([`is_link_refusal`]).
pub(super) fn refuse_link(file: File) -> io::Result<File> {
    match FileStatus::of_open(&file)?.kind() {
        FileKind::Link => Err(io::Error::from_raw_os_error(ERROR_STOPPED_ON_SYMLINK.cast_signed())),
        _ => Ok(file),
    }
}

/// What is asked of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flock {
    /// The lock, without waiting.
    TryExclusive,
    /// A shared one, without waiting.
    TryShared,
    /// The lock: waits for it, until something comes in between ([`io::ErrorKind::Interrupted`]).
    Exclusive,
    /// Unlocks.
    Unlock,
}

/// Locks a file of ours among ourselves, and lets everybody read and write it; `false` if another process has the lock.
///
/// # Errors
/// Those of `LockFileEx`.
pub fn flock(file: &File, what: Flock) -> io::Result<bool> {
    let locked = match what {
        Flock::TryExclusive | Flock::Exclusive => lock_range(file, BEYOND, LOCKFILE_EXCLUSIVE_LOCK),
        Flock::TryShared => lock_range(file, BEYOND, 0),
        Flock::Unlock => unlock_range(file, BEYOND),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION.cast_signed()) => match what {
            Flock::Exclusive => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(false),
        },
        Err(error) => Err(error),
    }
}

/// Locks one byte without waiting; `flags` say whether alone.
///
/// # Errors
/// Those of `LockFileEx`: `ERROR_LOCK_VIOLATION` if another one has it.
pub(super) fn lock_range(file: &File, at: u64, flags: u32) -> io::Result<()> {
    let mut place = place(at);
    // SAFETY: the handle is open, and the structure is ours.
    let locked = succeeded(unsafe {
        LockFileEx(file.as_raw_handle(), flags | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &raw mut place)
    });
    locked.map_err(|error| match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_IO_PENDING) => io::Error::from_raw_os_error(ERROR_LOCK_VIOLATION.cast_signed()),
        _ => error,
    })
}

/// # Errors
/// Those of `UnlockFileEx`.
pub(super) fn unlock_range(file: &File, at: u64) -> io::Result<()> {
    let mut place = place(at);
    // SAFETY: the handle is open, and the structure is ours.
    succeeded(unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &raw mut place) })
}

fn place(at: u64) -> OVERLAPPED {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.Offset = (at & u64::from(u32::MAX)) as u32;
    place.Anonymous.Anonymous.OffsetHigh = (at >> 32) as u32;
    place
}

/// Everything in a file, or in a pipe, that is no longer than `most` bytes.
///
/// # Errors
/// Those of `ReadFile`; it is longer ([`io::ErrorKind::FileTooLarge`]).
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
    error.raw_os_error() == Some(ERROR_STOPPED_ON_SYMLINK.cast_signed())
}

/// No shell of Windows passes files on by number.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn reopen(_file: &File) -> io::Result<(File, bool)> {
    Err(unsupported("opening a file once more"))
}

/// Whether a lock's text can be written: it has none.
pub fn is_writable(_file: &File) -> bool {
    true
}
