//! Finds and counts conflict and network errors in logs of any size.
//!
//! Bytes go one way: [`input`] → [`blocks`] (files by two threads, streams by one) → [`scan`] (lines with an anchor become
//! marks) → [`records`] and [`repeats`] (marks of one 409 become one event) → [`tally`] → [`tally::Summary`]. [`read`] drives it.
//!
//! Not promised: to find conflicts that a bot logs in its own words, to count two 409s that the log shows in one line, to read
//! a conflict whose words are wrapped in their middle, and to count a record once that lies across two blocks of a log in which
//! several programs take turns.

pub mod blocks;
mod decompress;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod input;
pub mod lines;
pub mod records;
pub mod repeats;
pub mod rhythm;
pub mod scan;
pub mod seek;
pub mod tally;
mod text;
pub mod time;
pub mod words;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Cursor, Read};

use jiff::Timestamp;

use crate::platform::filesystem::{FileId, FileStatus};
use blocks::Span;
use decompress::Compression;
use event::LogEvent;
use input::{Input, Journalctl};
use records::Records;
use scan::{LineMarks, Scanner};
use tally::{Limits, Summary, Tally};
use text::{Encoding, Utf16};
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
            Input::Pipe(path) => {
                let file = File::open(path)?;
                if !self.seen.insert(FileStatus::of_open(&file)?.id()) {
                    return Ok(false);
                }
                self.stream(decompress::unpack(file)?, bytes)?;
            }
            Input::File(path) => {
                let (file, meta) = input::open(path)?;
                if !self.seen.insert(meta.id()) {
                    return Ok(false);
                }
                let head = sample(&file, 0)?;
                let is_plain = Compression::of(&head) == Compression::Plain;
                if is_plain && Encoding::of(&head) == Encoding::Bytes {
                    self.file(&file, meta.len(), &head, bytes)?;
                } else {
                    self.stream(decompress::unpack(file)?, bytes)?;
                }
            }
        }
        Ok(true)
    }

    fn file(&mut self, file: &File, size: u64, head: &[u8], bytes: &mut u64) -> io::Result<()> {
        let tail = sample(file, size.saturating_sub(text::SAMPLE as u64))?;
        let mut clock = text::clock(&self.clock, &[head, &tail]);
        let mut start = 0;
        if let Some(since) = self.query.limits.since {
            start = seek::since(file, size, since, &mut clock)?;
        }
        if let Some(lines) = self.query.last_lines {
            start = start.max(seek::last_lines(file, size, lines)?);
        }
        let new_scanner = move || Scanner::new(clock.clone(), false);
        let Self { tally, progress, before, .. } = self;
        let mut records = Records::default();
        let mut found = 0;
        let result = blocks::file(file, Span { start, end: size }, &new_scanner, &mut |marks, done| {
            found += marks.marks.len();
            records.push(marks, &mut |event| tally.add(&event));
            *bytes = done;
            progress(*before + done);
        });
        let (end, _) = records.finish(&mut |event| tally.add(&event));
        tally.end_log(end);
        result.and_then(|()| refuse(head, found, bytes))
    }

    fn stream(&mut self, mut reader: Box<dyn Read + '_>, bytes: &mut u64) -> io::Result<()> {
        let mut head = text::head(&mut *reader)?;
        let all = Cursor::new(head.clone()).chain(reader);
        let mut reader: Box<dyn Read + '_> = match Encoding::of(&head) {
            Encoding::Bytes => Box::new(all),
            Encoding::Utf16 { is_big } => {
                head = text::head(&mut Utf16::new(&head[..], is_big))?;
                Box::new(Utf16::new(all, is_big))
            }
        };
        let clock = text::clock(&self.clock, &[&head]);
        let mut scanner = Scanner::new(clock, self.query.last_lines.is_some());
        let mut records = Records::default();
        let mut latest = LastEvents { lines: self.query.last_lines, events: VecDeque::new() };
        let Self { tally, progress, before, .. } = self;
        let mut found = 0;
        let result = blocks::stream(&mut *reader, &mut scanner, &mut |marks: &LineMarks, done| {
            found += marks.marks.len();
            records.push(marks, &mut |event| latest.take(event, tally));
            *bytes = done;
            progress(*before + done);
        });
        let (end, lines) = records.finish(&mut |event| latest.take(event, tally));
        latest.finish(lines, tally);
        tally.end_log(end);
        result.and_then(|()| refuse(&head, found, bytes))
    }
}

/// What stands in a file from there on.
fn sample(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut sample = vec![0; text::SAMPLE];
    let got = blocks::read_at(file, &mut sample, at)?;
    sample.truncate(got);
    Ok(sample)
}

/// Something that does not begin like a log, and has nothing of one in it, was not read: that it has no conflicts is no good
/// news.
fn refuse(head: &[u8], found: usize, bytes: &mut u64) -> io::Result<()> {
    if found > 0 || text::is_text(head) {
        return Ok(());
    }
    *bytes = 0;
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is no text, so it is no log"))
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
