//! What matters of a line that is a JSON object: its time, its level, and its message.
//!
//! Loggers agree on no names. A time is what reads as one; the usual names only come first. The line need not be valid JSON
//! to its end: logs are cut.

use super::level::{self, Severity};
use crate::logs::time::{self, Clock, Time};

/// What a JSON line says of itself.
#[derive(Clone, Copy)]
pub struct JsonLine<'a> {
    pub time: Time,
    pub is_absolute: bool,
    pub level: Option<Severity>,
    /// What the object is a wrapper for, still escaped.
    pub message: Option<&'a [u8]>,
}

/// The keys that collectors put the line under, whatever else is in the object.
const WRAPPERS: [&[u8]; 3] = [b"log", b"MESSAGE", b"textPayload"];
/// The keys of a message, which is the line where the object has neither a level nor an error.
const MESSAGES: [&[u8]; 3] = [b"message", b"msg", b"line"];
const ERRORS: [&[u8]; 6] = [b"err", b"error", b"exception", b"exc_info", b"stack", b"stack_trace"];
/// Names of a level; that of journald's PRIORITY is the stream's, not the line's.
const LEVELS: [&[u8]; 9] =
    [b"level", b"levelname", b"level_name", b"severity", b"lvl", b"@l", b"loglevel", b"log.level", b"SeverityText"];
/// The usual names of a time, which win over others.
const TIMES: [&[u8]; 7] = [b"time", b"timestamp", b"@timestamp", b"ts", b"@t", b"asctime", b"datetime"];

/// An object at the end of a line is looked for in so many bytes.
const TAIL: usize = 1024;

/// Reads what stands behind a `{`.
pub fn read<'a>(text: &'a [u8], clock: &mut Clock) -> JsonLine<'a> {
    let mut line = JsonLine { time: Time::UNKNOWN, is_absolute: false, level: None, message: None };
    let (mut is_usual, mut is_wrapper, mut has_error) = (false, false, false);
    let mut names_level = false;
    for (key, value) in (Pairs { text, at: 0 }) {
        let usual = TIMES.contains(&key);
        if (line.time == Time::UNKNOWN || (usual && !is_usual))
            && let Some((time, is_absolute)) = time_of(key, value, clock)
        {
            (line.time, line.is_absolute, is_usual) = (time, is_absolute, usual);
        }
        // loguru: `"level": {"icon": …, "name": "ERROR"}`
        if line.level.is_none() && (LEVELS.contains(&key) || (names_level && key == b"name")) {
            names_level = value.first() == Some(&b'{');
            line.level = level::value(value);
        }
        has_error |= ERRORS.contains(&key);
        let is_message = MESSAGES.contains(&key) && line.message.is_none();
        if let Some(string) =
            value.strip_prefix(b"\"").filter(|_| !is_wrapper && (WRAPPERS.contains(&key) || is_message))
        {
            is_wrapper = WRAPPERS.contains(&key);
            line.message = Some(&string[..string_end(string)]);
        }
    }
    if !is_wrapper && (line.level.is_some() || has_error) {
        line.message = None;
    }
    line
}

/// The time in an object at the end of a line, as winston's simple format puts it behind the message.
pub fn time_at_the_end(text: &[u8], clock: &mut Clock) -> Option<Time> {
    let tail = &text[text.len().saturating_sub(TAIL)..];
    let object = tail.strip_suffix(b"}").and_then(|tail| Some(&tail[memchr::memmem::rfind(tail, b" {\"")?..]))?;
    let mut pairs = Pairs { text: object, at: 0 }.filter(|(key, _)| TIMES.contains(key));
    pairs.find_map(|(key, value)| time_of(key, value, clock)).map(|(time, _)| time)
}

/// The time that a value is, if it is one.
fn time_of(key: &[u8], value: &[u8], clock: &mut Clock) -> Option<(Time, bool)> {
    let string = value.strip_prefix(b"\"");
    let text = string.map_or(value, |string| &string[..string_end(string)]);
    if let Some((millis, _)) = time::read_epoch(text) {
        return is_name_of_time(key).then_some((Time::at(millis), true));
    }
    string?;
    let (written, length) = time::read(text)?;
    (text.len() - length <= 1).then(|| (Time::at(clock.instant(&written)), written.is_absolute()))
}

/// A number is a time only where the name says so: many other things have ten digits.
fn is_name_of_time(key: &[u8]) -> bool {
    const PARTS: [&[u8]; 3] = [b"time", b"epoch", b"instant"];
    const NAMES: [&[u8]; 6] = [b"ts", b"t", b"@t", b"date", b"created", b"when"];
    let key = key.to_ascii_lowercase();
    NAMES.contains(&key.as_slice()) || PARTS.iter().any(|part| memchr::memmem::find(&key, part).is_some())
}

/// Where a string ends: at the first quotation mark that is not escaped.
fn string_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += next;
        if text[at] == b'"' {
            return at;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

/// The keys of an object and of those in it, each with what follows the colon.
struct Pairs<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at + memchr::memchr(b'"', self.text.get(self.at..)?)? + 1;
            let end = start + string_end(&self.text[start..]);
            self.at = (end + 1).min(self.text.len());
            let rest = &self.text[self.at..];
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            if let Some(value) = rest[spaces..].strip_prefix(b":") {
                let value = value.trim_ascii_start();
                // A string that is a value is not searched for keys.
                self.at = self.text.len() - value.len();
                if let Some(string) = value.strip_prefix(b"\"") {
                    self.at = (self.text.len() - string.len() + string_end(string) + 1).min(self.text.len());
                }
                return Some((&self.text[start..end], value));
            }
        }
    }
}
