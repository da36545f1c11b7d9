//! Linux 5.4 and newer (pidfds need 5.3, `P_PIDFD` 5.4).
//!
//! Owner of `nix` and `rustix`, with what Linux and macOS have in common.

pub mod advice;
#[cfg(feature = "cli")]
pub mod alarm;
pub mod boot;
pub mod filesystem;
#[cfg(all(feature = "cli", any(test, fuzzing)))]
pub mod fuzz;
pub mod handle;
pub mod identity;
pub mod locks;
pub mod memory;
pub mod mounts;
#[cfg(feature = "cli")]
pub mod notify;
pub mod open_files;
pub mod ownership;
#[cfg(feature = "cli")]
pub mod packets;
pub mod pidfd;
pub mod proc;
pub mod removed;
pub mod signals;
pub mod sock_diag;
#[cfg(feature = "cli")]
pub mod sockets;
pub mod stat;
#[cfg(feature = "cli")]
pub mod table;
pub mod wakeup;
pub mod watch;

#[cfg(feature = "cli")]
pub use super::unix::{children, gate, limits, piped, services, spawn, stack, startup, terminal};
pub use super::unix::{daemon, descriptor, file, folder, lock_handle, nss, openers, poll, user, words};
