//! Turns marks into events: one 409 counts once, even if several lines report it.
//!
//! - Lines of one record are one event: a logger's line, its traceback, the properties of an error object.
//! - A traceback below another one in one record is a second event only if no sentence chains the two.
//! - Each stream of a log that a collector made of several has records of its own.
//! - [`super::repeats`]: several records of one error.

use super::event::{LogEvent, LogEventKind};
use super::lines::LineForm;
use super::repeats::{Between, ErrorReport, Repeats, Signs};
use super::scan::{Gap, LineMark, LineMarks, LineMeaning};
use super::time::{Stamps, Time};
use super::words::{Kind, Library, WordMatch};

/// Lines of one record have no times that are further apart, in milliseconds.
const APART: i64 = 1000;
/// No more streams are kept apart.
const STREAMS: usize = 64;

/// Combines the marks of one log, which come in the order of their lines.
#[derive(Debug)]
pub struct Records {
    streams: Vec<StreamRecords>,
    /// The lines below the last mark, from the pieces of the log since then.
    gap: Gap,
    /// The latest time that a line had.
    time: Time,
    lines: u64,
}

/// One program's lines.
#[derive(Debug)]
struct StreamRecords {
    name: u32,
    current: Option<OpenRecord>,
    /// The record has no mark, but what follows may belong to it.
    time: Time,
    repeats: Repeats,
}

#[derive(Debug, Clone, Copy)]
struct OpenRecord {
    time: Time,
    /// The times that are its own.
    stamps: Stamps,
    found: WordMatch,
    signs: Signs,
    line: u64,
    /// It began with a logger's line.
    is_logged: bool,
    /// The kind was named before any traceback.
    is_inline: bool,
    /// A traceback has ended in it.
    is_closed: bool,
    /// What is between it and the record before.
    between: Between,
}

impl Default for Records {
    fn default() -> Self {
        Self { streams: Vec::new(), gap: Gap::NONE, time: Time::UNKNOWN, lines: 0 }
    }
}

impl Records {
    /// Takes the marks of the next piece; `emit` gets the events that are complete.
    pub fn push(&mut self, marks: &LineMarks, emit: &mut impl FnMut(LogEvent)) {
        for mark in &marks.marks {
            let above = if self.gap.stream == mark.gap.stream { self.gap } else { Gap::NONE };
            let gap = mark.gap.below(above);
            self.gap = Gap::NONE;
            self.time = gap.stamps.time().or(self.time);
            let line = self.lines + mark.line;
            self.stream(gap.stream, emit).mark(mark, gap, line, emit);
        }
        if let Some(rest) = marks.rest {
            self.gap = rest.below(if self.gap.stream == rest.stream { self.gap } else { Gap::NONE });
        }
        self.lines += marks.lines;
    }

    /// The last events, at the end of the log; and the latest time that any line had.
    pub fn finish(mut self, emit: &mut impl FnMut(LogEvent)) -> (Time, u64) {
        self.streams.iter_mut().for_each(|stream| stream.end(emit));
        (self.gap.stamps.time().or(self.time), self.lines)
    }

    /// The lines below the last mark.
    pub fn gap(&self) -> Gap {
        self.gap
    }

    fn stream(&mut self, name: u32, emit: &mut impl FnMut(LogEvent)) -> &mut StreamRecords {
        let at = self.streams.iter().position(|stream| stream.name == name).unwrap_or_else(|| {
            if self.streams.len() == STREAMS {
                self.streams.remove(0).end(emit);
            }
            self.streams.push(StreamRecords { name, current: None, time: Time::UNKNOWN, repeats: Repeats::default() });
            self.streams.len() - 1
        });
        &mut self.streams[at]
    }
}

impl StreamRecords {
    fn mark(&mut self, mark: &LineMark, gap: Gap, line: u64, emit: &mut impl FnMut(LogEvent)) {
        let is_own = mark.is_dated || gap.head || mark.shape != LineForm::Plain;
        let stamps = if is_own { gap.stamps } else { Stamps::NONE };
        let time = gap.stamps.time().or(self.time);
        let LineMeaning::Error(found) = mark.says else {
            self.end(emit);
            self.time = time;
            emit(LogEvent { time, what: LogEventKind::Start, line });
            return;
        };
        let is_tail = gap.traceback && mark.shape == LineForm::Plain;
        self.time = time;
        if let Some(record) = self.current.as_mut().filter(|record| !begins_record(mark, gap, stamps, record)) {
            record.take(found, is_tail, line);
            return;
        }
        self.close(emit);
        let is_logged = mark.shape == LineForm::Head || (gap.head && is_tail);
        self.current = Some(OpenRecord {
            time,
            stamps,
            found,
            signs: Signs::of(found.sign),
            line,
            is_logged,
            is_inline: !is_tail,
            is_closed: is_tail,
            between: Between::of(gap),
        });
    }

    fn end(&mut self, emit: &mut impl FnMut(LogEvent)) {
        self.close(emit);
        self.repeats.end(emit);
    }

    fn close(&mut self, emit: &mut impl FnMut(LogEvent)) {
        let Some(record) = self.current.take() else { return };
        let report = ErrorReport {
            time: record.time,
            stamps: record.stamps,
            kind: record.found.kind,
            is_told: record.found.is_told,
            client: record.found.client,
            signs: record.signs,
            is_tail: !record.is_inline,
            between: record.between,
            line: record.line,
        };
        self.repeats.add(report, emit);
    }
}

fn begins_record(mark: &LineMark, gap: Gap, stamps: Stamps, record: &OpenRecord) -> bool {
    let is_apart = stamps.apart(record.stamps).is_some_and(|apart| apart >= APART);
    match mark.shape {
        LineForm::Head => true,
        _ if gap.head || is_apart => true,
        LineForm::Plain if gap.traceback => record.is_closed && !gap.chained,
        // Printed without a logger, line by line, or by one call of a logger in several lines.
        LineForm::Plain => {
            let is_vague = |found: &WordMatch| found.kind == Kind::Other;
            let LineMeaning::Error(found) = mark.says else { return true };
            !(record.is_logged && !record.is_closed && (is_vague(&record.found) || is_vague(&found)))
        }
        LineForm::Traceback | LineForm::Chain | LineForm::Inner => false,
    }
}

impl OpenRecord {
    /// Adds a line of the same record.
    fn take(&mut self, found: WordMatch, is_tail: bool, line: u64) {
        self.line = line;
        self.is_closed |= is_tail;
        let (old, new) = (self.found.kind, found.kind);
        let is_better = match (old.is_conflict(), new.is_conflict()) {
            (true, true) => found.is_told && !self.found.is_told,
            (true, false) => false,
            (false, true) => true,
            // The last exception of a chain is what the caller saw.
            (false, false) => new != Kind::Other && (old == Kind::Other || is_tail),
        };
        if is_better {
            (self.found.kind, self.found.is_told) = (new, found.is_told);
            self.is_inline = !is_tail;
        }
        match (is_better && !old.is_conflict(), new == self.found.kind) {
            // The place is known by the logger's line, too.
            (true, _) => self.signs = Signs::of(self.found.sign ^ found.sign),
            (false, true) => self.signs.add(found.sign),
            (false, false) => {}
        }
        if self.found.client == Library::Unknown {
            self.found.client = found.client;
        }
    }
}
