//! An open lock file, and the lock on it.
//!
//! Whoever holds the lock has the file open without sharing it (`CreateFileW`, `dwShareMode` 0), so that nobody else can open
//! it for reading or writing. COMMAND inherits that handle: the lock lasts until both have closed it, even if solobot is killed
//! first. A range lock would end with solobot (`LockFileEx`). Python's `filelock` and `msvcrt.locking` open the file before
//! they lock its first byte: neither they nor we get in where the other is.
//!
//! To look at the file, it is opened for its attributes alone, which sharing does not concern.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION, GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    READ_CONTROL,
};

use super::descriptor::Descriptor;
use super::file::{FileId, FileStatus};
use super::filesystem::{Flock, lock_range, path_of, unlock_range};
use super::folder::Folder;
use super::signals::is_interrupted_within;

/// What other programs lock: `msvcrt.locking` and `filelock` take the first byte.
const FIRST_BYTE: u64 = 0;
/// How long somebody may have the file open without a lock on it (a virus scanner, a program between its opening and its lock)
/// before that counts as a lock.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whatever others do with the file.
const ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// How often a file that is open elsewhere is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// An open lock file. Whoever inherits [`LockHandle::descriptor`] shares its lock.
#[derive(Debug)]
pub struct LockHandle {
    /// Open for its attributes alone, or for reading.
    file: File,
    path: PathBuf,
    /// It is open for reading.
    has_text: bool,
    /// Open without sharing, while the lock is held.
    held: Mutex<Option<File>>,
}

/// What a try to open the file without sharing it gave.
enum Taken {
    Yes(File),
    /// Somebody has it open.
    Open,
    /// Another file is at the path by now.
    Other,
}

impl LockHandle {
    /// Opens an existing file to lock it. `true`: its text is never written, so a read-only file serves as well.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn open(folder: &Folder, name: &OsStr) -> io::Result<(Self, bool)> {
        Ok((Self::of(folder.path_of(name))?, true))
    }

    /// Opens one to look at it.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn open_to_look(folder: &Folder, name: &OsStr) -> io::Result<Self> {
        let path = folder.path_of(name);
        // Another program's lock may have a text, which can be read unless the lock is held as solobot holds it. For so short a
        // time whoever wants the lock is patient.
        match options(GENERIC_READ, ALL).open(&path) {
            Ok(file) => Ok(Self { file, path, has_text: true, held: Mutex::new(None) }),
            Err(_) => Self::of(path),
        }
    }

    /// Open for its attributes alone.
    fn of(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: attributes_of(&path)?, path, has_text: false, held: Mutex::new(None) })
    }

    /// Creates one for locking, which is not there yet.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn create(folder: &Folder, name: &OsStr) -> io::Result<Self> {
        drop(folder.create(name)?);
        Self::of(folder.path_of(name))
    }

    /// Takes a file that another process has opened for locking, and locked.
    pub fn inherited(file: File) -> Self {
        let path = path_of(&file).unwrap_or_default();
        match attributes_of(&path) {
            Ok(look) => Self { file: look, path, has_text: false, held: Mutex::new(Some(file)) },
            // Nothing can be asked of it, but it is held.
            Err(_) => match file.try_clone() {
                Ok(look) => Self { file: look, path, has_text: false, held: Mutex::new(Some(file)) },
                Err(_) => Self { file, path, has_text: false, held: Mutex::new(None) },
            },
        }
    }

    /// As it is: handles have no numbers that a shell uses.
    ///
    /// # Errors
    /// None.
    pub fn renumbered(self, _lowest: i32) -> io::Result<Self> {
        Ok(self)
    }

    /// What somebody else may have written into it. We write nothing: nobody could read it while the lock is held.
    pub fn text(&self) -> Option<&File> {
        self.has_text.then_some(&self.file)
    }

    /// # Errors
    /// Those of `GetFileInformationByHandle`.
    pub fn status(&self) -> io::Result<FileStatus> {
        FileStatus::of_open(&self.file)
    }

    /// The file, open for its attributes, and perhaps for reading.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What COMMAND inherits, to share the lock; good until it is unlocked.
    pub fn descriptor(&self) -> Descriptor<'_> {
        match &*self.held() {
            // SAFETY: it stays open until `lock(Flock::Unlock)`, after which nobody passes it on.
            Some(file) => Descriptor::of_handle(unsafe { BorrowedHandle::borrow_raw(file.as_raw_handle()) }),
            None => Descriptor::of(&self.file),
        }
    }

    /// Locks or unlocks it; `false` if another process has the lock. Who waits tries again and again, until it is interrupted.
    ///
    /// # Errors
    /// Those of `CreateFileW` and `LockFileEx`.
    pub fn lock(&self, what: Flock) -> io::Result<bool> {
        match what {
            Flock::TryExclusive => self.take(),
            Flock::TryShared => Ok(self.held().is_none() && !self.is_locked()?),
            Flock::Exclusive => loop {
                if let Taken::Yes(file) = self.try_take()? {
                    *self.held() = Some(file);
                    return Ok(true);
                }
                // Nobody says when the file is closed.
                if is_interrupted_within(TRY_AGAIN) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            },
            Flock::Unlock => {
                *self.held() = None;
                Ok(true)
            }
        }
    }

    /// Whether anybody has the file open besides this handle; whoever holds its lock is the only one.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn is_open_elsewhere(&self) -> io::Result<bool> {
        Ok(self.held().is_none() && !matches!(self.try_take()?, Taken::Yes(_)))
    }

    /// Takes the lock; whoever has the file open and no lock on it is waited for a while.
    fn take(&self) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_take()? {
                Taken::Yes(file) => {
                    *self.held() = Some(file);
                    return Ok(true);
                }
                Taken::Other => return Ok(false),
                Taken::Open if self.is_locked()? || Instant::now() >= deadline => return Ok(false),
                Taken::Open => thread::sleep(TRY_AGAIN), // nobody says when the file is closed
            }
        }
    }

    fn try_take(&self) -> io::Result<Taken> {
        let open = |access| options(access, 0).open(&self.path);
        let opened = match open(GENERIC_READ | GENERIC_WRITE) {
            // A file that may only be read can be kept from others all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(GENERIC_READ),
            opened => opened,
        };
        match opened {
            Ok(file) if FileStatus::of_open(&file)?.id() == self.id()? => Ok(Taken::Yes(file)),
            Ok(_) => Ok(Taken::Other),
            Err(error) if is(&error, ERROR_SHARING_VIOLATION) => Ok(Taken::Open),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Taken::Other),
            // It is being deleted: its name goes when the last handle on it is closed.
            Err(_) if self.status().is_ok_and(|status| status.links() == 0) => Ok(Taken::Other),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody has it open without sharing it, or has locked its first byte.
    fn is_locked(&self) -> io::Result<bool> {
        let file = match options(GENERIC_READ, ALL).open(&self.path) {
            Ok(file) => file,
            Err(error) if is(&error, ERROR_SHARING_VIOLATION) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(_) if self.status().is_ok_and(|status| status.links() == 0) => return Ok(false),
            Err(error) => return Err(error),
        };
        match lock_range(&file, FIRST_BYTE, 0) {
            Ok(()) => unlock_range(&file, FIRST_BYTE).map(|()| false),
            Err(error) if is(&error, ERROR_LOCK_VIOLATION) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn id(&self) -> io::Result<FileId> {
        self.status().map(|status| status.id())
    }

    fn held(&self) -> MutexGuard<'_, Option<File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options(access: u32, share: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.access_mode(access).share_mode(share).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// A file, open for its attributes alone, which disturbs nobody who locks it.
fn attributes_of(path: &Path) -> io::Result<File> {
    match options(FILE_READ_ATTRIBUTES | READ_CONTROL, ALL).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options(FILE_READ_ATTRIBUTES, ALL).open(path),
        opened => opened,
    }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}
