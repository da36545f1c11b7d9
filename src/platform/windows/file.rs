//! What is known about a file. (Not there yet.)

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::SystemTime;

use super::user::Credentials;

/// What identifies a file as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    /// The identity of the file at that path.
    pub fn of(_path: &Path) -> Option<Self> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Plain,
    Folder,
    Link,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// What a look at a file has shown.
#[derive(Debug, Clone)]
pub struct FileStatus(Metadata);

impl Deref for FileStatus {
    type Target = Metadata;

    fn deref(&self) -> &Metadata {
        &self.0
    }
}

impl FileStatus {
    /// The status of what the path leads to.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self)
    }

    /// The status of what is at the path, without following a symbolic link.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn of_entry(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(Self)
    }

    /// The status of an open file.
    ///
    /// # Errors
    /// Those of asking for it.
    pub fn of_open(file: &File) -> io::Result<Self> {
        file.metadata().map(Self)
    }

    pub fn id(&self) -> FileId {
        FileId { device: 0, inode: 0 }
    }

    /// What it is.
    pub fn kind(&self) -> FileKind {
        let kind = self.file_type();
        if kind.is_dir() {
            FileKind::Folder
        } else if kind.is_symlink() {
            FileKind::Link
        } else {
            FileKind::Plain
        }
    }

    /// Its owner.
    pub fn owner(&self) -> u32 {
        1000
    }

    /// How many names it has.
    pub fn links(&self) -> u64 {
        1
    }

    /// Whether every user may write it.
    pub fn is_writable_by_all(&self) -> bool {
        false
    }

    /// Whether users other than its owner can write it.
    pub fn is_writable_by_group(&self, _path: &Path) -> bool {
        false
    }

    /// Whether every user may read it.
    pub fn is_readable_by_all(&self) -> bool {
        true
    }

    /// Whether a process of these credentials may read it.
    pub fn is_readable_by(&self, _by: &Credentials) -> bool {
        true
    }

    /// Whether only the owner of an entry may remove or rename it.
    pub fn is_sticky(&self) -> bool {
        false
    }

    /// When it was changed last.
    pub fn changed(&self) -> Option<SystemTime> {
        self.modified().ok()
    }
}
