//! The guardian, as a pure step: it opens the gate, and stops the bot when the lease can no longer be proved.

use std::time::Duration;

use super::times::LeaseDeadline;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardianEvent {
    /// Time has passed, and everything that has come was told before.
    Tick,
    /// solobot's renewal was acknowledged.
    Deadline(LeaseDeadline),
    /// COMMAND waits, forked, for the gate to open.
    Gate { pid: i32 },
    /// solobot begins the stop: TERM, and KILL at the deadline.
    Term,
    /// The bot has to be dead now.
    Kill,
    /// COMMAND has ended or is to end: stop what is left of it.
    Finish,
    /// solobot's end of the socket is closed.
    SupervisorGone,
    /// A look for the bot's processes has ended; `left`: some were found.
    Swept { left: bool },
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
    course: GuardianCourse,
    /// Nobody listens any more, or waits for more than the end: it ends once nothing of the bot is left.
    is_last: bool,
}

/// It only ever goes down this list: a stop that has begun is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum GuardianCourse {
    Watches,
    /// TERM was sent.
    Asks {
        kill_at: Duration,
    },
    /// KILL, pass by pass until one finds nobody; `next`: when the next begins, `None` while one is under way.
    Kills {
        passes: u32,
        next: Option<Duration>,
    },
    /// Nothing of the bot is left.
    Done,
}

impl Guardian {
    /// `grace` is the time from TERM to KILL.
    pub fn new(grace: Duration) -> Self {
        Self { grace, deadline: None, course: GuardianCourse::Watches, is_last: false }
    }

    /// When [`GuardianEvent::Tick`] is wanted, at the latest.
    pub fn wake(&self) -> Option<Duration> {
        match self.course {
            GuardianCourse::Watches => self.deadline.map(|deadline| deadline.term_at),
            GuardianCourse::Asks { kill_at } => Some(kill_at),
            GuardianCourse::Kills { next, .. } => next,
            GuardianCourse::Done => None,
        }
    }

    /// `now` is `CLOCK_BOOTTIME`, read after the event came.
    #[must_use]
    pub fn step(mut self, event: GuardianEvent, now: Duration) -> (Self, Vec<GuardianAction>) {
        let mut actions = Vec::new();
        // What is over is stopped before anything else is heard. Only later deadlines are: they lay there while the guardian was
        // paused, and each is as true as the one that it knows.
        if !matches!(event, GuardianEvent::Deadline(_)) {
            self.keep_time(now, &mut actions);
        }
        self.hear(event, now, &mut actions);
        if self.is_last && self.course == GuardianCourse::Done {
            actions.push(GuardianAction::Exit);
        }
        (self, actions)
    }

    fn keep_time(&mut self, now: Duration, actions: &mut Vec<GuardianAction>) {
        match (self.course, self.deadline) {
            (GuardianCourse::Watches, Some(deadline)) if deadline.term_at <= now => self.ask(now, actions),
            (GuardianCourse::Asks { kill_at }, _) if kill_at <= now => self.sweep(0, actions),
            (GuardianCourse::Kills { passes, next: Some(next) }, _) if next <= now => self.sweep(passes, actions),
            _ => {}
        }
    }

    fn hear(&mut self, event: GuardianEvent, now: Duration, actions: &mut Vec<GuardianAction>) {
        match event {
            GuardianEvent::Tick => {}
            GuardianEvent::Deadline(deadline) => self.learn(deadline, actions),
            GuardianEvent::Gate { pid } => actions.push(self.gate(pid)),
            GuardianEvent::Term | GuardianEvent::Finish => self.ask(now, actions),
            GuardianEvent::SupervisorGone => {
                self.is_last = true;
                self.ask(now, actions);
            }
            GuardianEvent::Kill => {
                if matches!(self.course, GuardianCourse::Watches | GuardianCourse::Asks { .. }) {
                    self.say_stop(actions);
                    self.sweep(0, actions);
                }
            }
            GuardianEvent::Swept { left } => self.swept(left, now, actions),
            GuardianEvent::Leave => {
                self.is_last = true;
                if self.course == GuardianCourse::Watches {
                    self.course = GuardianCourse::Done;
                }
            }
        }
    }

    /// A deadline that is older than the one known, or that comes after the stop has begun, changes nothing.
    fn learn(&mut self, deadline: LeaseDeadline, actions: &mut Vec<GuardianAction>) {
        if self.course != GuardianCourse::Watches {
            return;
        }
        match self.deadline {
            None => actions.push(GuardianAction::Say(GuardianWord::Ready)),
            Some(known) if deadline.kill_at <= known.kill_at => return,
            Some(_) => {}
        }
        self.deadline = Some(deadline);
    }

    /// COMMAND runs only while a deadline stands.
    fn gate(&self, pid: i32) -> GuardianAction {
        if self.course == GuardianCourse::Watches && self.deadline.is_some() {
            GuardianAction::OpenGate { pid }
        } else {
            GuardianAction::RefuseGate { pid }
        }
    }

    /// The stop begins: TERM, and KILL after the grace or at the deadline, whichever is first.
    fn ask(&mut self, now: Duration, actions: &mut Vec<GuardianAction>) {
        if self.course != GuardianCourse::Watches {
            return;
        }
        self.say_stop(actions);
        let patient = now + self.grace;
        let kill_at = self.deadline.map_or(patient, |deadline| deadline.kill_at.min(patient));
        if kill_at <= now {
            return self.sweep(0, actions);
        }
        self.course = GuardianCourse::Asks { kill_at };
        actions.push(GuardianAction::SignalTerm);
    }

    fn say_stop(&self, actions: &mut Vec<GuardianAction>) {
        if self.course == GuardianCourse::Watches {
            actions.push(GuardianAction::Say(GuardianWord::Stops));
        }
    }

    fn sweep(&mut self, passes: u32, actions: &mut Vec<GuardianAction>) {
        self.course = GuardianCourse::Kills { passes: passes.saturating_add(1), next: None };
        actions.push(GuardianAction::Sweep);
    }

    fn swept(&mut self, left: bool, now: Duration, actions: &mut Vec<GuardianAction>) {
        match self.course {
            GuardianCourse::Asks { .. } | GuardianCourse::Kills { .. } if !left => {
                self.course = GuardianCourse::Done;
                actions.push(GuardianAction::Say(GuardianWord::Swept));
            }
            GuardianCourse::Kills { passes, .. } => {
                self.course = GuardianCourse::Kills { passes, next: Some(now + pause_after(passes)) };
            }
            GuardianCourse::Watches | GuardianCourse::Asks { .. } | GuardianCourse::Done => {}
        }
    }
}

/// The first passes follow at once, so that nothing is forked in between; then come those that wait for a kernel to let go.
fn pause_after(passes: u32) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_secs(1);
    SHORTEST.saturating_mul(1 << passes.min(10)).min(LONGEST)
}
