//! What may be an instance and cannot be judged from here: where none is seen, it makes "none" a guess. Pure.

use crate::lock::state::{Facts, unseen_holder};
use crate::process::find::Found;
use crate::process::matching::Doubt;

/// A process of another user that runs what may be the program, in a folder that is hidden.
pub fn instance(found: &Found) -> Option<String> {
    let doubtful = found.probable.iter().find(|one| one.doubt == Some(Doubt::UnknownFolder))?;
    Some(format!("PID {} ({}) of user {} may be it", doubtful.root.pid, doubtful.command, doubtful.user))
}

/// A holder of the bot's lock whom nobody here can see.
pub fn holder(facts: &Facts) -> Option<String> {
    facts.is_held_unseen().then(|| format!("{} holds lock {}", unseen_holder(), facts.path.display()))
}
