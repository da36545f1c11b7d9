//! What a diagnosis knows of a bot's starts: those that were seen, and who would start it again.

use std::path::PathBuf;
use std::time::Duration;

use crate::platform::identity::Identity;

#[derive(Debug, Clone, Default)]
pub struct StartFacts {
    /// Those that ran at first, and those that came while they were watched.
    pub seen: Vec<WatchedStart>,
    /// How long starts were watched.
    pub watched: Duration,
    /// Who starts it again and again, the surest first.
    pub respawners: Vec<Respawner>,
    /// What its logs repeat.
    pub refrain: Option<Refrain>,
    pub cron: Cronjobs,
}

/// One start of the bot's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchedStart {
    pub process: Identity,
    /// How long it lived, if it ended while it was watched.
    pub lived: Option<Duration>,
}

/// Who starts a bot again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Respawner {
    /// `supervisord tgbot:tgbot`, `PID 7 (bash loop.sh)`.
    pub name: String,
    /// What was seen of it.
    pub evidence: Vec<String>,
    /// Its process, where it is one.
    pub pid: Option<i32>,
    /// What stops it for good.
    pub stop: Option<String>,
    /// How often it has started the bot, by its own count: `34 starts in the last minute`.
    pub count: Option<String>,
    /// That count proves that it goes on.
    pub is_proved: bool,
}

/// A refusal that a bot's logs repeat: "already running", "the lock is held".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refrain {
    /// The last such line, tokens masked.
    pub line: String,
    /// Where it stands.
    pub place: String,
    pub count: usize,
    /// From one to the next, where the lines have times.
    pub every: Option<Duration>,
}

/// What cron has to do with a bot.
#[derive(Debug, Clone, Default)]
pub struct Cronjobs {
    /// The lines that start it.
    pub lines: Vec<CronLine>,
    /// The tables that could not be read, and why.
    pub unreadable: Vec<String>,
}

/// A line of a crontab that starts a bot beside the one that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronLine {
    pub file: PathBuf,
    pub number: usize,
    /// The line, tokens masked.
    pub text: String,
    /// How often, in words: `every minute`.
    pub when: String,
    /// The command that opens it in an editor.
    pub edit: String,
}
