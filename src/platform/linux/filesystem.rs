//! File systems: which ones do not exclude reliably, and how the kernel names a file in its lock tables.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::statfs::{self, FsType};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::retry_on_intr;

use super::descriptor::Descriptor;
use super::signals::Ignored;
use super::user;

/// Mode bit: only owners may remove or rename entries.
const STICKY: u32 = 0o1000;

/// What identifies a file: device and inode number, as `stat(2)` says them.
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
        fs::metadata(path).ok().map(|meta| Self::from(&meta))
    }
}

impl From<&Metadata> for FileId {
    fn from(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

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

/// The name of the network file system that the open file lies on; `None` for a local one.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn network_fs(file: &File) -> io::Result<Option<&'static str>> {
    Ok(named_in(NETWORK, statfs::fstatfs(file)?.filesystem_type()))
}

/// File systems whose files are the kernel's: to write a PID into one sets something, moves a process, or fails. Magic numbers
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

/// The name of the kernel's own file system that the file or folder lies on; `None` for one that is for files.
///
/// # Errors
/// Those of `fstatfs(2)`.
pub fn kernel_fs(file: Descriptor<'_>) -> io::Result<Option<&'static str>> {
    Ok(named_in(KERNEL, statfs::fstatfs(file.fd())?.filesystem_type()))
}

fn named_in(table: &[(i64, &'static str)], kind: FsType) -> Option<&'static str> {
    // The type of f_type differs between architectures and C libraries.
    let magic = i128::from(kind.0);
    table.iter().find(|(number, _)| i128::from(*number) == magic).map(|(_, name)| *name)
}

/// Options for opening a path that somebody else may have put there: a symbolic link is refused (see
/// [`is_link_refusal`]), a FIFO does not block, a terminal does not become ours, no child inherits the descriptor.
pub fn careful_open() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits());
    options
}

/// An open folder, for naming what is in it: whatever its path comes to mean, it stays the same one.
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
        // Neither to read nor to list it is asked for.
        let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, or_itself(folder), look, Mode::empty())?;
        Ok((Self(folder.into()), or_itself(name)))
    }

    /// What a name in it stands for; a symbolic link stands for itself.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn look(&self, name: &OsStr) -> io::Result<Metadata> {
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(&self.0, name, look, Mode::empty())?).metadata()
    }

    /// Opens a file in it for reading, as [`careful_open`] does.
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

    /// Creates a file in it, which is not there yet. What root creates in a user's own folder is given to that user, who
    /// could not use it otherwise.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let file = self.open(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        if user::effective_uid() == 0
            && let Ok(folder) = self.metadata()
            && folder.uid() != 0
            && folder.mode() & STICKY == 0
        {
            let _ = std::os::unix::fs::fchown(&file, Some(folder.uid()), Some(folder.gid()));
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

    /// To ask what file system it lies on.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Its owner, its mode.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }
}

/// Opens a file that was named, through links, for reading: a FIFO is not waited on.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    OpenOptions::new().custom_flags(flags.bits()).read(true).open(path)
}

/// Opens a file that was merely found, and that somebody else may have put there: a regular one, or none.
///
/// # Errors
/// Those of `open(2)`; it is a symbolic link, a FIFO, a device or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path, OFlag::O_NOFOLLOW)
}

/// Opens a file that somebody else has named, symbolic links and all: a regular one, or none.
///
/// # Errors
/// Those of `open(2)`; it is no regular file.
pub fn open_named(path: &Path) -> io::Result<File> {
    regular(path, OFlag::empty())
}

/// Sees what it is before it is opened: some devices act on that alone (`/dev/watchdog`, a tape).
fn regular(path: &Path, flags: OFlag) -> io::Result<File> {
    let look = OFlag::O_PATH | OFlag::O_CLOEXEC | flags;
    let seen = OpenOptions::new().read(true).custom_flags(look.bits()).open(path)?;
    let meta = seen.metadata()?;
    if meta.is_symlink() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    match File::open(format!("/proc/self/fd/{}", seen.as_raw_fd())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Without /proc: by its path once more, and it must be the same.
            let file = OpenOptions::new().read(true).custom_flags((flags | OFlag::O_NONBLOCK).bits()).open(path)?;
            let is_same = FileId::from(&file.metadata()?) == FileId::from(&meta);
            if is_same { Ok(file) } else { Err(io::Error::other("it was replaced just now")) }
        }
        opened => opened,
    }
}

/// Takes the `flock(2)` on a file for as long as it is open, without waiting; `false` if another has it.
///
/// # Errors
/// Those of `flock(2)`.
pub fn try_flock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
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

/// Moves a file's descriptor to the first free number from `lowest` on, or behind the standard streams where the limit of
/// descriptors (`ulimit -n`) ends below that.
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

/// How `/proc/locks` and fdinfo name a file: the device of its super block and its inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelKey {
    /// Major number of the super block's device.
    pub major: u32,
    /// Minor number of the super block's device.
    pub minor: u32,
    /// Inode number.
    pub inode: u64,
}

/// The kernel's name for an open file.
///
/// `st_dev` differs from the super block's device on btrfs and overlayfs, so the device is that of the mount: `mnt_id`
/// in the descriptor's fdinfo, looked up in mountinfo. Where that fails, `st_dev` serves. The inode is fdinfo's `ino:`
/// (Linux 5.14), else `st_ino`.
///
/// # Errors
/// Those of `fstat(2)`.
pub fn kernel_key(file: &File) -> io::Result<KernelKey> {
    let meta = file.metadata()?;
    let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap_or_default();
    let inode = field(&fdinfo, "ino:").unwrap_or_else(|| meta.ino());
    // Only btrfs, overlayfs and what else lies on anonymous devices (major 0) need the mount table, which can be long.
    let device = (libc::major(meta.dev()), libc::minor(meta.dev()));
    let is_overlay = statfs::fstatfs(file).is_ok_and(|fs| fs.filesystem_type() == statfs::OVERLAYFS_SUPER_MAGIC);
    let mount = (device.0 == 0 || is_overlay).then(|| field(&fdinfo, "mnt_id:")).flatten().and_then(mount_device);
    let (major, minor) = mount.unwrap_or(device);
    Ok(KernelKey { major, minor, inode })
}

fn field(fdinfo: &str, name: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

fn mount_device(mount: u64) -> Option<(u32, u32)> {
    let mounts = procfs::process::Process::myself().ok()?.mountinfo().ok()?;
    let device = mounts.into_iter().find(|entry| u64::try_from(entry.mnt_id) == Ok(mount))?.majmin;
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_known_by_their_magic() {
        assert_eq!(named_in(NETWORK, FsType(0x6969)), Some("NFS"));
        assert_eq!(named_in(NETWORK, FsType(0xEF53)), None);
        let file = File::open("/proc/self/stat").unwrap();
        assert_eq!((network_fs(&file).unwrap(), kernel_fs(Descriptor::of(&file)).unwrap()), (None, Some("procfs")));
        assert_eq!(kernel_fs(Folder::of(Path::new("l")).unwrap().0.descriptor()).unwrap(), None);
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(is_link_refusal(&careful_open().read(true).open(&link).unwrap_err()));
    }

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

    #[test]
    fn the_kernel_key_has_the_inode() {
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(kernel_key(&file).unwrap().inode, file.metadata().unwrap().ino());
    }
}
