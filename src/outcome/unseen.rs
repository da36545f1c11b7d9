//! Processes that may be an instance but cannot be inspected. If there are any, "no instance" would be a guess. Pure.

use super::sentence::Sentence;
use crate::lock::state::{LockFacts, unseen_holder};
use crate::process::matching::Doubt;
use crate::survey::find::FoundInstances;

/// A process of another user that runs what may be the program, and cannot be looked at.
pub fn instance(found: &FoundInstances) -> Option<Sentence> {
    let doubtful = found.undecided().next()?;
    let (pid, user) = (doubtful.root.pid, &doubtful.user);
    let how = match doubtful.doubt {
        Some(Doubt::AnotherUser(_)) => {
            format!("; if it is, write user = \"{user}\" into solobot.toml; if not, use acquire --lock-only")
        }
        _ => String::new(),
    };
    Some(Sentence::of(|shown| format!("PID {pid} ({}) of user {user} may be the bot{how}", shown(&doubtful.command))))
}

/// A holder of the bot's lock that cannot be seen from here.
pub fn holder(facts: &LockFacts) -> Option<Sentence> {
    facts.is_held_unseen().then(|| format!("{} holds lock {}", unseen_holder(), facts.path.display()).into())
}
