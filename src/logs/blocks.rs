//! Reads a file's blocks with two threads, or a stream with one. It needs memory for a few blocks, however large the log or
//! its lines are.
//!
//! Files are read with `pread(2)`, not mapped: if a mapped log is truncated, the process that mapped it is killed. A line
//! belongs to the block in which it begins. A line longer than [`LONGEST`] is read piece by piece.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use memchr::{memchr, memrchr};

use super::scan::{Gap, LONGEST, LineMarks, Scanner};
use crate::platform::filesystem;

/// How much a thread reads at once.
pub const BLOCK: usize = 256 * 1024;
/// A line that begins in a block mostly ends within this many bytes behind it.
const BEHIND: usize = 4 * 1024;
/// Smaller files are read by one thread.
const FEW: u64 = 4 * BLOCK as u64;
/// How far ahead of the slowest block the others may be, so that a thread that does not get to run stops no other.
const AHEAD: u64 = 512;
/// How many marks may wait to be consumed.
const MARKS: usize = 20_000;

/// A part of a file.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Where the first line begins.
    pub start: u64,
    /// Where the last one ends.
    pub end: u64,
}

/// Scans a part of a file; `consume` gets the marks of each block in order, and how many bytes have been read.
///
/// # Errors
/// Those of `pread(2)`. A file that has become shorter is not an error.
pub fn file(
    file: &File,
    span: Span,
    new_scanner: &(dyn Fn() -> Scanner + Sync),
    consume: &mut dyn FnMut(&LineMarks, u64),
) -> io::Result<()> {
    let blocks = (span.end - span.start).div_ceil(BLOCK as u64);
    let reader = |number: u64| Block { file, span, start: span.start + number * BLOCK as u64 };
    if span.end - span.start <= FEW {
        let (mut scanner, mut buffer) = (new_scanner(), Vec::new());
        for number in 0..blocks {
            let block = reader(number);
            consume(&block.scan(&mut scanner, &mut buffer)?, block.end() - span.start);
        }
        return Ok(());
    }
    let queue = Queue { state: Mutex::default(), room: Condvar::new(), done: Condvar::new(), blocks };
    let marks_of = |number, scanner: &mut Scanner, buffer: &mut Vec<u8>| reader(number).scan(scanner, buffer);
    thread::scope(|scope| {
        if thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
            // Without a second thread, the first one does all the work.
            let _ = thread::Builder::new().spawn_scoped(scope, || {
                let (mut scanner, mut buffer) = (new_scanner(), Vec::new());
                while let Some(number) = queue.take_when_there_is_room() {
                    queue.put(number, marks_of(number, &mut scanner, &mut buffer));
                }
            });
        }
        let (mut scanner, mut buffer) = (new_scanner(), Vec::new());
        loop {
            match queue.turn() {
                NextTask::Consume(number, Ok(marks)) => consume(&marks, reader(number).end() - span.start),
                NextTask::Consume(_, Err(error)) => {
                    queue.stop();
                    return Err(error);
                }
                NextTask::Scan(number) => queue.put(number, marks_of(number, &mut scanner, &mut buffer)),
                NextTask::BlockEnd => return Ok(()),
            }
        }
    })
}

/// Hands out blocks, and takes their marks back in order. The caller's thread scans and consumes; the other one scans, and
/// waits only where it is too far ahead. So neither has to be woken for every block.
struct Queue {
    state: Mutex<BlockQueue>,
    /// Something was consumed.
    room: Condvar,
    /// Something was scanned.
    done: Condvar,
    blocks: u64,
}

#[derive(Default)]
struct BlockQueue {
    /// The next block to scan.
    next: u64,
    /// The next block to consume.
    consumed: u64,
    ready: BTreeMap<u64, io::Result<LineMarks>>,
    /// How many marks those have.
    marks: usize,
    stopped: bool,
}

impl BlockQueue {
    fn has_room(&self) -> bool {
        self.next < self.consumed + AHEAD && self.marks < MARKS
    }

    fn take(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

/// What the caller's thread does next.
enum NextTask {
    Consume(u64, io::Result<LineMarks>),
    Scan(u64),
    BlockEnd,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, BlockQueue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_when_there_is_room(&self) -> Option<u64> {
        let mut state = self.lock();
        while !state.stopped && state.next < self.blocks && !state.has_room() {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!state.stopped && state.next < self.blocks).then(|| state.take())
    }

    fn put(&self, number: u64, marks: io::Result<LineMarks>) {
        let mut state = self.lock();
        state.marks += marks.as_ref().map_or(0, |marks| marks.marks.len());
        state.ready.insert(number, marks);
        drop(state);
        self.done.notify_one();
    }

    /// Blocks are taken in order: the next one to consume is ready, is being scanned, or is the next to be scanned.
    fn turn(&self) -> NextTask {
        let mut state = self.lock();
        loop {
            let number = state.consumed;
            if number == self.blocks {
                return NextTask::BlockEnd;
            }
            if let Some(marks) = state.ready.remove(&number) {
                state.marks -= marks.as_ref().map_or(0, |marks| marks.marks.len());
                state.consumed += 1;
                drop(state);
                self.room.notify_one();
                return NextTask::Consume(number, marks);
            }
            if state.next < self.blocks && state.has_room() {
                return NextTask::Scan(state.take());
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
    }
}

/// One block of a file.
struct Block<'a> {
    file: &'a File,
    span: Span,
    start: u64,
}

impl Block<'_> {
    fn end(&self) -> u64 {
        (self.start + BLOCK as u64).min(self.span.end)
    }

    /// The marks of the lines that begin in this block.
    fn scan(&self, scanner: &mut Scanner, buffer: &mut Vec<u8>) -> io::Result<LineMarks> {
        // The byte before it shows whether the block begins with a new line.
        let from = self.start - u64::from(self.start > self.span.start);
        let inside = as_len(self.end() - from);
        let length = as_len((self.end() + BEHIND as u64).min(self.span.end) - from);
        let mut filled = self.fill(buffer, from, 0, length)?;
        let begin = match memchr(b'\n', &buffer[..filled]) {
            _ if self.start == self.span.start => 0,
            Some(newline) => newline + 1,
            None => filled,
        };
        if begin >= inside.min(filled) {
            return Ok(LineMarks { rest: Some(Gap::NONE), ..LineMarks::default() });
        }
        // The last line begins before `inside`, and ends with the first newline from there on.
        let mut end = line_end(&buffer[..filled], inside);
        while end.is_none() && filled < inside + LONGEST && from + (filled as u64) < self.span.end {
            let more = as_len((self.span.end - from).min((inside + LONGEST) as u64));
            let before = filled;
            filled = self.fill(buffer, from, filled, more)?;
            end = line_end(&buffer[..filled], inside);
            if filled == before {
                break;
            }
        }
        let is_whole = end.is_some() || from + filled as u64 >= self.span.end || filled < inside + LONGEST;
        if is_whole {
            return Ok(scanner.scan(&buffer[begin..end.unwrap_or(filled)]));
        }
        let last = memrchr(b'\n', &buffer[begin..inside]).map_or(begin, |newline| begin + newline + 1);
        let mut marks = scanner.scan(&buffer[begin..last]);
        let above = marks.rest.unwrap_or(Gap::NONE);
        let long = self.long_line(scanner, &buffer[last..filled], from + filled as u64)?;
        let long = scanner.finish(&long, above);
        marks.lines += long.lines;
        marks.marks.extend(long.marks.into_iter().map(|mark| super::scan::LineMark { line: marks.lines, ..mark }));
        marks.rest = long.rest;
        Ok(marks)
    }

    /// Reads the rest of a line that begins with `head`.
    fn long_line(&self, scanner: &mut Scanner, head: &[u8], mut at: u64) -> io::Result<super::scan::LongLine> {
        let mut line = scanner.long_line(head);
        scanner.piece(&mut line, head);
        let mut piece = vec![0; LONGEST];
        while at < self.span.end {
            let want = as_len((self.span.end - at).min(LONGEST as u64));
            let got = read_at(self.file, &mut piece[..want], at)?;
            let newline = memchr(b'\n', &piece[..got]);
            scanner.piece(&mut line, &piece[..newline.unwrap_or(got)]);
            if newline.is_some() || got == 0 {
                break;
            }
            at += got as u64;
        }
        Ok(line)
    }

    /// Fills the buffer from `have` to `length` bytes, and returns how many it has then.
    fn fill(&self, buffer: &mut Vec<u8>, from: u64, have: usize, length: usize) -> io::Result<usize> {
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        Ok(have + read_at(self.file, &mut buffer[have..length], from + have as u64)?)
    }
}

/// Behind the first newline at or behind the last byte before `inside`.
fn line_end(text: &[u8], inside: usize) -> Option<usize> {
    let from = inside.saturating_sub(1);
    text.get(from..).and_then(|rest| memchr(b'\n', rest)).map(|newline| from + newline + 1)
}

fn as_len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// As `pread(2)`, until the buffer is full or the file ends.
///
/// # Errors
/// Those of `pread(2)`.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match filesystem::read_at(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Scans a stream to its end. What was read before an error counts.
///
/// # Errors
/// Those of the stream.
pub fn stream(
    reader: &mut dyn Read,
    scanner: &mut Scanner,
    consume: &mut dyn FnMut(&LineMarks, u64),
) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK + LONGEST];
    let mut carried = 0;
    let mut total = 0;
    loop {
        let (got, end) = read_full(reader, &mut buffer[carried..]);
        total += got as u64;
        let filled = carried + got;
        let is_last = end.is_some();
        let whole = if is_last { filled } else { memrchr(b'\n', &buffer[..filled]).map_or(0, |newline| newline + 1) };
        let mut marks = scanner.scan(&buffer[..whole]);
        carried = filled - whole;
        if carried > LONGEST {
            let above = marks.rest.take().unwrap_or(Gap::NONE);
            consume(&marks, total);
            let (marks, rest) = long_line_of(reader, scanner, &mut buffer, (whole, filled), above, &mut total);
            consume(&marks, total);
            carried = rest.0;
            if let Some(end) = rest.1 {
                return end;
            }
            continue;
        }
        consume(&marks, total);
        if let Some(end) = end {
            return end;
        }
        buffer.copy_within(whole..filled, 0);
    }
}

/// How a stream ended, if it did.
type BlockEnd = Option<io::Result<()>>;

/// Reads a long line to its end, and leaves what follows it at the start of the buffer.
fn long_line_of(
    reader: &mut dyn Read,
    scanner: &mut Scanner,
    buffer: &mut [u8],
    (start, filled): (usize, usize),
    above: Gap,
    total: &mut u64,
) -> (LineMarks, (usize, BlockEnd)) {
    let mut line = scanner.long_line(&buffer[start..filled]);
    scanner.piece(&mut line, &buffer[start..filled]);
    loop {
        let (got, end) = read_full(reader, &mut buffer[..LONGEST]);
        *total += got as u64;
        let newline = memchr(b'\n', &buffer[..got]);
        scanner.piece(&mut line, &buffer[..newline.unwrap_or(got)]);
        let rest = newline.map_or(got, |newline| newline + 1)..got;
        let left = rest.len();
        if newline.is_some() {
            buffer.copy_within(rest, 0);
        }
        // What follows the line is scanned with the next block, even if the stream has ended: reading on says so again.
        let ended = end.filter(|_| left == 0);
        if newline.is_some() || ended.is_some() {
            return (scanner.finish(&line, above), (left, ended));
        }
    }
}

/// Reads until the buffer is full or the stream ends, and returns how it ended.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> (usize, BlockEnd) {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(Err(error))),
        }
    }
    (filled, None)
}
