//! Being woken when a file changes. (Not there yet.)

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use super::descriptor::Descriptor;
use super::native::unsupported;

/// Watches files.
#[derive(Debug)]
pub struct Watch(Infallible);

/// One watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(u32);

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchEvents {
    /// Somebody who had opened the file for writing closed it.
    pub opened: bool,
    /// Somebody who had opened it for reading closed it.
    pub read: bool,
    /// Content, links or name changed.
    pub changed: bool,
}

impl Watch {
    /// A watch on nothing yet.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn new() -> io::Result<Self> {
        Err(unsupported("a watch"))
    }

    /// Watches a file.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn add(&self, _path: &Path, _opens: bool) -> io::Result<WatchId> {
        match self.0 {}
    }

    /// The same for an open file.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_open(&self, _file: &File, _opens: bool) -> io::Result<WatchId> {
        match self.0 {}
    }

    /// Watches a folder for its own renaming and removal.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_moves(&self, _path: &Path) -> io::Result<WatchId> {
        match self.0 {}
    }

    /// Watches a folder for entries.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_folder(&self, _path: &Path) -> io::Result<WatchId> {
        match self.0 {}
    }

    /// Takes what has happened since the last call.
    pub fn take(&self) -> WatchEvents {
        match self.0 {}
    }

    /// The same for these names.
    pub fn take_of(&self, _is_meant: &dyn Fn(&OsStr) -> bool) -> WatchEvents {
        match self.0 {}
    }

    /// Readable when something has happened.
    pub fn descriptor(&self) -> Descriptor<'_> {
        match self.0 {}
    }
}
