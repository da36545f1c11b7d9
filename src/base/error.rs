//! Expected errors: each names the thing, the reason and the remedy, and has an exit code.
//!
//! A module raises its own enum (`lock::Error`, `settings::Error` …); [`Error`] gathers them. The message is lower case
//! without a full stop; a hint is a sentence of its own, ending in what to type. What nobody expected is
//! [`Error::Bug`], shown by color-eyre with exit code 70.

use std::io;
use std::path::Path;

use crate::base::exit::Exit;

/// What a module's error enum offers to the one place that reports errors.
pub trait Expected: std::error::Error {
    fn exit(&self) -> Exit;
    /// A stable word in kebab-case for programs (`error.kind` in JSON).
    fn kind(&self) -> &'static str;
    /// What to do about it, most likely remedy first.
    fn hints(&self) -> Vec<String>;
    /// The message for a person, where a foreign command line in it may be too long to be read.
    fn brief(&self) -> String {
        self.to_string()
    }
}

/// Every expected error, and the unexpected ones.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage that clap cannot see.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to type instead.
        hints: Vec<String>,
    },
    /// From a module.
    #[error("{0}")]
    Expected(Box<dyn Expected + Send + Sync>),
    /// A system call failed where no module expected it to.
    #[error("cannot {action}: {}", plain(.source))]
    Io {
        /// What was attempted, with its object: `read /proc/12/stat`.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Cannot happen; if it does, solobot is wrong.
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

    /// The exit code this error leads to.
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

    /// What to do about it; never nothing: the last hint of all is to look closer.
    pub fn hints(&self) -> Vec<String> {
        let hints = match self {
            Self::Usage { hints, .. } => hints.clone(),
            Self::Expected(error) => error.hints(),
            Self::Io { source, .. } => hints_of_io(source),
            Self::Bug(_) => vec!["this is a bug in solobot: please report it with the lines above".into()],
        };
        if hints.is_empty() { vec!["to see what was tried: solobot -vvv …".into()] } else { hints }
    }
}

/// The exit code for a system call's error: 77 for permissions, 70 for a call that only a bug can have made, else 73: what
/// was asked could not be opened, created or written (no such folder, disk full, too many open files, no `/proc` …).
pub fn exit_of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        io::ErrorKind::InvalidInput => Exit::Bug,
        _ if error.raw_os_error() == Some(EBADF) => Exit::Bug,
        _ => Exit::CantCreate,
    }
}

/// What to do where no process and no thread can be started.
pub const MORE_PROCESSES: &str = "raise the limit of processes and threads: ulimit -u 4096; for a unit of systemd, of a container: TasksMax=, pids.max";

/// What to do about a system call's error, where the error alone says it.
pub fn hints_of_io(error: &io::Error) -> Vec<String> {
    match error.raw_os_error() {
        Some(EMFILE) => vec!["raise the limit of open files: ulimit -n 1024".into()],
        Some(EAGAIN) => vec![MORE_PROCESSES.into()],
        _ => Vec::new(),
    }
}

/// A descriptor that is not open: `EBADF`, the same on every Linux.
const EBADF: i32 = 9;
/// No process or thread more is allowed: `EAGAIN`, the same on every Linux.
const EAGAIN: i32 = 11;
/// Too many open files: `EMFILE`, the same on every Linux.
const EMFILE: i32 = 24;

/// A system call's error in the style of our messages: lower case, without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error ").map_or(text.as_str(), |(text, _)| text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A path as a shell takes it, for hints.
pub fn typed(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// A path in back quotes, for messages.
pub fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}
