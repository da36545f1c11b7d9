//! The text of a lock file: a decimal PID without a newline, or nothing.
//!
//! Bots of layout A read it and unlink the file if it is empty or names a dead process, so a held lock contains the PID
//! of a running process. Bots of layout B wipe it while they wait, so nothing relies on it. Only a holder writes, and only
//! into a file that is empty or has at most 32 bytes of white space and digits: anything else is not a lock.

use std::fs::File;
use std::io;

use crate::platform::filesystem::{read_at, write_all_at};

/// The longest text that can be a lock's, in bytes.
const LONGEST: usize = 32;

/// How often the text is written if contenders keep emptying it.
const MOST_WRITES: u32 = 5;

/// What a lock file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockText {
    /// Nothing, or white space.
    Empty,
    /// A number, which may or may not be the PID of a running process.
    Pid(u64),
    /// Something else: this is not a lock file.
    Foreign,
}

impl LockText {
    /// Reads it from an open file.
    ///
    /// # Errors
    /// Those of `pread(2)`.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut buffer = [0; LONGEST + 1];
        // Of a regular file less than asked for is all there is (`read(2)`).
        let length = read_at(file, &mut buffer, 0)?;
        Ok(Self::parse(&buffer[..length]))
    }

    /// What a text of so many bytes may be that nobody can read.
    pub fn unread(length: u64) -> Self {
        if length > LONGEST as u64 { Self::Foreign } else { Self::Empty }
    }

    /// Says what `bytes` are.
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.len() > LONGEST || !bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace()) {
            return Self::Foreign;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (None, _) => Self::Empty,
            // 32 digits do not fit. A number that large is not a PID, but the file is still a lock.
            (Some(word), None) => Self::Pid(word.parse().unwrap_or(u64::MAX)),
            (Some(_), Some(_)) => Self::Pid(u64::MAX),
        }
    }

    /// The PID it names, if it can be one of a process that solobot may look at: above 1.
    pub fn pid(self) -> Option<i32> {
        match self {
            Self::Pid(pid) => i32::try_from(pid).ok().filter(|&pid| pid > 0),
            Self::Empty | Self::Foreign => None,
        }
    }
}

/// Writes `pid` over the text: first the digits, then the length, so that no reader ever finds it empty. If the length is
/// right, it is not set, which would cost more than all the rest. If a contender empties the file between the two steps,
/// the kernel would fill it up with NUL, so a text that was too long or too short is written again.
///
/// # Errors
/// Those of `pwrite(2)`, `fstat(2)` and `ftruncate(2)`.
pub fn write(file: &File, pid: i32) -> io::Result<()> {
    let digits = pid.to_string();
    let length = digits.len() as u64;
    for _ in 0..MOST_WRITES {
        write_all_at(file, digits.as_bytes(), 0)?;
        match file.metadata()?.len() {
            present if present == length => break,
            present if present > length => file.set_len(length)?,
            _ => {}
        }
    }
    Ok(())
}

/// Empties the text.
///
/// # Errors
/// Those of `ftruncate(2)`.
pub fn clear(file: &File) -> io::Result<()> {
    file.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lock_may_say() {
        assert_eq!(LockText::parse(b""), LockText::Empty);
        assert_eq!(LockText::parse(b" \n"), LockText::Empty);
        assert_eq!(LockText::parse(b"1234"), LockText::Pid(1234));
        assert_eq!(LockText::parse(b"1234\n"), LockText::Pid(1234));
        assert_eq!(LockText::parse(b"12 34"), LockText::Pid(u64::MAX));
        assert_eq!(LockText::parse(&[b'9'; 32]), LockText::Pid(u64::MAX));
    }

    #[test]
    fn no_reader_finds_it_empty_while_it_is_written() {
        let file = tempfile::tempfile().unwrap();
        write(&file, 1).unwrap();
        let reader = file.try_clone().unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    write(&file, if round % 2 == 0 { 1_234_567 } else { 89 }).unwrap();
                }
                stop.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                assert_ne!(LockText::read(&reader).unwrap(), LockText::Empty);
            }
        });
    }

    #[test]
    fn what_is_somebodys_file() {
        assert_eq!([0, 32, 33].map(LockText::unread), [LockText::Empty, LockText::Empty, LockText::Foreign]);
        for bytes in [&b"import os"[..], b"12a", b"-1", b"\0", &[b'1'; 33], &[b' '; 33], "٣".as_bytes()] {
            assert_eq!(LockText::parse(bytes), LockText::Foreign, "{bytes:?}");
        }
    }

    #[test]
    fn pids_that_cannot_be() {
        for text in [LockText::Pid(0), LockText::Pid(1_000_000_000_000), LockText::Empty, LockText::Foreign] {
            assert_eq!(text.pid(), None, "{text:?}");
        }
    }

    #[test]
    fn the_longest_text_is_read_whole_and_a_longer_one_is_not_cut() {
        for (length, expected) in [(LONGEST, LockText::Pid(u64::MAX)), (LONGEST + 1, LockText::Foreign)] {
            let file = tempfile::tempfile().unwrap();
            write_all_at(&file, &vec![b'9'; length], 0).unwrap();
            assert_eq!(LockText::read(&file).unwrap(), expected, "{length}");
        }
        // White space up to the last byte that is read.
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, format!("7{}x", " ".repeat(LONGEST - 2)).as_bytes(), 0).unwrap();
        assert_eq!(LockText::read(&file).unwrap(), LockText::Foreign);
    }
}
