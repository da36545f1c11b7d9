//! An open folder, for naming files in it: it stays the same folder even if its path changes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::retry_on_intr;

use super::descriptor::Descriptor;
use super::file::FileStatus;
use super::user;
use crate::platform::host::filesystem::{open_folder, status_in};

/// One folder, held open.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// The folder of what that path names, and the name in it. Of a path that ends in a slash the folder is itself.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn of(path: &Path) -> io::Result<(Self, OsString)> {
        let bytes = path.as_os_str().as_bytes();
        let (folder, name) = bytes.split_at(bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1));
        let or_itself = |bytes: &[u8]| OsString::from_vec(if bytes.is_empty() { b".".into() } else { bytes.into() });
        Ok((Self(open_folder(&or_itself(folder))?), or_itself(name)))
    }

    /// The status of a name in it, without following a symbolic link.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn look(&self, name: &OsStr) -> io::Result<FileStatus> {
        status_in(&self.0, name)
    }

    /// Opens a file in it for reading, as `careful_open` does.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        self.open(name, OFlags::RDONLY)
    }

    /// The same for reading and writing.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn write(&self, name: &OsStr) -> io::Result<File> {
        self.open(name, OFlags::RDWR)
    }

    /// The same for reading, and for writing at the file's end.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        self.open(name, OFlags::RDWR | OFlags::APPEND)
    }

    /// Creates a file in it, which is not there yet. What root creates in a user's own folder is given to that user, who
    /// could not use it otherwise.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let file = self.open(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        if user::effective_uid() == 0
            && let Ok(folder) = self.status()
            && folder.owner() != 0
            && !folder.is_sticky()
        {
            let _ = std::os::unix::fs::fchown(&file, Some(folder.owner()), Some(folder.group()));
        }
        Ok(file)
    }

    fn open(&self, name: &OsStr, how: OFlags) -> io::Result<File> {
        let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| openat(&self.0, name, how, Mode::from_raw_mode(0o644)))?.into())
    }

    /// Removes a file from it.
    ///
    /// # Errors
    /// Those of `unlink(2)`.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Gives a file the name `to` beside its own, which nothing may have yet.
    ///
    /// # Errors
    /// Those of `link(2)`.
    pub fn link(&self, name: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(linkat(&self.0, name, &self.0, to, AtFlags::empty())?)
    }

    /// Puts the file `new` in the place of `old`, which may be absent; no reader ever finds half of it.
    ///
    /// The two are exchanged and the old one is removed: ext4 writes a file out at once that is renamed over another
    /// (`auto_da_alloc`, `ext4(5)`), which takes several times as long as everything else between start and lock. What
    /// cannot be removed (a folder) gets its name back.
    ///
    /// # Errors
    /// Those of `renameat2(2)` and `rename(2)`.
    pub fn replace(&self, new: &OsStr, old: &OsStr) -> io::Result<()> {
        let rename = |flags| renameat_with(&self.0, new, &self.0, old, flags);
        if rename(RenameFlags::NOREPLACE).is_ok() {
            return Ok(());
        }
        match rename(RenameFlags::EXCHANGE) {
            Ok(()) => self.remove(new).inspect_err(|_| {
                let _ = rename(RenameFlags::EXCHANGE);
            }),
            // Removed meanwhile, or a file system that knows no such flags.
            Err(_) => Ok(renameat(&self.0, new, &self.0, old)?),
        }
    }

    /// The same, and written out to the disk: whatever ends the machine, the name means one of the two files, and after this
    /// returned the new one. The content of `new` is for the caller to write out before.
    ///
    /// # Errors
    /// Those of `rename(2)`; of opening the folder for reading, and of `fsync(2)`, after which it is unknown which one stays.
    pub fn replace_for_good(&self, new: &OsStr, old: &OsStr) -> io::Result<()> {
        let look = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // A folder that is open as a path only cannot be written out.
        let folder = openat(&self.0, c".", look, Mode::empty())?;
        renameat(&self.0, new, &self.0, old)?;
        Ok(fsync(&folder)?)
    }

    /// The open folder itself, to ask for its file system.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Its owner, its mode.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn status(&self) -> io::Result<FileStatus> {
        FileStatus::of_open(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_path_is_taken_apart_as_the_kernel_does() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("l"), "").unwrap();
        let of = |end: &str| Folder::of(&root.path().join(end));
        let kind = |end: &str| of(end).map(|(folder, name)| folder.look(&name).map(|meta| meta.is_file()).ok());
        assert_eq!(
            [kind("l").unwrap(), kind("none").unwrap(), kind("").unwrap(), kind(".").unwrap(), kind("..").unwrap()],
            [Some(true), None, Some(false), Some(false), Some(false)]
        );
        for end in ["l/", "l/.", "l/x"] {
            assert_eq!(of(end).unwrap_err().kind(), io::ErrorKind::NotADirectory, "{end}");
        }
    }

    #[test]
    fn a_file_is_replaced_and_a_folder_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        let replace = || Folder::of(&new).unwrap().0.replace("new".as_ref(), "old".as_ref());
        for text in ["first", "second"] {
            fs::write(&new, text).unwrap();
            replace().unwrap();
            assert_eq!((fs::read_to_string(&old).unwrap().as_str(), new.exists()), (text, false));
        }
        fs::write(&new, "third").unwrap();
        fs::remove_file(&old).unwrap();
        fs::create_dir(&old).unwrap();
        replace().unwrap_err();
        assert!(old.is_dir() && new.is_file());
    }
}
