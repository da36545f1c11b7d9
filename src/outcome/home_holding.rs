//! The bot of another host that has the lease which a lock of this host belongs to (`ssh://USER@HOST/LOCK`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sentence::shortened;
use crate::base::duration::show;
use crate::lease::engine::home::{HomeLease, LeaseWatch};
use crate::lock::location::Location;
use crate::platform::advice;
use crate::platform::clock;

/// Who has the lease.
#[derive(Debug, Clone)]
pub struct HomeHolding {
    /// In words.
    pub by: String,
    /// What to type, most likely first.
    pub remedies: Vec<String>,
}

impl HomeHolding {
    /// `None` where the lock belongs to no lease, or nobody has it.
    pub fn of(lock: &Path) -> Option<Self> {
        let now = clock::uptime().whole;
        match LeaseWatch::default().look(&Location::open(lock).ok()?, now) {
            Ok(HomeLease::Free) => None,
            Ok(HomeLease::Held { by: Some(record), until }) => {
                let by = &record.by;
                let left = show(Duration::from_secs(until.saturating_sub(now).as_secs() + 1));
                let (host, pid, command) = (&by.host, by.pid, shortened(&by.command));
                let since = &by.since;
                let by = format!(
                    "a bot on host {host} (PID {pid} there: {command}; since {since}), free in {left} unless it renews"
                );
                Some(Self { by, remedies: vec![record.by.hint(None)] })
            }
            Ok(HomeLease::Held { by: None, .. }) => {
                let file = PathBuf::from(format!("{}.lease", lock.display()));
                Some(Self {
                    by: format!("whoever wrote {}, which is no record that this solobot can read", file.display()),
                    remedies: vec![format!("if no other host runs the bot: {}", advice::remove(&file))],
                })
            }
            Err(error) => Some(Self { by: format!("a lease that cannot be read: {error}"), remedies: error.hints }),
        }
    }
}
