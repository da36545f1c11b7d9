//! The command line as text: clap types only.
//!
//! Nothing here looks at the environment's meaning, the terminal or the disk; [`crate::settings`] does. The doc comments
//! are the help and the manual.

#![expect(clippy::struct_excessive_bools, reason = "a struct of options is one bool a flag")]
#![expect(clippy::doc_markdown, reason = "doc comments are the help: back quotes would be printed")]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::commands::kill_duplicates::plan::{Keep, parse_keep};
use crate::conflicts::time::{Moment, parse_zone};
use crate::doctor::Code;
use crate::duration::{Limit, parse_duration, parse_limit, parse_positive};
use crate::env;
use crate::platform::signals::parse_signal;

/// Colours of clap's own messages; `--color` and `NO_COLOR` still decide whether they are used.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Makes sure that exactly one instance of a Telegram bot polls.
#[derive(Debug, Parser)]
#[command(name = "solobot", version, styles = STYLES, max_term_width = 100, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = false)]
pub struct Cli {
    /// Options that every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The same with `acquire` alone: to build the other subcommands' options takes longer than to take a lock.
#[derive(Debug, Parser)]
#[command(name = "solobot")]
struct AcquireCli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: AcquireCommand,
}

#[derive(Debug, Subcommand)]
enum AcquireCommand {
    Acquire(Acquire),
}

impl Cli {
    /// Parses the command line. Help and every error come from the whole of it.
    ///
    /// # Errors
    /// Clap's, help and version among them.
    pub fn of_args(args: &[OsString]) -> Result<Self, clap::Error> {
        if args.get(1).is_some_and(|word| word == "acquire")
            && let Ok(AcquireCli { global, command: AcquireCommand::Acquire(acquire) }) =
                AcquireCli::try_parse_from(args)
        {
            return Ok(Self { global, command: Command::Acquire(acquire) });
        }
        Self::try_parse_from(args)
    }
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use this configuration file instead of searching for solobot.toml
    #[arg(short, long, value_name = "FILE", global = true, env = env::CONFIG, hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no refusals: the exit code speaks
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more, and where each setting came from; repeat for the log
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
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
    Status(Status),
    /// Take the lock and run COMMAND, so that one instance runs
    Acquire(Acquire),
    /// End a keeper and give its lock back
    Release(Release),
    /// Stop every instance of a bot but one
    KillDuplicates(KillDuplicates),
    /// Stop every instance of a bot
    Stop(Stop),
    /// Clear what dead processes left: lock text and owner record
    CleanStale(CleanStale),
    /// Clear the webhook that keeps a bot from polling
    DeleteWebhook(DeleteWebhook),
    /// Say whether it is safe to start: for scripts, cron and systemd
    Check(Check),
    /// Say why there are conflicts, and what to do
    Doctor(Doctor),
    /// Count conflict and network errors in logs, per day
    Conflicts(Conflicts),
    /// Print OpenMetrics text for node_exporter's textfile collector
    Metrics(Metrics),
    /// Hold a lock for another process (started by `acquire --pid`)
    #[command(hide = true)]
    Keeper(Keeper),
}

/// Which bot: the same flags wherever one is needed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selecting the bot")]
pub struct Selection {
    /// The bot's program: a path, a script name or a dotted module
    #[arg(short = 'm', long = "match", value_name = "PROGRAM")]
    pub program: Option<OsString>,
    /// The bot's program is this Python module
    #[arg(long, value_name = "NAME", conflicts_with = "program")]
    pub module: Option<String>,
    /// The lock file
    #[arg(short, long, value_name = "PATH")]
    pub lock: Option<PathBuf>,
    /// Read the bot's token from this environment variable
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub token_env: Option<String>,
    /// Read the bot's token from this file
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub token_file: Option<PathBuf>,
    /// Read the bot's token from this .env file
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub env_file: Option<PathBuf>,
    /// Look for locks on network file systems too, although two hosts may both hold them
    #[arg(long, hide_short_help = true)]
    pub allow_network_fs: bool,
}

/// How to reach Telegram: the same flags wherever solobot asks it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reaching Telegram")]
pub struct Api {
    /// The Bot API's base URL, for a self-hosted server [env: SOLOBOT_API_URL]
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub api_url: Option<String>,
    /// How long each request may take; there are up to four tries [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_positive, hide_short_help = true)]
    pub timeout: Option<std::time::Duration>,
    /// Trust the certificates of this PEM file instead of Mozilla's
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
}

/// Show instances, lock and origin of each bot.
#[derive(Debug, Args)]
pub struct Status {
    /// Bots of solobot.toml; all of them if none is named
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Repeat every SECS seconds
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = parse_duration)]
    pub watch: Option<std::time::Duration>,
}

/// Take the lock and run COMMAND, so that one instance runs.
#[derive(Debug, Args)]
pub struct Acquire {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Wait this long for the lock: 30, 500ms, 5m, forever [default: 30s]
    #[arg(short, long, value_name = "DURATION", value_parser = parse_limit)]
    pub wait: Option<Limit>,
    /// Do not wait: the same as --wait 0
    #[arg(short = 'n', long, conflicts_with = "wait")]
    pub nonblock: bool,
    /// Exit with this code instead of 75 if the lock stays held
    #[arg(short = 'E', long, value_name = "CODE")]
    pub conflict_exit_code: Option<u8>,
    /// Become COMMAND instead of staying as its parent
    #[arg(short = 'F', long)]
    pub no_fork: bool,
    /// Do not let COMMAND inherit the lock's descriptor
    #[arg(short = 'o', long, conflicts_with = "no_fork")]
    pub close: bool,
    /// Lock descriptor N of the calling shell
    #[arg(long, value_name = "N", conflicts_with_all = ["no_fork", "close", "pid"])]
    pub fd: Option<i32>,
    /// Hold the lock until process PID ends
    #[arg(long, value_name = "PID", conflicts_with_all = ["no_fork", "close"], allow_negative_numbers = true)]
    pub pid: Option<i32>,
    /// Stop the present holder first; `=orphan` only one whose own solobot is dead
    #[arg(long, value_name = "WHOM", num_args = 0..=1, require_equals = true, default_missing_value = "any")]
    pub takeover: Option<Takeover>,
    /// What to do if the lock stays held: fail, or run COMMAND with SOLOBOT_POLLING=0
    #[arg(long, value_name = "WHAT", default_value = "fail", hide_short_help = true)]
    pub if_held: IfHeld,
    /// COMMAND takes the very same lock itself: let go just before it starts
    #[arg(long, conflicts_with_all = ["no_fork", "pid", "fd"], hide_short_help = true)]
    pub handover: bool,
    /// Do not look for instances that run without the lock
    #[arg(long, hide_short_help = true)]
    pub lock_only: bool,
    /// Start COMMAND again when it ends, while the lock stays held
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["no_fork", "pid", "fd"], hide_short_help = true)]
    pub restart: Option<Restart>,
    /// How long a process may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, hide_short_help = true)]
    pub grace: Option<std::time::Duration>,
    /// Do not set SKIP_TELEGRAM_LOCK=1 for COMMAND
    #[arg(long, hide_short_help = true)]
    pub no_skip_env: bool,
    /// Clear the bot's webhook once the lock is held, before COMMAND starts
    #[arg(long)]
    pub delete_webhook: bool,
    /// With --delete-webhook: exit 69 if Telegram cannot be reached, instead of going on with a warning
    #[arg(long, requires = "delete_webhook", hide_short_help = true)]
    pub require_telegram: bool,
    /// How to reach Telegram.
    #[command(flatten)]
    pub api: Api,
    /// The bot's command line, behind `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Whom `--takeover` may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Takeover {
    /// Whoever holds the lock
    Any,
    /// Only a bot whose own solobot is dead
    Orphan,
}

/// What `acquire` does if the lock stays held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IfHeld {
    /// Exit 75
    Fail,
    /// Run COMMAND without the lock and with `SOLOBOT_POLLING=0`
    Run,
}

/// When `acquire` starts COMMAND again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// After a failure or a signal
    OnFailure,
    /// Whenever it ends
    Always,
}

/// End a keeper and give its lock back.
#[derive(Debug, Args)]
pub struct Release {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Unlock descriptor N of the calling shell
    #[arg(long, value_name = "N")]
    pub fd: Option<i32>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Stop every instance of a bot but one.
#[derive(Debug, Args)]
pub struct KillDuplicates {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Which instance to keep: holder, managed, oldest, newest, none or a PID
    #[arg(long, value_name = "WHICH", default_value = "holder", value_parser = parse_keep)]
    pub keep: Keep,
    /// How to stop the others.
    #[command(flatten)]
    pub stopping: Stopping,
}

/// Stop every instance of a bot.
#[derive(Debug, Args)]
pub struct Stop {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// How to stop them.
    #[command(flatten)]
    pub stopping: Stopping,
}

/// How to stop instances.
#[derive(Debug, Args)]
pub struct Stopping {
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How long an instance may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub grace: Option<std::time::Duration>,
    /// The signal that asks an instance to end
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = parse_signal, hide_short_help = true)]
    pub signal: i32,
    /// Kill at once, without a grace
    #[arg(long, conflicts_with = "grace")]
    pub force: bool,
    /// Stop instances that are only probably this bot too
    #[arg(long, hide_short_help = true)]
    pub include_probable: bool,
    /// Stop instances that a manager would start again too
    #[arg(long, hide_short_help = true)]
    pub include_managed: bool,
    /// If the name means several bots: all of them
    #[arg(long, hide_short_help = true)]
    pub all: bool,
}

/// Clear what dead processes left: lock text and owner record.
#[derive(Debug, Args)]
pub struct CleanStale {
    /// Bots of solobot.toml, or lock files
    #[arg(value_name = "BOT|PATH")]
    pub targets: Vec<OsString>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Remove the lock file itself too, if no process has it open
    #[arg(long)]
    pub remove: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Clear the webhook that keeps a bot from polling.
#[derive(Debug, Args)]
pub struct DeleteWebhook {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// How to reach Telegram.
    #[command(flatten)]
    pub api: Api,
    /// Throw away the updates that wait at Telegram, too
    #[arg(long)]
    pub drop_pending_updates: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Say whether it is safe to start.
#[derive(Debug, Args)]
pub struct Check {
    /// Bots of solobot.toml; all of them if none is named
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Ask the other question: is exactly one running, and well?
    #[arg(long)]
    pub running: bool,
    /// Wait this long for a yes
    #[arg(long, value_name = "DURATION", value_parser = parse_limit)]
    pub wait: Option<Limit>,
}

/// Say why there are conflicts, and what to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// A bot of solobot.toml; all of them, or else every likely bot on this machine, if none is named
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Explain a finding: its cause, how to be sure, what mends it
    #[arg(long, value_name = "CODE", value_parser = Code::parse, conflicts_with = "bot")]
    pub explain: Option<Code>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
}

/// Count conflict and network errors in logs.
#[derive(Debug, Args)]
pub struct Conflicts {
    /// A bot of solobot.toml, log files or patterns of them, unit:NAME, or - for standard input; all bots' logs if none is
    /// named
    ///
    /// A bot's name wins over a file's. A bot's logs include what was rotated away beside them (bot.log.1, bot.log.2.gz);
    /// a FILE is that file alone. gzip and Zstandard are unpacked, whatever the name. unit:NAME is a systemd unit's journal.
    #[arg(value_name = "BOT|FILE")]
    pub inputs: Vec<OsString>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Count per day or per hour
    #[arg(long, value_name = "WHAT", default_value = "day")]
    pub by: By,
    /// Only what happened since then: 1h, 3d, 2026-01-10, 2026-01-10 15:27
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub since: Option<Moment>,
    /// Only what happened before then
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub until: Option<Moment>,
    /// Only the last N lines of each log
    #[arg(long, value_name = "N")]
    pub last_lines: Option<u64>,
    /// Exit with 1 if there are more than N conflicts
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// The zone of times that name none, and of the days: Europe/Berlin, UTC, +02:00 [default: the local one]
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    pub tz: Option<jiff::tz::TimeZone>,
}

/// What `conflicts` counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Hours of the wall clock
    Hour,
    /// Days of the wall clock
    Day,
}

/// Print OpenMetrics text.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Bots of solobot.toml; all of them if none is named
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// Write to this file instead, in one step: a reader sees the old text or the new one
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How to reach Telegram.
    #[command(flatten)]
    pub api: Api,
}

/// What `acquire --pid` starts; every value comes from it.
#[derive(Debug, Args)]
pub struct Keeper {
    /// The process to hold the lock for
    #[arg(long)]
    pub pid: i32,
    /// Its start time in clock ticks
    #[arg(long)]
    pub start_ticks: u64,
    /// The inherited descriptor that carries the lock
    #[arg(long)]
    pub fd: i32,
    /// The inherited descriptor to report readiness on
    #[arg(long)]
    pub ready: i32,
    /// The lock's path
    #[arg(long)]
    pub lock: PathBuf,
    /// The bot's name for the owner record
    #[arg(long)]
    pub name: String,
    /// Where to write down what happens to the lock
    #[arg(long)]
    pub journal: Option<PathBuf>,
}
