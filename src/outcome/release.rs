//! What `release` did.

use std::path::PathBuf;

use super::holding::Holding;
use super::process::ProcessView;
use crate::base::exit::Exit;

/// What became of the lock.
#[derive(Debug)]
pub struct ReleaseOutcome {
    /// Its path.
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
    /// The keeper did not end.
    KeeperSurvived(ProcessView),
    /// The operator said no.
    Declined,
}

impl ReleaseOutcome {
    /// Whether the lock is free of what was asked to let it go.
    pub fn is_released(&self) -> bool {
        matches!(self.reason, Reason::KeeperEnded(_) | Reason::DescriptorUnlocked(_))
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self.reason {
            Reason::KeeperEnded(_) | Reason::DescriptorUnlocked(_) | Reason::NothingToRelease => Exit::Ok,
            Reason::HeldByBot(_) | Reason::KeeperSurvived(_) | Reason::Declined => Exit::No,
        }
    }
}
