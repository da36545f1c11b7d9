//! What the operating system does, behind one contract: the rest of solobot calls nothing else of it.

#[cfg(not(target_os = "linux"))]
compile_error!("solobot runs on Linux (and WSL2); other platforms need their own folder in src/platform");

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
use linux as host;

#[cfg(feature = "cli")]
pub use host::{children, limits, memory, sockets, spawn, stack, startup, table, terminal};
pub use host::{clock, daemon, descriptor, identity, nss, pidfd, poll, proc, signals, user, watch};

/// Files: what they are, and how to open those that somebody else may have put there.
pub mod filesystem {
    pub use super::host::file::{FileId, FileKind, FileStatus};
    pub use super::host::filesystem::{
        KernelKey, careful_append, careful_open, create_new, is_link_refusal, is_open_elsewhere, is_writable,
        kernel_fs, kernel_key, make_readable_by_all, network_fs, open_named, open_regular, open_without_waiting,
        path_of_current_folder, path_of_descriptor, read_at, read_bounded, renumber, reopen, try_flock, write_all_at,
    };
    pub use super::host::folder::Folder;
}
