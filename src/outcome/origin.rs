//! Origins as they are shown.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::process::origin::{self, Manager, Respawns};

/// Who started an instance, or the solobot that runs it, and what stops it for good.
#[derive(Debug, Clone, Serialize)]
pub struct OriginView {
    /// In one word.
    pub kind: &'static str,
    /// Its name for the instance.
    pub name: Option<String>,
    /// The command that stops it for good.
    pub stop: Option<String>,
    /// Whether it starts again what was killed.
    pub respawns: &'static str,
    /// Of a bot in the background (`acquire --detach`): what it writes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

impl fmt::Display for OriginView {
    /// Kind and name: `systemd bot.service`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_deref().filter(|name| *name != self.kind) {
            Some(name) => write!(f, "{} {name}", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

/// The hint for an instance that would be started again: what starts it, and the command that stops it for good.
pub fn hint_if_started_again(origin: &origin::Origin) -> Option<String> {
    let stop = origin.stop().filter(|_| origin.would_respawn())?;
    let starts = if origin.respawns() == Respawns::Yes { "would start" } else { "might start" };
    Some(format!("{origin} {starts} it again; to stop it for good: {stop}"))
}

impl OriginView {
    /// As it is shown.
    pub fn of(origin: &origin::Origin) -> Self {
        let starter = &origin.starter().manager;
        Self {
            kind: starter.as_str(),
            name: starter.name().map(Into::into),
            stop: origin.stop(),
            respawns: origin.respawns().as_str(),
            log: match starter {
                Manager::Background { log } => Some(log.clone()),
                _ => None,
            },
        }
    }
}
