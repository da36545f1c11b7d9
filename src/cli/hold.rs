//! The subcommands that take, hold and release the lock.

#![expect(clippy::struct_excessive_bools, reason = "a struct of options is one bool a flag")]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::select::{Api, LeaseArgs, Selection};
use crate::base::duration::{Limit, parse_duration, parse_limit};
use crate::platform::daemon::HAS_BACKGROUND;
use crate::platform::descriptor::SHELLS_PASS_THEM;
use crate::platform::spawn::CAN_REPLACE;

/// Take the lock and run COMMAND, so that one instance runs.
#[derive(Debug, Args)]
pub struct Acquire {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// How long to wait: 500ms, 5m, forever [default: 30s]
    #[arg(short, long, value_name = "DURATION", value_parser = parse_limit, allow_negative_numbers = true)]
    pub wait: Option<Limit>,
    /// Do not wait (same as --wait 0)
    #[arg(short = 'n', long, conflicts_with = "wait")]
    pub nonblock: bool,
    /// Exit with this code instead of 75 if the lock stays held
    #[arg(short = 'E', long, value_name = "CODE", hide_short_help = true)]
    pub conflict_exit_code: Option<u8>,
    /// Become COMMAND instead of staying as its parent
    #[arg(short = 'F', long, hide = !CAN_REPLACE)]
    pub no_fork: bool,
    /// Do not let COMMAND inherit the lock's descriptor
    #[arg(short = 'o', long, conflicts_with = "no_fork", hide_short_help = true)]
    pub close: bool,
    /// Lock descriptor N of the calling shell
    #[arg(long, value_name = "N", conflicts_with_all = ["no_fork", "close", "pid"], allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..), hide = !SHELLS_PASS_THEM, hide_short_help = true)]
    pub fd: Option<i32>,
    /// Hold the lock until process PID ends
    #[arg(long, value_name = "PID", conflicts_with_all = ["no_fork", "close"], allow_negative_numbers = true)]
    pub pid: Option<i32>,
    /// Run COMMAND in the background
    ///
    /// solobot goes into the background once the lock is held, and returns when COMMAND has run for 2 seconds. If COMMAND
    /// ends sooner, it shows the last lines of the log and ends with COMMAND's exit code.
    #[arg(long, conflicts_with_all = ["no_fork", "pid", "fd"], hide = !HAS_BACKGROUND)]
    pub detach: bool,
    /// With --detach: what COMMAND prints goes to this file [default: NAME.log in the state folder]
    ///
    /// At 10 MiB it becomes FILE.1, which replaces the older one.
    #[arg(long, value_name = "FILE", requires = "detach", hide = !HAS_BACKGROUND, hide_short_help = true)]
    pub log: Option<PathBuf>,
    /// Stop the holder first; with =orphan, only an orphan
    ///
    /// An orphan is a bot that still holds the lock although the solobot that started it is dead. solobot stops only
    /// processes that it can prove hold this lock, and none that a manager would start again.
    #[arg(long, value_name = "WHOM", num_args = 0..=1, require_equals = true, default_missing_value = "any")]
    #[arg(hide_possible_values = true)]
    pub takeover: Option<Takeover>,
    /// What to do if the lock stays held: fail, or run COMMAND with SOLOBOT_POLLING=0
    #[arg(long, value_name = "WHAT", default_value = "fail", hide_short_help = true)]
    pub if_held: IfHeld,
    /// COMMAND takes this lock itself: release it just before COMMAND starts
    #[arg(long, conflicts_with_all = ["no_fork", "pid", "fd"], hide_short_help = true)]
    pub handover: bool,
    /// Do not look for instances that run without the lock
    #[arg(long, hide_short_help = true)]
    pub lock_only: bool,
    /// Start COMMAND again when it ends, and keep the lock
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["no_fork", "pid", "fd"], hide_short_help = true)]
    pub restart: Option<Restart>,
    /// How long a process may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_negative_numbers = true, hide_short_help = true)]
    pub grace: Option<std::time::Duration>,
    /// Do not set SKIP_TELEGRAM_LOCK=1 for COMMAND
    #[arg(long, hide_short_help = true)]
    pub no_skip_env: bool,
    /// Delete the bot's webhook before COMMAND starts
    #[arg(long)]
    pub delete_webhook: bool,
    /// With --delete-webhook: exit with 69 if Telegram cannot be reached, instead of a warning
    #[arg(long, requires = "delete_webhook", hide_short_help = true)]
    pub require_telegram: bool,
    /// The bot's command line, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
    #[command(flatten)]
    pub api: Api,
}

/// Which holder `--takeover` may stop.
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
    /// Exit with 75
    Fail,
    /// Run COMMAND without the lock and with SOLOBOT_POLLING=0
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

/// Release a lock held for another process.
#[derive(Debug, Args)]
pub struct Release {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Unlock descriptor N of the calling shell
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..), hide = !SHELLS_PASS_THEM)]
    pub fd: Option<i32>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// What another host's ssh starts here for a lease.
#[derive(Debug, Args)]
pub struct Hold {
    /// Answer on stdin and stdout
    #[arg(long, required = true)]
    pub stdio: bool,
    /// The lock to hold while the lease is held
    #[arg(value_name = "PATH")]
    pub path: std::path::PathBuf,
}

/// What `acquire --pid` starts, with values from it. Names are passed in the environment, which other users cannot read.
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
}

/// What `acquire` with a lease starts, with values from it.
#[derive(Debug, Args)]
pub struct GuardianArgs {
    /// The inherited socket to the solobot that started it
    #[arg(long, value_parser = clap::value_parser!(i32).range(3..))]
    pub socket: i32,
    /// How long the bot may take to end before it is killed, in milliseconds
    #[arg(long)]
    pub grace_ms: u64,
    /// The solobot that started it
    #[arg(long)]
    pub pid: i32,
    /// Its start time in clock ticks
    #[arg(long)]
    pub start_ticks: u64,
    /// The number of the grant
    #[arg(long)]
    pub generation: u64,
    /// The file of the lock, as the kernel names it
    #[arg(long, value_name = "MAJOR:MINOR:INODE")]
    pub lock: Option<String>,
}
