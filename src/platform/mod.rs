//! Everything that the operating system does, behind one contract. Nothing else in solobot calls the system directly.
//!
//! Each platform is a folder here. It defines every name in the lists below, with signatures that use only types of std and
//! of these lists; solobot must compile with each of them. What a platform cannot provide shows in the type: `Option` (a
//! group, a session, a namespace, what another user's process does) or `ErrorKind::Unsupported` (a list of all locks, the
//! connections of other processes). The same value never has another meaning on another platform.

mod all_locks;
#[cfg(feature = "cli")]
mod all_processes;
mod choice;
#[cfg(any(target_os = "macos", all(unix, any(test, fuzzing))))]
mod darwin;
#[cfg(any(windows, test))]
mod grants;
mod kernel_lock;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(feature = "cli")]
mod listing;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(not(target_os = "linux"))]
mod no_memory;
#[cfg(all(feature = "cli", not(target_os = "linux")))]
mod no_notify;
#[cfg(feature = "cli")]
pub mod portable;
#[cfg(feature = "cli")]
pub mod programs;
#[cfg(feature = "cli")]
mod running_service;
#[cfg(feature = "cli")]
mod service_word;
mod stat;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "macos")]
use macos as host;
#[cfg(windows)]
use windows as host;

// The last one is that which tests/it/house follows.
#[cfg(target_os = "linux")]
use linux as host;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!(
    "solobot runs on Linux (and WSL2), macOS and Windows; other platforms need their own folder in src/platform"
);

// What `main` does first.
pub use host::nss;
#[cfg(feature = "cli")]
pub use host::{stack, startup};

/// What the kernel says, for [`fuzz`](crate::fuzz).
#[cfg(all(feature = "cli", target_os = "linux", any(test, fuzzing)))]
pub(crate) use linux::fuzz;

/// A process and its ancestors. A PID alone identifies nothing, because PIDs are reused.
pub mod identity {
    pub use crate::platform::host::boot::{boot_id, is_initial_pid_namespace, pid_namespace, pid_namespace_of};
    pub use crate::platform::host::identity::{Identity, OWN_FOLDER, ancestry, lineage, own_pid, parent};
    pub use crate::platform::stat::{RunState, Stat};
}

/// All processes, at the least cost; [`portable`] has the same for every platform.
#[cfg(feature = "cli")]
pub mod table {
    pub use crate::platform::all_processes::{descendants, list, list_by_executable, parents, stats};
    pub use crate::platform::listing::{Filter, Listed, Listing, below};
}

/// For tests: looking as every platform can, on one that can do more.
#[cfg(debug_assertions)]
pub mod looking {
    pub use crate::platform::choice::be_portable;
}

/// What one process shows about itself, and what it has open.
pub mod proc {
    pub use crate::platform::host::handle::{Handle, StatusFacts, name, owner, runs_our_file, sleeps_in, words};
    pub use crate::platform::host::open_files::{OpenFile, descriptors};
    pub use crate::platform::host::openers::{Openers, openers};
    pub use crate::platform::host::proc::{all_pids, hides_others};
    pub use crate::platform::host::removed::{deleted, is_deleted, undeleted, unmarked};
    pub use crate::platform::host::user::Credentials;
}

/// A handle on one process, to wait for its end and to signal no other process.
pub mod pidfd {
    pub use crate::platform::host::pidfd::{Pidfd, lacks_room};
}

/// Signals: those that reach us, those that we pass on.
pub mod signals {
    pub use crate::platform::host::signals::{
        Interruptible, Mask, ReceivedSignal, Signal, Signals, die_of, ignore_terminal, parse_signal,
    };
}

/// Starting a program: as a child, as a child that waits at a gate, or in our place.
#[cfg(feature = "cli")]
pub mod spawn {
    pub use crate::platform::host::gate::{ExecutionReport, Gate, GatedChild, HAS_GATES, is_gate_shut};
    pub use crate::platform::host::piped::PipedChild;
    pub use crate::platform::host::spawn::{CAN_REPLACE, Launch, spawn_ourselves};
}

/// Short messages to another process.
#[cfg(feature = "cli")]
pub mod packets {
    pub use crate::platform::host::packets::{Packets, ReceivedPacket};
}

/// How our children and their children ended.
#[cfg(feature = "cli")]
pub mod children {
    pub use crate::platform::host::children::{Ended, Reaped, adopt_orphans, put_down, reap, wait_for};
}

/// What of this process is in memory.
pub mod memory {
    pub use crate::platform::host::memory::give_back_code;
}

/// Words to the manager that started us as a service.
#[cfg(feature = "cli")]
pub mod notify {
    pub use crate::platform::host::notify::{is_ours, tell, watchdog};
    pub use crate::platform::service_word::ServiceWord;
}

/// Going into the background.
pub mod daemon {
    pub use crate::platform::host::daemon::{
        HAS_BACKGROUND, ReadinessSignal, ReadinessWaiter, be_called, be_spared, close_others, detach,
        go_into_background, pipe,
    };
}

/// Open descriptors, to wait for or to pass on.
pub mod descriptor {
    pub use crate::platform::host::descriptor::{Descriptor, SHELLS_PASS_THEM, duplicate, inherited};
}

/// Waiting for several things at once.
pub mod poll {
    pub use crate::platform::host::poll::{
        WRITABLE_AT_ONCE, Wakeup, any_readable, is_stderr_writable, is_stdout_broken, is_writable_within, readable,
    };
}

/// Being woken when a file changes.
pub mod watch {
    pub use crate::platform::host::watch::{Watch, WatchEvents, WatchId};
}

/// How many descriptors solobot may open.
#[cfg(feature = "cli")]
pub mod limits {
    pub use crate::platform::host::limits::DescriptorLimit;
}

/// Files: what they are, who owns them, and how to open those that another user may have planted.
pub mod filesystem {
    pub use crate::platform::host::file::{FileId, FileKind, FileStatus};
    pub use crate::platform::host::filesystem::{
        Flock, careful_append, careful_open, create_new, flock, is_link_refusal, is_writable, kernel_fs,
        make_readable_by_all, network_fs, open_named, open_regular, open_without_waiting, path_of_current_folder,
        path_of_descriptor, read_at, read_bounded, reopen, volatile_fs, write_all_at,
    };
    pub use crate::platform::host::folder::Folder;
    pub use crate::platform::host::lock_handle::LockHandle;
}

/// Who holds which lock, as the kernel lists it.
pub mod locks {
    pub use crate::platform::all_locks::{are_listed, listed};
    pub use crate::platform::host::locks::{TABLE, kernel_key};
    pub use crate::platform::kernel_lock::{KernelKey, KernelLock, LockKind};
}

/// The TCP connections of processes.
#[cfg(feature = "cli")]
pub mod sockets {
    pub use crate::platform::host::sock_diag::{Flow, flows_around};
    pub use crate::platform::host::sockets::{Connections, OwnConnection, is_listening, sockets_of};
}

/// Services of the system itself, where it has a list of them.
#[cfg(feature = "cli")]
pub mod services {
    pub use crate::platform::host::services::{running, settings};
    pub use crate::platform::running_service::{RunningService, ServiceSettings};
}

/// Time that nobody sets.
#[cfg(feature = "cli")]
pub mod clock {
    pub use crate::platform::host::alarm::Alarm;
    pub use crate::platform::host::boot::{Uptime, name_of_clock, uptime};
}

/// Users and this host, by name and by number.
pub mod user {
    pub use crate::platform::host::user::{by_name, effective_uid, home, host_name, name, real_uid};
}

#[cfg(feature = "cli")]
pub mod terminal {
    pub use crate::platform::host::terminal::{Size, Stream, is_dumb, size, width};
}

/// Words from bytes.
pub mod words {
    pub use crate::platform::host::words::{
        file_name, is_same_name, names_folder, os_str, os_string, program_name, started_file,
    };
}

/// Commands for people who want to look themselves.
pub mod advice {
    pub use crate::platform::host::advice::{
        CERTIFICATES, FOREIGN_HOLDER, FREE_SPACE, HIDDEN, HIDDEN_HOLDER, KILL, PROGRAM, PYTHON, SHELL, SHELLS_PID,
        SUDO_SHOWS_MORE, UNLESS_75, USE_SUDO, WITH_SUDO, as_root, as_user, edit, end, find_program, hide, list, make,
        make_executable, manual, open_files_of, processes, proxies_of, remove, rights_of, typed_as_root, typed_as_user,
        typed_here, variable_of, with_sudo, with_variable, without_variable,
    };
}
