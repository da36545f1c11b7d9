//! What `release` did.

use std::path::PathBuf;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::holding::Holding;
use super::lease::LeaseView;
use super::process::ProcessView;
use crate::base::exit::Exit;

/// What became of the lock.
#[derive(Debug)]
pub struct ReleaseOutcome {
    pub lock: PathBuf,
    /// Why it was, or was not, released.
    pub reason: Reason,
}

/// Why a lock was, or was not, released.
#[derive(Debug)]
pub enum Reason {
    /// A keeper held it, and has ended.
    KeeperEnded(i32),
    /// The shell's descriptor carried it.
    DescriptorUnlocked(i32),
    /// Nobody held it.
    NothingToRelease,
    /// A bot, or another program, holds it.
    HeldByBot(Box<Holding>),
    /// Nobody here holds it, and another host holds the bot's lease.
    LeaseElsewhere {
        lease: Box<LeaseView>,
        /// What to type about that.
        stop: Vec<String>,
    },
    /// The keeper did not end.
    KeeperSurvived(ProcessView),
    /// The operator said no.
    Declined,
}

impl ReleaseOutcome {
    /// Whether the lock is free of what was asked to let it go.
    fn is_released(&self) -> bool {
        matches!(self.reason, Reason::KeeperEnded(_) | Reason::DescriptorUnlocked(_))
    }

    pub fn exit(&self) -> Exit {
        match self.reason {
            Reason::KeeperEnded(_) | Reason::DescriptorUnlocked(_) | Reason::NothingToRelease => Exit::Ok,
            Reason::HeldByBot(_) | Reason::LeaseElsewhere { .. } | Reason::KeeperSurvived(_) | Reason::Declined => {
                Exit::No
            }
        }
    }

    /// Why a lock was, or was not, released.
    pub fn sentence(&self) -> String {
        let lock = self.lock.display();
        match &self.reason {
            Reason::KeeperEnded(pid) => format!("released {lock}: its keeper, PID {pid}, has ended"),
            Reason::DescriptorUnlocked(fd) => format!("released {lock}: descriptor {fd} is unlocked"),
            Reason::NothingToRelease => format!("nothing to release: no process holds {lock}"),
            Reason::HeldByBot(holding) => self.held_by_bot(&holding.by()),
            Reason::LeaseElsewhere { lease, .. } => {
                format!(
                    "not released: another host's lease is never taken from it: {} is {}",
                    lease.label(),
                    lease.sentence()
                )
            }
            Reason::KeeperSurvived(keeper) => {
                format!("not released: its keeper, PID {}, did not end", keeper.pid)
            }
            Reason::Declined => format!("not released: {lock} is still held"),
        }
    }

    /// That a bot holds it, and which.
    pub fn held_by_bot(&self, by: &str) -> String {
        let lock = self.lock.display();
        format!("not released: a bot holds {lock}: {by}")
    }
}

impl Serialize for ReleaseOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("lock", &self.lock.to_string_lossy())?;
        map.serialize_entry("released", &self.is_released())?;
        map.serialize_entry("reason", &self.sentence())?;
        match &self.reason {
            Reason::HeldByBot(holding) => map.serialize_entry("holding", holding)?,
            Reason::LeaseElsewhere { lease, .. } => map.serialize_entry("lease", lease)?,
            _ => {}
        }
        map.end()
    }
}
