//! The one exit-code table.
//!
//! Every way in which solobot can end is a variant of [`Exit`]. The README and the manual print the same table, and a test
//! compares them. The numbers from 64 on are those of `sysexits.h`; 126 and 127 are those of POSIX shells.

/// How solobot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to do, or `check` says yes.
    Ok,
    /// A negative answer: not safe to start, a surplus instance remains, findings at level error, declined.
    No,
    Usage,
    /// `status --exit-code`: no instance is running. As `systemctl status` and the LSB's init scripts say it.
    NotRunning,
    /// Telegram, or the engine of a lease, could not be reached.
    Unavailable,
    Bug,
    /// A file could not be created or written.
    CantCreate,
    /// Another process holds the lock, now or still after the wait.
    Held,
    /// Not permitted (EACCES, EPERM).
    NotPermitted,
    /// Bad configuration: file, token, or a path that must not be a lock.
    Config,
    /// COMMAND cannot be executed.
    NotExecutable,
    /// COMMAND was not found.
    NotFound,
    /// COMMAND's own exit code, or the one chosen with `-E`: above 255 only on Windows.
    Code(u32),
    /// A signal of this number ended COMMAND or solobot; solobot ends by the same signal.
    Signal(i32),
}

impl Exit {
    /// The number that the parent process sees. For [`Exit::Signal`] it is `128 + n`, which PID 1 of a container uses;
    /// any other process ends by the signal itself.
    pub fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::CantCreate => 73,
            Self::Held => 75,
            Self::NotPermitted => 77,
            Self::Config => 78,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Code(code) => code,
            Self::Signal(signal) => u32::try_from(128 + signal).unwrap_or(255),
        }
    }
}

/// The table as the README and the manual show it: code and meaning.
pub const TABLE: &[(&str, &str)] = &[
    (
        "0",
        "done, or nothing to do; for `check`: yes; for `status`: always, unless it could not look or `--exit-code` asks",
    ),
    (
        "1",
        "a negative answer: not safe to start; a surplus instance remains (blocked, surviving, respawned; with \
         `--dry-run`: anything would be stopped); findings at level error; `release` refused because a bot holds the \
         lock; `clean-stale --remove` refused; `restart`: nobody can start the bot again, so it was not stopped, or it did not start; you \
         answered no; `status --exit-code`: a bot is in trouble",
    ),
    ("2", "wrong usage"),
    ("3", "only `status --exit-code`: a bot has no running instance, and none is in trouble"),
    (
        "69",
        "Telegram, or the engine of a lease, could not be reached; `acquire`: the lease could not be renewed, so the bot \
         was stopped",
    ),
    ("70", "a bug in solobot"),
    ("73", "a file could not be created or written (missing folder, read-only, full)"),
    (
        "75",
        "`acquire`: another process holds the lock, or another host the lease, now or still after the wait, or took the \
         lease while the bot was running (`-E` changes the code); others: the lock cannot be opened because another \
         process has a kernel file lease on it",
    ),
    (
        "77",
        "not permitted (EACCES, EPERM, or by the engine of a lease); `check`, `doctor --elsewhere` and `status --exit-code`: it \
         cannot be told",
    ),
    (
        "78",
        "bad configuration: file, token, lease, or a path that cannot be a lock (folder, FIFO, socket, device, symlink, \
         hard link, foreign owner or content, network or kernel file system)",
    ),
    ("126, 127", "COMMAND cannot be executed (126) or was not found (127)"),
    (
        "signal",
        "signal n ended COMMAND or solobot: solobot ends by the same signal (a shell shows 128+n); otherwise COMMAND's own code",
    ),
];
