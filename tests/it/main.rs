//! The integration tests: solobot as its users meet it, against the kernel and against real Python bots.
//!
//! `tests/README.md` says how they are made and how to run one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod holding;
mod scenes;
mod standin;

mod acquire;
mod agreement;
mod bad_paths;
mod bad_records;
mod blind;
mod check;
mod clean_stale;
mod completions;
mod config;
mod conflicts;
mod docs;
mod doctor;
mod doctor_locks;
mod doctor_pollers;
mod doctor_starts;
mod doctor_telegram;
mod duplicates;
mod duplicates_bots;
mod duplicates_crowds;
mod embed;
mod explain;
mod fd;
mod folder;
mod forged;
mod generated;
mod help;
mod hints;
mod init;
mod interop;
mod journal;
mod keeper;
mod metrics;
mod mistakes;
mod no_orphan;
mod odd_processes;
mod origin_roots;
mod origin_trees;
mod origins;
mod orphan;
mod packages;
mod pages;
mod pairs;
mod pid_reuse;
mod promises;
mod races;
mod recipes;
mod release;
mod removed;
mod restart;
mod rules;
mod schema;
mod signals;
mod status;
mod surroundings;
mod takeover;
mod telegram_acquire;
mod telegram_bots;
mod telegram_errors;
mod telegram_polling;
mod telegram_probes;
mod telegram_routes;
mod telegram_secrets;
mod telegram_webhook;
mod tree;
mod unlocked;
mod watch;
mod whose;
