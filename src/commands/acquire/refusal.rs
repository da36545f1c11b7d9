//! Who holds the lock, since when, and what would resolve it: what a refusal says.

use std::path::Path;

use crate::commands::view::{Holding, LockView, ProcessView};
use crate::lock::keeper;
use crate::lock::state::{State, inspect};
use crate::process::origin::{self, Respawns};

/// Describes the holder of a lock.
pub fn holding(path: &Path) -> Holding {
    let facts = inspect(path);
    let lock = LockView::of(&facts);
    let (holders, orphaned) = match &facts.state {
        State::Held { holders, orphaned } => (holders.clone(), *orphaned),
        _ => (Vec::new(), false),
    };
    let kept_for = keeper::among(&holders).map(|(_, target)| ProcessView::of(target));
    let bot = facts.record.record().map(|record| record.app_name.clone()).filter(|name| !name.is_empty());
    let origin = holders.first().and_then(|&holder| origin::of_process(holder));
    let mut remedies = Vec::new();
    let lock_option = format!("--lock {}", shell_words::quote(&path.to_string_lossy()));
    if kept_for.is_some() {
        remedies.push(format!("to give it back: solobot release {lock_option}"));
    }
    if orphaned {
        remedies.push("its solobot is dead: `--takeover=orphan` stops the orphan and takes its place".into());
    }
    if let Some(stop) = origin.as_ref().and_then(|origin| origin.stop.as_ref()) {
        let again = if origin.as_ref().is_some_and(|origin| origin.respawns == Respawns::Yes) {
            " (whatever ends it otherwise, it is started again)"
        } else {
            ""
        };
        remedies.push(format!("to stop it: {stop}{again}"));
    } else if holders.is_empty() {
        remedies.push("look on the host, or in the other container: solobot status".into());
    }
    remedies.push("to wait until it ends: --wait forever".into());
    if !orphaned && !holders.is_empty() {
        remedies.push("to stop it and take its place: --takeover".into());
    }
    Holding { lock, bot, kept_for, origin: origin.as_ref().map(crate::commands::status::OriginView::of), remedies }
}
