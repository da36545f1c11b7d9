//! Helpers for tests of findings.

use super::super::finding::{Finding, Level};
use crate::survey::evidence::facts::{BotFacts, Facts};
use crate::survey::evidence::testing::facts;

/// What one finding says about one bot: level, PIDs, command.
pub fn say(finding: fn(&Facts) -> Vec<Finding>, bot: BotFacts) -> Vec<(Level, Vec<i32>, Option<String>)> {
    let found = finding(&facts(vec![bot]));
    assert!(found.iter().all(|one| !one.evidence.is_empty() && !one.summary.is_empty()), "{found:?}");
    found.into_iter().map(|one| (one.level, one.pids, one.command)).collect()
}

/// Only the levels.
pub fn levels(finding: fn(&Facts) -> Vec<Finding>, bot: BotFacts) -> Vec<Level> {
    say(finding, bot).into_iter().map(|said| said.0).collect()
}
