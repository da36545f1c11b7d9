//! Processes: identity, listing, programs, instances, origins, stopping.

pub mod argv;
pub mod identity;
pub mod program;
