//! What `acquire` says about a lease while it waits for it and keeps it.

use std::time::Duration;

use crate::base::duration::Limit;
use crate::base::shell::quote;
use crate::lease::record::LeaseRecord;

/// One lease, as people name it, and its bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    pub name: String,
    /// The engine's URL, its password masked.
    pub engine: String,
    /// The bot's name, if solobot.toml has one.
    pub bot: Option<String>,
}

impl LeaseName {
    /// How to look at it.
    pub fn hint(&self) -> String {
        let engine = quote(&self.engine);
        let typed = match &self.bot {
            Some(bot) => quote(bot).into_owned(),
            // Its URL is its name.
            None if engine.starts_with("ssh:") => format!("--lease {engine}"),
            None => format!("--lease {engine} --lease-name {}", quote(&self.name)),
        };
        format!("to look at it: solobot lease {typed}")
    }
}

/// Something to say about it.
#[derive(Debug, Clone)]
pub enum LeaseNotice {
    /// It is waited for, up to this limit.
    Waits { why: WaitingFor, wait: Limit },
    /// It was granted, after a wait of this time.
    Granted { generation: u64, elapsed: Duration },
    /// It was lost, so the bot is stopped.
    Lost(LostLease),
    /// Whoever has it renews it by another TTL.
    OtherTtl { ttl: Duration, ours: Duration },
    /// The guardian ended, and another one was started.
    NewGuardian,
    /// No guardian can be started, so COMMAND is not.
    NoGuardian(String),
    /// It was not released: the engine did not answer.
    NotReleased { ttl: Duration },
}

/// What a wait is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    /// This host has it. If it is not renewed, it is free after so long, in whole seconds.
    Holder { record: Box<LeaseRecord>, free_in: Duration },
    /// Our own last grant, which was lost, has not run out.
    Own { free_in: Duration },
    /// Nobody has it, as far as this engine knows, for the first time or because it has forgotten.
    Unused { free_in: Duration },
    /// Something else stands there.
    Foreign { free_in: Duration },
    /// The engine does not answer.
    Engine { why: String, hints: Vec<String> },
}

/// Why a lease was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostLease {
    /// It could not be renewed in time.
    Silence { why: Option<String> },
    /// Another host has it.
    Another(Box<LeaseRecord>),
}
