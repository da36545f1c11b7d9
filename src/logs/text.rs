//! What a log's first bytes show of it: UTF-16, the order of days and months, or that it is no text at all.

use std::io::{self, Read};

use super::lines::dissect;
use super::time::Clock;

/// So much of a log's beginning, and of a file's end, is looked at.
pub const SAMPLE: usize = 64 * 1024;
/// Of a thousand bytes of text, so many may be control characters.
const CONTROLS: usize = 20;

/// How the characters of a log are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or one of the older encodings that contain ASCII.
    Bytes,
    /// As PowerShell's `>` writes it. With the order of the two bytes of a unit.
    Utf16 { is_big: bool },
}

impl Encoding {
    /// By the mark at the beginning, or by the zeros that ASCII has in UTF-16.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0xff, 0xfe, ..] => return Self::Utf16 { is_big: false },
            [0xfe, 0xff, ..] => return Self::Utf16 { is_big: true },
            _ => {}
        }
        let head = &head[..head.len().min(1024) & !1];
        let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
        let (first, second, most) = (zeros(0), zeros(1), head.len() * 2 / 5);
        match (head.len() >= 16 && first + second > most, first == 0, second == 0) {
            (true, true, _) => Self::Utf16 { is_big: false },
            (true, _, true) => Self::Utf16 { is_big: true },
            _ => Self::Bytes,
        }
    }
}

/// Whether this is how a log begins. A log that was truncated while it was written may begin with zeros.
pub fn is_text(head: &[u8]) -> bool {
    let zeros = head.iter().take_while(|byte| **byte == 0).count();
    let head = &head[zeros..];
    let is_control = |byte: &&u8| matches!(byte, 0..=6 | 0x0e..=0x1a | 0x1c | 0x1d | 0x7f);
    head.iter().filter(is_control).count() * 1000 <= head.len() * CONTROLS
}

/// The clock for a log that has these lines: it knows the order of days and months, if they show it.
pub fn clock(clock: &Clock, samples: &[&[u8]]) -> Clock {
    let mut reading = clock.for_another();
    for line in samples.iter().flat_map(|sample| sample.split(|byte| *byte == b'\n')) {
        dissect(line, &mut reading);
    }
    reading.settled()
}

/// Reads the first bytes of a stream.
///
/// # Errors
/// Those of the stream, if nothing was read before.
pub fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; SAMPLE];
    let mut length = 0;
    while length < SAMPLE {
        match reader.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Reading on says so again.
            Err(_) if length > 0 => break,
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Turns UTF-16 into UTF-8.
pub struct Utf16<R> {
    source: R,
    is_big: bool,
    /// The bytes of a unit, or of two, that are not complete.
    left: Vec<u8>,
    out: Vec<u8>,
    taken: usize,
}

impl<R: Read> Utf16<R> {
    pub fn new(source: R, is_big: bool) -> Self {
        Self { source, is_big, left: Vec::new(), out: Vec::new(), taken: 0 }
    }

    /// Decodes the next piece; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        let mut piece = [0; 8192];
        let got = self.source.read(&mut piece)?;
        self.left.extend_from_slice(&piece[..got]);
        let unit = |&pair: &[u8; 2]| if self.is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
        let mut units: Vec<u16> = self.left.as_chunks().0.iter().map(unit).collect();
        // The second half of a character may still come.
        if got > 0 && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        self.left.drain(..units.len() * 2);
        self.out.clear();
        self.taken = 0;
        let characters = char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER));
        let text: String = characters.filter(|character| *character != '\u{feff}').collect();
        self.out.extend_from_slice(text.as_bytes());
        Ok(got > 0)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.out.len() {
            if !self.next()? {
                break;
            }
        }
        let length = buffer.len().min(self.out.len() - self.taken);
        buffer[..length].copy_from_slice(&self.out[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, is_big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn utf16_is_seen_and_read() {
        let text = format!("a line of some length\r\n\u{1f916} {}\n", "x".repeat(20_000));
        for is_big in [false, true] {
            for mark in ["\u{feff}", ""] {
                let bytes = utf16(&format!("{mark}{text}"), is_big);
                assert_eq!(Encoding::of(&bytes), Encoding::Utf16 { is_big });
                let mut read = String::new();
                Utf16::new(&bytes[..], is_big).read_to_string(&mut read).unwrap();
                assert_eq!(read, text);
            }
        }
        for bytes in [&b"an ordinary line\n"[..], b"", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a line"] {
            assert_eq!(Encoding::of(bytes), Encoding::Bytes, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_text() {
        let sqlite =
            [&b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20"[..], &[0; 900], b"CREATE TABLE chats (id, text)"]
                .concat();
        let cyrillic: Vec<u8> = (0xc0..=0xff_u8).cycle().take(4000).collect();
        assert!(!is_text(&sqlite));
        assert!(!is_text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0"));
        assert!(is_text(&cyrillic), "an encoding of one byte");
        assert!(is_text(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a line that was written after the log was truncated\n"));
        assert!(is_text(b"\x1b[31mERROR\x1b[0m x\n"));
        assert!(is_text(b""));
    }
}
