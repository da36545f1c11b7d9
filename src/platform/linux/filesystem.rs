//! File systems, and which of them do not exclude reliably; opening files by what the kernel says of them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::libc;
use rustix::fs::{CWD, FsWord, Mode, OFlags, fstatfs, openat};

use super::descriptor::Descriptor;
use super::file::FileStatus;
use super::signals::Ignored;
pub use crate::platform::unix::files::{
    Flock, careful_append, careful_open, create_new, flock, is_link_refusal, is_writable, make_readable_by_all,
    open_without_waiting, read_at, read_bounded, write_all_at,
};

/// File systems on which `flock(2)` may not exclude other hosts, is emulated by byte-range locks, or is not forwarded:
/// magic numbers from the kernel's `include/uapi/linux/magic.h`, and those of each file system's own sources.
const NETWORK: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
];

/// The name of the network file system that the open file is on; `None` for a local one.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn network_fs(file: &File) -> io::Result<Option<&'static str>> {
    Ok(named_in(NETWORK, fstatfs(file)?.f_type))
}

/// File systems of the kernel: writing a PID into a file there sets something, moves a process, or fails. Magic numbers
/// as for [`NETWORK`].
const KERNEL: &[(i64, &str)] = &[
    (0x9FA0, "procfs"),
    (0x6265_6572, "sysfs"),
    (0x0027_E0EB, "cgroupfs"),
    (0x6367_7270, "cgroupfs"),
    (0x0765_5821, "resctrl"),
    (0x1CD1, "devpts"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xF97C_FF8C, "selinuxfs"),
    (0x4341_5D53, "smackfs"),
    (0x5A3C_69F0, "apparmorfs"),
    (0x6265_6570, "configfs"),
    (0x6165_676C, "pstore"),
    (0xDE5E_81E4, "efivarfs"),
    (0xCAFE_4A11, "bpf"),
    (0x4249_4E4D, "binfmt_misc"),
    (0x6573_5543, "fusectl"),
    (0x1980_0202, "mqueue"),
];

/// The name of the kernel's file system that the file or folder is on; `None` for a normal file system.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn kernel_fs(file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(named_in(KERNEL, fstatfs(file.fd())?.f_type))
}

/// File systems that a reboot empties, as for [`NETWORK`].
const VOLATILE: &[(i64, &str)] = &[(0x0102_1994, "tmpfs"), (0x8584_58F6, "ramfs")];

/// The name of the file system that the file or folder is on, if it does not survive a reboot.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn volatile_fs(file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(named_in(VOLATILE, fstatfs(file.fd())?.f_type))
}

fn named_in(table: &[(i64, &'static str)], kind: FsWord) -> Option<&'static str> {
    #[expect(clippy::useless_conversion, reason = "the type of f_type differs between architectures")]
    let magic = i64::from(kind);
    table.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

/// The path of a descriptor that the process which started solobot opened.
///
/// # Errors
/// No descriptor has this number.
pub fn path_of_descriptor(number: i32) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{number}"))
}

/// The path of the current folder, even of one that has been removed.
///
/// # Errors
/// Those of `readlink(2)`.
pub fn path_of_current_folder() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/cwd")
}

/// Where our own descriptors are listed, by number.
pub(in crate::platform) const OWN_DESCRIPTORS: &str = "/proc/self/fd";

/// Opens a folder as a path only: neither reading nor listing is needed.
pub(in crate::platform) fn open_folder(path: &OsStr) -> io::Result<File> {
    let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, look, Mode::empty())?.into())
}

/// The status of a name in an open folder, without following a symbolic link.
pub(in crate::platform) fn status_in(folder: &File, name: &OsStr) -> io::Result<FileStatus> {
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    FileStatus::of_open(&openat(folder, name, look, Mode::empty())?.into())
}

/// Opens a regular file that was only found, and that another user may have planted; refuses anything else.
///
/// # Errors
/// Those of `open(2)`; it is a symbolic link, a FIFO, a device or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path, OFlag::O_NOFOLLOW)
}

/// Opens a regular file that another user has named, following symbolic links; refuses anything else.
///
/// # Errors
/// Those of `open(2)`; it is not a regular file.
pub fn open_named(path: &Path) -> io::Result<File> {
    regular(path, OFlag::empty())
}

/// Checks the kind before opening, because opening alone has an effect on some devices (`/dev/watchdog`, a tape).
fn regular(path: &Path, flags: OFlag) -> io::Result<File> {
    let look = OFlag::O_PATH | OFlag::O_CLOEXEC | flags;
    let seen = OpenOptions::new().read(true).custom_flags(look.bits()).open(path)?;
    let status = FileStatus::of_open(&seen)?;
    if status.is_symlink() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    if !status.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    match File::open(format!("/proc/self/fd/{}", seen.as_raw_fd())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Without /proc: by its path once more, and it must be the same.
            let file = OpenOptions::new().read(true).custom_flags((flags | OFlag::O_NONBLOCK).bits()).open(path)?;
            let is_same = FileStatus::of_open(&file)?.id() == status.id();
            if is_same { Ok(file) } else { Err(io::Error::other("it was just replaced")) }
        }
        opened => opened,
    }
}

/// Opens a file once more by its descriptor, whatever its path names by now: for reading and writing, or for reading
/// where that is all that is allowed, or a lease keeps writers out. Says whether it can be written.
///
/// # Errors
/// Those of `open(2)`.
pub fn reopen(file: &File) -> io::Result<(File, bool)> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits());
    match options.clone().write(true).open(&link) {
        Ok(file) => Ok((file, true)),
        Err(_) => Ok((options.open(&link)?, false)),
    }
}

/// Whether anybody has the file open beside `file` itself, in whatever PID namespace and however well hidden: the kernel
/// grants a write lease only where nobody has (`F_SETLEASE` in `fcntl(2)`, counting readers since Linux 5.3). The lease is
/// given back at once; an open that comes in between waits for it, or fails with EWOULDBLOCK where it may not wait.
///
/// # Errors
/// Those of `fcntl(2)`: EACCES for a file of another user, EINVAL on a file system without leases.
pub fn is_open_elsewhere(file: &File) -> io::Result<bool> {
    // Whoever breaks the lease has SIGIO sent to us, which would be our end.
    let _ignored = Ignored::signal(nix::sys::signal::Signal::SIGIO)?;
    // SAFETY: F_SETLEASE takes a plain number and touches no memory of ours; `file` is open.
    let lease = |kind: libc::c_int| match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    match lease(libc::F_WRLCK) {
        Ok(()) => lease(libc::F_UNLCK).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn file_systems_are_known_by_their_magic() {
        assert_eq!(named_in(NETWORK, 0x6969), Some("NFS"));
        assert_eq!(named_in(NETWORK, 0xEF53), None);
        let file = File::open("/proc/self/stat").unwrap();
        assert_eq!((network_fs(&file).unwrap(), kernel_fs(Descriptor::of(&file)).unwrap()), (None, Some("procfs")));
        assert_eq!(kernel_fs(Descriptor::of(&File::open(".").unwrap())).unwrap(), None);
        assert_eq!(named_in(VOLATILE, 0x0102_1994), Some("tmpfs"));
    }

    #[test]
    fn only_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for open in [open_regular, open_named] {
            let mut text = String::new();
            open(&path("file")).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "text");
            for other in [path("fifo"), path("none"), "/dev/null".into(), folder.path().into()] {
                assert!(open(&other).is_err(), "{}", other.display());
            }
        }
        assert!(is_link_refusal(&open_regular(&path("link")).unwrap_err()));
        assert!(open_named(&path("link")).is_ok());
    }

    #[test]
    fn whoever_has_it_open_is_noticed_also_for_reading_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        assert!(!is_open_elsewhere(&file).unwrap());
        let reader = File::open(&path).unwrap();
        assert!(is_open_elsewhere(&file).unwrap());
        drop(reader);
        assert!(!is_open_elsewhere(&file).unwrap());
    }
}
