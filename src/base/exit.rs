//! The one exit-code table.
//!
//! Every way in which solobot can end is a variant of [`Exit`]; the README and the manual print the same table (a test
//! compares them). The numbers from 64 on are those of `sysexits.h`, 126 and 127 those of POSIX shells.

/// How solobot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to do, or `check` says yes.
    Ok,
    /// A negative answer: not safe to start, a surplus instance remains, findings at level error, declined.
    No,
    /// Wrong usage.
    Usage,
    /// Telegram could not be reached.
    Unavailable,
    /// A bug in solobot.
    Bug,
    /// A file could not be created or written.
    CantCreate,
    /// The lock is held by another, now or still after the wait.
    Held,
    /// Not permitted (EACCES, EPERM).
    NotPermitted,
    /// Bad configuration: file, token, or a path that must not be a lock.
    Config,
    /// COMMAND cannot be executed.
    NotExecutable,
    /// COMMAND was not found.
    NotFound,
    /// COMMAND's own exit code, or the one chosen with `-E`.
    Code(u8),
    /// COMMAND or solobot was ended by this signal number; solobot dies of the same.
    Signal(i32),
}

impl Exit {
    /// The number that the parent process sees. For [`Exit::Signal`] it is `128 + n`, which PID 1 of a container uses;
    /// any other process dies of the signal itself.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::CantCreate => 73,
            Self::Held => 75,
            Self::NotPermitted => 77,
            Self::Config => 78,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// The table as the README and the manual show it: code and meaning.
pub const TABLE: &[(&str, &str)] = &[
    ("0", "done; nothing to do; for `check`: yes. `status` is 0 whenever it could look"),
    (
        "1",
        "a negative answer: not safe to start; a surplus instance remains (blocked, surviving, respawned; with \
         `--dry-run`: anything would be stopped); findings at level error; `release` refused because a bot holds the \
         lock; `clean-stale --remove` refused; declined at the question",
    ),
    ("2", "wrong usage"),
    ("69", "Telegram could not be reached"),
    ("70", "a bug in solobot"),
    ("73", "a file could not be created or written (missing folder, read-only, full)"),
    (
        "75",
        "acquire: the lock is held by another (now, or still after the wait); `-E` changes it; the rest: another process's \
         file lease keeps the lock from being opened",
    ),
    ("77", "not permitted (EACCES, EPERM)"),
    (
        "78",
        "bad configuration: file, token, or a lock path that must not be one (folder, FIFO, socket, device, symlink, \
         hard link, foreign owner or content, network or kernel file system)",
    ),
    ("126, 127", "COMMAND cannot be executed, is not found"),
    (
        "signal",
        "COMMAND or solobot ended by signal n: solobot dies of n (a shell shows 128+n); otherwise COMMAND's own code",
    ),
];
