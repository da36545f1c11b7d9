//! How a bot is, in one word: what `status --exit-code` says. Pure.

use super::lease::LeaseStateView;
use super::lock::LockStateView;
use super::status::{BotView, InstanceView, PollingView, StatusOutcome};
use crate::base::exit::Exit;
use crate::lock::coverage::LockCoverage;
use crate::survey::recent::STARTS_IN;

/// From well to bad: of several bots the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BotCondition {
    /// Exactly one instance is running, under its lock if it has one, and connected as far as that can be seen.
    Well,
    /// No instance is running.
    Down,
    /// No instance was seen, but a process that cannot be looked at may be one.
    Unclear,
    /// Several instances, or one that is not well.
    Trouble,
}

impl BotCondition {
    fn exit(self) -> Exit {
        match self {
            Self::Well => Exit::Ok,
            Self::Down => Exit::NotRunning,
            Self::Unclear => Exit::NotPermitted,
            Self::Trouble => Exit::No,
        }
    }
}

impl StatusOutcome {
    /// The worst of all bots; where there is none, nothing runs.
    pub fn condition_exit(&self) -> Exit {
        let worst = self.bots.iter().map(|bot| bot.condition(self)).max();
        worst.unwrap_or(BotCondition::Down).exit()
    }
}

impl BotView {
    pub fn condition(&self, seen: &StatusOutcome) -> BotCondition {
        let is_broken = matches!(self.lock.state, LockStateView::Replaced | LockStateView::Unreadable);
        match self.counted().as_slice() {
            _ if is_broken => BotCondition::Trouble,
            // Only the lock says what the bot is.
            [] if self.has_no_program && self.lock.state == LockStateView::Held => BotCondition::Well,
            [] if self.may_be_unseen => BotCondition::Unclear,
            [] => BotCondition::Down,
            [one] if self.is_well(one, seen) => BotCondition::Well,
            _ => BotCondition::Trouble,
        }
    }

    /// The instances that count.
    pub fn counted(&self) -> Vec<&InstanceView> {
        self.instances.iter().filter(|one| one.counts).collect()
    }

    fn is_well(&self, one: &InstanceView, seen: &StatusOutcome) -> bool {
        let has_lock = self.names_lock || self.lock.state != LockStateView::Absent;
        let is_unlocked = has_lock && one.lock == LockCoverage::Unlocked;
        let is_old = seen.time.duration_since(one.start) >= STARTS_IN;
        let is_unconnected = one.polling == PollingView::No && is_old;
        // The lease is another host's, or lost, and something runs here.
        let is_unleased = self.lease.as_ref().is_some_and(|lease| match lease.state {
            LeaseStateView::Held => !lease.is_own,
            LeaseStateView::StoppingHere | LeaseStateView::WaitingHere => true,
            _ => false,
        });
        !(is_unlocked || is_unconnected || is_unleased || one.is_stopped || one.is_strangers || !self.rivals.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_counts() {
        use BotCondition::{Down, Trouble, Unclear, Well};
        for (all, exit) in [
            (&[Well, Well][..], Exit::Ok),
            (&[Well, Down], Exit::NotRunning),
            (&[Down, Unclear, Well], Exit::NotPermitted),
            (&[Trouble, Unclear, Down], Exit::No),
        ] {
            assert_eq!(all.iter().max().map(|worst| worst.exit()), Some(exit), "{all:?}");
        }
    }
}
