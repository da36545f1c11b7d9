//! The integration tests: solobot as its users meet it, against the kernel and against real Python bots.
//!
//! `tests/README.md` says how they are made and how to run one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod holding;
mod scenes;

mod acquire;
mod bad_paths;
mod bad_records;
mod check;
mod clean_stale;
mod config;
mod docs;
mod duplicates;
mod fd;
mod interop;
mod keeper;
mod mistakes;
mod odd_processes;
mod origins;
mod orphan;
mod pid_reuse;
mod races;
mod release;
mod signals;
mod status;
mod tree;
