//! Locks as they are shown.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::home_holding::HomeHolding;
use super::process::ProcessView;
use crate::base::error::{Expected, typed};
use crate::base::exit::Exit;
use crate::base::text::lossy;
use crate::base::time::to_the_second;
use crate::lock::error::HINT_OF_LEASE;
use crate::lock::keeper;
use crate::lock::owner::{self, OwnerDetails};
use crate::lock::state::{self, LockFacts, Obstacle, State};
use crate::platform::advice;

/// A lock as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct LockView {
    /// Its absolute path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The program whose own lock or PID file it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub belongs_to: Option<&'static str>,
    /// Its state, in one word.
    pub state: LockStateView,
    /// Why it is stale or unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The solobot that took it has died, and its COMMAND still holds it.
    pub orphaned: bool,
    /// Where the holder is, if it cannot be seen from here.
    #[serde(skip)]
    pub unseen: Option<&'static str>,
    /// The keeper that holds it, and for whom.
    #[serde(skip)]
    pub keeper: Option<(i32, ProcessView)>,
    /// The bot of another host that has the lease which the lock belongs to.
    #[serde(skip)]
    pub leased_to: Option<HomeHolding>,
    /// Who holds it (for `replaced`: who holds the deleted file; for `owner-alive-unlocked`: who claims it).
    pub holders: Vec<ProcessView>,
    /// Who waits for it; `null` on a platform that does not show that.
    pub waiters: Option<Vec<ProcessView>>,
    /// When it was taken, by its owner record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is odd about the owner record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_problem: Option<String>,
}

impl LockView {
    /// Looks at the processes behind the facts.
    pub fn of(facts: &LockFacts) -> Self {
        let (why, holders, orphaned) = match &facts.state {
            State::Absent | State::Free => (None, &[][..], false),
            State::Held { holders, orphaned } => (None, &holders[..], *orphaned),
            State::Stale(stale) => (Some(stale.to_string()), &[][..], false),
            State::OwnerAliveUnlocked(process) => (None, std::slice::from_ref(process), false),
            State::Replaced { holders } => (None, &holders[..], false),
            State::Unreadable { why, .. } => (Some(why.clone()), &[][..], false),
        };
        let held = matches!(facts.state, State::Held { .. });
        Self {
            path: facts.path.clone(),
            belongs_to: facts.program(),
            state: LockStateView::from(&facts.state),
            why,
            orphaned,
            keeper: keeper::among(holders)
                .filter(|_| held)
                .map(|(keeper, target)| (keeper.pid, ProcessView::of(target))),
            unseen: facts.is_held_unseen().then(state::unseen_holder),
            leased_to: HomeHolding::of(&facts.path),
            holders: holders.iter().copied().map(ProcessView::of).collect(),
            waiters: facts.waiters.as_ref().map(|all| all.iter().copied().map(ProcessView::of).collect()),
            since: facts.record.details().filter(|_| held).and_then(taken_at),
            record_problem: match &facts.record {
                owner::FoundRecord::Untrusted(why) => Some(why.clone()),
                owner::FoundRecord::Absent | owner::FoundRecord::Record(..) => None,
            },
        }
    }
}

/// A lock in two words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockBrief {
    /// Its absolute path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    pub state: LockStateView,
}

impl LockBrief {
    pub fn of(facts: &LockFacts) -> Self {
        Self { path: facts.path.clone(), state: LockStateView::from(&facts.state) }
    }
}

/// A lock's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockStateView {
    Absent,
    Free,
    Held,
    Stale,
    OwnerAliveUnlocked,
    Replaced,
    Unreadable,
}

impl LockStateView {
    pub const ALL: [Self; 7] =
        [Self::Absent, Self::Free, Self::Held, Self::Stale, Self::OwnerAliveUnlocked, Self::Replaced, Self::Unreadable];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Free => "free",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::OwnerAliveUnlocked => "owner-alive-unlocked",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<&State> for LockStateView {
    fn from(state: &State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::Free => Self::Free,
            State::Held { .. } => Self::Held,
            State::Stale(_) => Self::Stale,
            State::OwnerAliveUnlocked(_) => Self::OwnerAliveUnlocked,
            State::Replaced { .. } => Self::Replaced,
            State::Unreadable { .. } => Self::Unreadable,
        }
    }
}

fn taken_at(details: &OwnerDetails) -> Option<Timestamp> {
    details.acquired_at.parse().ok().map(to_the_second)
}

/// A lock that cannot be looked at, where a subcommand needs to.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the state of lock `{}`: {why}", .path.display())]
pub struct Unreadable {
    pub path: PathBuf,
    /// Why not.
    pub why: String,
    /// What kind of reason that is.
    pub obstacle: Obstacle,
}

impl Expected for Unreadable {
    fn exit(&self) -> Exit {
        match self.obstacle {
            Obstacle::NotPermitted => Exit::NotPermitted,
            Obstacle::Leased => Exit::Held,
            Obstacle::Place => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        "lock-unreadable"
    }

    fn hints(&self) -> Vec<String> {
        vec![match self.obstacle {
            Obstacle::NotPermitted => advice::as_root("to look", "solobot …"),
            Obstacle::Leased => HINT_OF_LEASE.into(),
            Obstacle::Place => "to use another lock: solobot … --lock PATH".into(),
        }]
    }
}

/// The holder of a lock is in another PID namespace, or hidden from this user: it can neither be judged nor stopped.
#[derive(Debug, thiserror::Error)]
#[error("the holder of lock `{}` cannot be seen from here", .lock.display())]
pub struct HiddenHolder {
    pub lock: PathBuf,
}

impl Expected for HiddenHolder {
    fn exit(&self) -> Exit {
        Exit::NotPermitted
    }

    fn kind(&self) -> &'static str {
        "holder-hidden"
    }

    fn hints(&self) -> Vec<String> {
        vec![
            advice::with_sudo("if it belongs to another user", &format!("solobot status {}", lock_option(&self.lock))),
            "if it runs in a container, or on the host: run solobot status there".into(),
        ]
    }
}

/// A lock, as a flag behind another subcommand.
pub fn lock_option(lock: &Path) -> String {
    format!("--lock {}", typed(lock))
}
