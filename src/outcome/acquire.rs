//! How `acquire` ended.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

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
    pub fn exit(self) -> Exit {
        match self {
            Self::Ended(exit) => exit,
            Self::Descriptor(_) | Self::Kept(_) | Self::HeldForUs => Exit::Ok,
        }
    }
}

/// With COMMAND there is nothing to print: stdout is COMMAND's.
impl Serialize for AcquireOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("acquired", &matches!(self, Self::Descriptor(_) | Self::Kept(_)))?;
        match self {
            Self::Descriptor(fd) => map.serialize_entry("fd", fd)?,
            Self::Kept(pid) => map.serialize_entry("keeper", pid)?,
            Self::HeldForUs => map.serialize_entry("held_for_us", &true)?,
            Self::Ended(_) => {}
        }
        map.end()
    }
}
