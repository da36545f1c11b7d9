//! What is known about a file: its identity, its kind, its owner, and who else can write it.

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::user::Credentials;
use crate::base::error::typed;
use crate::platform::host::ownership::has_private_group;

/// Mode bits of `inode(7)`.
const STICKY: u32 = 0o1000;
const GROUP_WRITABLE: u32 = 0o020;
const WORLD_WRITABLE: u32 = 0o002;
const WORLD_READABLE: u32 = 0o004;

/// What identifies a file as long as it is there: device and inode number, as `stat(2)` says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

impl FileId {
    /// The identity of the file at that path, symlinks followed.
    pub fn of(path: &Path) -> Option<Self> {
        FileStatus::of(path).ok().map(|status| status.id())
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

/// What a look at a file has shown: what std knows of it, and what differs between platforms.
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
    /// Those of `stat(2)`.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self)
    }

    /// The status of what is at the path, without following a symbolic link.
    ///
    /// # Errors
    /// Those of `lstat(2)`.
    pub fn of_entry(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(Self)
    }

    /// The status of an open file.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn of_open(file: &File) -> io::Result<Self> {
        file.metadata().map(Self)
    }

    pub fn id(&self) -> FileId {
        FileId { device: self.dev(), inode: self.ino() }
    }

    /// What it is.
    pub fn kind(&self) -> FileKind {
        let kind = self.file_type();
        if kind.is_file() {
            FileKind::Plain
        } else if kind.is_dir() {
            FileKind::Folder
        } else if kind.is_symlink() {
            FileKind::Link
        } else if kind.is_fifo() {
            FileKind::Fifo
        } else if kind.is_socket() {
            FileKind::Socket
        } else if kind.is_char_device() {
            FileKind::CharDevice
        } else {
            FileKind::BlockDevice
        }
    }

    /// The uid of its owner.
    pub fn owner(&self) -> u32 {
        self.uid()
    }

    /// How many names it has; 0 for one that has been removed.
    pub fn links(&self) -> u64 {
        self.nlink()
    }

    /// Whether every user may write it; of a folder, create files in it.
    pub fn is_writable_by_all(&self) -> bool {
        self.mode() & WORLD_WRITABLE != 0
    }

    /// Whether users other than its owner can write it because of their group. Not if the group is the owner's private one.
    /// `path` is the path of the file.
    pub fn is_writable_by_group(&self, path: &Path) -> bool {
        self.mode() & GROUP_WRITABLE != 0 && !has_private_group(path, self.uid(), self.gid())
    }

    /// Who else may write it, and the command that forbids them to, with the path in it.
    pub fn other_writers(&self, path: &Path) -> Option<(String, String)> {
        let (who, change) = match (self.is_writable_by_group(path), self.is_writable_by_all()) {
            (false, false) => return None,
            (true, false) => ("its group", "g-w"),
            (false, true) => ("every user", "o-w"),
            (true, true) => ("every user", "go-w"),
        };
        Some((who.to_owned(), format!("chmod {change} {}", typed(path))))
    }

    /// Whether every user may read it.
    pub fn is_readable_by_all(&self) -> bool {
        self.mode() & WORLD_READABLE != 0
    }

    /// Whether a process of these credentials may read it.
    pub fn is_readable_by(&self, by: &Credentials) -> bool {
        let bit = if by.uid == self.uid() {
            0o400
        } else if by.groups.contains(&self.gid()) {
            0o040
        } else {
            0o004
        };
        by.uid == 0 || self.mode() & bit != 0
    }

    /// Of a folder: only the owner of an entry may remove or rename it.
    pub fn is_sticky(&self) -> bool {
        self.mode() & STICKY != 0
    }

    /// When its content, its name or its mode was changed last; `None` before 1970.
    pub fn changed(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(self.ctime()).ok()?))
    }

    pub(super) fn group(&self) -> u32 {
        self.gid()
    }
}
