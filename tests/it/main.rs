//! The integration tests: solobot as its users meet it, against the kernel and against real Python bots.
//!
//! `tests/README.md` says how they are made and how to run one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod holding;

mod acquire;
mod bad_paths;
mod bad_records;
mod check;
mod clean_stale;
mod config;
mod docs;
mod doctor;
mod fd;
mod interop;
mod keeper;
mod orphan;
mod pid_reuse;
mod races;
mod release;
mod signals;
mod status;
mod tree;
