//! What `check` answers.

use serde::Serialize;

use super::lease::LeaseView;
use super::lock::LockBrief;
use super::sentence::Sentence;
use crate::base::exit::Exit;
use crate::platform::identity::Identity;

/// The answer.
#[derive(Debug, Serialize)]
pub struct CheckOutcome {
    /// Every bot's.
    pub ok: bool,
    /// Why not, each with its bot's name.
    pub reasons: Vec<Sentence>,
    /// One by one.
    pub bots: Vec<BotAnswer>,
    /// How many processes could not be inspected.
    pub uninspected: usize,
    /// The question was whether one runs, not whether one may start.
    #[serde(skip)]
    pub running: bool,
    /// It could not be told.
    #[serde(skip)]
    pub unknown: Option<Exit>,
}

#[derive(Debug, Serialize)]
pub struct BotAnswer {
    pub name: String,
    /// The same for people: with what tells it from another of that name.
    #[serde(skip)]
    pub label: String,
    /// Whether it is safe to start; whether it is running, and healthy.
    pub ok: bool,
    /// Why not.
    pub reasons: Vec<Sentence>,
    /// The PIDs of its instances.
    pub instances: Vec<i32>,
    /// The PIDs of what may be one.
    pub probable: Vec<i32>,
    pub lock: LockBrief,
    /// Its lease across hosts, if it has one; with `--running` only what an `acquire` here says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// The code where it is neither yes nor no.
    #[serde(skip)]
    pub unknown: Option<Exit>,
    /// What to ask instead, if this is a healthy instance in the way of a start.
    #[serde(skip)]
    pub hint: Option<String>,
    /// Whose end may turn a no into a yes.
    #[serde(skip)]
    pub in_the_way: Vec<Identity>,
}

impl BotAnswer {
    /// It is neither yes nor no.
    pub fn is_unknown(&self) -> bool {
        self.unknown.is_some()
    }
}

impl CheckOutcome {
    /// Of all bots' answers.
    pub fn of(running: bool, uninspected: usize, bots: Vec<BotAnswer>) -> Self {
        let reasons =
            bots.iter().flat_map(|bot| bot.reasons.iter().map(|reason| reason.after(&format!("{}: ", bot.label))));
        Self {
            ok: bots.iter().all(|bot| bot.ok),
            reasons: reasons.collect(),
            unknown: bots.iter().find_map(|bot| bot.unknown),
            bots,
            uninspected,
            running,
        }
    }

    /// The exit code it leads to: "could not tell" is neither yes nor no.
    pub fn exit(&self) -> Exit {
        match (self.ok, self.unknown) {
            (true, _) => Exit::Ok,
            (false, Some(exit)) if self.bots.iter().all(|bot| bot.ok || bot.unknown.is_some()) => exit,
            (false, _) => Exit::No,
        }
    }
}
