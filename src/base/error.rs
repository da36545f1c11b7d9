//! Expected errors: each says what is wrong, why, and what to do, and has an exit code.
//!
//! Each module has its own enum (`lock::Error`, `settings::Error` …), and [`Error`] holds them all. Messages are in lower
//! case, without a full stop. A hint is a purpose and the command for it. Anything unexpected is an [`Error::Bug`], which
//! color-eyre reports, with exit code 70.

use std::io;
use std::path::Path;

use crate::base::exit::Exit;
use crate::base::shell;

/// What the report of an error needs from a module's error enum.
pub trait Expected: std::error::Error {
    fn exit(&self) -> Exit;
    /// A stable word in kebab-case for programs (`error.kind` in JSON).
    fn kind(&self) -> &'static str;
    /// What to do about it, the most likely first.
    fn hints(&self) -> Vec<String>;
    /// The message for a person, shorter where it contains a command line that may be very long.
    fn brief(&self) -> String {
        self.to_string()
    }
}

/// Every expected error, and the unexpected ones.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage that clap cannot detect.
    #[error("{message}")]
    Usage {
        message: String,
        /// What to type instead.
        hints: Vec<String>,
    },
    #[error("{0}")]
    Expected(Box<dyn Expected + Send + Sync>),
    /// A system call failed where no module expected it to.
    #[error("cannot {action}: {}", plain(.source))]
    Io {
        /// What was attempted, with its object: `read /proc/12/stat`.
        action: String,
        source: io::Error,
    },
    /// Should never happen.
    #[error("{0}")]
    Bug(String),
}

impl<E: Expected + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Expected(Box::new(error))
    }
}

impl Error {
    /// Wrong usage, with one hint.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hints: vec![hint.into()] }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Expected(error) => error.exit(),
            Self::Io { source, .. } => exit_of_io(source),
            Self::Bug(_) => Exit::Bug,
        }
    }

    /// The message for a person.
    pub fn brief(&self) -> String {
        match self {
            Self::Expected(error) => error.brief(),
            _ => self.to_string(),
        }
    }

    /// A stable word in kebab-case for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Expected(error) => error.kind(),
            Self::Io { .. } => "io",
            Self::Bug(_) => "bug",
        }
    }

    /// What to do about it. There is always at least one hint.
    pub fn hints(&self) -> Vec<String> {
        let hints = match self {
            Self::Usage { hints, .. } => hints.clone(),
            Self::Expected(error) => error.hints(),
            Self::Io { source, .. } => hints_of_io(source),
            Self::Bug(_) => vec!["this is a bug in solobot; please report it, with the lines above".into()],
        };
        if hints.is_empty() { vec!["to see what solobot tried: solobot -vvv …".into()] } else { hints }
    }
}

/// The exit code for an error of a system call: 77 for permissions, 70 if only a bug can cause the error, otherwise 73
/// (no such folder, disk full, too many open files, no `/proc` …).
pub fn exit_of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        io::ErrorKind::InvalidInput => Exit::Bug,
        _ if error.raw_os_error() == Some(EBADF) => Exit::Bug,
        _ => Exit::CantCreate,
    }
}

/// What to do if no process or thread can be started.
pub const MORE_PROCESSES: &str = if cfg!(windows) {
    "there is no memory for another process or thread: end other programs, then try again"
} else {
    "raise the limit of processes and threads (TasksMax= in a systemd unit, pids.max of a container): ulimit -u 4096"
};

/// What to do about an error of a system call, if the error alone tells.
pub fn hints_of_io(error: &io::Error) -> Vec<String> {
    match error.raw_os_error().filter(|_| cfg!(unix)) {
        Some(EMFILE) => vec!["raise the limit of open files: ulimit -n 1024".into()],
        Some(EAGAIN) => vec![MORE_PROCESSES.into()],
        _ => Vec::new(),
    }
}

/// A descriptor that is not open: `EBADF`, the same on every Linux; `ERROR_INVALID_HANDLE` on Windows.
const EBADF: i32 = if cfg!(windows) { 6 } else { 9 };
/// No more processes or threads are allowed: `EAGAIN`, the same on every Linux.
const EAGAIN: i32 = 11;
/// Too many open files: `EMFILE`, the same on every Linux.
const EMFILE: i32 = 24;

/// An error of a system call in the style of our messages: lower case, without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error ").map_or(text.as_str(), |(text, _)| text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A path quoted for a shell, for hints.
pub fn typed(path: &Path) -> String {
    shell::quote(&path.to_string_lossy()).into_owned()
}

/// A path in backticks, for messages.
pub fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}
