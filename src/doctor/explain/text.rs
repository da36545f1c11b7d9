//! The form of an explanation.

use serde::Serialize;

/// What there is to know about a code, besides the case at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// How it comes about and why it harms.
    pub cause: &'static str,
    /// How to be sure.
    pub check: &'static str,
    pub fix: &'static str,
}

/// Puts one together.
pub const fn explain(cause: &'static str, check: &'static str, fix: &'static str) -> Explanation {
    Explanation { cause, check, fix }
}
