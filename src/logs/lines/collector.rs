//! What a collector put before a program's line: docker, compose, Kubernetes, syslog, journald, pm2, multilog, cloud hosts.
//!
//! Such a prefix has a time, the name of a stream, or both. It is on every line, also on those inside a record.

use std::hash::Hasher;

use super::escape::skip_colour;
use super::json::{self, JsonLine};
use super::level::{LevelPlace, level_word};
use crate::logs::time::{self, Clock, Time, WrittenTime};

/// Marks a line whose time solobot read from a journal: `\x1e1768058834901\x1f` before the message.
pub const STAMP_START: u8 = 0x1e;
/// Ends that mark.
pub const STAMP_END: u8 = 0x1f;
/// Prefixes are searched for in this much of a line.
const HEAD: usize = 1024;
/// No name of a stream is longer.
const NAME: usize = 96;

/// A line, of which prefixes are stripped one after the other.
pub struct Outer<'a> {
    pub text: &'a [u8],
    pub time: Time,
    pub is_absolute: bool,
    /// Which stream the line is of, where several are in one log; 0 is none.
    pub stream: u32,
    /// The time at the beginning of `text`, if it was read and is the line's own.
    pub read: Option<(Time, bool, usize)>,
    /// The object that `text` is, if it was read and wraps nothing.
    pub object: Option<JsonLine<'a>>,
}

impl<'a> Outer<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        Self { text, time: Time::UNKNOWN, is_absolute: false, stream: 0, read: None, object: None }
    }

    /// Strips one prefix, and says whether there was one.
    pub fn strip(&mut self, clock: &mut Clock) -> bool {
        (self.read, self.object) = (None, None);
        match self.text.first() {
            Some(&STAMP_START) => self.strip_mark(),
            Some(0xef) => self.strip_byte_order_mark(),
            Some(b'{') => self.strip_json(clock),
            Some(b'<') => self.strip_priority(clock),
            Some(b'@') => self.strip_label(),
            Some(b'[') => self.strip_bracketed_name(clock),
            Some(_) => self.strip_name() || self.strip_stamp(clock),
            None => false,
        }
    }

    fn strip_mark(&mut self) -> bool {
        let Some(end) = self.text.iter().take(24).position(|&byte| byte == STAMP_END) else { return false };
        let digits = &self.text[1..end];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let millis =
            digits.iter().fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
        // Whoever writes the log may write such a mark too.
        let time = if time::INSTANTS.contains(&millis) { Time::at(millis) } else { Time::UNKNOWN };
        (self.time, self.is_absolute, self.text) = (time, time != Time::UNKNOWN, &self.text[end + 1..]);
        true
    }

    fn strip_byte_order_mark(&mut self) -> bool {
        self.text.strip_prefix(b"\xef\xbb\xbf").is_some_and(|rest| {
            self.text = rest;
            true
        })
    }

    /// `{"log":"…\n","stream":"stderr","time":"…Z"}` of Docker, and what others wrap a line in.
    fn strip_json(&mut self, clock: &mut Clock) -> bool {
        let object = json::read(self.text, clock);
        let Some(message) = object.message else {
            self.object = Some(object);
            return false;
        };
        self.see(object.time, object.is_absolute);
        self.text = message.strip_suffix(b"\\n").unwrap_or(message);
        true
    }

    /// `<34>`, and behind it the fields of RFC 5424: `1 TIME HOST APP PID ID DATA MESSAGE`.
    fn strip_priority(&mut self, clock: &mut Clock) -> bool {
        let digits = self.text[1..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=3).contains(&digits) || self.text.get(digits + 1) != Some(&b'>') {
            return false;
        }
        self.text = &self.text[digits + 2..];
        let Some(rest) = self.text.strip_prefix(b"1 ") else { return true };
        let Some((time, is_absolute, length)) = stamp(rest, clock) else { return true };
        let mut fields = rest[length..].trim_ascii_start().splitn(5, |&byte| byte == b' ');
        let name: Vec<&[u8]> = fields.by_ref().take(3).collect();
        let (Some(_), Some(rest)) = (fields.next(), fields.next()) else { return true };
        let data =
            if rest.first() == Some(&b'[') { memchr::memmem::find(rest, b"] ").map(|at| at + 1) } else { Some(1) };
        self.see(time, is_absolute);
        self.stream = hash(&name.concat());
        self.text = rest[data.unwrap_or(0).min(rest.len())..].trim_ascii_start();
        true
    }

    /// `@4000000069626b1c35a4e900 `
    fn strip_label(&mut self) -> bool {
        let Some((millis, length)) = time::read_tai64n(self.text) else { return false };
        self.see(Time::at(millis), true);
        self.text = after_space(&self.text[length..]);
        true
    }

    /// `[pod/tgbot-7d9f/bot] `: `kubectl logs --prefix`.
    fn strip_bracketed_name(&mut self, clock: &mut Clock) -> bool {
        let head = &self.text[..self.text.len().min(NAME)];
        let name = memchr::memchr(b']', head).map(|end| (&head[1..end], end));
        if let Some((name, end)) = name.filter(|(name, _)| name.contains(&b'/') && name.iter().copied().all(is_of_name))
            && self.text.get(end + 1) == Some(&b' ')
            && level_word(name, LevelPlace::First).is_none()
        {
            self.stream = hash(name);
            self.text = &self.text[end + 2..];
            return true;
        }
        self.strip_stamp(clock)
    }

    /// `0|bot  | `, `bot-1  | `: pm2 and docker compose.
    fn strip_name(&mut self) -> bool {
        let from = skip_colour(self.text, 0);
        let head = &self.text[from..self.text.len().min(from + NAME)];
        let Some(bar) = memchr::memchr(b'|', head) else { return false };
        let name = head[..bar].trim_ascii();
        let is_number = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        let end = if is_number {
            // pm2: the number, the name.
            match memchr::memchr(b'|', &head[bar + 1..]) {
                Some(second) => bar + 1 + second,
                None => return false,
            }
        } else {
            let is_apart = head[..bar].ends_with(b" ");
            if !is_apart
                || name.is_empty()
                || !name.iter().copied().all(is_of_name)
                || level_word(name, LevelPlace::First).is_some()
            {
                return false;
            }
            bar
        };
        self.stream = hash(head[..end].trim_ascii());
        let rest = &self.text[from + end + 1..];
        self.text = after_space(&rest[skip_colour(rest, 0)..]);
        true
    }

    /// A time, and behind it what shows that it is a collector's. Where nothing does, it is the line's own.
    fn strip_stamp(&mut self, clock: &mut Clock) -> bool {
        let head = &self.text[..self.text.len().min(HEAD)];
        let Some((time, is_absolute, length)) = stamp(head, clock) else { return false };
        let is_traditional = head[0].is_ascii_alphabetic();
        let Some((behind, stream)) = behind_stamp(&head[length..], is_traditional, clock) else {
            self.read = Some((time, is_absolute, length));
            return false;
        };
        self.see(time, is_absolute);
        if stream != 0 {
            self.stream = stream;
        }
        self.text = &self.text[length + behind..];
        true
    }

    /// Of two collectors, the outer one may only have had the line later; but only an absolute time is certain.
    fn see(&mut self, time: Time, is_absolute: bool) {
        if time != Time::UNKNOWN && !self.is_absolute {
            (self.time, self.is_absolute) = (time, is_absolute);
        }
    }
}

/// A time at the very start: written, or since 1970.
pub fn stamp(text: &[u8], clock: &mut Clock) -> Option<(Time, bool, usize)> {
    let of_written = |(written, length): (WrittenTime, usize)| {
        let is_absolute = written.is_absolute();
        (written, is_absolute, length)
    };
    if let Some((written, is_absolute, length)) = time::read(text).map(of_written) {
        return Some((Time::at(clock.instant(&written)), is_absolute, length));
    }
    let (millis, length) = time::read_epoch(text)?;
    let ends = text.get(length).is_none_or(|next| matches!(next, b' ' | b']' | b',' | b'\t' | b':'));
    ends.then_some((Time::at(millis), true, length))
}

/// How much behind a time is a collector's, and the name of the stream.
fn behind_stamp(text: &[u8], is_traditional: bool, clock: &mut Clock) -> Option<(usize, u32)> {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    let rest = &text[spaces..];
    if spaces == 0 || rest.is_empty() {
        return None;
    }
    if let [b's', b't', b'd', b'o' | b'e', b'u' | b'r', b't' | b'r', b' ', b'F' | b'P', ..] = rest {
        // CRI and podman: `stderr F `.
        return Some((spaces + 8 + usize::from(rest.get(8) == Some(&b' ')), 0));
    }
    if rest.starts_with(b"{\"") {
        return Some((spaces, 0));
    }
    let bracket = usize::from(matches!(rest[0], b'[' | b'('));
    if stamp(&rest[bracket..], clock).is_some() {
        return Some((spaces, 0));
    }
    if rest[0] == b'{' {
        // Loki: `{app="bot"} `.
        let end = memchr::memmem::find(rest, b"\"} ")?;
        return Some((spaces + end + 3, hash(&rest[..end])));
    }
    behind_names(rest, is_traditional).map(|(length, stream)| (spaces + length, stream))
}

/// `host bot[12]: `, `app[web.1]: `, `bot/bot/0123 `, `app[148e] fra [info] `; `host bot: ` only behind the traditional time,
/// since `2026-01-10 15:27:14 INFO main: ` is a logger's line.
fn behind_names(text: &[u8], is_traditional: bool) -> Option<(usize, u32)> {
    let mut words = text.splitn(4, |&byte| byte == b' ');
    let (first, second, third) = (words.next()?, words.next().unwrap_or(b""), words.next().unwrap_or(b""));
    if first.is_empty() || first.len() > NAME || level_word(first, LevelPlace::AfterTime).is_some() {
        return None;
    }
    let is_tag = |tag: &[u8]| tag.strip_suffix(b"]:").is_some_and(|name| name.contains(&b'[') && name[0] != b'[');
    let until_second = first.len() + 1 + second.len();
    if is_tag(first) {
        return Some(((first.len() + 1).min(text.len()), hash(first)));
    }
    if is_tag(second) || (is_traditional && second.len() > 1 && second.ends_with(b":")) {
        return Some(((until_second + 1).min(text.len()), hash(&text[..until_second])));
    }
    let is_machine = first.ends_with(b"]") && first.contains(&b'[') && first[0] != b'[';
    if is_machine && third.starts_with(b"[") && third.ends_with(b"]") {
        return Some(((until_second + 1 + third.len() + 1).min(text.len()), hash(first)));
    }
    let is_path = first.contains(&b'/') && first[0] != b'/';
    if is_path && first.iter().copied().all(is_of_name) && text.len() > first.len() {
        return Some((first.len() + 1, hash(first)));
    }
    // fluentd: `docker.bot: {"log": …}`.
    if first.ends_with(b":") && second.starts_with(b"{\"") {
        return Some((first.len() + 1, hash(first)));
    }
    None
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'@' | b'$')
}

/// Without the one space or tab that separates.
fn after_space(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").or(text.strip_prefix(b"\t")).unwrap_or(text)
}

/// A number for a name; never 0.
pub fn hash(name: &[u8]) -> u32 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name);
    (hasher.finish() >> 32) as u32 | 1
}
