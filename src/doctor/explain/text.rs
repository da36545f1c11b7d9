//! The form of an explanation.

use serde::Serialize;

/// What there is to know about a code, whatever the case at hand. Each text is read by [`lines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Why it happens and what harm it does.
    pub cause: &'static str,
    /// How to be sure.
    pub check: &'static str,
    pub fix: &'static str,
}

/// A line of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplanationLine<'a> {
    /// Sentences, to be wrapped.
    Prose(&'a str),
    /// A command, to be shown as it is.
    Command(&'a str),
}

/// What a command's line begins with.
const PROMPT: &str = "$ ";

/// The lines of a text.
pub fn lines(text: &str) -> impl Iterator<Item = ExplanationLine<'_>> {
    text.lines().map(|line| line.strip_prefix(PROMPT).map_or(ExplanationLine::Prose(line), ExplanationLine::Command))
}

pub const fn explain(cause: &'static str, check: &'static str, fix: &'static str) -> Explanation {
    Explanation { cause, check, fix }
}
