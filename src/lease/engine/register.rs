//! One record on an engine: read it, and set it if its version is still the one that was read.
//!
//! Invariant: a call ends within the time it is given. An error says nothing about what the engine has, or will yet have.

use std::time::Duration;

use crate::base::exit::Exit;

/// What an engine had, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegisterLook {
    /// `None`: there is no record.
    pub content: Option<Vec<u8>>,
    pub version: Version,
    /// Who answered: another server, or the same one after it may have lost something, has another name.
    pub server: String,
}

/// What a set compares. Only the engine that made it can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub Vec<u8>);

/// How a set ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetResult {
    /// It stands; so does this.
    Written(RegisterLook),
    /// Something else stood there.
    Refused(RegisterLook),
}

/// One record on an engine.
pub trait Register: Send {
    /// # Errors
    /// No answer in time, or none that can be understood.
    fn read(&mut self, limit: Duration) -> Result<RegisterLook, EngineError>;

    /// Writes the record if the version is still this one. After an error nobody knows whether it was, or will yet be,
    /// carried out.
    ///
    /// # Errors
    /// As `read`.
    fn set_if(&mut self, version: &Version, record: &[u8], limit: Duration) -> Result<SetResult, EngineError>;

    /// Why the engine may lose the record, as far as it says; for `doctor`.
    ///
    /// # Errors
    /// As `read`.
    fn weaknesses(&mut self, limit: Duration) -> Result<Vec<EngineWeakness>, EngineError>;
}

/// Why an engine may lose a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineWeakness {
    /// A sentence without a full stop.
    pub what: String,
    /// What to type or change.
    pub remedy: String,
}

/// Why an engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    pub kind: EngineErrorKind,
    /// What happened, in the engine's own words where it has some; no secret.
    pub message: String,
    pub hints: Vec<String>,
}

/// What to conclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineErrorKind {
    /// Try again: nothing was heard in time, or nonsense (69).
    Unreachable,
    /// It will never work like this: READONLY, cluster mode, an unknown scheme (78).
    Configuration,
    /// A wrong password, an unknown host key (77).
    NotPermitted,
}

impl EngineError {
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { kind: EngineErrorKind::Unreachable, message: message.into(), hints: Vec::new() }
    }

    pub fn configuration(message: impl Into<String>) -> Self {
        Self { kind: EngineErrorKind::Configuration, message: message.into(), hints: Vec::new() }
    }

    pub fn not_permitted(message: impl Into<String>) -> Self {
        Self { kind: EngineErrorKind::NotPermitted, message: message.into(), hints: Vec::new() }
    }

    /// A record that no answer has room for.
    pub fn too_long(record: &[u8]) -> Self {
        Self::configuration(format!("the lease's record has {} bytes, which is too long", record.len()))
    }

    /// A version that another engine made: only a mistake of ours.
    pub fn foreign_version() -> Self {
        Self::configuration("the lease's version was made by another engine")
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl EngineErrorKind {
    pub fn exit(self) -> Exit {
        match self {
            Self::Unreachable => Exit::Unavailable,
            Self::Configuration => Exit::Config,
            Self::NotPermitted => Exit::NotPermitted,
        }
    }
}
