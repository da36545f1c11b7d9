//! One line of `/proc/locks`, or of fdinfo behind `lock:`.

use crate::platform::filesystem::KernelKey;

/// Which of the kernel's locks it is. They do not exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `flock(2)`, the only one that counts here.
    Flock,
    /// `fcntl(2)` `F_SETLK`: Python's `fcntl.lockf`, `s6-setlock`.
    Posix,
    /// `fcntl(2)` `F_OFD_SETLK`; it has no caller.
    OpenFile,
}

/// One lock, or one wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which lock.
    pub kind: Kind,
    /// The file.
    pub key: KernelKey,
    /// Who called; perhaps dead, 0 for one outside this PID namespace, -1 for an open file's.
    pub pid: i32,
    /// It is waited for, not held.
    pub waits: bool,
}

impl Line {
    /// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; a waiter has `->` before `FLOCK`. Leases are none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let mut word = words.next()?;
        let waits = word == "->";
        if waits {
            word = words.next()?;
        }
        let kind = match word {
            "FLOCK" => Kind::Flock,
            "POSIX" => Kind::Posix,
            "OFDLCK" => Kind::OpenFile,
            _ => return None,
        };
        let pid = words.nth(2)?.parse().ok()?;
        let mut file = words.next()?.splitn(3, ':');
        let major = u32::from_str_radix(file.next()?, 16).ok()?;
        let minor = u32::from_str_radix(file.next()?, 16).ok()?;
        let inode = file.next()?.parse().ok()?;
        Some(Self { kind, key: KernelKey { major, minor, inode }, pid, waits })
    }

    /// The same for `flock(2)` alone.
    pub fn parse_flock(line: &str) -> Option<Self> {
        Self::parse(line).filter(|line| line.kind == Kind::Flock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks() {
        let key = KernelKey { major: 8, minor: 0x1f, inode: 5678 };
        let line = |kind, pid, waits| Some(Line { kind, key, pid, waits });
        for (text, parsed) in [
            ("1: FLOCK  ADVISORY  WRITE 1234 08:1f:5678 0 EOF", line(Kind::Flock, 1234, false)),
            ("1: -> FLOCK  ADVISORY  WRITE 99 08:1f:5678 0 EOF", line(Kind::Flock, 99, true)),
            ("2: POSIX  ADVISORY  WRITE 1 08:1f:5678 0 EOF", line(Kind::Posix, 1, false)),
            ("2: OFDLCK ADVISORY  READ -1 08:1f:5678 0 EOF", line(Kind::OpenFile, -1, false)),
            ("3: LEASE  ACTIVE    WRITE 1 08:1f:5678 0 EOF", None),
            ("1: FLOCK ADVISORY WRITE x 0:0:0 0 EOF", None),
            ("1:", None),
            ("", None),
        ] {
            assert_eq!(Line::parse(text), parsed, "{text}");
            assert_eq!(Line::parse_flock(text), parsed.filter(|line| line.kind == Kind::Flock), "{text}");
        }
    }
}
