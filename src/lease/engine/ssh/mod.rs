//! The engine of `ssh://USER@HOST/PATH`: a file on a home host, reached by the user's own `ssh` and `solobot hold` there.
//!
//! One connection stays open. After an error it is made again with the next call, and while it is being made, calls fail: to
//! log in may take longer than a call may. Where an answer is late, but the connection still young enough to be alive, it is
//! kept, and the late answer is thrown away.
//!
//! Invariant: a call ends within its limit, whatever ssh, the network or the home host does. At most one message and a few KiB
//! of words are ever kept of what they send. No call waits for a disk or a resolver: `ssh` is started by a thread of its own.

mod connection;
pub(super) mod refusal;

use std::time::Duration;

use self::connection::{ConnectionEnd, SshConnection, Starting};
use self::refusal::SshTarget;
use super::home::protocol::{HoldAnswer, HoldQuestion, Message};
use super::{EngineError, EngineWeakness, Register, RegisterLook, SetResult, Version};
use crate::lease::record::LARGEST;
use crate::platform::clock;

/// How long a login may take in all.
const LONGEST_LOGIN: Duration = Duration::from_secs(15);
/// How long a question may stay unanswered before the connection is given up.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
/// The longest name of a server.
const LONGEST_SERVER: usize = 256;

/// A lease on a host that is reached by ssh. Closing it ends ssh.
#[derive(Debug)]
pub struct SshRegister {
    target: SshTarget,
    line: Line,
    number: u64,
}

#[derive(Debug)]
enum Line {
    Closed,
    Starting(Starting),
    Open(SshConnection),
}

impl SshRegister {
    /// `path` is that of the lock there.
    pub fn new(user: Option<String>, host: String, port: Option<u16>, path: String) -> Self {
        Self { target: SshTarget { user, host, port, path }, line: Line::Closed, number: 0 }
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, what: HoldQuestion, body: Vec<u8>, limit: Duration) -> Result<Message<HoldAnswer>, EngineError> {
        let end = clock::uptime().whole + limit;
        self.open(end)?;
        let Line::Open(connection) = &mut self.line else { return Err(self.target.late("no connection")) };
        self.number += 1;
        let question = Message { number: self.number, what, body };
        match connection.ask(&question, end) {
            Ok(answer) => match answer.what {
                HoldAnswer::Failed { kind, message, hints } => Err(self.target.told(kind.into(), &message, &hints)),
                _ => Ok(answer),
            },
            Err(ConnectionEnd::Late) => {
                if connection.silence() >= LONGEST_SILENCE {
                    self.line = Line::Closed;
                }
                Err(self.target.late(&format!("no answer within {limit:?}")))
            }
            Err(end) => Err(self.close(&end)),
        }
    }

    /// A connection that has been greeted.
    fn open(&mut self, end: Duration) -> Result<(), EngineError> {
        if matches!(self.line, Line::Closed) {
            self.line = Line::Starting(Starting::begin(self.target.command_line()));
        }
        let opened = match &mut self.line {
            Line::Open(_) => return Ok(()),
            Line::Starting(starting) => starting.greeted(end),
            Line::Closed => Err(ConnectionEnd::Late),
        };
        match opened {
            Ok(connection) => {
                self.line = Line::Open(connection);
                Ok(())
            }
            Err(ConnectionEnd::Late) => {
                let age = if let Line::Starting(starting) = &self.line { starting.age() } else { Duration::ZERO };
                if age >= LONGEST_LOGIN {
                    self.line = Line::Closed;
                    return Err(self.target.late(&format!("no login within {LONGEST_LOGIN:?}")));
                }
                Err(self.target.late("still logging in"))
            }
            Err(end) => Err(self.close(&end)),
        }
    }

    fn close(&mut self, end: &ConnectionEnd) -> EngineError {
        self.line = Line::Closed;
        self.target.ended(end)
    }

    /// The record in an answer.
    fn look(&mut self, server: String, has_record: bool, body: Vec<u8>) -> Result<RegisterLook, EngineError> {
        let is_name =
            !server.is_empty() && server.len() <= LONGEST_SERVER && server.chars().all(|c| c.is_ascii_graphic());
        if !is_name || body.len() > LARGEST || (!has_record && !body.is_empty()) {
            return Err(self.close(&ConnectionEnd::Nonsense));
        }
        let content = has_record.then_some(body);
        Ok(RegisterLook { version: version(&server, content.as_deref()), content, server })
    }
}

impl Register for SshRegister {
    fn read(&mut self, limit: Duration) -> Result<RegisterLook, EngineError> {
        let answer = self.ask(HoldQuestion::Read, Vec::new(), limit)?;
        match answer.what {
            HoldAnswer::Stands { server, has_record } => self.look(server, has_record, answer.body),
            _ => Err(self.close(&ConnectionEnd::Nonsense)),
        }
    }

    fn set_if(&mut self, before: &Version, record: &[u8], limit: Duration) -> Result<SetResult, EngineError> {
        if record.len() > LARGEST {
            return Err(EngineError::too_long(record));
        }
        let (server, old) = versioned(before).ok_or_else(EngineError::foreign_version)?;
        let body = [old.unwrap_or_default(), record].concat();
        let question = HoldQuestion::Set { server: server.to_owned(), old: old.map(<[u8]>::len) };
        let answer = self.ask(question, body, limit)?;
        match answer.what {
            HoldAnswer::Written { server } => self.look(server, true, record.to_vec()).map(SetResult::Written),
            HoldAnswer::Refused { server, has_record } => {
                self.look(server, has_record, answer.body).map(SetResult::Refused)
            }
            _ => Err(self.close(&ConnectionEnd::Nonsense)),
        }
    }

    fn weaknesses(&mut self, limit: Duration) -> Result<Vec<EngineWeakness>, EngineError> {
        match self.ask(HoldQuestion::Weaknesses, Vec::new(), limit)?.what {
            HoldAnswer::Weaknesses { list } => {
                let shown = |(what, remedy): (String, String)| EngineWeakness {
                    what: refusal::shown(&what),
                    remedy: refusal::shown(&remedy),
                };
                Ok(list.into_iter().map(shown).collect())
            }
            _ => Err(self.close(&ConnectionEnd::Nonsense)),
        }
    }
}

/// The server and the whole record: what stands elsewhere, or stood there before, never compares as equal.
fn version(server: &str, content: Option<&[u8]>) -> Version {
    let (mark, content) = content.map_or((b'-', [].as_slice()), |content| (b'+', content));
    Version([server.as_bytes(), b"\n", &[mark], content].concat())
}

fn versioned(version: &Version) -> Option<(&str, Option<&[u8]>)> {
    let end = memchr::memchr(b'\n', &version.0)?;
    let (mark, content) = version.0[end + 1..].split_first()?;
    let server = std::str::from_utf8(&version.0[..end]).ok()?;
    Some((server, (*mark == b'+').then_some(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_server_and_the_record() {
        for content in [None, Some(b"".as_slice()), Some(b"a\n+b".as_slice())] {
            assert_eq!(versioned(&version("boot/1:2", content)), Some(("boot/1:2", content)));
        }
        assert_ne!(version("a", None), version("b", None));
        assert_ne!(version("a", None), version("a", Some(b"")));
        assert_eq!(versioned(&Version(b"redis".to_vec())), None);
    }
}
