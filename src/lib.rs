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
//! `examples/embed.rs` and `examples/embed.py` are whole programs. What the lock promises, and what not, stands in
//! [`lock`]. Everything else here serves the command, and may change with any version.
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
//!
//! Data goes one way: arguments → [`cli::Cli`] → settings → survey → plan → effects → outcome → bytes and exit code.

pub mod base;
pub mod cli;
pub mod commands;
pub mod completion;
pub mod doctor;
pub mod http;
pub mod journal;

pub mod lock;
pub mod logs;
pub mod outcome;
pub mod platform;
pub mod process;
pub mod report;
pub mod settings;
pub mod survey;
pub mod telegram;

use std::ffi::OsString;

use base::exit::Exit;
use cli::{Cli, Command};
use outcome::Outcome;
use report::Report;

/// Says that there is no stack to run on, with which code solobot ends then.
pub fn no_room(error: &std::io::Error) -> Exit {
    report::no_room(error)
}

/// Runs the command line and says how solobot ends. Everything that is printed is printed in here, nothing exits.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(shell) = std::env::var_os(base::env::COMPLETE)
        && let Some(answer) = completion::answer(&shell, &args)
    {
        return report::bytes(&answer);
    }
    let cli = match Cli::of_args(&args) {
        Ok(cli) => cli,
        Err(usage) => return report::usage(&usage),
    };
    let mut report = Report::new(&cli.global);
    let result = match &cli.command {
        Command::Completions(args) => {
            completion::registration(args.shell).map(|text| Outcome::Completions { shell: args.shell, text })
        }
        _ => commands::run(cli, &mut report),
    };
    match result {
        Ok(outcome) => report.outcome(&outcome),
        Err(error) => report.error(&error),
    }
}
