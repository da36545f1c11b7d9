//! What `solobot hold --stdio` and the solobot at the other end of ssh say to each other.
//!
//! First a line of greeting, behind whatever the login shell has printed. Then messages, each a line of JSON that says how many
//! bytes follow it, and those bytes: records, as they are. One question, one answer, of the same number.
//!
//! Invariant: nobody has to believe a length. A line is at most [`LONGEST_LINE`], a body at most two records.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lease::engine::{EngineError, EngineErrorKind};
use crate::lease::record::LARGEST;

/// What a greeting begins with.
const GREETING: &str = "solobot-hold";
/// Another number means that the two do not understand each other.
const PROTOCOL: u32 = 1;
/// The longest line, in bytes.
pub const LONGEST_LINE: usize = 8 * 1024;
/// The record that is compared, and the new one.
const LONGEST_BODY: usize = 2 * LARGEST;

/// The first line of a `hold`.
pub fn greeting() -> String {
    format!("{GREETING} {PROTOCOL} {}\n", env!("CARGO_PKG_VERSION"))
}

/// Whether a line is a greeting; if it is one of another protocol, which solobot sent it.
pub fn read_greeting(line: &str) -> Option<Result<(), String>> {
    let (protocol, version) = line.strip_prefix(GREETING)?.strip_prefix(' ')?.split_once(' ')?;
    let is_ours = protocol.parse() == Ok(PROTOCOL);
    Some(if is_ours { Ok(()) } else { Err(version.trim().chars().take(32).collect()) })
}

/// What another host asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum HoldQuestion {
    Read,
    /// Write what follows the old record in the body, if the old one still stands, on this server.
    Set {
        server: String,
        old: Option<usize>,
    },
    Weaknesses,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum HoldAnswer {
    /// The body is the record, if there is one.
    Stands {
        server: String,
        has_record: bool,
    },
    Written {
        server: String,
    },
    /// Something else stood there: it is the body.
    Refused {
        server: String,
        has_record: bool,
    },
    /// What each is, and what to do.
    Weaknesses {
        list: Vec<(String, String)>,
    },
    Failed {
        kind: HoldFailure,
        message: String,
        hints: Vec<String>,
    },
}

/// What to conclude from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldFailure {
    TryAgain,
    Configuration,
    NotPermitted,
}

impl From<EngineError> for HoldAnswer {
    fn from(error: EngineError) -> Self {
        let kind = match error.kind {
            EngineErrorKind::Unreachable => HoldFailure::TryAgain,
            EngineErrorKind::Configuration => HoldFailure::Configuration,
            EngineErrorKind::NotPermitted => HoldFailure::NotPermitted,
        };
        Self::Failed { kind, message: error.message, hints: error.hints }
    }
}

impl From<HoldFailure> for EngineErrorKind {
    fn from(kind: HoldFailure) -> Self {
        match kind {
            HoldFailure::TryAgain => Self::Unreachable,
            HoldFailure::Configuration => Self::Configuration,
            HoldFailure::NotPermitted => Self::NotPermitted,
        }
    }
}

/// A message without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head<T> {
    number: u64,
    /// How many bytes follow.
    body: usize,
    #[serde(flatten)]
    what: T,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    pub number: u64,
    pub what: T,
    pub body: Vec<u8>,
}

/// What was sent is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonsense;

impl<T: Serialize + DeserializeOwned> Message<T> {
    pub fn encode(&self) -> Vec<u8> {
        let head = Head { number: self.number, body: self.body.len(), what: &self.what };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Takes the first message out of what has come so far; `None` if it is not whole yet.
    ///
    /// # Errors
    /// It can never become one.
    pub fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, Nonsense> {
        let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST_LINE)]) else {
            return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err(Nonsense) };
        };
        let head: Head<T> = serde_json::from_slice(&bytes[..end]).map_err(|_| Nonsense)?;
        if head.body > LONGEST_BODY {
            return Err(Nonsense);
        }
        let whole = end + 1 + head.body;
        if bytes.len() < whole {
            return Ok(None);
        }
        let rest = bytes.split_off(whole);
        let body = std::mem::replace(bytes, rest).split_off(end + 1);
        Ok(Some(Self { number: head.number, what: head.what, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_whole_however_it_is_cut() {
        let one = Message {
            number: 7,
            what: HoldQuestion::Set { server: "s".into(), old: Some(2) },
            body: b"ab\n{\"x\":1}".to_vec(),
        };
        let two = Message { number: 8, what: HoldQuestion::Read, body: Vec::new() };
        let bytes = [one.encode(), two.encode()].concat();
        for cut in 0..bytes.len() {
            let mut buffer = bytes[..cut].to_vec();
            let mut taken = Vec::new();
            while let Some(message) = Message::<HoldQuestion>::take(&mut buffer).unwrap() {
                taken.push(message);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            while let Some(message) = Message::<HoldQuestion>::take(&mut buffer).unwrap() {
                taken.push(message);
            }
            assert_eq!((taken, buffer), (vec![one.clone(), two.clone()], Vec::new()), "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_is_known_before_it_fills_the_memory() {
        let refused = |bytes: &[u8]| Message::<HoldAnswer>::take(&mut bytes.to_vec());
        assert_eq!(refused(b"hello\n"), Err(Nonsense));
        assert_eq!(refused(&vec![b'x'; LONGEST_LINE]), Err(Nonsense));
        let huge = format!(r#"{{"number":1,"body":{},"answer":"written","server":"s"}}"#, LONGEST_BODY + 1);
        assert_eq!(refused(format!("{huge}\n").as_bytes()), Err(Nonsense));
        assert_eq!(refused(br#"{"number":1,"body":-1,"answer":"written","server":"s"}"#), Ok(None));
    }

    #[test]
    fn a_greeting_is_found_and_another_protocol_is_told() {
        assert_eq!(read_greeting(greeting().trim_end()), Some(Ok(())));
        assert_eq!(read_greeting("solobot-hold 2 9.0.0"), Some(Err("9.0.0".into())));
        assert_eq!(read_greeting("Welcome to this server"), None);
        assert_eq!(read_greeting(""), None);
    }
}
