//! A finding: a code, its level, the evidence, and the command that fixes it.

use serde::Serialize;

use crate::base::finding_code::Code;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Two instances are running, or a lock that seems to prevent that does not, or the bot cannot poll: exit code 1.
    Error,
    /// There is no conflict now, but the next start, stop or clean-up may cause one.
    Warning,
    /// Nothing is wrong, but it is worth knowing.
    Info,
}

impl Level {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    /// What is wrong, in one sentence.
    pub summary: String,
    pub evidence: Vec<String>,
    /// The processes that it is about.
    pub pids: Vec<i32>,
    /// The command that fixes it, or shows more.
    pub command: Option<String>,
    /// The command only shows more.
    #[serde(skip)]
    pub only_shows: bool,
}

impl Finding {
    pub fn new(code: Code, level: Level, summary: impl Into<String>) -> Self {
        Self {
            code,
            level,
            summary: summary.into(),
            evidence: Vec::new(),
            pids: Vec::new(),
            command: None,
            only_shows: false,
        }
    }

    /// Adds evidence.
    #[must_use]
    pub fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Adds the processes that it is about.
    #[must_use]
    pub fn about(mut self, pids: impl IntoIterator<Item = i32>) -> Self {
        self.pids.extend(pids);
        self
    }

    /// The command that fixes it, unless there is one already.
    #[must_use]
    pub fn fixed_by(self, command: impl Into<Option<String>>) -> Self {
        self.with(command.into(), false)
    }

    /// A command that only shows more, unless there is one already.
    #[must_use]
    pub fn explored_by(self, command: impl Into<Option<String>>) -> Self {
        self.with(command.into(), true)
    }

    fn with(self, command: Option<String>, only_shows: bool) -> Self {
        if self.command.is_some() { self } else { Self { command, only_shows, ..self } }
    }
}
