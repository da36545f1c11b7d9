//! What may be an instance and cannot be judged from here: where none is seen, it makes "none" a guess. Pure.

use super::view::Sentence;
use crate::lock::state::{Facts, unseen_holder};
use crate::process::find::Found;
use crate::process::matching::Doubt;

/// A process of another user that runs what may be the program, in a folder that is hidden.
pub fn instance(found: &Found) -> Option<Sentence> {
    let doubtful = found.probable.iter().find(|one| one.doubt == Some(Doubt::UnknownFolder))?;
    let (pid, user) = (doubtful.root.pid, &doubtful.user);
    Some(Sentence::of(|shown| format!("PID {pid} ({}) of user {user} may be it", shown(&doubtful.command))))
}

/// A holder of the bot's lock whom nobody here can see.
pub fn holder(facts: &Facts) -> Option<Sentence> {
    facts.is_held_unseen().then(|| format!("{} holds lock {}", unseen_holder(), facts.path.display()).into())
}
