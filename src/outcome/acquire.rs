//! How `acquire` ended.

use crate::base::exit::Exit;

/// How `acquire` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// COMMAND ended so, or solobot was told to end by a signal.
    Ended(Exit),
    /// The shell's descriptor carries the lock now.
    Descriptor(i32),
    /// A keeper with this PID holds the lock.
    Kept(i32),
    /// The parent holds the lock for us, so there was nothing to take.
    HeldForUs,
}

impl AcquireOutcome {
    /// The exit code it leads to.
    pub fn exit(self) -> Exit {
        match self {
            Self::Ended(exit) => exit,
            Self::Descriptor(_) | Self::Kept(_) | Self::HeldForUs => Exit::Ok,
        }
    }
}
