//! The form of a log line: its time, its level, and whether it begins a record or continues one.
//!
//! A *record* is what one call of a logger (or one uncaught exception) wrote: a head, and lines that belong to it. A collector
//! (Docker, syslog, journald, pm2) may put its own stamp before every line. Such an *outer* stamp has a time, but does not
//! begin a record: the line inside does. Where nothing shows whose a time is, what follows it decides: an indented line, a
//! traceback and the name of an exception begin no record behind a time either.

pub mod collector;
mod escape;
mod exception;
mod json;
mod level;

use super::time::{self, Clock, Stamps, Time};
use collector::Outer;
pub use collector::{STAMP_END, STAMP_START};
use escape::skip_colour;
pub use exception::names_an_exception;
pub use level::Severity;
use level::{LevelPlace, level_within, level_word};

/// No line has more prefixes.
const PREFIXES: usize = 5;
/// A line's own time is searched for in this much of it, behind at most so many words, of which few are ordinary ones.
const HEAD: usize = 1024;
const TIME_WITHIN: usize = 120;
const WORDS_BEFORE: usize = 7;
const ORDINARY_BEFORE: usize = 2;

/// The form of a line within its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineForm {
    /// A logger's line: it has its own time or level.
    Head,
    /// Begins in the first column, without a time or a level.
    Plain,
    /// `Traceback (most recent call last):`
    Traceback,
    /// `During handling of the above exception …`
    Chain,
    /// Indented, empty, or a closing bracket: it continues the lines above.
    Inner,
}

/// A parsed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When, if this line says so.
    pub stamps: Stamps,
    /// Its level, if it has one.
    pub level: Option<Severity>,
    pub shape: LineForm,
    /// Its text, without a collector's prefix.
    pub text: &'a [u8],
    /// The same without the line's own time, so that lines that say the same are equal.
    pub words: &'a [u8],
    /// Which stream it is of, where a collector put several into one log; 0 is none.
    pub stream: u32,
}

impl LogLine<'_> {
    pub fn time(&self) -> Time {
        self.stamps.time()
    }
}

/// Parses a line, which may end in a newline.
pub fn dissect<'a>(line: &'a [u8], clock: &mut Clock) -> LogLine<'a> {
    let mut outer = Outer::of(line.trim_ascii_end());
    // The deepest nesting seen is Docker's JSON around a syslog line, below compose's name.
    for _ in 0..PREFIXES {
        if !outer.strip(clock) {
            break;
        }
    }
    let Outer { text, stream, .. } = outer;
    let mut start = skip_colour(text, 0);
    let is_indented = text.get(start).is_none_or(u8::is_ascii_whitespace) || text[start..].starts_with(b"\\t");
    while text.get(start).is_some_and(|byte| matches!(byte, b' ' | b'[' | b'(' | b'<')) {
        start += 1;
    }
    let first = level_word(&text[start.min(text.len())..], LevelPlace::First);
    let own = OwnTime::of(&outer, start, first, clock);
    let stamps = Stamps { own: own.time, outer: outer.time, is_absolute: outer.is_absolute };
    let rest = &text[own.end.min(text.len())..];
    let body = &rest[behind_separator(rest)..];
    let level = match first {
        Some((level, _)) if !is_indented || own.is_there => Some(level),
        _ if own.is_json => own.level,
        _ if own.is_there || outer.time != Time::UNKNOWN => level_within(rest),
        _ => None,
    };
    let shape = match level {
        _ if own.is_json => {
            if is_indented {
                LineForm::Inner
            } else if own.is_there || level.is_some() {
                LineForm::Head
            } else {
                LineForm::Plain
            }
        }
        Some(_) if own.is_there || (first.is_some() && !is_indented) => LineForm::Head,
        _ if own.is_there => behind_time(body),
        _ if is_indented || is_inner(text) => LineForm::Inner,
        _ => shape_of_plain(&text[start.min(text.len())..]),
    };
    let words = if own.is_there && !own.is_json { body.trim_ascii_start() } else { text };
    LogLine { stamps, level, shape, text, words, stream }
}

/// The time that a line has of its own.
struct OwnTime {
    time: Time,
    /// Whether there is one, be it without a day.
    is_there: bool,
    is_json: bool,
    /// That of a JSON object.
    level: Option<Severity>,
    /// Where the text goes on behind it.
    end: usize,
}

impl OwnTime {
    const NONE: Self = Self { time: Time::UNKNOWN, is_there: false, is_json: false, level: None, end: 0 };

    /// At `start`, or behind words that may stand before a time.
    fn of(outer: &Outer<'_>, start: usize, first: Option<(Severity, usize)>, clock: &mut Clock) -> Self {
        let text = outer.text;
        let at = |time, end| Self { time, is_there: true, end, ..Self::NONE };
        if let Some((time, _, length)) = outer.read {
            return at(time, length);
        }
        // An object in one line, or a line of one.
        let begin = text.iter().take(64).position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
        if text.first() == Some(&b'{') || (text.get(begin) == Some(&b'"') && memchr::memchr(b':', text).is_some()) {
            let json = outer.object.unwrap_or_else(|| json::read(text, clock));
            return Self {
                time: json.time,
                is_there: json.time != Time::UNKNOWN,
                is_json: true,
                level: json.level,
                end: 0,
            };
        }
        if let Some(found) = Self::among_words(text, start, outer.time == Time::UNKNOWN, clock) {
            return at(found.0, found.1);
        }
        let mut begin = start;
        if let Some((_, length)) = first {
            begin += length;
            while text.get(begin).is_some_and(|byte| {
                byte.is_ascii_whitespace() || is_bracket(*byte) || matches!(byte, b']' | b':' | b'|' | b'-')
            }) {
                begin += 1;
            }
        }
        // Only a logger's line, which begins with its level.
        if first.is_some()
            && outer.time == Time::UNKNOWN
            && let Some(time) = json::time_at_the_end(text, clock)
        {
            return at(time, begin);
        }
        match time::read_time_of_day(&text[begin.min(text.len())..]) {
            Some(length) => at(Time::UNKNOWN, begin + length),
            None => Self { end: begin, ..Self::NONE },
        }
    }

    /// The first words of a line, up to a time. Few of them may be ordinary words, or a sentence that tells of a time would
    /// be dated by it. Behind a collector's time only a level may stand before the line's own.
    fn among_words(text: &[u8], start: usize, is_undated: bool, clock: &mut Clock) -> Option<(Time, usize)> {
        let mut at = start;
        let mut ordinary = 0;
        for _ in 0..WORDS_BEFORE {
            at = skip_colour(text, at);
            while text.get(at).is_some_and(|byte| byte.is_ascii_whitespace() || is_bracket(*byte)) {
                at = skip_colour(text, at + 1);
            }
            let rest = text.get(at..text.len().min(at + HEAD)).filter(|rest| !rest.is_empty())?;
            if at > TIME_WITHIN {
                return None;
            }
            let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            let word = &rest[..length];
            // `time="2026-…"`, `ERROR2026/…`, `[ERROR]2026-…`
            let inside = word.iter().take(24).position(|byte| matches!(byte, b'=' | b']' | b'|')).map(|at| at + 1);
            let glued = level_word(word, LevelPlace::First).map(|(_, length)| length);
            for from in [Some(0), inside, glued].into_iter().flatten() {
                let from = from + usize::from(matches!(rest.get(from), Some(b'"' | b'\'' | b'[')));
                // A number alone is a time only at the start, in a bracket, or by its name.
                let is_named =
                    from > 0 || at == 0 || text.get(at - 1).is_some_and(|byte| *byte == b'[') || word.contains(&b'.');
                if let Some((time, _, length)) = collector::stamp(&rest[from.min(rest.len())..], clock)
                    && (is_named || !rest[from..from + length].iter().all(u8::is_ascii_digit))
                {
                    return Some((time, at + from + length));
                }
            }
            let is_level = glued.is_some();
            ordinary += usize::from(
                !is_level && word.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b',' | b':')),
            );
            if ordinary > ORDINARY_BEFORE || !(is_undated || is_level) {
                return None;
            }
            at += length;
        }
        None
    }
}

fn is_bracket(byte: u8) -> bool {
    matches!(byte, b'[' | b'(' | b'<' | b'"' | b'\'')
}

/// The length of what separates a time from the text: a closing bracket, one mark, one space.
fn behind_separator(text: &[u8]) -> usize {
    let mut at = skip_colour(text, 0);
    at += usize::from(matches!(text.get(at), Some(b']' | b')' | b'"' | b'\'' | b'>')));
    at += usize::from(matches!(text.get(at), Some(b':' | b',' | b'|')));
    at = skip_colour(text, at);
    let spaced = [&b" - "[..], b" | "].iter().any(|mark| text[at..].starts_with(mark));
    at += if spaced { 3 } else { usize::from(matches!(text.get(at), Some(b' ' | b'\t'))) };
    skip_colour(text, at)
}

/// The form of a line by what stands behind its time, where it has no level.
fn behind_time(text: &[u8]) -> LineForm {
    let body = text.trim_ascii_start();
    let indent = text.len() - body.len();
    if indent > 1 || text.first() == Some(&b'\t') || text.starts_with(b"\\t") || is_inner(body) {
        return LineForm::Inner;
    }
    match shape_of_plain(body) {
        LineForm::Plain if !names_an_exception(body) => LineForm::Head,
        shape => shape,
    }
}

/// A closing bracket, or a line of a stack whose indentation was lost.
fn is_inner(text: &[u8]) -> bool {
    let is_closer =
        text.iter().all(|byte| matches!(byte, b'}' | b')' | b']' | b'^' | b'~' | b',' | b';' | b'"' | b'\''));
    is_closer
        || text.starts_with(b"File \"")
        || (text.starts_with(b"at ") && text.iter().any(|byte| matches!(byte, b'(' | b':')))
}

fn shape_of_plain(text: &[u8]) -> LineForm {
    const CHAINS: [&[u8]; 2] = [b"During handling of the above exception", b"The above exception was the direct cause"];
    if text.starts_with(b"Traceback (most recent call last)") {
        LineForm::Traceback
    } else if CHAINS.iter().any(|chain| text.starts_with(chain)) {
        LineForm::Chain
    } else {
        LineForm::Plain
    }
}

#[cfg(test)]
mod tests;
