//! An open lock file, and the lock on it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use super::descriptor::Descriptor;
use super::file::FileStatus;
use super::files::{Flock, flock, renumber};
use super::folder::Folder;
use crate::platform::host::filesystem::is_open_elsewhere;

/// An open lock file. The lock belongs to the open file: whoever inherits [`LockHandle::descriptor`] shares it.
#[derive(Debug)]
pub struct LockHandle(File);

impl LockHandle {
    /// Opens an existing file to lock it, and says whether it can be written.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn open(folder: &Folder, name: &OsStr) -> io::Result<(Self, bool)> {
        match folder.write(name) {
            Ok(file) => Ok((Self(file), true)),
            // What may only be read can be locked anyway.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok((Self(folder.read(name)?), false)),
            Err(error) => Err(error),
        }
    }

    /// Opens one to look at it.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn open_to_look(folder: &Folder, name: &OsStr) -> io::Result<Self> {
        // For reading alone: who watches the file takes an open for writing for somebody's try to take the lock.
        Ok(Self(folder.read(name)?))
    }

    /// Creates one for locking, which is not there yet.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn create(folder: &Folder, name: &OsStr) -> io::Result<Self> {
        Ok(Self(folder.create(name)?))
    }

    /// Takes a file that another process has opened for locking, and perhaps locked.
    pub fn inherited(file: File) -> Self {
        Self(file)
    }

    /// Moves it to the first free number from `lowest` on, or to another one if there is none.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn renumbered(self, lowest: i32) -> io::Result<Self> {
        renumber(&self.0, lowest).map(Self)
    }

    /// The file in which a PID can stand; `None` where its lock keeps everybody from reading it.
    pub fn text(&self) -> Option<&File> {
        Some(&self.0)
    }

    /// # Errors
    /// Those of `fstat(2)`.
    pub fn status(&self) -> io::Result<FileStatus> {
        FileStatus::of_open(&self.0)
    }

    /// The open file itself.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// What COMMAND inherits, to share the lock.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Locks or unlocks it; `false` if another process has the lock.
    ///
    /// # Errors
    /// Those of `flock(2)`.
    pub fn lock(&self, what: Flock) -> io::Result<bool> {
        flock(&self.0, what)
    }

    /// Whether anybody has the file open besides this handle.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn is_open_elsewhere(&self) -> io::Result<bool> {
        is_open_elsewhere(&self.0)
    }
}
