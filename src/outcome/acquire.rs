//! How `acquire` ended.

use std::path::PathBuf;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::base::exit::Exit;

/// How `acquire` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// COMMAND ended so, or solobot was told to end by a signal.
    Ended(Exit),
    /// The shell's descriptor carries the lock now.
    Descriptor(i32),
    /// A keeper with this PID holds the lock.
    Kept(i32),
    /// The parent holds the lock for us, so there was nothing to take.
    HeldForUs,
    /// A solobot in the background holds the lock and runs COMMAND.
    Background(BackgroundView),
}

/// A bot in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackgroundView {
    /// Its name.
    pub bot: String,
    /// The solobot that runs it.
    pub pid: i32,
    /// What it writes to.
    pub log: PathBuf,
    /// The command that stops it.
    pub stop: String,
}

impl AcquireOutcome {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Ended(exit) => *exit,
            Self::Descriptor(_) | Self::Kept(_) | Self::HeldForUs | Self::Background(_) => Exit::Ok,
        }
    }
}

/// With COMMAND in the foreground there is nothing to print: stdout is COMMAND's.
impl Serialize for AcquireOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("acquired", &matches!(self, Self::Descriptor(_) | Self::Kept(_) | Self::Background(_)))?;
        match self {
            Self::Descriptor(fd) => map.serialize_entry("fd", fd)?,
            Self::Kept(pid) => map.serialize_entry("keeper", pid)?,
            Self::HeldForUs => map.serialize_entry("held_for_us", &true)?,
            Self::Background(view) => map.serialize_entry("background", view)?,
            Self::Ended(_) => {}
        }
        map.end()
    }
}
