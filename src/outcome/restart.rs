//! What `restart` would do, or did.

use std::path::PathBuf;

use serde::Serialize;

/// What `restart` would do, or did.
#[derive(Debug, Clone, Serialize)]
pub struct RestartOutcome {
    /// The bot's name.
    pub bot: String,
    /// The instance's topmost process, before.
    pub pid: i32,
    /// Its command line, tokens masked.
    pub command: String,
    /// Who started it.
    pub origin: String,
    pub how: RestartView,
    /// What came of it; absent with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<RestartedView>,
}

/// How an instance is started again.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum RestartView {
    /// Its manager does all of it, by this command.
    Manager { run: String },
    /// It is stopped, and the loop around it starts it again.
    Loop {
        /// The process that gets the signal.
        stops: i32,
    },
    /// It is stopped, and solobot starts it in the background.
    Solobot {
        /// The process that gets the signal.
        stops: i32,
        /// What is run then, tokens masked.
        run: String,
        folder: PathBuf,
        user: String,
    },
}

/// The instance afterwards.
#[derive(Debug, Clone, Serialize)]
pub struct RestartedView {
    /// Its topmost process.
    pub pid: i32,
    /// What it writes to, where solobot started it in the background.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}
