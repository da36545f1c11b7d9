//! The subcommands that remove something: instances, stale locks, a webhook.

#![expect(clippy::struct_excessive_bools, reason = "a struct of options is one bool a flag")]

use std::ffi::OsString;

use clap::Args;

use super::select::{Api, Selection};
use crate::base::duration::parse_duration;
use crate::platform::signals::{Signal, parse_signal};
use crate::process::keep::{Keep, parse_keep};

/// Stop every instance of a bot but one.
#[derive(Debug, Args)]
pub struct KillDuplicates {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Which instance to keep: holder, managed, oldest, newest, none or a PID
    #[arg(long, value_name = "WHICH", default_value = "holder", value_parser = parse_keep)]
    pub keep: Keep,
    #[command(flatten)]
    pub stopping: Stopping,
}

/// Stop every instance of a bot.
#[derive(Debug, Args)]
pub struct Stop {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    #[command(flatten)]
    pub stopping: Stopping,
}

/// How to stop instances.
#[derive(Debug, Args)]
pub struct Stopping {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// How long each may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_negative_numbers = true)]
    pub grace: Option<std::time::Duration>,
    /// The signal that asks an instance to end
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = parse_signal, hide_short_help = true)]
    pub signal: Signal,
    /// Kill at once, without waiting
    #[arg(long, conflicts_with = "grace")]
    pub force: bool,
    /// Also stop instances that are only probably this bot
    #[arg(long, hide_short_help = true)]
    pub include_probable: bool,
    /// Also stop instances that a manager would start again
    #[arg(long, hide_short_help = true)]
    pub include_managed: bool,
    /// If PROGRAM matches several bots, act on all of them
    #[arg(long, hide_short_help = true)]
    pub all: bool,
    #[command(flatten)]
    pub selection: Selection,
}

/// Restart a bot.
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Show what would be run, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// How long it may take to end before it is killed, where solobot stops it [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_negative_numbers = true)]
    pub grace: Option<std::time::Duration>,
    #[command(flatten)]
    pub selection: Selection,
}

/// Clear what dead processes left: lock text and owner record.
#[derive(Debug, Args)]
pub struct CleanStale {
    /// Names of bots in solobot.toml, or lock files
    #[arg(value_name = "BOT|PATH")]
    pub targets: Vec<OsString>,
    /// Also remove the lock file, if no process has it open
    #[arg(long)]
    pub remove: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub selection: Selection,
}

/// Delete the webhook that keeps a bot from polling.
#[derive(Debug, Args)]
pub struct DeleteWebhook {
    /// Name of a bot in solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Also throw away the updates that are waiting at Telegram
    #[arg(long)]
    pub drop_pending_updates: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub api: Api,
}
