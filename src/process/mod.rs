//! Processes: identity, listing, programs, instances, origins, stopping.

pub mod identity;
pub mod program;
