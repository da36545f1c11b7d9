//! The subcommands that look and change nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::select::{Api, Selection};
use crate::base::duration::{Limit, parse_duration, parse_limit};
use crate::base::finding_code::Code;
use crate::logs::time::{Moment, parse_zone};

/// Show instances, lock and origin of each bot.
#[derive(Debug, Args)]
pub struct Status {
    /// Bots of solobot.toml; all of them if none is named
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Repeat every SECS seconds
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = parse_duration, allow_negative_numbers = true)]
    pub watch: Option<std::time::Duration>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
}

/// Say whether it is safe to start.
#[derive(Debug, Args)]
pub struct Check {
    /// Bots of solobot.toml; all of them if none is named
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Ask the other question: is exactly one running, and well?
    #[arg(long)]
    pub running: bool,
    /// Wait this long for a yes
    #[arg(long, value_name = "DURATION", value_parser = parse_limit, allow_negative_numbers = true)]
    pub wait: Option<Limit>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
}

/// Say why there are conflicts, and what to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// A bot of solobot.toml; every likely one if none is named
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Explain a finding: its cause, how to be sure, what mends it
    #[arg(long, value_name = "CODE", value_parser = Code::parse, conflicts_with = "bot")]
    pub explain: Option<Code>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// How to reach Telegram; without a token it is not asked.
    #[command(flatten)]
    pub api: Api,
}

/// Count conflict and network errors in logs.
#[derive(Debug, Args)]
pub struct Conflicts {
    /// Bots, log files, unit:NAME, or - for standard input
    ///
    /// All bots' logs if none is named. A FILE may be a pattern. A bot's name wins over a file's. A bot's logs include what was rotated away beside them (bot.log.1, bot.log.2.gz);
    /// a FILE is that file alone. gzip and Zstandard are unpacked, whatever the name. unit:NAME is a systemd unit's journal.
    #[arg(value_name = "BOT|FILE")]
    pub inputs: Vec<OsString>,
    /// Count per day or per hour
    #[arg(long, value_name = "WHAT", default_value = "day", hide_possible_values = true)]
    pub by: By,
    /// Only what happened since: 1h, 2026-01-10, 2026-01-10 15:27
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub since: Option<Moment>,
    /// Only what happened before
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub until: Option<Moment>,
    /// Only the last N lines of each log
    #[arg(long, value_name = "N")]
    pub last_lines: Option<u64>,
    /// Exit with 1 if there are more than N conflicts
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// The zone of times that name none, and of the days: Europe/Berlin, UTC, +02:00 [default: the local one]
    #[arg(long, value_name = "ZONE", value_parser = parse_zone, hide_short_help = true)]
    pub tz: Option<jiff::tz::TimeZone>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
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
    /// Write to this file instead, in one step: a reader sees the old text or the new one
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// How to reach Telegram.
    #[command(flatten)]
    pub api: Api,
}
