//! What is known about a file: its identity, its kind, its owner, and who else can write it.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::time::SystemTime;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_STANDARD_INFO, FileStandardInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, READ_CONTROL,
};

use super::native::succeeded;
use super::ownership::FileRights;
use super::user::{self, Credentials};
use crate::base::error::typed;

/// What identifies a file as long as it is there: `BY_HANDLE_FILE_INFORMATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The serial number of its volume.
    pub device: u64,
    /// Its index in the volume.
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
pub struct FileStatus {
    meta: Metadata,
    id: FileId,
    links: u64,
    access: FileRights,
}

impl Deref for FileStatus {
    type Target = Metadata;

    fn deref(&self) -> &Metadata {
        &self.meta
    }
}

impl FileStatus {
    /// The status of what the path leads to.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::of_open(&open(path, 0)?)
    }

    /// The status of what is at the path, without following a symbolic link or a junction.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn of_entry(path: &Path) -> io::Result<Self> {
        Self::of_open(&open(path, FILE_FLAG_OPEN_REPARSE_POINT)?)
    }

    /// The status of an open file.
    ///
    /// # Errors
    /// Those of `GetFileInformationByHandle`.
    pub fn of_open(file: &File) -> io::Result<Self> {
        let handle = file.as_raw_handle();
        let mut info = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the handle is open, and the structure is ours.
        succeeded(unsafe { GetFileInformationByHandle(handle, &raw mut info) })?;
        let mut standard = FILE_STANDARD_INFO::default();
        let size = size_of::<FILE_STANDARD_INFO>() as u32;
        // SAFETY: the handle is open, and the structure is ours and of that size.
        let known = unsafe { GetFileInformationByHandleEx(handle, FileStandardInfo, (&raw mut standard).cast(), size) };
        let is_deleted = known != 0 && standard.DeletePending;
        Ok(Self {
            meta: file.metadata()?,
            id: FileId {
                device: info.dwVolumeSerialNumber.into(),
                inode: u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow),
            },
            links: if is_deleted { 0 } else { info.nNumberOfLinks.into() },
            access: FileRights::of(file, info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0),
        })
    }

    pub fn id(&self) -> FileId {
        self.id
    }

    /// What it is.
    pub fn kind(&self) -> FileKind {
        let kind = self.file_type();
        if kind.is_symlink() {
            FileKind::Link
        } else if kind.is_dir() {
            FileKind::Folder
        } else if kind.is_file() {
            FileKind::Plain
        } else {
            FileKind::CharDevice
        }
    }

    /// The number of its owner, as [`super::user`] counts users.
    pub fn owner(&self) -> u32 {
        self.access.owner
    }

    /// How many names it has; 0 for one that has been removed.
    pub fn links(&self) -> u64 {
        self.links
    }

    /// Whether every user may write it; of a folder, create files in it.
    pub fn is_writable_by_all(&self) -> bool {
        self.access.others.is_writable_by_all
    }

    /// Whether users other than its owner and the administrators may write it.
    pub fn is_writable_by_group(&self, _path: &Path) -> bool {
        !self.access.others.writers.is_empty()
    }

    /// Who else may write it, and the command that forbids them to, with the path in it.
    pub fn other_writers(&self, path: &Path) -> Option<(String, String)> {
        let writers = &self.access.others.writers;
        let names = || writers.iter().map(|&writer| user::name(writer)).collect::<Vec<_>>().join(", ");
        let who = if self.is_writable_by_all() { "every user".to_owned() } else { names() };
        let sids = writers.iter().filter_map(|&writer| user::sid(writer)).map(|sid| format!(" *{sid}"));
        // What is inherited becomes the file's own first: it cannot be removed otherwise.
        let change = format!("icacls {} /inheritance:d /remove:g{}", typed(path), sids.collect::<String>());
        (!writers.is_empty()).then_some((who, change))
    }

    /// Whether every user may read it.
    pub fn is_readable_by_all(&self) -> bool {
        self.access.others.is_readable_by_all
    }

    /// Whether a process of these credentials may read it, as far as its owner tells.
    pub fn is_readable_by(&self, by: &Credentials) -> bool {
        by.uid == 0 || by.uid == self.owner() || self.is_readable_by_all()
    }

    /// Windows has no folders in which only the owner of an entry may remove it.
    pub fn is_sticky(&self) -> bool {
        false
    }

    /// When its content was changed last: of its name and its rights the time is not shown.
    pub fn changed(&self) -> Option<SystemTime> {
        self.modified().ok()
    }
}

fn open(path: &Path, flags: u32) -> io::Result<File> {
    let with = |access| {
        let flags = FILE_FLAG_BACKUP_SEMANTICS | flags;
        OpenOptions::new().access_mode(access).custom_flags(flags).open(path)
    };
    match with(FILE_READ_ATTRIBUTES | READ_CONTROL) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => with(FILE_READ_ATTRIBUTES),
        opened => opened,
    }
}
