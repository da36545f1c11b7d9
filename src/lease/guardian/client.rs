//! solobot's side of the guardian. Nothing here waits, start and farewell excepted, so the thread that renews the lease
//! may use it too: every order is one message that arrives whole.

use std::io;
use std::time::{Duration, Instant};

use super::message::{GuardianMessage, GuardianOrder, LONGEST};
use super::{GrantMarks, GuardianRequest};
use crate::lease::step::LeaseDeadline;
use crate::platform::children;
use crate::platform::descriptor::Descriptor;
use crate::platform::identity::{Identity, Stat};
use crate::platform::packets::{Packets, ReceivedPacket};
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::signals::Signal;
use crate::platform::spawn::{Gate, spawn_ourselves};

/// How long a guardian may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to end when there is nothing more to do.
const FAREWELL: Duration = Duration::from_millis(200);

/// A guardian that was started here. Dropping this is to the guardian as if solobot had died, unless it was told to leave.
#[derive(Debug)]
pub struct GuardianClient {
    socket: Packets,
    identity: Identity,
    pidfd: Pidfd,
}

/// The guardian does not know what it was to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It has not read for long: it is stopped, or the machine is overloaded.
    #[error("the guardian does not read what it is told")]
    Full,
    #[error("the guardian is dead")]
    Gone,
}

impl GuardianClient {
    /// Starts one for a grant that is proved until this deadline, and waits until it is ready: a few milliseconds, or at most
    /// five seconds. `grace` is the time from TERM to KILL.
    ///
    /// # Errors
    /// It could not be started, or was not ready in time.
    pub fn start(grace: Duration, marks: GrantMarks, deadline: LeaseDeadline) -> io::Result<Self> {
        let (socket, other) = Packets::pair()?;
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let line = GuardianRequest { marks, grace_ms }.command_line(other.descriptor());
        let pid = spawn_ourselves(&line, &[other.descriptor()])?;
        // Whoever keeps the other's end open does not see it die.
        drop(other);
        let start_ticks = Stat::read(pid).map_or(0, |stat| stat.start_ticks);
        let pidfd = Pidfd::of_child(pid).inspect_err(|_| children::put_down(pid))?;
        let client = Self { socket, identity: Identity { pid, start_ticks }, pidfd };
        client.become_ready(deadline).inspect_err(|_| children::put_down(pid))?;
        Ok(client)
    }

    fn become_ready(&self, deadline: LeaseDeadline) -> io::Result<()> {
        self.tell_deadline(deadline).map_err(io::Error::other)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.next_message() {
                Some(GuardianMessage::Ready) => return Ok(()),
                Some(GuardianMessage::Gone) => return Err(io::Error::other("the guardian ended at once")),
                Some(_) => {}
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    let [said, ended] = poll::readable([Some(self.descriptor()), Some(self.ended())], Some(left))?;
                    if !said && ended {
                        return Err(io::Error::other("the guardian ended at once"));
                    }
                    if !said {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the guardian was not ready in time"));
                    }
                }
            }
        }
    }

    /// A child of ours, to be reaped as any other.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The lease is proved until then.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn tell_deadline(&self, deadline: LeaseDeadline) -> Result<(), NotTold> {
        self.tell(GuardianOrder::Deadline(deadline), None)
    }

    /// Asks the guardian to let COMMAND, which waits at this gate, start: it answers [`GuardianMessage::Opened`] or
    /// [`GuardianMessage::Refused`]. After an error COMMAND ends without having started.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn open_gate(&self, command: Identity, gate: Gate) -> Result<(), NotTold> {
        let told = self.tell(GuardianOrder::Gate(command), Some(&gate));
        // The guardian's is the only one now: if that dies, the gate stays shut.
        drop(gate);
        told
    }

    /// Hands over a COMMAND whose gate an earlier guardian has opened.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn adopt(&self, command: Identity) -> Result<(), NotTold> {
        self.tell(GuardianOrder::Adopt(command), None)
    }

    /// Begins a stop: TERM, and KILL after the grace or at the deadline.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn term(&self) -> Result<(), NotTold> {
        self.tell(GuardianOrder::Term, None)
    }

    /// KILL to everything of the bot, now.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn kill(&self) -> Result<(), NotTold> {
        self.tell(GuardianOrder::Kill, None)
    }

    /// COMMAND has ended, or is to end: stop what is left of it. [`GuardianMessage::Swept`] is the answer.
    ///
    /// # Errors
    /// The guardian does not know it.
    pub fn finish(&self) -> Result<(), NotTold> {
        self.tell(GuardianOrder::Finish, None)
    }

    /// Everything is done: the guardian ends. One that does not, because it is stopped, must never wake up: what it would stop may
    /// be the next COMMAND by then.
    pub fn leave(&self) {
        let _ = self.tell(GuardianOrder::Leave, None);
        if !self.pidfd.has_ended(FAREWELL) {
            let _ = self.pidfd.send(Signal::SIGKILL);
        }
        let _ = self.pidfd.reap();
    }

    fn tell(&self, order: GuardianOrder, gate: Option<&Gate>) -> Result<(), NotTold> {
        self.socket.send(&order.encode(), gate).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => NotTold::Gone,
            _ => NotTold::Full,
        })
    }

    /// Readable when the guardian has said something, or is dead.
    pub fn descriptor(&self) -> Descriptor<'_> {
        self.socket.descriptor()
    }

    /// Readable once it is dead.
    pub fn ended(&self) -> Descriptor<'_> {
        self.pidfd.descriptor()
    }

    /// What it has said, if anything.
    pub fn next_message(&self) -> Option<GuardianMessage> {
        let mut buffer = [0; LONGEST];
        loop {
            match self.socket.receive(&mut buffer) {
                Ok(ReceivedPacket::Nothing) => return None,
                Ok(ReceivedPacket::Message(length, _)) => {
                    if let Some(message) = GuardianMessage::parse(&buffer[..length]) {
                        return Some(message);
                    }
                }
                Ok(ReceivedPacket::Closed) | Err(_) => return Some(GuardianMessage::Gone),
            }
        }
    }
}
