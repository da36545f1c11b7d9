//! What `clean-stale` did.

use std::path::PathBuf;

use serde::Serialize;

use crate::base::exit::Exit;
use crate::base::text::lossy;

/// What became of every file.
#[derive(Debug, Serialize)]
pub struct CleanStaleOutcome {
    /// One by one.
    pub files: Vec<Cleaned>,
    /// Nothing was done, only said.
    pub dry_run: bool,
    /// `--remove` was refused for one of them, or one of them is not a lock.
    #[serde(skip)]
    pub refused: Option<Exit>,
}

/// What became of one lock file.
#[derive(Debug, Serialize)]
pub struct Cleaned {
    /// Its absolute path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What was done (with `--dry-run`: would be).
    pub action: Cleaning,
    pub reason: String,
    /// There is neither the file nor an owner record.
    #[serde(skip)]
    pub is_missing: bool,
}

/// What was done to a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleaning {
    /// Nothing.
    Kept,
    /// Its text and owner record were cleared.
    Cleaned,
    /// It was unlinked, and its owner record with it.
    Removed,
}

impl CleanStaleOutcome {
    pub fn exit(&self) -> Exit {
        self.refused.unwrap_or(Exit::Ok)
    }
}
