//! What one cause comes to: a code, how bad it is, what shows it, and how to fix it.

use serde::Serialize;

use crate::base::finding_code::Code;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Two instances run, or nothing would keep them from it although something seems to; or the bot cannot poll: exit
    /// code 1.
    Error,
    /// No conflict now, but the next start, stop or clean-up makes one.
    Warning,
    /// As it should be, and worth knowing.
    Info,
}

impl Level {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One cause, found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    /// In a sentence.
    pub summary: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// The processes that it is about.
    pub pids: Vec<i32>,
    /// What to type.
    pub command: Option<String>,
}

impl Finding {
    /// A finding without evidence yet.
    pub fn new(code: Code, level: Level, summary: impl Into<String>) -> Self {
        Self { code, level, summary: summary.into(), evidence: Vec::new(), pids: Vec::new(), command: None }
    }

    /// With what was seen.
    #[must_use]
    pub fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With the processes that it is about.
    #[must_use]
    pub fn about(mut self, pids: impl IntoIterator<Item = i32>) -> Self {
        self.pids.extend(pids);
        self
    }

    #[must_use]
    pub fn fixed_by(mut self, command: impl Into<Option<String>>) -> Self {
        self.command = command.into();
        self
    }
}
