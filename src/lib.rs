//! solobot makes sure that exactly one instance of a Telegram bot polls.
//!
//! Telegram serves one `getUpdates` poll per bot token; a second poller ends the first one's with `409 Conflict`, and is
//! ended by its retry. The command `solobot` holds a lock around a bot, finds its instances, says where each came from,
//! stops the surplus ones safely, and explains what is left. This library is what the command is made of.
//!
//! # In a bot of one's own
//!
//! A bot written in Rust takes the lock itself. `solobot acquire`, `flock(1)` and Python's `fcntl.flock` exclude it then,
//! and are excluded by it; `solobot status` shows who holds it.
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
//! With `default-features = false` the crate is this lock alone, on a quarter of the dependencies:
//!
//! ```toml
//! solobot = { path = "../solobot", default-features = false }
//! ```
//!
//! `examples/embed.rs` and `examples/embed.py` are whole programs. What the lock promises, and what not, stands in
//! [`lock`]. Everything else here serves the command (the feature `cli`), and may change with any version.
//!
//! # The map
//!
//! A module may use those above it in this table, and none below (`tests/it/house` holds them to it); this file and the
//! program use them all.
//!
//! | module | what it is for |
//! |---|---|
//! | [`base`] | expected errors, the one exit-code table, durations, environment variables, tokens and how they are masked |
//! | [`platform`] | all that is the operating system's, behind one contract |
//! | [`lock`] | `flock(2)` on a path, and what is known about its holder |
//! | [`process`] | programs, instances, origins, stopping, running COMMAND |
//! | [`logs`] | conflict and network errors in logs |
//! | [`http`] | one request, and where the way to a server broke |
//! | [`telegram`] | where a token is found, and the Bot API's harmless methods |
//! | [`journal`] | what solobot did, appended |
//! | [`cli`] | the command line as text: clap types, whose doc comments are the help |
//! | [`settings`] | flags, environment and solobot.toml become settings |
//! | [`survey`] | what runs here, and what is known about it: the one place that answers |
//! | [`doctor`] | what is wrong: facts become findings, each with a code and an explanation |
//! | [`outcome`] | what each subcommand comes to, as plain data, and how it speaks before its end |
//! | [`commands`] | one file a subcommand: survey, decide, act, return an outcome |
//! | [`report`] | outcomes become bytes: for people, and as JSON |
//! | [`completion`] | what a shell asks for when a word is to be completed |
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

pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod completion;
#[cfg(feature = "cli")]
pub mod doctor;
#[cfg(feature = "cli")]
pub mod http;
#[cfg(feature = "cli")]
pub mod journal;
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
