//! Diagnosis: why there are conflicts, and what to do.
//!
//! [`crate::survey::evidence`] gathers facts once into a plain value ([`Facts`](crate::survey::evidence::facts::Facts)); each
//! finding of [`diagnose`] is a pure function over it, so a new cause is a new function. Invariant: every finding shows its
//! evidence, and the command that fixes it or shows more. Not promised: that no finding means no fault. What could not be
//! seen is part of the facts, and the report says it.

mod explain;
mod finding;
mod findings;

pub use explain::{Explanation, ExplanationLine, explanation, lines};
pub use finding::{Finding, Level};
pub use findings::diagnose;
