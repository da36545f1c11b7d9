//! Processes as they are shown: in tables, in messages and in JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::sentence::Sentence;
use crate::base::time::to_the_second;
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Handle};
use crate::platform::user;
use crate::process::details;
use crate::survey::token_users::TokenUser;

/// A process as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessView {
    pub pid: i32,
    /// When it started.
    pub start: Option<Timestamp>,
    /// Whose it is.
    pub user: String,
    /// Its command line, token-shaped strings masked.
    pub command: String,
}

impl ProcessView {
    /// Looks at a process; what cannot be seen is empty.
    pub fn of(process: Identity) -> Self {
        let start = process.started_at().and_then(|time| Timestamp::try_from(time).ok());
        Self {
            pid: process.pid,
            start: start.map(to_the_second),
            user: proc::owner(process.pid).map_or_else(String::new, user::name),
            command: command_line(process.pid),
        }
    }
}

/// A process that prevents a start although the lock is not held.
#[derive(Debug, Clone)]
pub struct UnlockedProcess {
    pub process: ProcessView,
    /// It holds a file that was at the lock's path; else it runs without the lock.
    pub holds_removed: bool,
    /// Its own solobot is dead.
    pub orphaned: bool,
    /// Why it may be another bot.
    pub doubt: Option<&'static str>,
    /// The program by whose own lock it was found: it has the bot's token.
    pub program: Option<&'static str>,
    /// It is proved to be the bot's, and may be stopped for it.
    pub is_proved: bool,
    /// The hint that names what would start it again.
    pub started_again: Option<String>,
}

/// Another program that has the bot's token.
#[derive(Debug, Clone, Serialize)]
pub struct TokenRival {
    pub pid: i32,
    /// Its command line, tokens masked.
    pub command: String,
    /// Whether it was seen connected to the API server.
    pub connected: bool,
    #[serde(skip)]
    bot_id: String,
}

impl TokenRival {
    pub fn of(user: &TokenUser, connected: bool) -> Self {
        let (command, bot_id) = (user.command.clone(), user.token.bot_id.clone());
        Self { pid: user.process.pid, command, connected, bot_id }
    }

    /// What is to be known of it.
    pub fn sentence(&self) -> Sentence {
        let (pid, id) = (self.pid, &self.bot_id);
        let has = if self.connected { "is connected to Telegram with" } else { "has" };
        Sentence::of(|shown| {
            format!(
                "PID {pid} ({}) {has} the same token (bot {id}); only one of the two can poll",
                shown(&self.command)
            )
        })
    }
}

/// The command line of a process in one line, quoted where a shell would need it, tokens masked; the command's name in
/// brackets where the line is hidden or empty.
pub fn command_line(pid: i32) -> String {
    let words = Handle::open(pid).map(|handle| handle.argv()).unwrap_or_default();
    if words.is_empty() {
        return format!("[{}]", proc::name(pid).unwrap_or_default());
    }
    details::command_line(&words)
}
