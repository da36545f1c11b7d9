//! File systems, and which of them do not exclude reliably; opening files by what the kernel says of them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::statfs::fstatfs;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};

use super::descriptor::{Descriptor, duplicate};
use super::file::{FileId, FileStatus};
use super::identity::own_pid;
use super::open_files;
use super::openers::openers;
pub use crate::platform::unix::files::{
    Flock, careful_append, careful_open, create_new, flock, is_link_refusal, is_writable, make_readable_by_all,
    open_without_waiting, read_at, read_bounded, write_all_at,
};

/// File systems by which `flock(2)` may not exclude other hosts: `f_fstypename` of `statfs(2)`.
const NETWORK: &[(&str, &str)] = &[
    ("nfs", "NFS"),
    ("smbfs", "SMB"),
    ("cifs", "CIFS"),
    ("afpfs", "AFP"),
    ("webdav", "WebDAV"),
    ("ftp", "FTP"),
    ("acfs", "Xsan"),
    ("macfuse", "FUSE"),
    ("osxfuse", "FUSE"),
];

/// File systems of the kernel.
const KERNEL: &[(&str, &str)] = &[("devfs", "devfs"), ("fdesc", "fdesc"), ("autofs", "autofs")];

/// File systems that a reboot empties. A disk in memory (`hdiutil attach ram://`) looks like any other.
const VOLATILE: &[(&str, &str)] = &[("tmpfs", "tmpfs")];

/// How often a name is looked at again that is just being replaced.
const ATTEMPTS: usize = 16;

/// The name of the network file system that the open file is on; `None` for a local one.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn network_fs(file: &File) -> io::Result<Option<&'static str>> {
    let named = named_in(NETWORK, fstatfs(file)?.filesystem_type_name());
    let is_local = rustix::fs::fstatfs(file)?.f_flags & libc::MNT_LOCAL.cast_unsigned() != 0;
    Ok(named.or((!is_local).then_some("a network file system")))
}

/// The name of the kernel's file system that the file or folder is on; `None` for a normal file system.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn kernel_fs(file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(named_in(KERNEL, fstatfs(file.fd())?.filesystem_type_name()))
}

/// The name of the file system that the file or folder is on, if it does not survive a reboot.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn volatile_fs(file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(named_in(VOLATILE, fstatfs(file.fd())?.filesystem_type_name()))
}

fn named_in(table: &[(&str, &'static str)], kind: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == kind).map(|(_, name)| *name)
}

/// Where our own descriptors are listed, by number.
pub(in crate::platform) const OWN_DESCRIPTORS: &str = "/dev/fd";

/// Opens a folder, for naming files in it: for reading, or for searching where that is all that is allowed (macOS 13).
pub(in crate::platform) fn open_folder(path: &OsStr) -> io::Result<File> {
    let look = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let search = OFlags::from_bits_retain(libc::O_SEARCH.cast_unsigned()) | OFlags::CLOEXEC;
    match openat(CWD, path, look, Mode::empty()) {
        Err(rustix::io::Errno::ACCESS) => Ok(openat(CWD, path, search, Mode::empty())?.into()),
        opened => Ok(opened?.into()),
    }
}

/// The status of a name in an open folder, without following a symbolic link. It is looked at by the folder's path, and is what
/// the open folder has under that name.
pub(in crate::platform) fn status_in(folder: &File, name: &OsStr) -> io::Result<FileStatus> {
    for _ in 0..ATTEMPTS {
        let seen = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let status = FileStatus::of_entry(&path_of(folder)?.join(name));
        let seen = FileId { device: i64::from(seen.st_dev).cast_unsigned(), inode: seen.st_ino };
        match status {
            Ok(status) if status.id() == seen => return Ok(status),
            // The folder has moved, or the file was replaced.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("it is being replaced"))
}

/// The path of an open file or folder (`F_GETPATH`).
fn path_of(file: impl AsFd) -> io::Result<PathBuf> {
    Ok(Path::new(OsStr::from_bytes(rustix::fs::getpath(file)?.as_bytes())).to_owned())
}

/// The path of a descriptor that the process which started solobot opened.
///
/// # Errors
/// No descriptor has this number, or it is no file, or one that has been removed.
pub fn path_of_descriptor(number: i32) -> io::Result<PathBuf> {
    // SAFETY: solobot opened nothing under a number that a user can name, so nothing of it closes that.
    path_of(unsafe { duplicate(number) }?)
}

/// The path of the current folder.
///
/// # Errors
/// Those of `getcwd(3)`: ENOENT for one that has been removed.
pub fn path_of_current_folder() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// Opens a regular file that was only found, and that another user may have planted; refuses anything else.
///
/// # Errors
/// Those of `open(2)`; it is a symbolic link, a FIFO, a device or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path, FileStatus::of_entry(path)?, OFlag::O_NOFOLLOW)
}

/// Opens a regular file that another user has named, following symbolic links; refuses anything else.
///
/// # Errors
/// Those of `open(2)`; it is not a regular file.
pub fn open_named(path: &Path) -> io::Result<File> {
    regular(path, FileStatus::of(path)?, OFlag::empty())
}

/// Checks the kind before opening, because opening alone has an effect on some devices, and that it is the same after it.
#[expect(clippy::needless_pass_by_value, reason = "it is of no use afterwards")]
fn regular(path: &Path, status: FileStatus, flags: OFlag) -> io::Result<File> {
    if status.is_symlink() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    if !status.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let is_same = FileStatus::of_open(&file)?.id() == status.id();
    if is_same { Ok(file) } else { Err(io::Error::other("it was just replaced")) }
}

/// Opens a file once more, by the path that the kernel has for it: for reading and writing, or for reading where that is all
/// that is allowed. Says whether it can be written.
///
/// # Errors
/// Those of `open(2)`; it is no longer at its path.
pub fn reopen(file: &File) -> io::Result<(File, bool)> {
    let (path, id) = (path_of(file)?, FileStatus::of_open(file)?.id());
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits());
    let (opened, is_writable) = match options.clone().write(true).open(&path) {
        Ok(file) => (file, true),
        Err(_) => (options.open(&path)?, false),
    };
    let is_same = FileStatus::of_open(&opened)?.id() == id;
    if is_same { Ok((opened, is_writable)) } else { Err(io::Error::other("it was just replaced")) }
}

/// Whether anybody has the file open beside `file` itself: every process is asked, and we too.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if nobody who can be asked has it open, and not every process can be asked.
pub fn is_open_elsewhere(file: &File) -> io::Result<bool> {
    let id = FileStatus::of_open(file)?.id();
    let own = Descriptor::of(file).number();
    let of_ours = open_files::descriptors(own_pid())?.into_iter().filter(|one| one.number != own);
    if of_ours.into_iter().any(|one| one.file() == Some(id)) {
        return Ok(true);
    }
    match openers(file)? {
        found if !found.seen.is_empty() => Ok(true),
        found if found.unasked > 0 => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Ok(false),
    }
}
