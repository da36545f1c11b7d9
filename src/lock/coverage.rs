//! Whether an instance holds its bot's lock, for the tables, the plan and `doctor`. Pure.

use serde::Serialize;

use super::state::{LockFacts, State};
use crate::platform::identity::Identity;

/// Whether an instance holds its bot's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockCoverage {
    /// One of its processes holds it.
    Holder,
    /// An ancestor holds it, or a keeper holds it for the instance or an ancestor.
    Covered,
    /// It runs without the lock.
    Unlocked,
    /// The holder cannot be seen.
    Unknown,
}

impl LockCoverage {
    /// By the processes of an instance and those above it.
    pub fn of(members: &[Identity], ancestors: &[Identity], lock: &LockFacts) -> Self {
        let holders = match &lock.state {
            State::Held { .. } | State::Replaced { .. } => lock.state.holders(),
            State::Unreadable { .. } => return Self::Unknown,
            State::Absent | State::Free | State::Stale(_) | State::OwnerAliveUnlocked(_) => return Self::Unlocked,
        };
        let is_above = |holder: &Identity| ancestors.iter().any(|ancestor| ancestor.pid == holder.pid);
        let is_kept_for = |target: Identity| members.contains(&target) || ancestors.contains(&target);
        if holders.is_empty() {
            Self::Unknown
        } else if holders.iter().any(|holder| members.contains(holder)) {
            Self::Holder
        } else if holders.iter().any(is_above) || lock.kept_for.is_some_and(is_kept_for) {
            Self::Covered
        } else {
            Self::Unlocked
        }
    }
}
