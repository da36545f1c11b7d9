//! Finds in a file where a time begins, or where the last lines begin, without reading the whole file.

use std::fs::File;
use std::io;

use memchr::{memchr, memrchr_iter};

use super::blocks::{BLOCK, read_at};
use super::lines::dissect;
use super::time::{Clock, Time};

/// Clocks go back by an hour in autumn, and the lines of several threads are never quite in order.
const SLACK: i64 = (60 * 60 + 60) * 1000;

/// A place from which on every line with a time of `since` or later is found, by bisection: the start of a line.
///
/// Lines are assumed to be in order, give or take an hour. If no line has a time, it is the start of the file.
///
/// # Errors
/// Those of `pread(2)`.
pub fn since(file: &File, size: u64, since: i64, clock: &mut Clock) -> io::Result<u64> {
    let wanted = since.saturating_sub(SLACK);
    let (mut low, mut high) = (0, size);
    let mut buffer = vec![0; BLOCK];
    while high - low > BLOCK as u64 {
        let middle = low + (high - low) / 2;
        let got = read_at(file, &mut buffer, middle)?;
        match first_time(&buffer[..got], clock) {
            Some((at, millis)) if millis < wanted && middle + (at as u64) < high => low = middle + at as u64,
            // Too late, or no line with a time: starting further up is always right.
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first line with a time that begins in the text, after its first newline.
fn first_time(text: &[u8], clock: &mut Clock) -> Option<(usize, i64)> {
    let mut start = memchr(b'\n', text)? + 1;
    while start < text.len() {
        let end = memchr(b'\n', &text[start..]).map_or(text.len(), |newline| start + newline);
        let line = dissect(&text[start..end], clock);
        if let Some(millis) = line.time().millis() {
            return Some((start, millis));
        }
        start = end + 1;
    }
    None
}

/// The time of the first line that has one, in the file's first block.
///
/// # Errors
/// Those of `pread(2)`.
pub fn first(file: &File, clock: &mut Clock) -> io::Result<Time> {
    let mut buffer = vec![0; BLOCK / 4];
    buffer[0] = b'\n';
    let got = read_at(file, &mut buffer[1..], 0)?;
    Ok(first_time(&buffer[..=got], clock).map_or(Time::UNKNOWN, |(_, millis)| Time::at(millis)))
}

/// Where the last `lines` lines begin; an unfinished last line is one.
///
/// # Errors
/// Those of `pread(2)`.
pub fn last_lines(file: &File, size: u64, lines: u64) -> io::Result<u64> {
    if lines == 0 {
        return Ok(size);
    }
    let mut left = lines;
    let mut buffer = vec![0; BLOCK];
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let length = usize::try_from(end - start).unwrap_or(BLOCK);
        let got = read_at(file, &mut buffer[..length], start)?;
        for newline in memrchr_iter(b'\n', &buffer[..got]) {
            let behind = start + newline as u64 + 1;
            // The newline at the end of the last line does not begin another one.
            if behind < size {
                left -= 1;
                if left == 0 {
                    return Ok(behind);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use std::fmt::Write as _;
    use std::io::Write as _;

    fn clock() -> Clock {
        Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap())
    }

    fn file_of(text: &str) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        (file, text.len() as u64)
    }

    #[test]
    fn the_last_lines() {
        for (text, lines, expected) in
            [("a\nb\nc\n", 1, 4), ("a\nb\nc", 1, 4), ("a\nb\nc\n", 3, 0), ("a\nb\n", 9, 0), ("a\n", 0, 2), ("", 1, 0)]
        {
            let (file, size) = file_of(text);
            assert_eq!(last_lines(&file, size, lines).unwrap(), expected, "{text:?} {lines}");
        }
        let (file, size) = file_of(&"0123456789\n".repeat(100_000));
        assert_eq!(last_lines(&file, size, 50_000).unwrap(), 550_000);
    }

    #[test]
    fn bisection_finds_the_place_and_reads_little() {
        // A line a second for nearly three days, with a traceback now and then.
        let mut text = String::new();
        let mut wanted = 0;
        for second in 0..250_000_i64 {
            let stamp = jiff::Timestamp::from_second(1_768_000_000 + second).unwrap();
            if second == 200_000 {
                wanted = text.len() as u64;
            }
            writeln!(text, "{stamp} INFO something or other").unwrap();
            if second % 1000 == 0 {
                text.push_str(&"  File \"x\", line 1\n".repeat(50));
            }
        }
        let (file, size) = file_of(&text);
        let place = since(&file, size, (1_768_000_000 + 200_000) * 1000, &mut clock()).unwrap();
        assert!(place <= wanted, "{place} {wanted}");
        assert!(wanted - place < 4000 * 60 + 2 * BLOCK as u64, "{place} {wanted}");
        assert!(place == 0 || text.as_bytes()[usize::try_from(place).unwrap() - 1] == b'\n');
        let (file, size) = file_of(&"no time at all\n".repeat(100_000));
        assert_eq!(since(&file, size, 0, &mut clock()).unwrap(), 0);
    }
}
