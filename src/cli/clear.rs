//! The subcommands that clear away: instances, stale locks, a webhook.

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
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How long each may take to end [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_negative_numbers = true)]
    pub grace: Option<std::time::Duration>,
    /// The signal that asks an instance to end
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = parse_signal, hide_short_help = true)]
    pub signal: Signal,
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
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
}

/// Clear what dead processes left: lock text and owner record.
#[derive(Debug, Args)]
pub struct CleanStale {
    /// Bots of solobot.toml, or lock files
    #[arg(value_name = "BOT|PATH")]
    pub targets: Vec<OsString>,
    /// Remove the lock file itself too, if no process has it open
    #[arg(long)]
    pub remove: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
}

/// Clear the webhook that keeps a bot from polling.
#[derive(Debug, Args)]
pub struct DeleteWebhook {
    /// A bot of solobot.toml
    #[arg(value_name = "BOT")]
    pub bot: Option<String>,
    /// Throw away the updates that wait at Telegram, too
    #[arg(long)]
    pub drop_pending_updates: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Which bot, without a file.
    #[command(flatten)]
    pub selection: Selection,
    /// How to reach Telegram.
    #[command(flatten)]
    pub api: Api,
}
