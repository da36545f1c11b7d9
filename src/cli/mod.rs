//! The command line as text: clap types only.
//!
//! Nothing here looks at the environment's meaning, the terminal or the disk; [`crate::settings`] does. The doc comments
//! are the help and the manual; [`examples`] are the end of both.

#![expect(clippy::doc_markdown, reason = "doc comments are the help: back quotes would be printed")]

pub mod again;
mod clear;
pub mod examples;
mod hold;
mod look;
mod select;
mod setup;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use self::clear::{CleanStale, DeleteWebhook, KillDuplicates, Stop, Stopping};
pub use self::hold::{Acquire, IfHeld, Keeper, Release, Restart, Takeover};
pub use self::look::{By, Check, Conflicts, Doctor, Metrics, Status};
pub use self::select::{Api, Selection};
pub use self::setup::{Completions, Init, Shell};
pub use self::usage::Usage;
use crate::base::env;
pub use clap::builder::StyledStr;
pub use clap::{Arg, ValueHint};

/// Colours of clap's own messages; `--color` and `NO_COLOR` still decide whether they are used.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Makes sure that exactly one instance of a Telegram bot polls
///
/// Telegram serves one getUpdates poll per bot token; a second poller ends the first one's with "409 Conflict", and is
/// ended by its retry. solobot holds a lock around the bot, finds its instances, says where each came from, stops the
/// surplus ones, and explains what is left.
#[derive(Debug, Parser)]
#[command(name = "solobot", version, styles = STYLES, max_term_width = 100, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = false)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    /// Options that every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What never reaches a subcommand.
    #[command(flatten)]
    pub answered: Answered,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `acquire` alone, as a command without subcommands: to build the others' options, and to pass global ones down, takes
/// longer than to take a lock. What it does not know, help and version among it, the whole of it answers.
#[derive(Debug, Parser)]
#[command(name = "acquire", disable_help_flag = true, disable_version_flag = true)]
struct AcquireCli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    acquire: Acquire,
}

impl Cli {
    /// Parses the command line. Help and every error come from the whole of it.
    ///
    /// # Errors
    /// What is to be said instead, help and version among it.
    pub fn of_args(args: &[OsString]) -> Result<Self, Usage> {
        if args.get(1).is_some_and(|word| word == "acquire")
            && let Ok(AcquireCli { global, acquire }) = AcquireCli::try_parse_from(&args[1..])
        {
            let answered = Answered { help: None, version: None };
            return Ok(Self { global, answered, command: Command::Acquire(acquire) });
        }
        let mut command = command();
        let parsed = command.try_get_matches_from_mut(args);
        let parsed = parsed.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        parsed.map_err(|error| Usage::new(&error.format(&mut command), args))
    }
}

/// The whole command line, with what stands at the end of each help: where the rest is, and the examples.
pub fn command() -> clap::Command {
    let with_ends = |command: clap::Command, name: &str, path: &str| {
        command.after_help(examples::short(path)).after_long_help(examples::long(name, path))
    };
    let mut command = with_ends(Cli::command(), "", "solobot");
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |one| with_ends(one, &name, &format!("solobot {name}")));
    }
    command
}

/// Options that every subcommand takes; `-h` shows their names alone.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use this configuration file instead of searching for solobot.toml
    #[arg(short, long, value_name = "FILE", global = true, env = env::CONFIG, hide_env_values = true)]
    #[arg(hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long, global = true, hide_short_help = true)]
    pub json: bool,
    /// No progress and no refusals: the exit code speaks
    #[arg(short, long, global = true, conflicts_with = "verbose", hide_short_help = true)]
    pub quiet: bool,
    /// Say more, and where each setting came from; repeat for the log
    #[arg(short, long, global = true, action = ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_short_help = true)]
    pub color: Color,
}

/// What clap itself answers, as options of every subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Answered {
    /// Print this help; -h prints a shorter one
    #[arg(short, long, global = true, action = ArgAction::Help, hide_short_help = true)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, hide_short_help = true)]
    version: Option<bool>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show instances, lock and origin of each bot
    ///
    /// One table a bot: each instance with its PID, age, user, who started it, whether it is connected to Telegram and
    /// how it stands to the lock. With nothing configured it shows whatever on this machine looks like a bot. The exit
    /// code is 0 whenever it could look.
    Status(Status),
    /// Take the lock and run COMMAND, so that one instance runs
    ///
    /// Takes the lock, or says who holds it and waits; looks for instances that run without it; then runs COMMAND and
    /// holds the lock until COMMAND and every descendant that runs its program have ended. Signals are passed on, and
    /// so is COMMAND's exit code. Without COMMAND the bot's `command` of solobot.toml runs.
    Acquire(Acquire),
    /// End a keeper and give its lock back
    ///
    /// Gives back what `acquire --pid` or `acquire --fd` took. A lock that a bot holds is not released: `solobot stop`
    /// is the word for that. Nothing to release is success.
    Release(Release),
    /// Stop every instance of a bot but one
    ///
    /// Prints what it would keep and stop, and why; asks on a terminal; then sends TERM, waits, and kills what is left.
    /// An instance that a manager would start again is not stopped: the manager's own command is printed instead.
    KillDuplicates(KillDuplicates),
    /// Stop every instance of a bot
    ///
    /// As kill-duplicates, and none is kept.
    Stop(Stop),
    /// Clear what dead processes left: lock text and owner record
    ///
    /// Never touches a lock that is held, nor a file that is no lock. The lock file itself stays, since to unlink it
    /// makes room for a second holder; --remove unlinks it where no process has it open.
    CleanStale(CleanStale),
    /// Clear the webhook that keeps a bot from polling
    ///
    /// Asks Telegram whether a webhook is set, deletes it only then, and asks again to prove it. Updates that wait at
    /// Telegram are kept.
    DeleteWebhook(DeleteWebhook),
    /// Is it safe to start? For scripts, cron and systemd
    ///
    /// One line a bot, and the exit code answers: 0 yes, 1 no, 64 and above: it could not be told. --running asks the
    /// other question: is exactly one instance running, under its lock, and connected?
    Check(Check),
    /// Say why there are conflicts, and what to do
    ///
    /// Looks at processes, locks, managers and this machine's settings, and prints findings: each with a code, its
    /// evidence and the command that mends it. Exits with 1 if one of them is an error.
    Doctor(Doctor),
    /// Count conflict and network errors in logs, per day
    ///
    /// Reads logs of any size, rotated and compressed ones too, and tells a second poller from a webhook, a rate limit
    /// and network trouble.
    Conflicts(Conflicts),
    /// Print OpenMetrics text for node_exporter's textfile collector
    ///
    /// Instances, lock, waiters, errors of the last 24 hours and the journal's counts, a line each.
    Metrics(Metrics),
    /// Write solobot.toml from what is running here
    ///
    /// Looks for tokens, connections to Telegram, scripts, systemd units and existing lock files, and writes a commented
    /// solobot.toml into the current folder, or to the file of --config. A project's folder gets that project's bots alone.
    /// It never writes a token, only where it comes from, and never overwrites a file without --force.
    Init(Init),
    /// Print what a shell needs to complete solobot's command lines
    #[command(hide = true)]
    Completions(Completions),
    /// Hold a lock for another process (started by `acquire --pid`)
    #[command(hide = true)]
    Keeper(Keeper),
}
