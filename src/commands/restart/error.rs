//! Why `restart` did not restart a bot.

use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::platform::advice;

/// An expected failure of `restart`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to restart.
    #[error("no instance of {bot} is running, so there is none to restart")]
    NotRunning {
        bot: String,
        /// What starts it.
        start: String,
    },
    /// Something may be an instance, and cannot be judged from here.
    #[error("cannot tell whether {bot} is running: {why}")]
    Unseen { bot: String, typed: String, why: String },
    /// More than one runs, of one bot or of several.
    #[error("{} instances match: {}", .list.len(), .list.join("; "))]
    Several {
        list: Vec<String>,
        /// What to type first.
        hints: Vec<String>,
    },
    /// Nobody can start it again.
    #[error("PID {pid} ({command}) cannot be restarted, and was not stopped: {why}")]
    Refused {
        pid: i32,
        /// Its command line, shortened.
        command: String,
        why: String,
        hints: Vec<String>,
    },
    #[error("not restarted: you answered no")]
    Declined,
    /// It did not end, so no other one was started.
    #[error("PID {pid} was not stopped ({how}), so nothing was started")]
    NotStopped { pid: i32, how: &'static str, typed: String },
    /// Its manager's command has failed.
    #[error("`{command}` ended with {how}")]
    ManagerFailed { command: String, how: String, typed: String },
    /// It was stopped, and did not start.
    #[error("{bot} was stopped and is not running again: {why}")]
    NotStarted { bot: String, why: String, hints: Vec<String> },
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Several { .. } => Exit::Usage,
            Self::Unseen { .. } => Exit::NotPermitted,
            _ => Exit::No,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NotRunning { .. } => "not-running",
            Self::Unseen { .. } => "unseen",
            Self::Several { .. } => "several-instances",
            Self::Refused { .. } => "cannot-be-restarted",
            Self::Declined => "declined",
            Self::NotStopped { .. } => "not-stopped",
            Self::ManagerFailed { .. } => "manager-failed",
            Self::NotStarted { .. } => "not-started",
        }
    }

    fn hints(&self) -> Vec<String> {
        let look = |typed: &str| format!("to look at it: solobot status {typed}");
        match self {
            Self::NotRunning { start, .. } => {
                vec![format!("to start it: {start}"), "to see what is running: solobot status".into()]
            }
            Self::Unseen { typed, .. } => vec![advice::as_root("to look", &format!("solobot restart {typed}"))],
            Self::Several { hints, .. } | Self::Refused { hints, .. } | Self::NotStarted { hints, .. } => hints.clone(),
            Self::Declined => vec!["to restart it without a question: solobot restart --yes …".into()],
            Self::NotStopped { typed, .. } => vec![look(typed)],
            Self::ManagerFailed { command, typed, .. } => {
                let is_by_sudo = command.starts_with("sudo ");
                let as_root = (!is_by_sudo).then(|| advice::as_root("if that needs other rights", command));
                as_root.into_iter().chain([look(typed)]).collect()
            }
        }
    }
}
