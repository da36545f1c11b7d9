//! The words of conflict and error messages, by client library.
//!
//! A scan looks only for [`ANCHORS`]: every interesting line has one of these short strings. Only lines with an anchor are
//! parsed and classified with all patterns. Patterns ignore case. An anchor is listed as it is usually written, and also in
//! upper case if some bots write it so.

mod report;
mod table;

use std::sync::LazyLock;

use memchr::memmem::FinderRev;
use serde::Serialize;

use self::table::WordTable;
use super::lines::collector::hash;
use super::lines::{LineForm, Severity, names_an_exception};

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

    /// Whether the request or its answer did not come through.
    pub fn is_of_the_way(self) -> bool {
        matches!(self, Self::Timeout | Self::Network)
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

/// A string that shows that a line is of interest.
#[derive(Debug, Clone, Copy)]
pub struct AnchorWord {
    /// What must stand before it.
    pub before: &'static str,
    /// What is searched for.
    pub sought: &'static str,
    pub anchor: Anchor,
}

impl AnchorWord {
    /// Where the anchor begins in a text that has its sought part there, if it is one.
    pub fn begin(&self, text: &[u8], sought_at: usize) -> Option<usize> {
        text[..sought_at].ends_with(self.before.as_bytes()).then(|| sought_at - self.before.len())
    }
}

const fn word(before: &'static str, sought: &'static str, anchor: Anchor) -> AnchorWord {
    AnchorWord { before, sought, anchor }
}

/// Every interesting line has one of these strings. They are short parts of many words: `etry` is in `RetryAfter`, `retry
/// after` and `Retry in`, `xceeded` in Go's `deadline exceeded` and in `Max retries exceeded`.
///
/// Their form and order make half the speed. The search (Teddy) looks at as many bytes as the shortest string has, at most
/// four; three take two thirds of the time that four take. It looks at their half bytes, in eight sets of strings. Strings that
/// differ only in case are in one set; others share one if their indices differ by eight. Sharing causes false hits where a
/// text mixes the half bytes of both. So each string is sought by its rarest three bytes, and the pairs are those that mix
/// least, counted on logs and on prose: next to never. A test checks the order.
pub const ANCHORS: [AnchorWord; 17] = [
    word("ermi", "nated", Anchor::Conflict),
    word("r", "ror", Anchor::Error),
    word("R", "ITICAL", Anchor::Error),
    word(" po", "lling", Anchor::Start),
    word("imed", " out", Anchor::Error),
    word(" ", "409 ", Anchor::Error),
    word("W", "ARN", Anchor::Error),
    word("", "xception:", Anchor::Error),
    word("ERMI", "NATED", Anchor::Conflict),
    word("", "etry", Anchor::Error),
    word(" ", "Gateway", Anchor::Error),
    word("ebhoo", "k is active", Anchor::Conflict),
    word("R", "ROR", Anchor::Error),
    word("EBHOO", "K IS ACTIVE", Anchor::Conflict),
    word("", "pplication started", Anchor::Start),
    word(" ", "tcp", Anchor::Error),
    word("", "xceeded", Anchor::Error),
];

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordMatch {
    pub kind: Kind,
    /// Whether words say so; of a conflict, a status alone does not tell which one it is.
    pub is_told: bool,
    /// The library, if it is known.
    pub client: Library,
    /// A number for what the client says beside the server's own words; 0 is nothing. Numbers in it do not count.
    pub sign: u32,
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
const ERRORS: [(&str, Kind); 84] = [
    ("retryafter", Kind::RateLimit),
    ("retry after", Kind::RateLimit),
    ("too many requests", Kind::RateLimit),
    ("flood control", Kind::RateLimit),
    ("error code: 429", Kind::RateLimit),
    ("(429)", Kind::RateLimit),
    ("[429]", Kind::RateLimit),
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
    ("error_code\":50", Kind::Server),
    ("[502]", Kind::Server),
    ("(502)", Kind::Server),
    ("etimedout", Kind::Network),
    ("winerror 121", Kind::Network),
    ("clientconnector", Kind::Network),
    ("timed out", Kind::Timeout),
    ("timedout", Kind::Timeout),
    ("timeout", Kind::Timeout),
    ("deadline exceeded", Kind::Timeout),
    ("execution expired", Kind::Timeout),
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
    ("no such host", Kind::Network),
    ("unknownhost", Kind::Network),
    ("server misbehaving", Kind::Network),
    ("dial tcp", Kind::Network),
    ("read tcp", Kind::Network),
    ("write tcp", Kind::Network),
    ("tls handshake", Kind::Network),
    ("sslhandshake", Kind::Network),
    ("unexpected eof", Kind::Network),
    ("connection broken", Kind::Network),
    ("connectionfailed", Kind::Network),
    ("connectexception", Kind::Network),
    ("socketexception", Kind::Network),
    ("socketerror", Kind::Network),
    ("nxdomain", Kind::Network),
    ("dns error", Kind::Network),
    ("error sending request", Kind::Network),
    ("could not resolve", Kind::Network),
    ("failed to connect", Kind::Network),
    ("curl error", Kind::Network),
    ("httprequestexception", Kind::Network),
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

/// Words of errors that need neither a level nor an exception's name, as Go's programs write them.
const ALONE: [&str; 16] = [
    "dial tcp",
    "read tcp",
    "write tcp",
    "no such host",
    "server misbehaving",
    "i/o timeout",
    "deadline exceeded",
    "client.timeout exceeded",
    "tls handshake timeout",
    "connection reset by peer",
    "unexpected eof",
    "too many requests",
    "(429)",
    "flood control exceeded",
    "bad gateway",
    "gateway timeout",
];

static CONFLICT_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&CONFLICTS.map(|(word, _)| word)));
static REFUSAL_WORDS: LazyLock<WordTable> =
    LazyLock::new(|| WordTable::new(&["while webhook is active", "another webhook is active"]));
/// The rest was cut, or is in the next line.
static CUT_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&["conflict: terminated by"]));
static SERVER_WORDS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("onflict: "));
static ERROR_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&ERRORS.map(|(word, _)| word)));
static CLIENT_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&CLIENTS.map(|(word, _)| word)));
static ALONE_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&ALONE));
static URL_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&["/getupdates"]));
static POLL_WORDS: LazyLock<WordTable> = LazyLock::new(|| WordTable::new(&["getupdates"]));

/// The conflict that a text names.
pub fn conflict(text: &[u8]) -> Option<Kind> {
    let Some((words, kind)) = CONFLICT_WORDS.lowest(text).map(|index| CONFLICTS[index]) else {
        return CUT_WORDS.is_in(text).then_some(Kind::OtherPoller);
    };
    // A bot may say "the webhook is active" when all is well. The server says so only when it refuses.
    let is_refusal = words != "webhook is active" || REFUSAL_WORDS.is_in(text);
    is_refusal.then_some(kind)
}

/// What a line says, of the shape and at the level it has; `near` is the text around the anchor of a conflict, if the line
/// has one.
pub fn classify(text: &[u8], level: Option<Severity>, shape: LineForm, near: Option<&[u8]>) -> Option<WordMatch> {
    let named = near.and_then(|near| conflict(near).or_else(|| conflict(text)));
    let before = before(text, named);
    if let Some(kind) = named.filter(|_| level != Some(Severity::Info) || report::is_report(before)) {
        return Some(word_match(kind, true, before));
    }
    if let Some(at) = refused_poll(text).filter(|at| level != Some(Severity::Info) || URL_WORDS.is_in(&text[..*at])) {
        return Some(word_match(Kind::OtherPoller, false, &text[..at]));
    }
    error(text, level, shape).map(|kind| word_match(kind, true, text))
}

fn word_match(kind: Kind, is_told: bool, words: &[u8]) -> WordMatch {
    let client = CLIENT_WORDS.first(words).map_or(Library::Unknown, |index| CLIENTS[index].1);
    WordMatch { kind, is_told, client, sign: sign(words) }
}

/// The client's words, before the server's own words, which are most of a conflict's line.
fn before(text: &[u8], named: Option<Kind>) -> &[u8] {
    match named.and_then(|_| SERVER_WORDS.rfind(text)) {
        Some(at) => &text[..at],
        None => text,
    }
}

/// A number for the letters of some words. Words with a number in them are left out, be it an ID or an address.
fn sign(words: &[u8]) -> u32 {
    const LONGEST: usize = 600;
    let words = &words[..words.len().min(LONGEST)];
    let mut letters = Vec::with_capacity(words.len());
    for word in words.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')) {
        if !word.iter().any(u8::is_ascii_digit) {
            letters.extend(word.iter().map(u8::to_ascii_lowercase));
        }
    }
    // The first letter of `Conflict: ` is not the client's.
    if letters.len() <= 1 { 0 } else { hash(&letters) }
}

/// Where a request for updates shows that it was answered with 409, as HTTP clients and servers log it. An ordinary line may
/// tell of such a thing; with the address it is the request.
fn refused_poll(text: &[u8]) -> Option<usize> {
    let is_status = |at: &usize| {
        let (before, behind) = (&text[..*at], text.get(at + 3));
        let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        // The size of an answer stands behind its status, and an offset behind its name.
        let last = before.trim_ascii_end().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        let is_size = before.ends_with(b" ") && !last.is_empty() && last.iter().all(u8::is_ascii_digit);
        let is_offset = before.ends_with(b"=") && ![&b"status="[..], b"code="].iter().any(|key| before.ends_with(key));
        !is_word(before.last()) && !is_word(behind) && !is_size && !is_offset
    };
    let at = memchr::memmem::find_iter(text, b"409").find(is_status)?;
    POLL_WORDS.is_in(text).then_some(at)
}

/// Any other error. A line below level warning does not report one, and an indented line is a part of one.
fn error(text: &[u8], level: Option<Severity>, shape: LineForm) -> Option<Kind> {
    let words = || ERROR_WORDS.lowest(text).map(|index| ERRORS[index].1);
    match (shape, level) {
        // .NET indents the exception, too.
        (LineForm::Inner, None) if names_an_exception(text.trim_ascii_start()) => words(),
        (LineForm::Inner | LineForm::Traceback | LineForm::Chain, _) | (_, Some(Severity::Info)) => None,
        (_, Some(Severity::Warning)) => words(),
        (_, Some(Severity::Error)) => Some(words().unwrap_or(Kind::Other)),
        (LineForm::Plain | LineForm::Head, None) if names_an_exception(text) => Some(words().unwrap_or(Kind::Other)),
        (LineForm::Plain | LineForm::Head, None) => ALONE_WORDS.is_in(text).then(words).flatten(),
    }
}

#[cfg(test)]
mod tests;
