//! The integration tests: solobot as its users meet it, against the kernel and against real Python bots.
//!
//! `tests/README.md` says how they are made and how to run one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
