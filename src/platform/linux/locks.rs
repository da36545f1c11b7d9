//! The kernel's lists of locks: `/proc/locks`, and the `lock:` lines of a descriptor's fdinfo.
//!
//! `/proc/locks` names the PID that *called* for a lock, which may have exited since; fdinfo shows every process that shares
//! the locked open file description. In a PID namespace a dead caller's lock is not listed at all, and fdinfo shows PID 0.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FsWord, fstatfs, major, minor};

use super::mounts;
use crate::platform::kernel_lock::{KernelKey, KernelLock, LockKind};

/// `OVERLAYFS_SUPER_MAGIC` in the kernel's `include/uapi/linux/magic.h`.
const OVERLAYFS: FsWord = 0x794C_7630;

/// Whether the kernel shows locks: those of a descriptor ([`OpenFile::locks`](super::open_files::OpenFile::locks)), and all of
/// them ([`listed`]) where that is not [`io::ErrorKind::Unsupported`]. Where it does not, who has the file open is all there is
/// to know.
pub const ARE_LISTED: bool = true;

/// More than a page, which is what the kernel gives at once.
const AT_ONCE: usize = 16 * 1024;

/// Where the kernel lists all locks, for people.
pub const TABLE: &str = "/proc/locks";

impl KernelLock {
    /// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; a waiter has `->` before `FLOCK`. Leases are not listed.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let mut word = words.next()?;
        let waits = word == "->";
        if waits {
            word = words.next()?;
        }
        let kind = match word {
            "FLOCK" => LockKind::Flock,
            "POSIX" => LockKind::Posix,
            "OFDLCK" => LockKind::OpenFile,
            _ => return None,
        };
        let pid = Some(words.nth(2)?.parse().ok()?);
        let mut file = words.next()?.splitn(3, ':');
        let major = u32::from_str_radix(file.next()?, 16).ok()?;
        let minor = u32::from_str_radix(file.next()?, 16).ok()?;
        let inode = file.next()?.parse().ok()?;
        Some(Self { kind, key: KernelKey { major, minor, inode }, pid, waits })
    }
}

/// Every lock that is held or waited for on this machine, as far as this PID namespace shows it. The kernel stops all
/// lockers for the answer.
///
/// # Errors
/// The list cannot be read, or the platform has none.
pub fn listed() -> io::Result<Vec<KernelLock>> {
    // Room for all that the kernel gives at once: it stops all lockers for each read, and between two reads the list changes, so
    // that a line may come twice or not at all.
    let mut text = String::with_capacity(AT_ONCE);
    File::open(TABLE)?.read_to_string(&mut text)?;
    Ok(text.lines().filter_map(KernelLock::parse).collect())
}

pub(super) fn of_fdinfo(info: &str) -> Vec<KernelLock> {
    info.lines().filter_map(|line| KernelLock::parse(line.strip_prefix("lock:")?)).collect()
}

/// The kernel's name for an open file.
///
/// `st_dev` differs from the super block's device on btrfs and overlayfs, so the device is that of the mount: `mnt_id`
/// in the descriptor's fdinfo, looked up in mountinfo. Where that fails, `st_dev` serves. The inode is fdinfo's `ino:`
/// (Linux 5.14), otherwise `st_ino`.
///
/// # Errors
/// Those of `fstat(2)`.
pub fn kernel_key(file: &File) -> io::Result<KernelKey> {
    let meta = file.metadata()?;
    let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap_or_default();
    let inode = field(&fdinfo, "ino:").unwrap_or_else(|| meta.ino());
    // Only btrfs, overlayfs and what else lies on anonymous devices (major 0) need the mount table, which can be long.
    let device = (major(meta.dev()), minor(meta.dev()));
    let is_overlay = fstatfs(file).is_ok_and(|fs| fs.f_type == OVERLAYFS);
    let mount = (device.0 == 0 || is_overlay).then(|| field(&fdinfo, "mnt_id:")).flatten().and_then(mounts::device);
    let (major, minor) = mount.unwrap_or(device);
    Ok(KernelKey { major, minor, inode })
}

fn field(fdinfo: &str, name: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks() {
        let key = KernelKey { major: 8, minor: 0x1f, inode: 5678 };
        let line = |kind, pid, waits| Some(KernelLock { kind, key, pid: Some(pid), waits });
        for (text, parsed) in [
            ("1: FLOCK  ADVISORY  WRITE 1234 08:1f:5678 0 EOF", line(LockKind::Flock, 1234, false)),
            ("1: -> FLOCK  ADVISORY  WRITE 99 08:1f:5678 0 EOF", line(LockKind::Flock, 99, true)),
            ("2: POSIX  ADVISORY  WRITE 1 08:1f:5678 0 EOF", line(LockKind::Posix, 1, false)),
            ("2: OFDLCK ADVISORY  READ -1 08:1f:5678 0 EOF", line(LockKind::OpenFile, -1, false)),
            ("3: LEASE  ACTIVE    WRITE 1 08:1f:5678 0 EOF", None),
            ("1: FLOCK ADVISORY WRITE x 0:0:0 0 EOF", None),
            ("1:", None),
            ("", None),
        ] {
            assert_eq!(KernelLock::parse(text), parsed, "{text}");
        }
    }

    #[test]
    fn fdinfo_shows_a_lock_even_of_a_caller_outside_the_namespace() {
        let key = KernelKey { major: 0xfe, minor: 0, inode: 7 };
        let text = "pos:\t0\nflags:\t02\nmnt_id:\t27\nino:\t7\nlock:\t1: FLOCK  ADVISORY  WRITE 0 fe:00:7 0 EOF\n";
        assert_eq!(of_fdinfo(text), [KernelLock { kind: LockKind::Flock, key, pid: Some(0), waits: false }]);
    }

    #[test]
    fn the_kernel_key_has_the_inode() {
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(kernel_key(&file).unwrap().inode, file.metadata().unwrap().ino());
    }
}
