//! etcd as the engine of a lease: against real members, alone and three together, and against servers that misbehave.

mod access;
mod acquire;
mod fakes;
mod keeping;
mod members;
mod relay;
pub mod server;
mod tls;

/// Where the record stands.
const KEY: &str = "solobot/lease/bot";
