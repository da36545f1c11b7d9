//! What a diagnosis knows beyond this machine's processes and locks: tokens, Telegram's answer, the logs.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::super::connections::ConnectionEvidence;
use crate::logs::rhythm::Pattern;
use crate::logs::tally::Counts;
use crate::platform::identity::Identity;
use crate::telegram::api::WebhookInfo;
use crate::telegram::errors::Error;

/// What is older in a log is over.
pub const FRESH: Duration = Duration::from_mins(5);
/// Telegram holds the poll of a dead client for 50 s at most: so long conflicts are normal after a start or a takeover.
pub const SETTLES: Duration = Duration::from_mins(1);

/// A bot's token, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToken {
    /// The bot's id at Telegram.
    pub bot_id: String,
    /// By which two hosts can be compared.
    pub fingerprint: String,
    /// Where it was found.
    pub place: String,
    /// White space stands around it there.
    pub is_padded: bool,
}

/// What Telegram says of a bot.
#[derive(Debug, Clone, Default)]
pub enum Telegram {
    /// Nobody asked: without a token nothing is sent.
    #[default]
    NotAsked,
    Answered(TelegramAnswer),
    /// It could not be asked, or refuses.
    Failed {
        error: Error,
        /// The proxy on the way.
        proxy: Option<String>,
    },
}

/// Telegram's answer.
#[derive(Debug, Clone)]
pub struct TelegramAnswer {
    /// The bot's name at Telegram.
    pub username: Option<String>,
    pub webhook: WebhookInfo,
    /// How far the server's clock is ahead of ours.
    pub clock_ahead: Option<SignedDuration>,
    /// The proxy on the way.
    pub proxy: Option<String>,
}

impl Telegram {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&TelegramAnswer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::NotAsked | Self::Failed { .. } => None,
        }
    }

    /// Why there is none.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed { error, .. } => Some(error),
            Self::NotAsked | Self::Answered(_) => None,
        }
    }

    /// The proxy on the way.
    pub fn proxy(&self) -> Option<&str> {
        match self {
            Self::Answered(TelegramAnswer { proxy, .. }) | Self::Failed { proxy, .. } => proxy.as_deref(),
            Self::NotAsked => None,
        }
    }
}

/// What a bot's logs say.
#[derive(Debug, Clone, Default)]
pub struct LogFacts {
    /// Those that were read.
    pub names: Vec<String>,
    /// Those that could not be, and why.
    pub unreadable: Vec<String>,
    /// The errors of the last minutes but those that a start or a takeover explains.
    pub fresh: Counts,
    /// All conflicts of the last minutes with another poller, explained or not.
    pub recent: u64,
    /// Those of them that a start or a takeover explains.
    pub settling: u64,
    /// The latest start or takeover.
    pub takeover: Option<Handover>,
    /// When the last conflict was.
    pub last: Option<Timestamp>,
    /// When those of the last minutes were, in seconds since 1970.
    pub moments: Vec<i64>,
    /// Conflicts without a time.
    pub undated: u64,
    /// The last day's conflicts.
    pub day: u64,
    /// What they look like.
    pub pattern: Option<Pattern>,
}

/// A moment from which on conflicts are normal for a while: the poll of whoever polled before is still held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    pub at: Timestamp,
    /// What happened, in a few words.
    pub what: String,
}

/// A bot of solobot.toml, whichever was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredBot {
    pub name: String,
    /// The fingerprint of its token.
    pub fingerprint: String,
    pub lock: PathBuf,
}

/// A process that is connected to the API server, is no instance of any bot that was looked at, and is not known to have
/// the token of one.
#[derive(Debug, Clone)]
pub struct ConnectedStranger {
    pub process: Identity,
    /// What it runs, in a word.
    pub name: String,
    /// The fingerprint of its token, where that is known.
    pub fingerprint: Option<String>,
    /// The logs that it writes to.
    pub logs: Vec<String>,
    /// When it had conflicts in the last minutes, in seconds since 1970.
    pub moments: Vec<i64>,
}

/// What of this machine's connections to the API server cannot be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnseenConnections {
    /// The users of those whose process could not be read.
    pub users: Vec<String>,
    /// So many processes are in containers that cannot be looked into.
    pub contained: usize,
    /// So many processes of other users do not show theirs.
    pub unshown: usize,
}

/// An instance of another program that has the token of one of the bots.
#[derive(Debug, Clone)]
pub struct ConnectedTokenUser {
    /// Its root process.
    pub process: Identity,
    /// What it runs.
    pub program: String,
    /// The same in a word.
    pub name: String,
    /// Its command line, tokens masked.
    pub command: String,
    /// The fingerprint of its token.
    pub fingerprint: String,
    /// Its connections.
    pub evidence: ConnectionEvidence,
}
