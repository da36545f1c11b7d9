//! Origins as they are shown.

use serde::Serialize;

use crate::process::origin;

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
}

impl OriginView {
    /// As it is shown.
    pub fn of(origin: &origin::Origin) -> Self {
        let starter = &origin.starter().manager;
        Self {
            kind: starter.word(),
            name: starter.name().map(Into::into),
            stop: origin.stop(),
            respawns: origin.respawns().word(),
        }
    }
}
