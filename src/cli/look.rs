//! The subcommands that only look.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::select::{Api, LeaseArgs, Selection};
use crate::base::duration::{Limit, parse_duration, parse_limit};
use crate::base::finding_code::Code;
use crate::logs::time::{TimeArg, parse_zone};

/// Show instances, lock and origin of each bot.
#[derive(Debug, Args)]
pub struct Status {
    /// Names of bots in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    /// Repeat every SECS seconds [default: 2]; with -q, show nothing and run the alerts of solobot.toml
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = parse_duration, allow_negative_numbers = true)]
    pub watch: Option<Duration>,
    /// Let the exit code say how the bots are: 0 well, 3 not running, 1 in trouble
    ///
    /// 0: each bot has exactly one running instance. It holds the lock, if the bot has one, and is connected, as far as that
    /// can be seen. 3: a bot has none. 1: a bot has several, or one that is not well: without the lock, not connected a minute
    /// after its start, stopped, another user's, or beside another program with its token; or its lock was replaced or cannot
    /// be read. 77: no instance was seen, but a process that cannot be inspected may be one. Of several bots, the worst counts:
    /// 1, then 77, then 3. Logs are not read: see `check --running`.
    #[arg(long, conflicts_with = "watch")]
    pub exit_code: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
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
    /// With --running: does it also fetch its updates, within DURATION? Asks Telegram [default: 10m]
    ///
    /// No, if updates have waited for DURATION without one being fetched, and no byte has come on the bot's connections for
    /// that time and the 50 s that a poll may take. What cannot be seen is never a no. Each look is kept for an hour in the
    /// state folder, and Telegram is asked at most once in 15 s. As long as there are too few looks, the exit code is 77;
    /// with --wait it looks on. DURATION is at least 2m, and at most 1h.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "10m",
          requires = "running", value_parser = parse_responsive, allow_negative_numbers = true)]
    pub responsive: Option<Duration>,
    /// How long to wait for a yes
    #[arg(long, value_name = "DURATION", value_parser = parse_limit, allow_negative_numbers = true)]
    pub wait: Option<Limit>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
    #[command(flatten)]
    pub api: Api,
}

/// A bot that works may leave its queue alone for less than two minutes; looks are kept for little more than an hour.
fn parse_responsive(text: &str) -> Result<Duration, String> {
    let within = parse_duration(text)?;
    if within < Duration::from_mins(2) {
        return Err(format!("`{text}` is too short: a bot that is only busy needs up to 2m"));
    }
    if within > Duration::from_hours(1) {
        return Err(format!("`{text}` is too long: at most 1h"));
    }
    Ok(within)
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
    /// Find out whether another machine polls: asks you to send the bot a message
    ///
    /// Stop the bot here first. solobot holds its lock meanwhile, so that it does not start. It asks you for one message to
    /// the bot and watches the length of its queue at Telegram, without fetching anything: if the message comes and goes,
    /// another program has fetched it, and if it stays for a minute, nobody has. The exit code is 1 if another program
    /// polls, 0 if none does, and 77 if solobot cannot tell.
    #[arg(long, conflicts_with = "explain")]
    pub elsewhere: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
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
    /// Also ask Telegram, about each bot whose token is known: webhook, waiting updates, last error
    #[arg(long)]
    pub telegram: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
    #[command(flatten)]
    pub api: Api,
}

/// Show what stands on the engine of a lease.
#[derive(Debug, Args)]
pub struct Lease {
    /// Names of bots in solobot.toml [default: all of them]
    #[arg(value_name = "BOT")]
    pub bots: Vec<String>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
}
