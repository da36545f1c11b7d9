//! What one look at a process shows: `proc_pid_stat(5)`.

use std::fs;
use std::io::Read;

use crate::platform::stat::{RunState, Stat};

impl RunState {
    fn of_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            b'X' | b'x' => Self::Dead,
            other => Self::Other(other),
        }
    }
}

/// Room for a `stat` file, in bytes: some 50 numbers and a name of at most 64 bytes. One read gives the whole of it.
pub(super) const STAT: usize = 2048;

/// The text of `/proc/WHO/stat`.
pub(super) fn read_stat<'a>(who: &str, buffer: &'a mut [u8; STAT]) -> Option<&'a [u8]> {
    let length = fs::File::open(format!("/proc/{who}/stat")).ok()?.read(buffer).ok()?;
    Some(&buffer[..length])
}

/// `PF_KTHREAD` in the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;
/// The same of one that exits.
const PF_EXITING: u64 = 0x4;

impl Stat {
    /// Reads and parses `/proc/PID/stat`; `None` if there is no such process.
    pub fn read(pid: i32) -> Option<Self> {
        if pid <= 0 {
            return None;
        }
        Self::parse(read_stat(&pid.to_string(), &mut [0; STAT])?)
    }

    /// Parses the text of a `stat` file (`proc_pid_stat(5)`). The command name may hold anything, `)` included: fields start after the
    /// *last* one.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        // Field 3 (state) is the first of the rest.
        let mut fields = rest.split_ascii_whitespace();
        let state = RunState::of_letter(*fields.next()?.as_bytes().first()?);
        let parent = fields.next()?.parse().ok()?;
        let group = Some(fields.next()?.parse().ok()?);
        let session = Some(fields.next()?.parse().ok()?);
        let has_terminal = fields.next()?.parse::<i32>().ok()? != 0;
        let flags: u64 = fields.nth(1)?.parse().ok()?;
        let children_faults = Some(fields.nth(1)?.parse().ok()?);
        let threads = Some(fields.nth(8)?.parse().ok()?);
        let start_ticks = fields.nth(1)?.parse().ok()?;
        let (is_kernel_thread, is_exiting) = (flags & PF_KTHREAD != 0, flags & PF_EXITING != 0);
        Some(Self {
            state,
            parent,
            group,
            session,
            has_terminal,
            is_kernel_thread,
            is_exiting,
            children_faults,
            threads,
            start_ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_start_after_the_last_parenthesis() {
        let text = b"42 (a) S 1 (evil)) S 7 42 42 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_ticks), (RunState::Sleeping, 7, 98765));
        assert_eq!((stat.children_faults, stat.threads), (Some(2), Some(1)));
        assert!(stat.has_terminal && !stat.is_kernel_thread && !stat.is_exiting);
    }

    #[test]
    fn rubbish_is_no_stat() {
        for text in [&b""[..], b")", b"1 (x", b"1 (x) S", b"1 (x) S a b c d e f", b"\xff\xfe)\xff"] {
            assert_eq!(Stat::parse(text), None);
        }
    }
}
