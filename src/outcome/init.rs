//! What `init` drafted.

use std::path::PathBuf;

use serde::Serialize;

use crate::base::text::lossy;

/// What was drafted, and whether it was written.
#[derive(Debug, Serialize)]
pub struct InitOutcome {
    /// The file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Whether it was written; not with `--dry-run`.
    pub written: bool,
    /// The bots that it names.
    pub bots: Vec<BotDraft>,
    pub text: String,
    /// The programs of bots that run in other projects' folders, and are theirs to draft.
    #[serde(skip)]
    pub elsewhere: Vec<String>,
    /// The script that was taken for the bot, if solobot could not ask.
    #[serde(skip)]
    pub guess: Option<Guess>,
    /// Another user can write to its folder, so it is trusted only if it is named.
    #[serde(skip)]
    pub is_distrusted: bool,
}

/// A script that looks like the bot, and may not be it.
#[derive(Debug)]
pub struct Guess {
    pub script: PathBuf,
    /// How many scripts here look like a bot.
    pub count: usize,
}

/// One `[bots.NAME]` as it will be written. Paths are absolute, or relative to `dir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotDraft {
    pub name: String,
    /// The bot's folder.
    pub dir: String,
    /// `script`, `module` or `exe`.
    #[serde(skip)]
    pub key: &'static str,
    pub program: String,
    /// The arguments that tell it from another bot of the same program.
    pub args: Option<Vec<String>>,
    /// The lock, where it is not solobot's default.
    pub lock: Option<String>,
    /// It takes this lock itself.
    pub locks_itself: bool,
    /// The variable that carries the token.
    pub token_env: Option<String>,
    /// The file that sets it.
    pub env_file: Option<String>,
    pub logs: Vec<String>,
    /// What starts it; `None` where a token stands in it, or where it is not known.
    pub command: Option<Vec<String>>,
    /// The PIDs of its instances.
    pub pids: Vec<i32>,
    /// How it was found, in whole sentences.
    #[serde(skip)]
    pub evidence: Vec<String>,
    /// It may be no bot at all: written as comments.
    #[serde(skip)]
    pub doubtful: bool,
    /// Who keeps it running, where it runs without a lock.
    #[serde(skip)]
    pub unlocked_under: Option<String>,
    /// Who runs it, where that is another user than the one who asks.
    #[serde(skip)]
    pub other_user: Option<String>,
    /// The variable that has the URL of an engine, which could keep its lease: only proposed.
    #[serde(skip)]
    pub lease_env: Option<&'static str>,
    /// What every subcommand calls it.
    #[serde(skip)]
    pub called: String,
}
