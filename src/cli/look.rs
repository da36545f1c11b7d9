//! The subcommands that only look.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::select::{Api, Selection};
use crate::base::duration::{Limit, parse_duration, parse_limit};
use crate::base::finding_code::Code;
use crate::logs::time::{TimeArg, parse_zone};

/// Show instances, lock and origin of each bot.
#[derive(Debug, Args)]
pub struct Status {
    /// Names of bots in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Repeat every SECS seconds [default: 2]
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = parse_duration, allow_negative_numbers = true)]
    pub watch: Option<std::time::Duration>,
    #[command(flatten)]
    pub selection: Selection,
}

/// Say whether it is safe to start.
#[derive(Debug, Args)]
pub struct Check {
    /// Names of bots in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Ask instead: is exactly one running, and healthy?
    #[arg(long)]
    pub running: bool,
    /// How long to wait for a yes
    #[arg(long, value_name = "DURATION", value_parser = parse_limit, allow_negative_numbers = true)]
    pub wait: Option<Limit>,
    #[command(flatten)]
    pub selection: Selection,
}

/// Say why there are conflicts, and what to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Name of a bot in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Explain a finding: its cause, how to be sure, how to fix it
    #[arg(long, value_name = "CODE", value_parser = Code::parse, conflicts_with = "bot")]
    pub explain: Option<Code>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub api: Api,
}

/// Count conflict and network errors in logs.
#[derive(Debug, Args)]
pub struct Conflicts {
    /// Bots, log files, unit:NAME, or - for standard input
    ///
    /// Without any, the logs of all bots. A FILE may be a pattern such as 'logs/*.log'. If a bot and a file have the same
    /// name, the bot is meant. The logs of a bot include rotated ones beside them (bot.log.1, bot.log.2.gz); a FILE is
    /// read alone. gzip and Zstandard are unpacked. unit:NAME reads the journal of a systemd unit.
    #[arg(value_name = "BOT|FILE")]
    pub inputs: Vec<OsString>,
    /// Count per day or per hour
    #[arg(long, value_name = "WHAT", default_value = "day", hide_possible_values = true)]
    pub by: GroupBy,
    /// Count from this time on: 1h, 2026-01-10, 2026-01-10 15:27
    #[arg(long, value_name = "WHEN", value_parser = TimeArg::parse)]
    pub since: Option<TimeArg>,
    /// Count only what came before this time
    #[arg(long, value_name = "WHEN", value_parser = TimeArg::parse)]
    pub until: Option<TimeArg>,
    /// Read only the last N lines of each log
    #[arg(long, value_name = "N")]
    pub last_lines: Option<u64>,
    /// Exit with 1 if there are more than N conflicts
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Time zone of the days, and of log times without one: Europe/Berlin, UTC, +02:00 [default: local]
    #[arg(long, value_name = "ZONE", value_parser = parse_zone, hide_short_help = true)]
    pub tz: Option<jiff::tz::TimeZone>,
    #[command(flatten)]
    pub selection: Selection,
}

/// What `conflicts` counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    /// By the hour
    Hour,
    /// By the day
    Day,
}

/// Print OpenMetrics text.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Names of bots in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Write to this file instead, in one step, so that a reader never sees half of it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub api: Api,
}
