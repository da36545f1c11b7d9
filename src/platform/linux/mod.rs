//! Linux 5.4 and newer (pidfds need 5.3, `P_PIDFD` 5.4).
//!
//! Owner of `nix` and `rustix`.

pub mod advice;
pub mod boot;
#[cfg(feature = "cli")]
pub mod children;
pub mod daemon;
pub mod descriptor;
pub mod file;
pub mod filesystem;
pub mod folder;
pub mod handle;
pub mod identity;
#[cfg(feature = "cli")]
pub mod limits;
pub mod locks;
pub mod mounts;
pub mod nss;
pub mod open_files;
pub mod ownership;
pub mod pidfd;
#[cfg(feature = "cli")]
pub mod piped;
pub mod poll;
pub mod proc;
pub mod removed;
pub mod signals;
pub mod sock_diag;
#[cfg(feature = "cli")]
pub mod sockets;
#[cfg(feature = "cli")]
pub mod spawn;
#[cfg(feature = "cli")]
pub mod stack;
#[cfg(feature = "cli")]
pub mod startup;
pub mod stat;
#[cfg(feature = "cli")]
pub mod table;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod user;
pub mod watch;
pub mod words;
