//! File systems, and which of them do not exclude reliably; opening files that somebody else may have put there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, FsWord, fstatfs};
use rustix::io::Errno;

use super::descriptor::Descriptor;
use super::file::FileStatus;
use super::signals::Ignored;

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

/// Options for opening a path that another user may have planted: a symbolic link is refused (see
/// [`is_link_refusal`]), a FIFO does not block, a terminal does not become ours, no child inherits the descriptor.
pub fn careful_open() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits());
    options
}

/// The same, to append to a file that is created where it is absent, for everybody to read.
pub fn careful_append() -> OpenOptions {
    let mut options = careful_open();
    options.append(true).create(true).mode(0o644);
    options
}

/// Creates a file that nobody but us may write, whatever the umask allows, and everybody may read who may by it.
///
/// # Errors
/// Those of `open(2)`; there is one already.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)
}

/// Lets every user read a file, even if the umask says otherwise.
///
/// # Errors
/// Those of `fchmod(2)`.
pub fn make_readable_by_all(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Reads at a place in a file, without moving anybody's position in it: as much as one call gives, 0 at its end.
///
/// # Errors
/// Those of `pread(2)`, EINTR excepted.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Writes all of it at a place in a file, without moving anybody's position in it.
///
/// # Errors
/// Those of `pwrite(2)`.
pub fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
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

/// Opens a file that was named, through links, for reading: a FIFO is not waited on.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    OpenOptions::new().custom_flags(flags.bits()).read(true).open(path)
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

/// An operation of `flock(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flock {
    /// The lock, without waiting.
    TryExclusive,
    /// A shared one, without waiting.
    TryShared,
    /// The lock: waits for it, until a signal comes ([`io::ErrorKind::Interrupted`]).
    Exclusive,
    /// Unlocks, for every process that has the descriptor.
    Unlock,
}

/// Tries once; `false` if another process has the lock.
///
/// # Errors
/// Those of `flock(2)`.
pub fn flock(file: &File, what: Flock) -> io::Result<bool> {
    let operation = match what {
        Flock::TryExclusive => FlockOperation::NonBlockingLockExclusive,
        Flock::TryShared => FlockOperation::NonBlockingLockShared,
        Flock::Exclusive => FlockOperation::LockExclusive,
        Flock::Unlock => FlockOperation::Unlock,
    };
    match rustix::fs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Everything in a file, or in a pipe, that is no longer than `most` bytes.
///
/// # Errors
/// Those of `read(2)`; it is longer ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

/// Whether `error` says that a path was not opened because it is a symbolic link.
pub fn is_link_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Moves a file's descriptor to the first free number from `lowest` on, or to the first one after the standard streams if
/// the limit of descriptors (`ulimit -n`) is lower.
///
/// # Errors
/// EMFILE.
pub fn renumber(file: &File, lowest: i32) -> io::Result<File> {
    let above = |lowest| fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(lowest));
    let number = above(lowest).or_else(|_| above(3))?;
    // SAFETY: fcntl just made this descriptor for us.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(number) }))
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

/// Whether the descriptor was opened for writing.
pub fn is_writable(file: &File) -> bool {
    let flags = fcntl(file, FcntlArg::F_GETFL).map_or(OFlag::O_RDONLY, OFlag::from_bits_truncate);
    flags.intersects(OFlag::O_RDWR | OFlag::O_WRONLY)
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
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(is_link_refusal(&careful_open().read(true).open(&link).unwrap_err()));
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
