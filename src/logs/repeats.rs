//! Which records report one 409 again: an updater's line and an error handler's, a client's HTTP line and the exception's, a
//! line and the same error's traceback.
//!
//! One place of a program logs an error once, in its own words. So a record is a repeat if it follows another one of the same
//! kind at once, and says so in words that were not used yet. Words that come again are of another error. Numbers do not
//! count: they differ each time.

use super::event::{LogEvent, LogEventKind};
use super::scan::Gap;
use super::time::{Stamps, Time};
use super::words::{Kind, Library};

/// All records of one 409 are written within this time, in milliseconds: a client's main thread may wake up late.
const CONFLICT_WITHIN: i64 = 500;
/// Those of another error: several requests may fail one after the other.
const ERROR_WITHIN: i64 = 100;
/// So many places report one error.
const PLACES: usize = 6;

/// Numbers for the words of a record, apart from the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    signs: [u32; PLACES],
    count: usize,
}

impl Signs {
    pub fn of(sign: u32) -> Self {
        let mut signs = Self::default();
        signs.add(sign);
        signs
    }

    pub fn add(&mut self, sign: u32) {
        if self.count < PLACES && !self.all().contains(&sign) {
            self.signs[self.count] = sign;
            self.count += 1;
        }
    }

    fn all(&self) -> &[u32] {
        &self.signs[..self.count]
    }

    fn meets(&self, other: &Self) -> bool {
        self.all().iter().any(|sign| other.all().contains(sign))
    }

    /// The server's words alone, as a bot prints them that prints nothing else.
    fn is_bare(&self) -> bool {
        self.all() == [0]
    }
}

/// What is between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Between {
    Nothing,
    /// Lines without a time or a level.
    Printed,
    /// A logger's line.
    Logged,
}

impl Between {
    pub fn of(gap: Gap) -> Self {
        match gap {
            Gap { logged: true, .. } => Self::Logged,
            Gap { head: true, .. } => Self::Printed,
            _ => Self::Nothing,
        }
    }
}

/// What a record reports.
#[derive(Debug, Clone, Copy)]
pub struct ErrorReport {
    pub time: Time,
    /// The times that are its own, not those of a line above.
    pub stamps: Stamps,
    pub kind: Kind,
    /// Which kind of conflict it is, is known by words rather than by a status alone.
    pub is_told: bool,
    pub client: Library,
    pub signs: Signs,
    /// It is a traceback.
    pub is_tail: bool,
    pub between: Between,
    pub line: u64,
}

impl ErrorReport {
    fn event(&self) -> LogEvent {
        LogEvent { time: self.time, what: LogEventKind::Error(self.kind, self.client), line: self.line }
    }

    fn is_dated(&self) -> bool {
        self.stamps != Stamps::NONE
    }

    /// Whether it is an undated record that may belong to the one above. Below a logger's line with a time, lines without one
    /// are part of what it wrote.
    fn is_below(&self, above: &Self) -> bool {
        self.between <= if above.is_dated() { Between::Printed } else { Between::Nothing }
    }

    fn is_again(&self, first: &Self) -> bool {
        // What caused a time-out, or was caused by one, says so below it.
        let is_cause = !self.is_dated() && self.kind.is_of_the_way() && first.kind.is_of_the_way();
        let is_same = self.kind == first.kind
            || is_cause
            || (self.kind.is_conflict() && first.kind.is_conflict() && !(self.is_told && first.is_told));
        if !is_same || self.kind == Kind::Other || self.signs.meets(&first.signs) {
            return false;
        }
        let within = if self.kind.is_conflict() { CONFLICT_WITHIN } else { ERROR_WITHIN };
        match self.stamps.apart(first.stamps) {
            Some(apart) => apart < within,
            None => self.is_tail || (self.is_below(first) && !self.signs.is_bare()),
        }
    }
}

/// The reports of one log, of which each waits until it is known what follows.
#[derive(Debug, Default)]
pub struct Repeats {
    conflict: Option<Pending>,
    error: Option<Pending>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    report: ErrorReport,
    /// An undated line that was taken for a repeat only because it came next.
    next: Option<ErrorReport>,
}

impl Repeats {
    /// Takes the next report; `emit` gets the events that are complete.
    pub fn add(&mut self, report: ErrorReport, emit: &mut impl FnMut(LogEvent)) {
        let slot = if report.kind.is_conflict() { &mut self.conflict } else { &mut self.error };
        if let Some(pending) = slot {
            if report.is_again(&pending.report) {
                pending.take(report);
                return;
            }
            pending.end(Some(&report), emit);
        }
        *slot = Some(Pending { report, next: None });
    }

    /// Nothing more belongs to what came so far.
    pub fn end(&mut self, emit: &mut impl FnMut(LogEvent)) {
        for pending in [self.conflict.take(), self.error.take()].into_iter().flatten() {
            pending.end(None, emit);
        }
    }
}

impl Pending {
    fn take(&mut self, report: ErrorReport) {
        let own = &mut self.report;
        if report.is_told && !own.is_told {
            (own.kind, own.is_told) = (report.kind, true);
        }
        if own.client == Library::Unknown {
            own.client = report.client;
        }
        report.signs.all().iter().for_each(|sign| own.signs.add(*sign));
        own.line = report.line;
        self.next = (!report.is_dated() && !report.is_tail).then_some(report);
    }

    /// A line that comes again at once was no repeat the first time either.
    fn end(&self, following: Option<&ErrorReport>, emit: &mut impl FnMut(LogEvent)) {
        emit(self.report.event());
        let comes_again = |next: &&ErrorReport| {
            following
                .is_some_and(|report| !report.is_dated() && report.is_below(&self.report) && report.signs == next.signs)
        };
        if let Some(next) = self.next.as_ref().filter(comes_again) {
            emit(next.event());
        }
    }
}
