//! What solobot and its guardian say to each other: a letter, and numbers of eight bytes each.

use std::time::Duration;

use crate::lease::step::LeaseDeadline;
use crate::platform::identity::Identity;

/// No message is longer.
pub const LONGEST: usize = 1 + 8 * 3;

/// What solobot tells the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardianOrder {
    Deadline(LeaseDeadline),
    /// COMMAND waits at its gate, which comes along.
    Gate(Identity),
    /// COMMAND runs already: another guardian opened its gate.
    Adopt(Identity),
    Term,
    Kill,
    Finish,
    Leave,
}

/// What the guardian tells solobot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardianMessage {
    /// It knows the deadline.
    Ready,
    /// COMMAND runs now.
    Opened { pid: i32 },
    /// COMMAND does not run, and never will.
    Refused { pid: i32 },
    /// A stop has begun.
    Stops,
    /// Nothing of the bot is left.
    Swept,
    /// This process of the bot cannot be signalled, and runs on; `uid` is its user, where that is known.
    Left { pid: i32, uid: Option<u32> },
    /// The guardian is dead.
    Gone,
}

/// `-1` stands for an unknown user, as `chown(2)` has it.
const NOBODY_KNOWN: u64 = u64::MAX;

impl GuardianOrder {
    pub fn encode(self) -> Vec<u8> {
        let of = |process: Identity| vec![number(process.pid), process.start_ticks];
        let (letter, numbers) = match self {
            Self::Deadline(deadline) => (b'D', vec![nanos(deadline.term_at), nanos(deadline.kill_at)]),
            Self::Gate(process) => (b'G', of(process)),
            Self::Adopt(process) => (b'A', of(process)),
            Self::Term => (b'T', vec![]),
            Self::Kill => (b'K', vec![]),
            Self::Finish => (b'F', vec![]),
            Self::Leave => (b'L', vec![]),
        };
        written(letter, &numbers)
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let process = |pid: u64, start_ticks| {
            let pid = i32::try_from(pid).ok().filter(|&pid| pid > 0)?;
            Some(Identity { pid, start_ticks })
        };
        Some(match read(bytes)? {
            (b'D', [term_at, kill_at, _]) => Self::Deadline(LeaseDeadline {
                term_at: Duration::from_nanos(term_at),
                kill_at: Duration::from_nanos(kill_at),
            }),
            (b'G', [pid, start_ticks, _]) => Self::Gate(process(pid, start_ticks)?),
            (b'A', [pid, start_ticks, _]) => Self::Adopt(process(pid, start_ticks)?),
            (b'T', _) => Self::Term,
            (b'K', _) => Self::Kill,
            (b'F', _) => Self::Finish,
            (b'L', _) => Self::Leave,
            _ => return None,
        })
    }
}

impl GuardianMessage {
    pub fn encode(self) -> Vec<u8> {
        let (letter, numbers) = match self {
            Self::Ready => (b'R', vec![]),
            Self::Opened { pid } => (b'O', vec![number(pid)]),
            Self::Refused { pid } => (b'X', vec![number(pid)]),
            Self::Stops => (b'B', vec![]),
            Self::Swept => (b'S', vec![]),
            Self::Left { pid, uid } => (b'L', vec![number(pid), uid.map_or(NOBODY_KNOWN, u64::from)]),
            Self::Gone => (b'E', vec![]),
        };
        written(letter, &numbers)
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let pid = |pid: u64| i32::try_from(pid).ok();
        Some(match read(bytes)? {
            (b'R', _) => Self::Ready,
            (b'O', [one, ..]) => Self::Opened { pid: pid(one)? },
            (b'X', [one, ..]) => Self::Refused { pid: pid(one)? },
            (b'B', _) => Self::Stops,
            (b'S', _) => Self::Swept,
            (b'L', [one, uid, _]) => Self::Left { pid: pid(one)?, uid: u32::try_from(uid).ok() },
            (b'E', _) => Self::Gone,
            _ => return None,
        })
    }
}

fn number(pid: i32) -> u64 {
    u64::try_from(pid).unwrap_or_default()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn written(letter: u8, numbers: &[u64]) -> Vec<u8> {
    [letter].into_iter().chain(numbers.iter().flat_map(|number| number.to_ne_bytes())).collect()
}

/// What is not there is 0.
fn read(bytes: &[u8]) -> Option<(u8, [u64; 3])> {
    let (&letter, rest) = bytes.split_first()?;
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(rest.chunks(8)) {
        *number = u64::from_ne_bytes(bytes.try_into().ok()?);
    }
    Some((letter, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_is_understood() {
        let process = Identity { pid: 4711, start_ticks: 98_765 };
        let deadline = LeaseDeadline { term_at: Duration::from_millis(7), kill_at: Duration::from_secs(9) };
        for order in [
            GuardianOrder::Deadline(deadline),
            GuardianOrder::Gate(process),
            GuardianOrder::Adopt(process),
            GuardianOrder::Term,
            GuardianOrder::Kill,
            GuardianOrder::Finish,
            GuardianOrder::Leave,
        ] {
            assert!(order.encode().len() <= LONGEST);
            assert_eq!(GuardianOrder::parse(&order.encode()), Some(order));
        }
        for message in [
            GuardianMessage::Ready,
            GuardianMessage::Opened { pid: 1 },
            GuardianMessage::Refused { pid: i32::MAX },
            GuardianMessage::Stops,
            GuardianMessage::Swept,
            GuardianMessage::Left { pid: 2, uid: Some(0) },
            GuardianMessage::Left { pid: 2, uid: None },
            GuardianMessage::Gone,
        ] {
            assert!(message.encode().len() <= LONGEST);
            assert_eq!(GuardianMessage::parse(&message.encode()), Some(message));
        }
        let nobody = GuardianOrder::Adopt(Identity { pid: 0, ..process }).encode();
        for nonsense in [&b""[..], b"?", b"G1", b"D1234567", &nobody] {
            assert_eq!((GuardianOrder::parse(nonsense), GuardianMessage::parse(nonsense)), (None, None));
        }
    }
}
