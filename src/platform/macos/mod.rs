//! macOS 11 and newer, on aarch64 and `x86_64`. **Type-checked only: nothing here ever ran.**
//!
//! Not promised, and said in the types: who called for a lock and who waits for it (there is no list of locks); processes left
//! behind by COMMAND as children of solobot (there is no subreaper: launchd adopts them); PID namespaces; connections of
//! processes that cannot be read, and how long a connection has been quiet; the environment of programs that Apple protects,
//! and anything but the name, owner, parent and start of another user's processes, without root. `kill(2)` has no handle:
//! between the look at a process's start time and the signal the process may end and its PID be used again.
//!
//! Where each layout and each number is from: `darwin.rs` reads `struct kinfo_proc` (`<sys/sysctl.h>`, `<sys/proc.h>`) and
//! `struct vnode_fdinfowithpath`, `proc_vnodepathinfo`, `socket_fdinfo` (`<sys/proc_info.h>`), and the words of `KERN_PROCARGS2`
//! (`sysctl(3)`, and `sysctl_procargsx` in `bsd/kern/kern_sysctl.c` of Apple's xnu). `kqueue(2)` describes NOTE_EXIT, EVFILT_VNODE
//! and EVFILT_TIMER; `fcntl(2)` F_GETPATH; `statfs(2)` the names of file systems. That FWASLOCKED stays after an unlock, that
//! EVFILT_PROC does not find a zombie, and that a dup2 onto itself keeps FD_CLOEXEC in `posix_spawn(2)` is from xnu's sources
//! (`kern_descrip.c`, `kern_event.c`, `kern_exec.c`).

pub mod advice;
#[cfg(feature = "cli")]
pub mod alarm;
pub mod boot;
mod events;
pub mod filesystem;
pub mod handle;
pub mod identity;
pub mod kernel;
pub mod locks;
pub mod open_files;
pub mod ownership;
#[cfg(feature = "cli")]
pub mod packets;
pub mod pidfd;
pub mod proc;
pub mod removed;
pub mod signals;
#[cfg(feature = "cli")]
pub mod sockets;
pub mod stat;
#[cfg(feature = "cli")]
pub mod table;
pub mod wakeup;
pub mod watch;

#[cfg(feature = "cli")]
pub use sockets as sock_diag;

#[cfg(feature = "cli")]
pub use super::unix::{children, gate, limits, piped, services, spawn, stack, startup, terminal};
pub use super::unix::{daemon, descriptor, file, folder, lock_handle, nss, openers, poll, user, words};

pub(super) use super::no_memory as memory;
#[cfg(feature = "cli")]
pub(super) use super::no_notify as notify;
