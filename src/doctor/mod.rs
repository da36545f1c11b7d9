//! Diagnosis: why there are conflicts, and what to do.
//!
//! Facts are gathered once ([`gather`]) into a plain value ([`facts::Facts`]); each finding of [`diagnose`] is a pure
//! function over it, so that another cause is another function. Invariant: every finding shows what it was concluded
//! from, and the command that mends it or what to look at. Not promised: that no finding means no fault; what could not
//! be seen is part of the facts, and the report says it.

mod explain;
pub mod facts;
mod finding;
mod findings;
pub mod gather;
#[cfg(test)]
mod testing;

pub use explain::{Explanation, explanation};
pub use finding::{Finding, Level};
pub use findings::diagnose;
