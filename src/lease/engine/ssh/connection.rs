//! One run of `ssh`, from its start to its end.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::lease::engine::home::protocol::{HoldAnswer, HoldQuestion, LONGEST_LINE, Message, read_greeting};
use crate::platform::children::Ended;
use crate::platform::clock;
use crate::platform::poll;
use crate::platform::spawn::PipedChild;

/// How much a login shell may print before the greeting.
const MOST_NOISE: usize = 64 * 1024;
/// How much is kept of what ssh says on stderr: its last words.
const MOST_WORDS: usize = 4 * 1024;
/// How long an ssh that has closed its streams may take to end, for the sake of its exit code.
const LAST_MOMENT: Duration = Duration::from_millis(50);

/// Why nothing more is to be expected, now or at all.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// The time is over; the answer may come yet.
    Late,
    NotStarted(io::Error),
    /// ssh ended, as far as is known how, with these words.
    Ended {
        how: Option<Ended>,
        was_greeted: bool,
        words: String,
    },
    /// The solobot there is of this version, and speaks another protocol.
    OtherVersion(String),
    /// What came is no answer.
    Nonsense,
    /// It takes no more of a question.
    Stuck,
}

/// A connection until it is greeted.
#[derive(Debug)]
pub struct Starting {
    since: Duration,
    /// From the thread that starts ssh.
    child: Receiver<io::Result<PipedChild>>,
    connection: Option<SshConnection>,
}

impl Starting {
    /// Starts ssh, which may wait for a disk, in a thread.
    pub fn begin(argv: Vec<OsString>) -> Self {
        let (started, child) = sync_channel(1);
        // Without a thread the sender is gone: not started.
        let _ = thread::Builder::new().name("ssh".into()).spawn(move || started.send(PipedChild::start(&argv)));
        Self { since: clock::uptime().whole, child, connection: None }
    }

    pub fn age(&self) -> Duration {
        clock::uptime().whole.saturating_sub(self.since)
    }

    /// The connection, once the other end has greeted.
    pub fn greeted(&mut self, end: Duration) -> Result<SshConnection, ConnectionEnd> {
        if self.connection.is_none() {
            let child = match self.child.recv_timeout(left_until(end)) {
                Ok(child) => child.map_err(ConnectionEnd::NotStarted)?,
                Err(RecvTimeoutError::Timeout) => return Err(ConnectionEnd::Late),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ConnectionEnd::NotStarted(io::ErrorKind::OutOfMemory.into()));
                }
            };
            self.connection = Some(SshConnection::new(child));
        }
        let Some(mut connection) = self.connection.take() else { return Err(ConnectionEnd::Late) };
        match connection.await_greeting(end) {
            Ok(()) => Ok(connection),
            Err(why) => {
                self.connection = Some(connection);
                Err(why)
            }
        }
    }
}

/// A running ssh, and what has come from it.
#[derive(Debug)]
pub struct SshConnection {
    child: PipedChild,
    is_greeted: bool,
    /// What has come and is not understood yet.
    received: Vec<u8>,
    /// What it printed before the greeting.
    noise: usize,
    words: Vec<u8>,
    stderr_ended: bool,
    /// Since when a question has been without an answer.
    silent_since: Option<Duration>,
}

impl SshConnection {
    fn new(child: PipedChild) -> Self {
        let (received, words) = (Vec::new(), Vec::new());
        Self { child, is_greeted: false, received, noise: 0, words, stderr_ended: false, silent_since: None }
    }

    fn await_greeting(&mut self, end: Duration) -> Result<(), ConnectionEnd> {
        loop {
            while let Some(at) = memchr::memchr(b'\n', &self.received) {
                let line: Vec<u8> = self.received.drain(..=at).collect();
                match read_greeting(String::from_utf8_lossy(&line).trim_end()) {
                    Some(Ok(())) => {
                        self.is_greeted = true;
                        return Ok(());
                    }
                    Some(Err(version)) => return Err(ConnectionEnd::OtherVersion(version)),
                    None => self.noise += line.len(),
                }
            }
            if self.noise > MOST_NOISE || self.received.len() > LONGEST_LINE {
                return Err(ConnectionEnd::Nonsense);
            }
            self.receive(end)?;
        }
    }

    /// Sends the question and waits for its answer; those to earlier questions are thrown away.
    pub fn ask(
        &mut self,
        question: &Message<HoldQuestion>,
        end: Duration,
    ) -> Result<Message<HoldAnswer>, ConnectionEnd> {
        self.silent_since.get_or_insert_with(|| clock::uptime().whole);
        self.send(&question.encode(), end)?;
        loop {
            while let Some(answer) = Message::take(&mut self.received).map_err(|_| ConnectionEnd::Nonsense)? {
                // One that is late shows at least that somebody is there.
                self.silent_since = (answer.number != question.number).then(|| clock::uptime().whole);
                if answer.number == question.number {
                    return Ok(answer);
                }
            }
            self.receive(end)?;
        }
    }

    /// For how long nothing has been heard although something was asked.
    pub fn silence(&self) -> Duration {
        self.silent_since.map_or(Duration::ZERO, |since| clock::uptime().whole.saturating_sub(since))
    }

    /// Half a message cannot be taken back: whoever could not send a whole one must close.
    fn send(&mut self, mut bytes: &[u8], end: Duration) -> Result<(), ConnectionEnd> {
        while !bytes.is_empty() {
            match self.child.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_writable = poll::is_writable_within(self.child.input(), left_until(end));
                    if !is_writable.unwrap_or(false) {
                        return Err(ConnectionEnd::Stuck);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.ended(end)),
            }
        }
        Ok(())
    }

    /// Waits for more, and takes it.
    fn receive(&mut self, end: Duration) -> Result<(), ConnectionEnd> {
        let left = left_until(end);
        let [output, errors] = self.child.output();
        let errors = (!self.stderr_ended).then_some(errors);
        let ready = poll::readable([Some(output), errors], Some(left)).map_err(ConnectionEnd::NotStarted)?;
        if ready == [false, false] {
            return if left.is_zero() { Err(ConnectionEnd::Late) } else { Ok(()) };
        }
        if ready[1] {
            self.take_words();
        }
        if ready[0] {
            let mut buffer = [0; 16 * 1024];
            match self.child.read(&mut buffer) {
                Ok(0) => return Err(self.ended(end)),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if is_for_later(&error) => {}
                Err(_) => return Err(self.ended(end)),
            }
        }
        Ok(())
    }

    /// Some of its words; the last ones are kept.
    fn take_words(&mut self) {
        let mut buffer = [0; MOST_WORDS];
        match self.child.read_errors(&mut buffer) {
            Ok(0) => self.stderr_ended = true,
            Ok(length) => {
                self.words.extend_from_slice(&buffer[..length]);
                let surplus = self.words.len().saturating_sub(MOST_WORDS);
                self.words.drain(..surplus);
            }
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.stderr_ended = true,
        }
    }

    /// It has closed its stdout: it ends now, and its last words are there.
    fn ended(&mut self, end: Duration) -> ConnectionEnd {
        let how = self.child.ending(left_until(end).min(LAST_MOMENT)).flatten();
        loop {
            let errors = (!self.stderr_ended).then(|| self.child.output()[1]);
            let is_ready =
                errors.is_some() && poll::readable([errors], Some(Duration::ZERO)).is_ok_and(|[ready]| ready);
            if !is_ready || clock::uptime().whole >= end {
                break;
            }
            self.take_words();
        }
        let words = String::from_utf8_lossy(&self.words).into_owned();
        ConnectionEnd::Ended { how, was_greeted: self.is_greeted, words }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn left_until(end: Duration) -> Duration {
    end.saturating_sub(clock::uptime().whole)
}
