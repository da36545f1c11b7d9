//! What a log tells: an error, or a start.

use super::time::Time;
use super::words::{Kind, Library};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent {
    /// When, if a line says so.
    pub time: Time,
    pub what: LogEventKind,
    /// The number of its last line, where lines are counted.
    pub line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEventKind {
    Error(Kind, Library),
    /// A bot has started to poll.
    Start,
}
