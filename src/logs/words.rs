//! The words of conflict and error messages, by client library.
//!
//! A scan looks only for [`ANCHORS`]: every interesting line has one of these short strings. Only lines with an anchor are
//! parsed and classified with all patterns. Patterns ignore case. An anchor is listed as it is usually written, and also in
//! upper case if some bots write it so.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem::FinderRev;
use serde::Serialize;

use super::lines::{LineForm, Severity};

/// What a line or a record reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 409: another poller ended our poll.
    OtherPoller,
    /// 409: a webhook is set.
    Webhook,
    /// 429.
    RateLimit,
    /// No answer in time.
    Timeout,
    /// DNS, TCP, TLS, a proxy.
    Network,
    /// 5xx.
    Server,
    /// Any other error.
    Other,
}

impl Kind {
    /// In the order of the report.
    pub const ALL: [Self; 7] =
        [Self::OtherPoller, Self::Webhook, Self::RateLimit, Self::Timeout, Self::Network, Self::Server, Self::Other];

    /// Whether it is a 409.
    pub fn is_conflict(self) -> bool {
        matches!(self, Self::OtherPoller | Self::Webhook)
    }

    /// Its name in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherPoller => "other_poller",
            Self::Webhook => "webhook",
            Self::RateLimit => "rate_limit",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Server => "server",
            Self::Other => "other",
        }
    }
}

/// The library that wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Library {
    #[serde(rename = "aiogram 2")]
    Aiogram2,
    #[serde(rename = "aiogram 3")]
    Aiogram3,
    /// python-telegram-bot, 13 to 22.
    #[serde(rename = "python-telegram-bot")]
    Ptb,
    /// pyTelegramBotAPI, 3 and 4.
    #[serde(rename = "pyTelegramBotAPI")]
    Telebot,
    #[serde(rename = "telegraf")]
    Telegraf,
    /// grammY.
    #[serde(rename = "grammY")]
    Grammy,
    /// node-telegram-bot-api, 0.x and 2.
    #[serde(rename = "node-telegram-bot-api")]
    NodeTelegramBotApi,
    #[serde(rename = "teloxide")]
    Teloxide,
    /// The server's own text, from an unknown library.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Library {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Aiogram2,
        Self::Aiogram3,
        Self::Ptb,
        Self::Telebot,
        Self::Telegraf,
        Self::Grammy,
        Self::NodeTelegramBotApi,
        Self::Teloxide,
        Self::Unknown,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aiogram2 => "aiogram 2",
            Self::Aiogram3 => "aiogram 3",
            Self::Ptb => "python-telegram-bot",
            Self::Telebot => "pyTelegramBotAPI",
            Self::Telegraf => "telegraf",
            Self::Grammy => "grammY",
            Self::NodeTelegramBotApi => "node-telegram-bot-api",
            Self::Teloxide => "teloxide",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the process ends on a 409, so that each one is from a new start.
    pub fn dies_of_a_conflict(self) -> bool {
        matches!(self, Self::Telegraf | Self::Grammy)
    }
}

/// The lines in which an anchor is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// A 409.
    Conflict,
    /// Perhaps an error.
    Error,
    /// A bot's start.
    Start,
}

/// Every interesting line has one of these strings. With more than sixteen, or with shorter ones, the search takes twice the
/// time. The price is one missed form: a time-out that ends a traceback with a single word, below a line that already counts
/// as an error.
///
/// Their order makes half the speed. The search (Teddy) looks at the first four bytes by their half bytes, in eight sets of
/// strings. Strings that differ only in case are in one set. Of eleven such groups, the ninth, tenth and eleventh share a set
/// with those whose index is 8 less. Sharing causes false hits, but few if both begin alike, as two words in upper case do.
/// A test checks the order.
pub const ANCHORS: [(&str, Anchor); 15] = [
    ("erminated", Anchor::Conflict),
    ("ebhook is active", Anchor::Conflict),
    ("rror", Anchor::Error),
    ("imed out", Anchor::Error),
    ("RITICAL", Anchor::Error),
    ("oo Many Requests", Anchor::Error),
    ("xception:", Anchor::Error),
    ("tart polling", Anchor::Start),
    ("ERMINATED", Anchor::Conflict),
    ("EBHOOK IS ACTIVE", Anchor::Conflict),
    ("RROR", Anchor::Error),
    ("tarted polling", Anchor::Start),
    ("WARN", Anchor::Error),
    ("RetryAfter", Anchor::Error),
    ("pplication started", Anchor::Start),
];

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordMatch {
    pub kind: Kind,
    /// The library, if it is known.
    pub client: Library,
    /// The same error will be logged again with its traceback.
    pub comes_again: bool,
}

/// A set of patterns, in lower case: the first hit's index is the answer.
struct WordTable {
    automaton: AhoCorasick,
}

impl WordTable {
    fn new(words: &[&str]) -> Self {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostFirst)
            .build(words)
            .expect("a short list of literals");
        Self { automaton }
    }

    /// The lowest index of all words that occur.
    fn lowest(&self, text: &[u8]) -> Option<usize> {
        let mut lowest: Option<usize> = None;
        for found in self.automaton.find_iter(text) {
            let index = found.pattern().as_usize();
            lowest = Some(lowest.map_or(index, |lowest| lowest.min(index)));
            if lowest == Some(0) {
                break;
            }
        }
        lowest
    }

    /// The index of the first word of the text.
    fn first(&self, text: &[u8]) -> Option<usize> {
        self.automaton.find(text).map(|found| found.pattern().as_usize())
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.automaton.is_match(text)
    }
}

/// The server's words for a 409, and the names that clients gave them.
const CONFLICTS: [(&str, Kind); 6] = [
    ("terminated by other getupdates", Kind::OtherPoller),
    ("terminated by other long poll or webhook", Kind::OtherPoller),
    ("terminatedbyothergetupdates", Kind::OtherPoller),
    ("terminated by setwebhook", Kind::Webhook),
    ("terminated by other setwebhook", Kind::Webhook),
    ("webhook is active", Kind::Webhook),
];

/// Words of other errors. The first one in this list that is in the line decides.
const ERRORS: [(&str, Kind); 56] = [
    ("retryafter", Kind::RateLimit),
    ("retry after", Kind::RateLimit),
    ("too many requests", Kind::RateLimit),
    ("flood control", Kind::RateLimit),
    ("error code: 429", Kind::RateLimit),
    ("bad gateway", Kind::Server),
    ("gateway timeout", Kind::Server),
    ("gateway time-out", Kind::Server),
    ("internal server error", Kind::Server),
    ("service unavailable", Kind::Server),
    ("telegramservererror", Kind::Server),
    ("restartingtelegram", Kind::Server),
    ("error code: 50", Kind::Server),
    ("status code 50", Kind::Server),
    ("etelegram: 50", Kind::Server),
    ("etimedout", Kind::Network),
    ("winerror 121", Kind::Network),
    ("clientconnector", Kind::Network),
    ("timed out", Kind::Timeout),
    ("timedout", Kind::Timeout),
    ("timeout", Kind::Timeout),
    ("networkerror", Kind::Network),
    ("connectionerror", Kind::Network),
    ("connecterror", Kind::Network),
    ("connection reset", Kind::Network),
    ("connection refused", Kind::Network),
    ("connection aborted", Kind::Network),
    ("connection closed", Kind::Network),
    ("connectionreset", Kind::Network),
    ("connectionrefused", Kind::Network),
    ("econnreset", Kind::Network),
    ("econnrefused", Kind::Network),
    ("econnaborted", Kind::Network),
    ("enotfound", Kind::Network),
    ("eai_again", Kind::Network),
    ("enetunreach", Kind::Network),
    ("ehostunreach", Kind::Network),
    ("name resolution", Kind::Network),
    ("name or service not known", Kind::Network),
    ("nodename nor servname", Kind::Network),
    ("getaddrinfo", Kind::Network),
    ("no route to host", Kind::Network),
    ("network is unreachable", Kind::Network),
    ("network request for", Kind::Network),
    ("remotedisconnected", Kind::Network),
    ("remoteprotocolerror", Kind::Network),
    ("server disconnected", Kind::Network),
    ("serverdisconnected", Kind::Network),
    ("socket hang up", Kind::Network),
    ("cannot connect to", Kind::Network),
    ("max retries exceeded", Kind::Network),
    ("fetch failed", Kind::Network),
    ("sslerror", Kind::Network),
    ("proxyerror", Kind::Network),
    ("clientoserror", Kind::Network),
    ("readerror", Kind::Network),
];

/// Words that show the library. The first one in the line decides; if two begin at the same place, the first in this list.
const CLIENTS: [(&str, Library); 22] = [
    ("aiogram.dispatcher.dispatcher", Library::Aiogram2),
    ("aiogram.utils.exceptions", Library::Aiogram2),
    ("aiogram.exceptions", Library::Aiogram3),
    ("telegram server says", Library::Aiogram3),
    ("telegramconflicterror", Library::Aiogram3),
    ("telegramnetworkerror", Library::Aiogram3),
    ("telegramretryafter", Library::Aiogram3),
    ("telegramservererror", Library::Aiogram3),
    ("aiogram", Library::Aiogram3),
    ("telegram.error.", Library::Ptb),
    ("telegram.ext.", Library::Ptb),
    ("error while getting updates", Library::Ptb),
    ("exception happened while polling for updates", Library::Ptb),
    ("telebot", Library::Telebot),
    ("error code: 409", Library::Telebot),
    ("grammyerror", Library::Grammy),
    ("call to 'getupdates' failed", Library::Grammy),
    ("etelegram", Library::NodeTelegramBotApi),
    ("[polling_error]", Library::NodeTelegramBotApi),
    ("telegramapierror", Library::NodeTelegramBotApi),
    ("telegramerror: ", Library::Telegraf),
    ("teloxide", Library::Teloxide),
];

/// What libraries write when they will log the same error again with its traceback.
const TWICE: [&str; 3] =
    ["error while getting updates", "olling exception", "a request to the telegram api was unsuccessful"];

/// Names of exceptions that do not end in `Error` or `Exception`.
const NAMES: [&[u8]; 9] = [
    b"TimedOut",
    b"RetryAfter",
    b"Conflict",
    b"Forbidden",
    b"BadRequest",
    b"InvalidToken",
    b"Timeout",
    b"ChatMigrated",
    b"Unauthorized",
];

static CONFLICT_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&CONFLICTS.map(|(word, _)| word)));
static REFUSAL_WORDS: LazyLock<WordTable> =
    LazyLock::new(|| WordTable::new(&["while webhook is active", "another webhook is active"]));
static SERVER_WORDS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("onflict: "));
static ERROR_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&ERRORS.map(|(word, _)| word)));
static CLIENT_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&CLIENTS.map(|(word, _)| word)));
static TWICE_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&TWICE));

/// The conflict that a text names.
pub fn conflict(text: &[u8]) -> Option<Kind> {
    let (words, kind) = CONFLICT_WORDS.lowest(text).map(|index| CONFLICTS[index])?;
    // A bot may say "the webhook is active" when all is well. The server says so only when it refuses.
    let is_refusal = words != "webhook is active" || REFUSAL_WORDS.is_in(text);
    is_refusal.then_some(kind)
}

/// What a line says, of the shape and at the level it has; `near` is the text around the anchor of a conflict, if the line
/// has one.
pub fn classify(text: &[u8], level: Option<Severity>, shape: LineForm, near: Option<&[u8]>) -> Option<WordMatch> {
    let named = near.and_then(|near| conflict(near).or_else(|| conflict(text)));
    let kind = named.or_else(|| error(text, level, shape))?;
    let client = CLIENT_WORDS.first(before(text, named)).map_or(Library::Unknown, |index| CLIENTS[index].1);
    let comes_again = matches!(client, Library::Ptb | Library::Telebot) && TWICE_WORDS.is_in(text);
    Some(WordMatch { kind, client, comes_again })
}

/// The client's words, before the server's own words, which are most of a conflict's line.
fn before(text: &[u8], named: Option<Kind>) -> &[u8] {
    match named.and_then(|_| SERVER_WORDS.rfind(text)) {
        Some(at) => &text[..at],
        None => text,
    }
}

/// Any other error. A line below level warning does not report one, and an indented line is a part of one.
fn error(text: &[u8], level: Option<Severity>, shape: LineForm) -> Option<Kind> {
    let words = || ERROR_WORDS.lowest(text).map(|index| ERRORS[index].1);
    match (shape, level) {
        (LineForm::Inner | LineForm::Traceback | LineForm::Chain, _) | (_, Some(Severity::Info)) => None,
        (_, Some(Severity::Warning)) => words(),
        (_, Some(Severity::Error)) => Some(words().unwrap_or(Kind::Other)),
        (LineForm::Plain | LineForm::Head, None) if names_an_exception(text) => Some(words().unwrap_or(Kind::Other)),
        (LineForm::Plain | LineForm::Head, None) => None,
    }
}

/// `telegram.error.TimedOut: Timed out`, `Error: connect ETIMEDOUT`, `Unhandled rejection Error: x`.
pub fn names_an_exception(text: &[u8]) -> bool {
    const BEFORE: [&[u8]; 4] = [b"Uncaught ", b"Unhandled rejection ", b"Unhandled ", b"Fatal "];
    let text = BEFORE.iter().find_map(|before| text.strip_prefix(*before)).unwrap_or(text);
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let length = text.iter().take(120).take_while(is_name).count();
    let (name, rest) = text.split_at(length);
    if length == 0 || !name[0].is_ascii_alphabetic() || !(rest.is_empty() || rest[0] == b':') {
        return false;
    }
    let is_error = [&b"Error"[..], b"Exception"].iter().any(|end| name.ends_with(end));
    is_error || NAMES.iter().any(|end| name.ends_with(end)) || memchr::memmem::find(name, b".exceptions.").is_some()
}

#[cfg(test)]
mod tests;
