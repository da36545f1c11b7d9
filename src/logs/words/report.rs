//! Whether a line below level warning reports a conflict, or only tells of one that somebody wrote about.
//!
//! Bots log what people send them, and some people ask about conflicts. A report says that something failed; a message says
//! whose it is, or stands in quotation marks.

use std::sync::LazyLock;

use super::table::WordTable;

/// What shows that a program failed.
static FAILS: LazyLock<WordTable> = LazyLock::new(|| {
    WordTable::new(&[
        "error",
        "fail",
        "exception",
        "conflict",
        "409",
        "getupdates",
        "get updates",
        "polling",
        "retry",
        "webhook",
        "etelegram",
        "refused",
        "traceback",
    ])
});
/// What shows that a person wrote it.
static PEOPLE: LazyLock<WordTable> = LazyLock::new(|| {
    WordTable::new(&[
        "message from",
        "from user",
        "user ",
        "chat ",
        " said",
        " says",
        " wrote",
        " asked",
        " asks",
        "question",
        "text=",
        "text:",
        "text\":",
        "caption",
        "reply",
        "received message",
        "incoming",
        "inbound",
        "feedback",
    ])
});
/// The keys of a log line's own text, whose quotation marks quote nobody.
static KEYS: LazyLock<WordTable> = LazyLock::new(|| {
    WordTable::new(&[
        "msg",
        "message",
        "error",
        "err",
        "event",
        "exception",
        "exc",
        "description",
        "reason",
        "detail",
        "log",
    ])
});

/// So many words may stand before the server's own without a sign of either.
const FEW: usize = 2;

/// Whether the words before the server's own report it.
pub fn is_report(before: &[u8]) -> bool {
    let lead = outside_quotation(before);
    if PEOPLE.is_in(lead) {
        return false;
    }
    let words = lead
        .split(u8::is_ascii_whitespace)
        .filter(|word| word.iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 1);
    FAILS.is_in(lead) || words.count() <= FEW
}

/// What stands before a quotation that is still open, or within the value of a key.
fn outside_quotation(text: &[u8]) -> &[u8] {
    let mut open: Vec<Mark> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let Some(mark) = Mark::read(text, at) else {
            at += 1;
            continue;
        };
        match open.last() {
            Some(last) if last.kind == mark.kind => drop(open.pop()),
            _ if mark.may_open => open.push(mark),
            _ => {}
        }
        at = mark.end;
    }
    let mut lead = text;
    for mark in open.iter().rev() {
        let before = &text[..mark.start];
        if is_key(before) {
            return &lead[(mark.end).min(lead.len())..];
        }
        lead = before;
    }
    lead
}

/// `"msg":`, `msg=`, `'description': `
fn is_key(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some(name) = before.strip_suffix(b":").or(before.strip_suffix(b"=")) else { return false };
    let name = name.strip_suffix(b"\"").or(name.strip_suffix(b"'")).unwrap_or(name);
    let name = name.strip_suffix(b"\\").unwrap_or(name);
    let length = name.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    KEYS.is_in(&name[name.len() - length..]) && (before.ends_with(b"=") || before.len() > name.len() + 1)
}

/// A quotation mark.
#[derive(Clone, Copy)]
struct Mark {
    start: usize,
    end: usize,
    kind: u8,
    may_open: bool,
}

impl Mark {
    fn read(text: &[u8], at: usize) -> Option<Self> {
        const GUILLEMETS: [&[u8]; 2] = [b"\xc2\xab", b"\xe2\x80\x9c"];
        let of = |length, kind, may_open| Some(Self { start: at, end: at + length, kind, may_open });
        let before = at.checked_sub(1).map_or(b' ', |at| text[at]);
        match &text[at..] {
            [b'\\', quote @ (b'"' | b'\''), ..] => of(2, quote ^ 0x80, true),
            [b'"', ..] => of(1, b'"', true),
            // An apostrophe within a word is none.
            [b'\'', next, ..] if before.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() => None,
            [b'\'', ..] => of(1, b'\'', !before.is_ascii_alphanumeric()),
            rest if GUILLEMETS.iter().any(|mark| rest.starts_with(mark)) => of(2, 0, true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs() {
        for text in [
            "bot: polling failed: C",
            "still: C",
            "{\"level\":\"info\",\"msg\":\"Polling error: C",
            "{'ok': False, 'error_code': 409, 'description': 'C",
            "level=info msg=\"getUpdates: C",
            "app: the server answered no, error: \"C",
            "C",
            "can't poll: error 'C",
        ] {
            assert!(is_report(text.as_bytes()), "{text}");
        }
        for text in [
            "bot.handlers: message from 42: \"help, my bot says C",
            "bot.handlers: message from 42: my bot has an error: C",
            "{\"level\":\"info\",\"msg\":\"message from 42: \\\"what is this error: C",
            "handlers: new ticket about a thing: \u{ab}error 409 C",
            "Processing update Update(message=Message(chat=Chat(id=1), text='error C",
            "{\"level\":\"info\",\"msg\":\"handled\",\"text\":\"why error C",
            "forwarded to the support team as it came in: 'I get error C",
        ] {
            assert!(!is_report(text.as_bytes()), "{text}");
        }
    }
}
