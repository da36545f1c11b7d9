//! What the operating system does, behind one contract: the rest of solobot calls nothing else of it.

#[cfg(not(target_os = "linux"))]
compile_error!("solobot runs on Linux (and WSL2); other platforms need their own folder in src/platform");

#[cfg(target_os = "linux")]
mod linux;
#[cfg(feature = "cli")]
mod listing;
#[cfg(feature = "cli")]
pub mod portable;

#[cfg(target_os = "linux")]
use linux as host;

pub use host::{advice, clock, daemon, descriptor, identity, locks, nss, pidfd, poll, signals, user, watch, words};
#[cfg(feature = "cli")]
pub use host::{children, limits, memory, sockets, spawn, stack, startup, terminal};

/// Files: what they are, and how to open those that somebody else may have put there.
pub mod filesystem {
    pub use crate::platform::host::file::{FileId, FileKind, FileStatus};
    pub use crate::platform::host::filesystem::{
        careful_append, careful_open, create_new, is_link_refusal, is_open_elsewhere, is_writable, kernel_fs,
        make_readable_by_all, network_fs, open_named, open_regular, open_without_waiting, path_of_current_folder,
        path_of_descriptor, read_at, read_bounded, renumber, reopen, try_flock, write_all_at,
    };
    pub use crate::platform::host::folder::Folder;
}

/// Processes: who there is, and what one shows of itself.
pub mod proc {
    pub use crate::platform::host::handle::{Handle, Upbringing, name, owner, runs_our_file, sleeps_in, words};
    pub use crate::platform::host::open_files::{OpenFile, descriptors};
    pub use crate::platform::host::proc::{all_pids, hides_others};
    pub use crate::platform::host::removed::{deleted, is_deleted, undeleted, unmarked};
    pub use crate::platform::host::user::Credentials;
}

/// The list of all processes.
#[cfg(feature = "cli")]
pub mod table {
    pub use crate::platform::host::table::{descendants, list, list_by_executable, parents};
    pub use crate::platform::listing::{Filter, Listed, Listing, below};
}
