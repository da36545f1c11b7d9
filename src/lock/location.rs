//! The place of a lock: its folder, opened once, and its name in there.
//!
//! Invariant: every file that is opened, created, renamed or removed for a lock, or given to another user, is named relative
//! to that descriptor. The owner of a folder above can make the path lead elsewhere at any moment, and solobot would act
//! there with its own rights. Only whether the path still leads to the lock is asked by path.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Error;
use crate::platform::descriptor::Descriptor;
use crate::platform::filesystem::{self, Folder};

/// A path, its folder and its name in it.
#[derive(Debug)]
pub struct Location {
    path: PathBuf,
    folder: Folder,
    name: OsString,
}

impl Location {
    /// Opens the folder, which must be one for files.
    ///
    /// # Errors
    /// `Io` if it cannot be opened, with `NotFound` if there is none; `KernelFs`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (folder, name) = Folder::of(path).map_err(|error| Error::io("look at lock", path, error))?;
        let location = Self { path: path.to_owned(), folder, name };
        location.require_fs_for_files(location.folder.descriptor())?;
        Ok(location)
    }

    /// Refuses procfs, sysfs and their like, where to create, to open or to write a file can have any effect. `file` is the
    /// folder, or the lock: one file can be mounted alone.
    ///
    /// # Errors
    /// `KernelFs`.
    pub fn require_fs_for_files(&self, file: Descriptor<'_>) -> Result<(), Error> {
        match filesystem::kernel_fs(file) {
            Ok(Some(kind)) => Err(Error::KernelFs { path: self.path.clone(), kind }),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The name of what lies beside the lock under its name and this ending.
    pub fn beside(&self, ending: &str) -> OsString {
        let mut name = self.name.clone();
        name.push(ending);
        name
    }
}
