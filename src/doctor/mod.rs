//! Diagnosis: why there are conflicts, and what to do.
//!
//! Facts are gathered once ([`gather`]) into a plain value ([`facts::Facts`]); each finding is a pure function over it
//! ([`findings`]), so that another cause is another function. Invariant: every finding shows what it was concluded
//! from, and the command that mends it or what to look at. Not promised: that no finding means no fault; what could not
//! be seen is part of the facts, and the report says it.

mod code;
mod explain;
pub mod facts;
pub mod findings;
pub mod gather;
#[cfg(test)]
mod testing;

use serde::Serialize;

pub use code::Code;
pub use explain::Explanation;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Two instances run, or nothing would keep them from it although something seems to; or the bot cannot poll: exit
    /// code 1.
    Error,
    /// No conflict now, but the next start, stop or clean-up makes one.
    Warning,
    /// As it should be, and worth knowing.
    Info,
}

impl Level {
    /// The word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One cause, found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// How bad.
    pub level: Level,
    /// In a sentence.
    pub summary: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// The processes that it is about.
    pub pids: Vec<i32>,
    /// What to type.
    pub command: Option<String>,
}

impl Finding {
    /// A finding without evidence yet.
    pub fn new(code: Code, level: Level, summary: impl Into<String>) -> Self {
        Self { code, level, summary: summary.into(), evidence: Vec::new(), pids: Vec::new(), command: None }
    }

    /// With what was seen.
    #[must_use]
    pub fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With the processes that it is about.
    #[must_use]
    pub fn about(mut self, pids: impl IntoIterator<Item = i32>) -> Self {
        self.pids.extend(pids);
        self
    }

    /// With the command that mends it.
    #[must_use]
    pub fn mended_by(mut self, command: impl Into<Option<String>>) -> Self {
        self.command = command.into();
        self
    }
}

/// `1 conflict`, `2 conflicts`.
pub fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// Every finding, the worst first, in the order of the codes within a level.
pub fn diagnose(facts: &facts::Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = findings::ALL.iter().flat_map(|finding| finding(facts)).collect();
    found.sort_by_key(|finding| (finding.level, finding.code));
    found
}

#[cfg(test)]
mod tests {
    use super::testing::{bot, facts, seen};
    use super::*;

    #[test]
    fn nothing_is_found_where_one_instance_holds_its_lock() {
        let mut one = bot("main", vec![seen(10)]);
        one.locks.push(testing::held_by("/run/lock/x.lock", &[10]));
        assert_eq!(diagnose(&facts(vec![one])), []);
        assert_eq!(diagnose(&facts(vec![])), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let mut two = bot("main", vec![seen(10), seen(20)]);
        two.instances[0].instance.members.push(testing::identity(11));
        two.locks.push(testing::held_by("/run/lock/x.lock", &[10]));
        let found = diagnose(&facts(vec![two]));
        let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(found[0].code, Code::DuplicateInstances);
        assert!(levels.is_sorted() && levels.contains(&Level::Info), "{levels:?}");
        assert!(found.iter().all(|finding| !finding.evidence.is_empty()));
    }
}
