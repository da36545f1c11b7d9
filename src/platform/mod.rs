//! What the operating system does, behind one contract: the rest of solobot calls nothing else of it.

#[cfg(not(target_os = "linux"))]
compile_error!("solobot runs on Linux (and WSL2); other platforms need their own folder in src/platform");

#[cfg(target_os = "linux")]
mod linux;

#[cfg(all(target_os = "linux", feature = "cli"))]
pub use linux::{children, limits, memory, sockets, spawn, stack, startup, table, terminal};
#[cfg(target_os = "linux")]
pub use linux::{
    clock, daemon, descriptor, filesystem, identity, nss, ownership, pidfd, poll, proc, signals, user, watch,
};
