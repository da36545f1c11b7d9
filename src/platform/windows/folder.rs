//! An open folder, for naming files in it. (Not there yet.)

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use super::descriptor::Descriptor;
use super::file::FileStatus;
use super::native::unsupported;

/// One folder, held open.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// The folder of what that path names, and the name in it.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn of(_path: &Path) -> io::Result<(Self, OsString)> {
        Err(unsupported("an open folder"))
    }

    /// The status of a name in it.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn look(&self, _name: &OsStr) -> io::Result<FileStatus> {
        Err(unsupported("an open folder"))
    }

    /// Opens a file in it for reading.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn read(&self, _name: &OsStr) -> io::Result<File> {
        Err(unsupported("an open folder"))
    }

    /// The same for reading and writing.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn write(&self, _name: &OsStr) -> io::Result<File> {
        Err(unsupported("an open folder"))
    }

    /// Creates a file in it.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn create(&self, _name: &OsStr) -> io::Result<File> {
        Err(unsupported("an open folder"))
    }

    /// Removes a file from it.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn remove(&self, _name: &OsStr) -> io::Result<()> {
        Err(unsupported("an open folder"))
    }

    /// Gives a file another name beside its own.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn link(&self, _name: &OsStr, _to: &OsStr) -> io::Result<()> {
        Err(unsupported("an open folder"))
    }

    /// Puts the file `new` in the place of `old`.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn replace(&self, _new: &OsStr, _old: &OsStr) -> io::Result<()> {
        Err(unsupported("an open folder"))
    }

    /// The same, and written out to the disk.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn replace_for_good(&self, _new: &OsStr, _old: &OsStr) -> io::Result<()> {
        Err(unsupported("an open folder"))
    }

    /// The open folder itself.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Its owner, its mode.
    ///
    /// # Errors
    /// Those of asking for it.
    pub fn status(&self) -> io::Result<FileStatus> {
        FileStatus::of_open(&self.0)
    }
}
