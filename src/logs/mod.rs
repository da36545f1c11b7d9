//! Finds and counts conflict and network errors in logs of any size.
//!
//! Bytes go one way: [`input`] → [`blocks`] (files by two threads, streams by one) → [`scan`] (lines with an anchor become
//! marks) → [`records`] (marks of one 409 become one event) → [`tally`] → [`tally::Summary`]. [`read`] drives it.
//!
//! Not promised: to find conflicts that a bot logs in its own words, and to count two 409s that the log shows in one line.

pub mod blocks;
mod decompress;
pub mod input;
pub mod lines;
pub mod records;
pub mod rhythm;
pub mod scan;
pub mod seek;
pub mod tally;
pub mod time;
pub mod words;

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read};

use jiff::Timestamp;

use crate::platform::filesystem::FileId;
use blocks::Span;
use decompress::Compression;
use input::{Input, Journalctl};
use records::{LogEvent, Records};
use scan::{LineMarks, Scanner};
use tally::{Limits, Summary, Tally};
use time::Clock;

/// Of a stream's last lines, at most this many events are remembered.
const REMEMBERED: usize = 200_000;

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct Query {
    /// What to count.
    pub limits: Limits,
    /// Only this many lines at the end of each input.
    pub last_lines: Option<u64>,
    pub now: Timestamp,
}

/// The result of reading one input.
#[derive(Debug)]
pub struct LogSource {
    pub name: String,
    /// How many bytes were read of it, after decompression.
    pub bytes: u64,
    /// Why it could not be read, or not to the end.
    pub error: Option<io::Error>,
}

/// What was read.
#[derive(Debug)]
pub struct Findings {
    /// The counts.
    pub summary: Summary,
    /// The inputs. One that is named twice is read once.
    pub sources: Vec<LogSource>,
}

/// Reads all inputs. If one cannot be read, the others still are. `progress` gets the number of bytes read so far, now and
/// then.
pub fn read(inputs: &[Input], query: &Query, progress: &mut dyn FnMut(u64)) -> Findings {
    let mut reading = LogReading {
        query,
        clock: Clock::new(query.limits.zone.clone(), query.now),
        tally: Tally::new(query.limits.clone()),
        seen: BTreeSet::new(),
        before: 0,
        progress,
    };
    let mut sources = Vec::new();
    for input in inputs {
        let mut bytes = 0;
        let error = match reading.input(input, &mut bytes) {
            Ok(true) => None,
            Ok(false) => continue,
            Err(error) => Some(error),
        };
        reading.before += bytes;
        sources.push(LogSource { name: input.name(), bytes, error });
    }
    Findings { summary: reading.tally.finish(), sources }
}

struct LogReading<'a> {
    query: &'a Query,
    clock: Clock,
    tally: Tally,
    /// Device and inode of the files that were read.
    seen: BTreeSet<FileId>,
    /// The bytes of earlier inputs.
    before: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl LogReading<'_> {
    /// Reads one input; `false` if it was read before.
    fn input(&mut self, input: &Input, bytes: &mut u64) -> io::Result<bool> {
        match input {
            Input::Stdin => self.stream(decompress::unpack(io::stdin().lock())?, bytes)?,
            Input::Unit(unit) => {
                let limits = &self.query.limits;
                self.stream(Box::new(Journalctl::open(unit, limits.since, limits.until)?), bytes)?;
            }
            Input::File(path) => {
                let (file, meta) = input::open(path)?;
                if !self.seen.insert(meta.id()) {
                    return Ok(false);
                }
                let mut magic = [0; decompress::MAGIC];
                let is_plain = meta.is_file() && {
                    let got = blocks::read_at(&file, &mut magic, 0)?;
                    Compression::of(&magic[..got]) == Compression::Plain
                };
                if is_plain {
                    self.file(&file, meta.len(), bytes)?;
                } else {
                    self.stream(decompress::unpack(file)?, bytes)?;
                }
            }
        }
        Ok(true)
    }

    fn file(&mut self, file: &std::fs::File, size: u64, bytes: &mut u64) -> io::Result<()> {
        let mut start = 0;
        if let Some(since) = self.query.limits.since {
            start = seek::since(file, size, since, &mut self.clock)?;
        }
        if let Some(lines) = self.query.last_lines {
            start = start.max(seek::last_lines(file, size, lines)?);
        }
        let clock = self.clock.clone();
        let new_scanner = move || Scanner::new(clock.clone(), false);
        let Self { tally, progress, before, .. } = self;
        let mut records = Records::default();
        let result = blocks::file(file, Span { start, end: size }, &new_scanner, &mut |marks, done| {
            records.push(marks, &mut |event| tally.add(&event));
            *bytes = done;
            progress(*before + done);
        });
        let (end, _) = records.finish(&mut |event| tally.add(&event));
        tally.end_log(end);
        result
    }

    fn stream(&mut self, mut reader: Box<dyn Read + '_>, bytes: &mut u64) -> io::Result<()> {
        let mut scanner = Scanner::new(self.clock.clone(), self.query.last_lines.is_some());
        let mut records = Records::default();
        let mut latest = LastEvents { lines: self.query.last_lines, events: VecDeque::new() };
        let Self { tally, progress, before, .. } = self;
        let result = blocks::stream(&mut *reader, &mut scanner, &mut |marks: &LineMarks, done| {
            records.push(marks, &mut |event| latest.take(event, tally));
            *bytes = done;
            progress(*before + done);
        });
        let (end, lines) = records.finish(&mut |event| latest.take(event, tally));
        latest.finish(lines, tally);
        tally.end_log(end);
        result
    }
}

/// Keeps events until it is known whether they are among the last lines.
struct LastEvents {
    lines: Option<u64>,
    events: VecDeque<LogEvent>,
}

impl LastEvents {
    fn take(&mut self, event: LogEvent, tally: &mut Tally) {
        let Some(lines) = self.lines else { return tally.add(&event) };
        let is_old = |old: &LogEvent| old.line + lines <= event.line;
        while self.events.front().is_some_and(is_old) || self.events.len() >= REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn finish(self, all: u64, tally: &mut Tally) {
        let lines = self.lines.unwrap_or(0);
        self.events.iter().filter(|event| event.line + lines > all).for_each(|event| tally.add(event));
    }
}

#[cfg(test)]
mod tests;
