//! What the operating system does, behind one contract: the rest of solobot calls nothing else of it.

#[cfg(not(target_os = "linux"))]
compile_error!("solobot runs on Linux (and WSL2); other platforms need their own folder in src/platform");

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::{
    children, clock, daemon, filesystem, identity, limits, memory, nss, ownership, pidfd, poll, proc, signals, sockets,
    spawn, stack, startup, table, terminal, user, watch,
};
