//! Linux 5.4 and newer (pidfds need 5.3, `P_PIDFD` 5.4).
//!
//! Owner of `nix`, `rustix`, `procfs` and `sysinfo`.

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
pub mod startup;
pub mod table;
pub mod terminal;
pub mod user;
pub mod watch;
