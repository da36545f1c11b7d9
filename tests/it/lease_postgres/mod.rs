//! PostgreSQL as the engine of a lease: against a real server, behind a real pooler, and against servers that misbehave.

mod access;
mod acquiring;
mod fakes;
mod keeping;
mod late;
mod poolers;
mod schemas;
pub mod server;
mod standbys;
mod tls;
