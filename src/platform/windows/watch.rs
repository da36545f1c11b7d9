//! Nobody wakes us when a file changes: whoever wants to know looks again.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use super::descriptor::Descriptor;
use super::native::unsupported;

/// Cannot be made.
#[derive(Debug)]
pub enum Watch {}

/// One watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(());

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
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn new() -> io::Result<Self> {
        Err(unsupported("watching files"))
    }

    /// # Errors
    /// None: there is no such value.
    pub fn add(&self, _path: &Path, _opens: bool) -> io::Result<WatchId> {
        match *self {}
    }

    /// # Errors
    /// None: there is no such value.
    pub fn add_open(&self, _file: &File, _opens: bool) -> io::Result<WatchId> {
        match *self {}
    }

    /// # Errors
    /// None: there is no such value.
    pub fn add_moves(&self, _path: &Path) -> io::Result<WatchId> {
        match *self {}
    }

    /// # Errors
    /// None: there is no such value.
    pub fn add_folder(&self, _path: &Path) -> io::Result<WatchId> {
        match *self {}
    }

    pub fn take(&self) -> WatchEvents {
        match *self {}
    }

    pub fn take_of(&self, _is_meant: &dyn Fn(&OsStr) -> bool) -> WatchEvents {
        match *self {}
    }

    pub fn descriptor(&self) -> Descriptor<'_> {
        match *self {}
    }
}
