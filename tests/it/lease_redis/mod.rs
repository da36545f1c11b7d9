//! Redis as the engine of a lease: against a real redis-server, and against servers that misbehave.

mod access;
mod fakes;
mod keeping;
mod replicas;
pub mod server;
mod tls;
