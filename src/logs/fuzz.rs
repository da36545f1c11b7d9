//! Logs, from compressed bytes to counts.

use std::io::{self, Read, Write};

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;

use super::blocks::{self, BLOCK};
use super::decompress::unpack;
use super::event::LogEvent;
use super::lines::dissect;
use super::records::Records;
use super::scan::{LONGEST, Scanner};
use super::tally::{Limits, Period, Tally};
use super::text::{Encoding, Utf16, is_text};
use super::time::{self, Clock, TimeArg, parse_zone};
use super::words::conflict;

/// From 1970 to the end of 2200, in milliseconds: no log is of another time.
const YEARS: std::ops::Range<i64> = 0..7_289_568_000_000;
/// More is not unpacked: what it would become is looked at in pieces anyway.
const MOST: u64 = 4 << 20;

fn clock() -> Clock {
    Clock::new(TimeZone::UTC, "2026-12-01T00:00:00Z".parse().expect("a time"))
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    part.is_empty() || (whole.start <= part.start && part.end <= whole.end)
}

/// One line, of whatever program.
pub fn line(bytes: &[u8]) {
    let line = dissect(bytes, &mut clock());
    assert!(is_within(line.text, bytes) && is_within(line.words, bytes));
    for time in [line.stamps.own, line.stamps.outer, line.time()] {
        assert!(time.millis().is_none_or(|millis| YEARS.contains(&millis)), "{time:?}");
    }
}

/// A time at the beginning, and what is typed as one.
pub fn time(bytes: &[u8]) {
    let mut clock = clock();
    if let Some((written, length)) = time::read(bytes) {
        assert!(length <= bytes.len() && YEARS.contains(&clock.instant(&written)), "{written:?}");
    }
    let numbers = [time::read_epoch(bytes), time::read_tai64n(bytes)];
    for (millis, length) in numbers.into_iter().flatten() {
        assert!(length <= bytes.len() && YEARS.contains(&millis), "{millis}");
    }
    assert!(time::read_time_of_day(bytes).is_none_or(|length| length <= bytes.len()));
    let text = String::from_utf8_lossy(bytes);
    if let Ok(written) = TimeArg::parse(&text) {
        let _ = written.instant(&mut clock);
    }
    let _ = parse_zone(&text);
}

/// The events of a log that comes in these pieces.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<LogEvent>, u64) {
    let mut scanner = Scanner::new(clock(), true);
    let mut records = Records::default();
    let mut events = Vec::new();
    for piece in pieces {
        records.push(&scanner.scan(piece), &mut |event| events.push(event));
    }
    let (end, lines) = records.finish(&mut |event| events.push(event));
    assert!(end.millis().is_none_or(|millis| YEARS.contains(&millis)));
    (events, lines)
}

/// A log in one piece, and the same log a line at a time.
pub fn scan(bytes: &[u8]) {
    let (whole, lines) = events([bytes]);
    assert!(whole.len() as u64 <= lines, "a line has one event at most");
    let (in_pieces, lines_in_pieces) = events(bytes.split_inclusive(|&byte| byte == b'\n'));
    assert_eq!(lines_in_pieces, lines);
    if is_of_one_program(bytes) {
        assert_eq!(counts(&in_pieces), counts(&whole), "a log is the same however it is cut");
    }
    for by in [Period::Day, Period::Hour] {
        let mut tally = tally(by);
        for event in &whole {
            tally.add(event);
        }
        let summary = tally.finish();
        assert_eq!(summary.totals.errors(), counts(&whole).iter().sum::<u64>());
        let dated: u64 = summary.buckets.iter().map(|bucket| bucket.counts.errors()).sum();
        assert_eq!(dated + summary.undated, summary.totals.errors());
    }
}

/// Whether no collector has put several programs into one log: of those, what stands across a cut is not promised.
fn is_of_one_program(log: &[u8]) -> bool {
    let mut clock = clock();
    let mut streams = log.split(|&byte| byte == b'\n').map(|line| dissect(line, &mut clock).stream);
    let first = streams.next();
    streams.all(|stream| Some(stream) == first)
}

fn tally(by: Period) -> Tally {
    Tally::new(Limits { by, zone: TimeZone::UTC, since: None, until: None })
}

/// How many of each kind.
fn counts(events: &[LogEvent]) -> Vec<u64> {
    let mut tally = tally(Period::Day);
    for event in events {
        tally.add(event);
    }
    let totals = tally.finish().totals;
    super::words::Kind::ALL.iter().map(|kind| totals.of(*kind)).collect()
}

/// A log that is longer than what is read at once: the first byte says where in it the first piece ends.
pub fn stream(bytes: &[u8]) {
    const ORDINARY: &[u8] = b"2026-01-10 15:27:14,901 - aiogram.event - INFO - Update id=1 is handled\n";
    let Some((first, text)) = bytes.split_first() else { return };
    let before = BLOCK + LONGEST - text.len() * usize::from(*first) / 256;
    let mut log = ORDINARY.repeat(before / ORDINARY.len());
    log.resize(before, b' ');
    log.extend_from_slice(text);
    log.push(b'\n');
    log.extend_from_slice(text);
    let mut scanner = Scanner::new(clock(), false);
    let mut records = Records::default();
    let (mut streamed, mut read) = (Vec::new(), 0);
    let mut pieces = Pieces { left: &log, piece: usize::MAX };
    let end = blocks::stream(&mut pieces, &mut scanner, &mut |marks, done| {
        records.push(marks, &mut |event| streamed.push(event));
        read = done;
    });
    assert!(end.is_ok() && read == log.len() as u64);
    records.finish(&mut |event| streamed.push(event));
    // Of a line that is too long to be kept, only what is around its anchors is read.
    let longest = log.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    if longest < LONGEST && is_of_one_program(&[ORDINARY, text].concat()) {
        assert_eq!(counts(&streamed), counts(&events([&log[..]]).0), "a log is the same however it is cut");
    }
}

struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.piece.min(buffer.len()).min(self.left.len());
        self.left.read(&mut buffer[..length])
    }
}

/// The words of clients.
pub fn words(bytes: &[u8]) {
    let kind = conflict(bytes);
    assert!(kind.is_none_or(super::words::Kind::is_conflict));
    assert_eq!(conflict(&bytes.to_ascii_uppercase()), conflict(&bytes.to_ascii_lowercase()), "in any case");
    let _ = is_text(bytes);
}

/// What is unpacked, and whether it was whole.
fn unpacked(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let Ok(reader) = unpack(Pieces { left: bytes, piece }) else { return (out, false) };
    let is_whole = reader.take(MOST).read_to_end(&mut out).is_ok();
    (out, is_whole)
}

fn same_in_pieces(bytes: &[u8]) {
    let (whole, is_whole) = unpacked(bytes, usize::MAX);
    let (in_pieces, is_whole_in_pieces) = unpacked(bytes, 1);
    assert_eq!(is_whole_in_pieces, is_whole);
    // Of what is broken, as much comes out as had been unpacked until then.
    let is_same =
        if is_whole { in_pieces == whole } else { in_pieces.starts_with(&whole) || whole.starts_with(&in_pieces) };
    assert!(is_same, "{} and {} bytes", in_pieces.len(), whole.len());
}

/// gzip, of one part and of two; and cut.
pub fn gzip(bytes: &[u8]) {
    same_in_pieces(bytes);
    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory")
    };
    check_packing(bytes, &packed);
}

/// Zstandard, likewise.
pub fn zstd(bytes: &[u8]) {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    same_in_pieces(bytes);
    check_packing(bytes, &|text: &[u8]| compress_to_vec(text, CompressionLevel::Fastest));
}

fn check_packing(text: &[u8], packed: &dyn Fn(&[u8]) -> Vec<u8>) {
    let (first, second) = text.split_at(text.len() / 2);
    let both = [packed(first), packed(second)].concat();
    assert_eq!(unpacked(&both, usize::MAX), (text.to_vec(), true));
    let (cut, is_whole) = unpacked(&both[..both.len() - 1], usize::MAX);
    assert!(!is_whole && text.starts_with(&cut), "what was lost is said, and nothing is made up");
}

/// UTF-16, as PowerShell writes it.
pub fn utf16(bytes: &[u8]) {
    let _ = Encoding::of(bytes);
    for is_big in [false, true] {
        let mut read = String::new();
        Utf16::new(Pieces { left: bytes, piece: 3 }, is_big).read_to_string(&mut read).expect("UTF-8");
        let unit = |pair: &[u8; 2]| if is_big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(unit).collect();
        assert_eq!(read, String::from_utf16_lossy(&units).replace('\u{feff}', ""));
    }
}
