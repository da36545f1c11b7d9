//! Turns marks into events: one 409 counts once, even if several lines report it.
//!
//! - Lines of one record are one event: a logger's line, its traceback, the properties of an error object.
//! - python-telegram-bot up to 20 and pyTelegramBotAPI 4 log an error in a line and then once more with its traceback, as
//!   two records: the second is dropped if it is of the same kind and follows within two seconds.
//! - A traceback below another one in one record is a second event only if no sentence chains the two.

use super::lines::LineForm;
use super::scan::{Gap, LineMark, LineMarks, LineMeaning};
use super::time::Time;
use super::words::{Kind, Library, WordMatch};

/// An error and its traceback are logged within this time, in milliseconds.
const AGAIN_WITHIN: i64 = 2000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent {
    /// When, if a line says so.
    pub time: Time,
    pub what: LogEventKind,
    /// The number of its last line, where lines are counted.
    pub line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEventKind {
    Error(Kind, Library),
    /// A bot has started to poll.
    Start,
}

/// Combines the marks of one log, which come in the order of their lines.
#[derive(Debug)]
pub struct Records {
    current: Option<OpenRecord>,
    /// The record has no mark, but what follows may belong to it.
    time: Time,
    /// The lines below the last mark, from the pieces of the log since then.
    gap: Gap,
    /// An error that will be logged again, with its traceback.
    pending: Option<(Kind, Time)>,
    lines: u64,
}

#[derive(Debug, Clone, Copy)]
struct OpenRecord {
    time: Time,
    found: WordMatch,
    line: u64,
    /// It began with a logger's line.
    is_logged: bool,
    /// The kind was named before any traceback.
    is_inline: bool,
    /// A traceback has ended in it.
    is_closed: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self { current: None, time: Time::UNKNOWN, gap: Gap::NONE, pending: None, lines: 0 }
    }
}

impl Records {
    /// Takes the marks of the next piece; `emit` gets the events that are complete.
    pub fn push(&mut self, marks: &LineMarks, emit: &mut impl FnMut(LogEvent)) {
        for mark in &marks.marks {
            let gap = mark.gap.below(self.gap);
            self.gap = Gap::NONE;
            self.mark(mark, gap, emit);
        }
        if let Some(rest) = marks.rest {
            self.gap = rest.below(self.gap);
        }
        self.lines += marks.lines;
    }

    /// The last event, at the end of the log; and the latest time that any line had.
    pub fn finish(mut self, emit: &mut impl FnMut(LogEvent)) -> (Time, u64) {
        self.close(emit);
        (self.gap.time.or(self.time), self.lines)
    }

    /// The lines below the last mark.
    pub fn gap(&self) -> Gap {
        self.gap
    }

    fn mark(&mut self, mark: &LineMark, gap: Gap, emit: &mut impl FnMut(LogEvent)) {
        let time = mark.time.or(gap.time).or(self.time);
        let line = self.lines + mark.line;
        let LineMeaning::Error(found) = mark.says else {
            self.close(emit);
            self.time = time;
            emit(LogEvent { time, what: LogEventKind::Start, line });
            return;
        };
        let is_tail = gap.traceback && mark.shape == LineForm::Plain;
        self.time = time;
        if let Some(record) = self.current.as_mut().filter(|record| !begins_record(mark, gap, record)) {
            record.take(found, is_tail, line);
            return;
        }
        self.close(emit);
        let is_logged = mark.shape == LineForm::Head || (gap.head && is_tail);
        self.current = Some(OpenRecord { time, found, line, is_logged, is_inline: !is_tail, is_closed: is_tail });
    }

    fn close(&mut self, emit: &mut impl FnMut(LogEvent)) {
        let Some(record) = self.current.take() else { return };
        let kind = record.found.kind;
        if !record.is_inline && self.is_repeat(kind, record.time) {
            self.pending = None;
            return;
        }
        self.pending =
            (record.is_inline && !record.is_closed && record.found.comes_again).then_some((kind, record.time));
        emit(LogEvent { time: record.time, what: LogEventKind::Error(kind, record.found.client), line: record.line });
    }

    /// Whether the same error was just logged in one line.
    fn is_repeat(&self, kind: Kind, time: Time) -> bool {
        match self.pending {
            Some((pending, since)) if pending == kind => match (since.millis(), time.millis()) {
                (Some(since), Some(time)) => (0..=AGAIN_WITHIN).contains(&(time - since)),
                _ => true,
            },
            _ => false,
        }
    }
}

fn begins_record(mark: &LineMark, gap: Gap, record: &OpenRecord) -> bool {
    match mark.shape {
        LineForm::Head => true,
        _ if gap.head => true,
        LineForm::Plain if gap.traceback => record.is_closed && !gap.chained,
        // Printed without a logger, line by line, or by one call of a logger in several lines.
        LineForm::Plain => {
            let kind = record.found.kind;
            let goes_on = kind == Kind::Other || (kind.is_conflict() && is_named(mark));
            !(record.is_logged && !record.is_closed && goes_on)
        }
        LineForm::Traceback | LineForm::Chain | LineForm::Inner => false,
    }
}

/// Whether the line names a library's exception rather than the server's words alone.
fn is_named(mark: &LineMark) -> bool {
    matches!(mark.says, LineMeaning::Error(found) if found.client != Library::Unknown)
}

impl OpenRecord {
    /// Adds a line of the same record.
    fn take(&mut self, found: WordMatch, is_tail: bool, line: u64) {
        self.line = line;
        self.is_closed |= is_tail;
        let (old, new) = (self.found.kind, found.kind);
        let is_better = match (old.is_conflict(), new.is_conflict()) {
            (true, _) => false,
            (false, true) => true,
            // The last exception of a chain is what the caller saw.
            (false, false) => new != Kind::Other && (old == Kind::Other || is_tail),
        };
        if is_better {
            self.found.kind = new;
            self.is_inline = !is_tail;
        }
        if self.found.client == Library::Unknown {
            self.found.client = found.client;
        }
        self.found.comes_again |= found.comes_again;
    }
}
