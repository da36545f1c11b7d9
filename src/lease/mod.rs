//! The lease: the right to run a bot on one of many hosts.
//!
//! It is a [record](record::LeaseRecord) on an [engine], renewed by its holder. It is free when the record says *released*, or
//! when whoever wants it has itself watched it unchanged for its whole TTL; no clock of a server is ever read.

pub mod bounds;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod guardian;
pub mod record;
pub mod renewer;
pub mod step;

use std::time::Duration;

use self::engine::EngineUrl;

/// Which lease a bot runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTarget {
    pub engine: EngineUrl,
    /// `[A-Za-z0-9_.:-]{1,128}`.
    pub name: String,
    /// The digits in front of the token's colon, where the token is known; `-test` behind them in the test environment.
    pub bot_id: Option<String>,
    /// How long a grant lasts without renewal.
    pub ttl: Duration,
}
