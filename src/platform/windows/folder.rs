//! An open folder, for naming files in it. While it is open, it and the folders above it keep their names (it is opened without
//! `FILE_SHARE_DELETE`), so a path through it leads to it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE,
    READ_CONTROL,
};

use super::descriptor::Descriptor;
use super::file::{FileKind, FileStatus};
use super::filesystem::{careful_open, refuse_link};

/// How long a file that somebody has open is tried again, before it is written over.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often.
const TRY_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Folder {
    folder: File,
    path: PathBuf,
}

impl Folder {
    /// The folder of what that path names, and the name in it. Of a path that ends in a slash the folder is itself.
    ///
    /// # Errors
    /// Those of `CreateFileW`; it is no folder.
    pub fn of(path: &Path) -> io::Result<(Self, OsString)> {
        let is_itself = path.as_os_str().as_encoded_bytes().last().is_some_and(|byte| b"/\\".contains(byte));
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if !is_itself => (folder, name.to_owned()),
            _ => (path, ".".into()),
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let path = std::path::absolute(folder)?;
        let opened = open(&path)?;
        if FileStatus::of_open(&opened)?.kind() != FileKind::Folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok((Self { folder: opened, path }, name))
    }

    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// The status of a name in it, without following a symbolic link.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn look(&self, name: &OsStr) -> io::Result<FileStatus> {
        FileStatus::of_entry(&self.path_of(name))
    }

    /// Opens a file in it for reading, as [`careful_open`] does.
    ///
    /// # Errors
    /// Those of `CreateFileW`; it is a symbolic link.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        refuse_link(careful_open().read(true).open(self.path_of(name))?)
    }

    /// The same for reading and writing.
    ///
    /// # Errors
    /// Those of `CreateFileW`; it is a symbolic link.
    pub fn write(&self, name: &OsStr) -> io::Result<File> {
        refuse_link(careful_open().read(true).write(true).open(self.path_of(name))?)
    }

    /// The same for reading, and for writing at the file's end.
    ///
    /// # Errors
    /// Those of `CreateFileW`; it is a symbolic link.
    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        refuse_link(careful_open().read(true).append(true).open(self.path_of(name))?)
    }

    /// Creates a file in it, which is not there yet.
    ///
    /// # Errors
    /// Those of `CreateFileW`.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        careful_open().read(true).write(true).create_new(true).open(self.path_of(name))
    }

    /// Removes a file from it.
    ///
    /// # Errors
    /// Those of `DeleteFileW`.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path_of(name))
    }

    /// Gives a file the name `to` beside its own, which nothing may have yet.
    ///
    /// # Errors
    /// Those of `CreateHardLinkW`.
    pub fn link(&self, name: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.path_of(name), self.path_of(to))
    }

    /// Puts the file `new` in the place of `old`, which may be absent; no reader ever finds half of it, unless somebody has kept
    /// `old` open for a second: then it is written over.
    ///
    /// # Errors
    /// Those of `MoveFileExW`; then those of writing.
    pub fn replace(&self, new: &OsStr, old: &OsStr) -> io::Result<()> {
        let (new, old) = (self.path_of(new), self.path_of(old));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fs::rename(&new, &old) {
                Err(error) if is_open(&error) && Instant::now() < deadline => {
                    thread::sleep(TRY_AGAIN); // nobody says when the file is closed
                }
                Err(error) if is_open(&error) => {
                    fs::write(&old, fs::read(&new)?)?;
                    return fs::remove_file(&new);
                }
                renamed => return renamed,
            }
        }
    }

    /// The same, and written out to the disk.
    ///
    /// # Errors
    /// As [`Folder::replace`]; those of `FlushFileBuffers`.
    pub fn replace_for_good(&self, new: &OsStr, old: &OsStr) -> io::Result<()> {
        self.replace(new, old)?;
        self.write(old)?.sync_all()
    }

    /// The open folder itself, to ask for its file system.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.folder)
    }

    /// Its owner, its rights.
    ///
    /// # Errors
    /// Those of `GetFileInformationByHandle`.
    pub fn status(&self) -> io::Result<FileStatus> {
        FileStatus::of_open(&self.folder)
    }
}

/// Of a file that somebody has open a rename says either.
fn is_open(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
        || error.raw_os_error() == Some(ERROR_SHARING_VIOLATION.cast_signed())
}

fn open(path: &Path) -> io::Result<File> {
    let with = |access| {
        let mut options = OpenOptions::new();
        options.access_mode(access).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
    };
    // Only who may list it can keep its name; who may not can use it all the same.
    with(FILE_LIST_DIRECTORY | READ_CONTROL).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => with(FILE_READ_ATTRIBUTES),
        _ => Err(error),
    })
}
