//! One grant of a lease, and the second watcher over its bot: it stops the bot if the guardian is late, stopped or dead.

use std::io;
use std::time::Duration;

use crate::lease::guardian::GrantMarks;
use crate::lease::guardian::sweep::{Sweep, SweepPass};
use crate::lease::renewer::clocks;
use crate::lease::step::LeaseDeadline;
use crate::platform::identity::Identity;

/// The guardian may be late by this much before the bot is stopped from here.
const GUARDIAN_LATE: Duration = Duration::from_millis(200);
/// How often what was stopped is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What was granted, and what runs under it.
pub struct LeaseGrant {
    pub deadline: LeaseDeadline,
    pub marks: GrantMarks,
    /// While it may be running.
    pub command: Option<Identity>,
    /// The stop is up to us, since no guardian does it.
    own_stop: Option<(OwnStop, Sweep)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnStop {
    Term,
    Kill,
}

impl LeaseGrant {
    /// `command`: it runs already, under an earlier guardian.
    pub fn new(marks: GrantMarks, deadline: LeaseDeadline, command: Option<Identity>) -> Self {
        Self { deadline, marks, command, own_stop: None }
    }

    /// Begins a stop of our own; one that has begun never becomes milder.
    pub fn stop(&mut self, stop: OwnStop) {
        let Some(command) = self.command else { return };
        let (now, _) = self.own_stop.get_or_insert_with(|| {
            let mut sweep = Sweep::new(self.marks);
            sweep.add_root(command);
            (stop, sweep)
        });
        *now = (*now).max(stop);
    }

    /// Begins the stop that is due, and goes on with one that has begun: what was found in this pass.
    pub fn watch(&mut self, is_guarded: bool) -> Option<io::Result<SweepPass>> {
        let now = clocks().boot;
        if now >= self.kill_at(is_guarded) {
            self.stop(OwnStop::Kill);
        } else if !is_guarded && now >= self.deadline.term_at {
            self.stop(OwnStop::Term);
        }
        let (stop, sweep) = self.own_stop.as_mut()?;
        Some(match stop {
            OwnStop::Term => sweep.term(),
            OwnStop::Kill => sweep.pass(),
        })
    }

    /// When to watch again, at most in `longest`: a timer does not run while the machine sleeps.
    pub fn again_in(&self, is_guarded: bool, longest: Duration) -> Duration {
        if self.own_stop.is_some() {
            return LOOK_AGAIN;
        }
        let at = if is_guarded { self.kill_at(true) } else { self.deadline.term_at };
        at.saturating_sub(clocks().boot).clamp(LOOK_AGAIN, longest)
    }

    fn kill_at(&self, is_guarded: bool) -> Duration {
        self.deadline.kill_at + if is_guarded { GUARDIAN_LATE } else { Duration::ZERO }
    }

    /// The stop is due, whether the renewer has said so yet or not: all of solobot may have been stopped.
    pub fn is_overdue(&self) -> bool {
        self.deadline.term_at <= clocks().boot
    }

    /// Nothing of the bot is left.
    pub fn clear(&mut self) {
        (self.command, self.own_stop) = (None, None);
    }
}
