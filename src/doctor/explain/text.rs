//! The form of an explanation.

use serde::Serialize;

/// What there is to know about a code in general. [`lines`] splits each text into sentences and commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Why it happens, and what harm it does.
    pub cause: &'static str,
    /// How to be sure that this is the cause.
    pub check: &'static str,
    pub fix: &'static str,
}

/// One line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplanationLine<'a> {
    /// Sentences, which may be wrapped.
    Prose(&'a str),
    /// A command, which may not.
    Command(&'a str),
}

/// Marks a command's line, in JSON too.
const PROMPT: &str = "$ ";

/// The lines of a text.
pub fn lines(text: &str) -> impl Iterator<Item = ExplanationLine<'_>> {
    text.lines().map(|line| line.strip_prefix(PROMPT).map_or(ExplanationLine::Prose(line), ExplanationLine::Command))
}

pub const fn explain(cause: &'static str, check: &'static str, fix: &'static str) -> Explanation {
    Explanation { cause, check, fix }
}
