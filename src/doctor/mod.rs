//! Diagnosis: why there are conflicts, and what to do.
//!
//! [`crate::survey::evidence`] gathers facts once into a plain value ([`Facts`](crate::survey::evidence::facts::Facts)); each
//! finding of [`diagnose`] is a pure function over it, so that another cause is another function. Invariant: every finding
//! shows what it was concluded from, and the command that fixes it or what to look at. Not promised: that no finding means no
//! fault; what could not be seen is part of the facts, and the report says it.

mod explain;
mod finding;
mod findings;

pub use explain::{Explanation, ExplanationLine, explanation, lines};
pub use finding::{Finding, Level};
pub use findings::diagnose;
