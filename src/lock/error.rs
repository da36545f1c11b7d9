//! Why a lock cannot be taken, other than being held.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Expected, exit_of_io, hints_of_io, plain, typed};
use crate::base::exit::Exit;
use crate::platform::advice;
use crate::platform::filesystem::FileStatus;
use crate::platform::{proc, user};

/// What to do about a lease.
pub const HINT_OF_LEASE: &str = "to see which PID has the file lease (end that process): grep LEASE /proc/locks";

/// An expected failure on a lock path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is not a regular file.
    #[error("lock `{}` is {what}, not a regular file", .path.display())]
    NotAFile {
        /// The lock's path.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The file has other names, so another program may use it.
    #[error("lock `{}` has {links} hard links: another name may be in use", .path.display())]
    HardLink {
        /// The lock's path.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The file belongs to another user, in a folder where every user can create files.
    #[error("lock `{}` belongs to {}, and every user can write to its folder", .path.display(), user::name(*.owner))]
    ForeignOwner {
        /// The lock's path.
        path: PathBuf,
        /// The owner's uid.
        owner: u32,
    },
    /// The content is not a lock's.
    #[error("`{}` is not a lock: its content is not a PID", .path.display())]
    ForeignContent {
        /// The lock's path.
        path: PathBuf,
    },
    /// The lock is on a file system where another host may hold it too.
    #[error("lock `{}` is on a network file system ({kind}), where another host may hold it too", .path.display())]
    NetworkFs {
        /// The lock's path.
        path: PathBuf,
        /// The file system's name.
        kind: &'static str,
    },
    /// The lock is on a file system of the kernel, such as procfs.
    #[error("lock `{}` is on {kind}, a kernel file system that cannot hold a lock", .path.display())]
    KernelFs {
        /// The lock's path.
        path: PathBuf,
        /// The file system's name.
        kind: &'static str,
    },
    /// Another process has a file lease on the file, so the kernel does not let others open it.
    #[error("cannot open lock `{}`: another process has a kernel file lease on it", .path.display())]
    Leased {
        /// The lock's path.
        path: PathBuf,
    },
    /// The folder that should hold the lock is missing.
    #[error("cannot create lock `{}`: folder `{}` does not exist", .path.display(), parent(.path).display())]
    NoFolder {
        /// The lock's path.
        path: PathBuf,
    },
    /// A system call on the path failed.
    #[error("cannot {action} `{}`: {}", .path.display(), plain(.source))]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The lock's path, or its owner record's.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A descriptor given with `--fd` cannot be locked.
    #[error("descriptor {fd} {why}")]
    Descriptor {
        /// Its number.
        fd: i32,
        /// What is wrong with it.
        why: &'static str,
        /// The path of the lock, if it is open on another file than the one there, or should be open on it.
        lock: Option<PathBuf>,
        /// Whether it is open at all.
        is_open: bool,
    },
}

impl Error {
    /// A failed system call on a path.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// A failed open that must not wait: a lease makes it fail.
    pub fn opening(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::WouldBlock => Self::Leased { path: path.to_owned() },
            _ => Self::io("open lock", path, source),
        }
    }

    /// Whether the file does not exist.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// The same error, of a descriptor that should be open on that lock.
    #[must_use]
    pub fn for_lock(self, path: &Path) -> Self {
        match self {
            Self::Descriptor { fd, why, is_open, .. } => {
                Self::Descriptor { fd, why, is_open, lock: Some(path.to_owned()) }
            }
            other => other,
        }
    }

    /// What is wrong, without the path.
    pub fn reason(&self) -> String {
        match self {
            Self::NotAFile { what, .. } => format!("it is {what}, not a regular file"),
            Self::HardLink { links, .. } => format!("it has {links} hard links"),
            Self::ForeignContent { .. } => "it is not a lock: its content is not a PID".into(),
            Self::KernelFs { kind, .. } => {
                format!("it is on {kind}, a kernel file system that cannot hold a lock")
            }
            Self::Leased { .. } => "another process has a kernel file lease on it, so it cannot be opened".into(),
            Self::Io { source, .. } => plain(source),
            Self::ForeignOwner { .. } | Self::NetworkFs { .. } | Self::NoFolder { .. } | Self::Descriptor { .. } => {
                self.to_string()
            }
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NotAFile { .. }
            | Self::HardLink { .. }
            | Self::ForeignOwner { .. }
            | Self::ForeignContent { .. }
            | Self::NetworkFs { .. }
            | Self::KernelFs { .. } => Exit::Config,
            Self::Leased { .. } => Exit::Held,
            Self::NoFolder { .. } => Exit::CantCreate,
            Self::Io { source, .. } => exit_of_io(source),
            Self::Descriptor { .. } => Exit::Usage,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NotAFile { .. } => "lock-not-a-file",
            Self::HardLink { .. } => "lock-hard-link",
            Self::ForeignOwner { .. } => "lock-foreign-owner",
            Self::ForeignContent { .. } => "lock-foreign-content",
            Self::NetworkFs { .. } => "lock-network-fs",
            Self::KernelFs { .. } => "lock-kernel-fs",
            Self::Leased { .. } => "lock-leased",
            Self::NoFolder { .. } => "lock-no-folder",
            Self::Io { .. } => "lock-io",
            Self::Descriptor { .. } => "lock-descriptor",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotAFile { .. } | Self::HardLink { .. } | Self::ForeignContent { .. } => {
                vec!["to use another file: solobot … --lock PATH".into()]
            }
            Self::ForeignOwner { owner, .. } => vec![
                advice::as_user("as its owner", &user::name(*owner), "solobot …"),
                "to use a lock in a folder of your own: solobot … --lock PATH".into(),
            ],
            Self::NetworkFs { .. } => vec![
                "to use a lock on a local disk: solobot … --lock PATH".into(),
                "if only this host uses the lock: solobot … --allow-network-fs".into(),
            ],
            Self::KernelFs { .. } => vec!["to use a lock in a folder of your own: solobot … --lock PATH".into()],
            Self::Leased { .. } => vec![HINT_OF_LEASE.into()],
            Self::NoFolder { path } if proc::is_deleted(parent(path)) => {
                vec!["the current folder no longer exists; change to another one: cd".into()]
            }
            Self::NoFolder { path } => vec![format!("create it: {}", advice::make(parent(path)))],
            Self::Io { path, source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => vec![owner_hint(path)],
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull => {
                    vec!["to use a lock on a disk that can be written: solobot … --lock PATH".into()]
                }
                _ => hints_of_io(source),
            },
            Self::Descriptor { fd, lock, is_open, .. } => {
                let lock = lock.as_deref().unwrap_or(Path::new(".solobot.lock"));
                let open = format!("exec {fd}<>{}; solobot acquire --fd {fd}", typed(lock));
                if *is_open {
                    vec![
                        format!("to lock the new file: {open}"),
                        format!("to release what it holds, close it: exec {fd}>&-"),
                    ]
                } else {
                    vec![format!("open it first: {open}")]
                }
            }
        }
    }
}

/// Which user may do it: the owner of the path, or of the nearest folder that can be seen.
fn owner_hint(path: &Path) -> String {
    let owner = path.ancestors().find_map(|part| FileStatus::of_entry(part).ok()).map_or(0, |part| part.owner());
    advice::as_user("as its owner", &user::name(owner), "solobot …")
}
