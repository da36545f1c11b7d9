//! What `metrics` measured.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::lease::LeaseView;
use super::lock::LockStateView;
use crate::base::error::{Expected, plain, typed};
use crate::base::exit::Exit;
use crate::logs::tally::Counts;
use crate::platform::advice;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct MetricsOutcome {
    pub time: Timestamp,
    /// How many processes could not be inspected.
    pub uninspected: usize,
    /// Each bot.
    pub bots: Vec<BotMetrics>,
    /// So many lines of the journal were not understood.
    pub broken_events: u64,
    /// Where it is to be written; stdout unless told.
    #[serde(skip)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
pub struct BotMetrics {
    pub name: String,
    /// The same with what tells it from another of that name: a sample must not come twice.
    #[serde(skip)]
    pub label: String,
    /// How many instances run.
    pub instances: usize,
    /// How many more processes may be one.
    pub probable: usize,
    /// Its lock's state, in one word.
    pub lock_state: LockStateView,
    /// How long the lock has been held, in seconds.
    pub lock_age: Option<u64>,
    /// How many processes wait for it; `null` on a platform that does not show that.
    pub waiters: Option<usize>,
    /// What an `acquire` on this host says of the bot's lease; `null` without one.
    pub lease: Option<LeaseView>,
    #[serde(flatten)]
    pub telegram: TelegramMetrics,
    /// What its logs say of the last 24 hours; `null` if it has none.
    pub errors: Option<Counts>,
    /// The last conflict in them.
    pub last_conflict: Option<Timestamp>,
    /// Whether all of its logs could be read.
    pub logs_readable: bool,
    /// What the journal says, and how often.
    pub events: Vec<(&'static str, u64)>,
}

/// What Telegram says of a bot; each is `null` where it was not asked or did not answer.
#[derive(Debug, Default, Serialize)]
pub struct TelegramMetrics {
    pub webhook_set: Option<bool>,
    /// How many updates wait for it.
    pub pending_updates: Option<u64>,
    /// How many seconds ago a delivery to a webhook failed last.
    pub last_error_age: Option<u64>,
    /// Whether an instance runs here and fetches nothing; `null` also where that is not known.
    pub deaf: Option<bool>,
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {}", .path.display(), plain(.source))]
pub struct MetricsNotWritten {
    pub path: PathBuf,
    pub source: io::Error,
}

impl Expected for MetricsNotWritten {
    fn exit(&self) -> Exit {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::CantCreate,
        }
    }

    fn kind(&self) -> &'static str {
        "not-written"
    }

    fn hints(&self) -> Vec<String> {
        if self.path.is_dir() {
            let file = self.path.join("solobot.prom");
            return vec![format!("to write a file in that folder: solobot metrics -o {}", typed(&file))];
        }
        let folder = self.path.parent().unwrap_or(&self.path);
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        vec![
            "the folder must exist, and you must be allowed to write to it".into(),
            format!("to look at it: {}", advice::rights_of(folder)),
        ]
    }
}
