//! solobot makes sure that exactly one instance of a Telegram bot polls.
//!
//! Telegram serves one `getUpdates` poll per bot token. A second poller ends the first one's poll with `409 Conflict`, and
//! the first one's retry ends the second one's poll. The command `solobot` holds a lock around a bot, finds its instances,
//! says what started each, stops the surplus ones safely, and explains the conflicts that remain. The command is made of
//! this library.
//!
//! # In your own bot
//!
//! A bot written in Rust can take the lock itself. It and `solobot acquire`, `flock(1)` and Python's `fcntl.flock` then
//! exclude each other, and `solobot status` shows who holds the lock.
//!
//! ```
//! use std::time::Duration;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("bot.lock");
//! let guard = match solobot::lock::acquire(&path, Some(Duration::from_secs(30))) {
//!     Ok(guard) => guard,
//!     Err(refused) => return Err(format!("I do not poll: {refused}").into()),
//! };
//! // … ask getUpdates, again and again …
//! assert_eq!(std::fs::read_to_string(guard.path())?, std::process::id().to_string());
//! drop(guard);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With `default-features = false` the crate is only this lock, with a quarter of the dependencies:
//!
//! ```toml
//! solobot = { path = "../solobot", default-features = false }
//! ```
//!
//! `examples/embed.rs` and `examples/embed.py` are whole programs. [`lock`] says what the lock promises, and what it does
//! not. Everything else here is for the command (the feature `cli`), and may change with any version.
//!
//! # The modules
//!
//! A module may use those above it in this table, and none below; `tests/it/house` checks that. This file and the program
//! use them all.
//!
//! | module | what it is for |
//! |---|---|
//! | [`base`] | expected errors, the one exit-code table, durations, environment variables, tokens and how they are masked |
//! | [`platform`] | everything that depends on the operating system, behind one contract |
//! | [`lock`] | `flock(2)` on a path, and what is known about its holder |
//! | [`process`] | programs, instances, origins, stopping, running COMMAND |
//! | [`logs`] | conflict and network errors in logs |
//! | [`http`] | one request, and the step at which it failed |
//! | [`telegram`] | where a token is found, and the Bot API's harmless methods |
//! | [`lease`] | the right to run a bot on one of many hosts: the record on an engine, and what keeps it |
//! | [`journal`] | what solobot did, appended; what it saw of queues; the state folder |
//! | [`cli`] | the command line as text: clap types, whose doc comments are the help |
//! | [`settings`] | turns flags, environment and solobot.toml into settings |
//! | [`survey`] | what is running here, and what is known about it: the one place that answers |
//! | [`doctor`] | what is wrong: turns facts into findings, each with a code and an explanation |
//! | [`outcome`] | the result of each subcommand, as plain data, and how it speaks before its end |
//! | [`alert`] | commands that are run when something happens to a bot |
//! | [`commands`] | one file for each subcommand: survey, decide, act, return an outcome |
//! | [`report`] | turns outcomes into bytes: for people, and as JSON |
//! | [`completion`] | what a shell asks for to complete a word |
//! | [`run`](run()) | the command from its arguments to its end |
//!
//! Data goes one way: arguments → [`cli::Cli`] → settings → survey → plan → effects → outcome → bytes and exit code.

#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        rustdoc::broken_intra_doc_links,
        reason = "the command calls the rest of what is here, and is on the map"
    )
)]

#[cfg(feature = "cli")]
pub mod alert;
pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod completion;
#[cfg(feature = "cli")]
pub mod doctor;
#[cfg(all(feature = "cli", target_os = "linux", any(test, fuzzing)))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "cli")]
pub mod http;
#[cfg(feature = "cli")]
pub mod journal;
#[cfg(feature = "cli")]
pub mod lease;
pub mod lock;
#[cfg(feature = "cli")]
pub mod logs;
#[cfg(feature = "cli")]
pub mod outcome;
pub mod platform;
#[cfg(feature = "cli")]
pub mod process;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
mod run;
#[cfg(feature = "cli")]
pub mod settings;
#[cfg(feature = "cli")]
pub mod survey;
#[cfg(feature = "cli")]
pub mod telegram;

#[cfg(feature = "cli")]
pub use run::run;
