//! The record of a lease, as it stands on an engine: a JSON object of at most [`LARGEST`] bytes.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::shell::quote;

/// No record is longer, and no more is read.
pub const LARGEST: usize = 64 * 1024;

/// No generation is higher: beyond it the numbers of JSON are no longer exact. As milliseconds it is far away.
const HIGHEST_GENERATION: u64 = 1 << 53;

/// The layout of a record.
const SCHEMA: u32 = 1;

/// What stands on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseRecord {
    schema: u32,
    #[serde(flatten)]
    pub grant: Grant,
    #[serde(flatten)]
    pub by: Arc<LeaseHolder>,
}

/// What decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Random, one for each `acquire`.
    pub holder: String,
    /// The number of the grant; it only ever grows.
    pub generation: u64,
    /// Each write has another one.
    pub renewal: u64,
    pub ttl_ms: u64,
    pub state: GrantState,
    /// The server on which it was written; `None` in a note that was written before its writer knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    Held,
    Released,
}

/// Who holds it, for people; and by which a holder's own host knows its lock again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// The lease's name.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<String>,
    pub host: String,
    pub boot_id: String,
    /// The lock's device and inode.
    pub lock: (u64, u64),
    /// solobot's.
    pub pid: i32,
    /// COMMAND; tokens masked.
    pub command: String,
    /// RFC 3339.
    pub since: String,
    /// What started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl LeaseRecord {
    pub fn new(grant: Grant, by: Arc<LeaseHolder>) -> Self {
        Self { schema: SCHEMA, grant, by }
    }

    /// `None` if it was written by something else, by a solobot of another layout, or makes no sense.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > LARGEST {
            return None;
        }
        let record: Self = serde_json::from_slice(text).ok()?;
        (record.schema == SCHEMA && record.grant.generation <= HIGHEST_GENERATION).then_some(record)
    }

    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Grant {
    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }
}

impl LeaseHolder {
    /// Who it is, in a few words.
    pub fn shown(&self) -> String {
        format!("{} (PID {}: {})", self.host, self.pid, self.command)
    }

    /// What stops it from here; `bot`: its name in solobot.toml, if it has one.
    pub fn hint(&self, bot: Option<&str>) -> String {
        how_to_stop(&self.host, bot)
    }
}

/// What stops a bot on another host. Whoever may write the engine chooses the host's name, so a shell must not read more into
/// it.
pub fn how_to_stop(host: &str, bot: Option<&str>) -> String {
    let bot = bot.map_or_else(String::new, |bot| format!(" {}", quote(bot)));
    let no_option = if host.starts_with('-') { "-- " } else { "" };
    format!("to stop it there: ssh {no_option}{} solobot stop{bot}", quote(host))
}
