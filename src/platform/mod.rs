//! What is Linux's, behind one facade: the rest of solobot calls these functions and no system call of its own.
//!
//! Owners: `nix` and `rustix` are used here alone (and `nix`'s `User` in [`user`]); a port replaces the files of this
//! folder, signature by signature. Linux 5.4 is the oldest kernel: pidfds need 5.3, `P_PIDFD` 5.4.

#[cfg(not(target_os = "linux"))]
compile_error!("solobot runs on Linux (and WSL2); other platforms need their own src/platform");

pub mod children;
pub mod clock;
pub mod daemon;
pub mod filesystem;
pub mod identity;
pub mod limits;
pub mod memory;
pub mod nss;
pub mod ownership;
pub mod pidfd;
pub mod poll;
pub mod proc;
pub mod signals;
pub mod sockets;
pub mod spawn;
pub mod stack;
pub mod stdio;
pub mod table;
pub mod terminal;
pub mod user;
pub mod watch;
