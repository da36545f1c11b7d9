//! Locks as the kernel shows them, where it does.

/// Which of the kernel's locks it is. They do not exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `flock(2)`, the only one that counts here.
    Flock,
    /// `fcntl(2)` `F_SETLK`: Python's `fcntl.lockf`, `s6-setlock`.
    Posix,
    /// `fcntl(2)` `F_OFD_SETLK`; it has no caller.
    OpenFile,
}

/// One lock, or one wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelLock {
    pub kind: LockKind,
    /// The file.
    pub key: KernelKey,
    /// Who called; perhaps dead, 0 for one outside this PID namespace, -1 for an open file's. `None` on a platform that does
    /// not say.
    pub pid: Option<i32>,
    /// It is waited for, not held.
    pub waits: bool,
}

/// How the kernel names a file where it speaks of locks: on Linux by the device of its super block, on macOS by `st_dev`; and by
/// its inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelKey {
    /// Major number of the device.
    pub major: u32,
    /// Minor number of the device.
    pub minor: u32,
    /// Inode number.
    pub inode: u64,
}
