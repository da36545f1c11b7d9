//! The guardian, as a pure step: it opens the gate, and stops the bot when the lease can no longer be proved.

use std::time::Duration;

use super::times::LeaseDeadline;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardianEvent {
    Tick,
    /// solobot's renewal was acknowledged.
    Deadline(LeaseDeadline),
    /// COMMAND waits, forked, for the gate to open.
    Gate {
        pid: i32,
    },
    /// solobot begins the stop: TERM, and KILL at the deadline.
    Term,
    /// The bot has to be dead now.
    Kill,
    /// COMMAND has ended or is to end: stop what is left of it.
    Finish,
    /// solobot's end of the socket is closed.
    SupervisorGone,
    /// A look for the bot's processes has ended; `left`: some were found.
    Swept {
        left: bool,
    },
    /// Everything is done.
    Leave,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardianAction {
    /// Let COMMAND run.
    OpenGate { pid: i32 },
    /// COMMAND must not run: end it.
    RefuseGate { pid: i32 },
    /// TERM and CONT to the bot's roots.
    SignalTerm,
    /// One pass: STOP and then KILL to everything of the bot; [`GuardianEvent::Swept`] is its result.
    Sweep,
    /// Tell solobot.
    Say(GuardianWord),
    /// End.
    Exit,
}

/// What solobot is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardianWord {
    /// The deadline is known: COMMAND may come to the gate.
    Ready,
    /// A stop has begun.
    Stops,
    /// Nothing of the bot is left.
    Swept,
}

/// What the guardian knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guardian {
    grace: Duration,
    deadline: Option<LeaseDeadline>,
}

impl Guardian {
    /// `grace` is the time from TERM to KILL.
    pub fn new(grace: Duration) -> Self {
        Self { grace, deadline: None }
    }

    /// When [`GuardianEvent::Tick`] is wanted.
    pub fn wake(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.term_at)
    }

    /// `now` is `CLOCK_BOOTTIME`, read after the event came.
    #[must_use]
    pub fn step(self, _event: GuardianEvent, _now: Duration) -> (Self, Vec<GuardianAction>) {
        (self, Vec::new())
    }
}
