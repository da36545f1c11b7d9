//! Which bot, and how to reach Telegram: the groups of options that several subcommands share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::base::duration::parse_positive;
use crate::lease::bounds::{parse_name, parse_ttl};

/// Which bot: the same flags in every subcommand that needs one.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selecting the bot")]
pub struct Selection {
    /// The bot's program: a path, script name or dotted module
    #[arg(short = 'm', long = "match", value_name = "PROGRAM")]
    pub program: Option<OsString>,
    /// The bot's program is this Python module
    #[arg(long, value_name = "NAME", conflicts_with = "program", hide_short_help = true)]
    pub module: Option<String>,
    /// The bot's lock file
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
    /// Allow a lock on a network file system, where two hosts may both hold it
    #[arg(long, hide_short_help = true)]
    pub allow_network_fs: bool,
}

/// How to reach Telegram: the same flags in every subcommand that asks it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reaching Telegram")]
pub struct Api {
    /// Base URL of a self-hosted Bot API server [env: SOLOBOT_API_URL]
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub api_url: Option<String>,
    /// How long each request may take; each is tried up to four times [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_positive, allow_negative_numbers = true, hide_short_help = true)]
    pub timeout: Option<std::time::Duration>,
    /// Trust the certificates in this PEM file instead of Mozilla's
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
}

/// The lease that the bot runs under: the same flags in every subcommand that knows of leases.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Lease across hosts")]
pub struct LeaseArgs {
    /// The engine of the bot's lease: postgres://USER@HOST/DATABASE, redis://HOST/0, etcd://HOST, ssh://USER@HOST/PATH
    #[arg(long, value_name = "URL", conflicts_with = "lease_env", hide_short_help = true)]
    pub lease: Option<String>,
    /// Read the engine's URL, which may contain a password, from this environment variable
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub lease_env: Option<String>,
    /// The lease's name, the same one on every host [default: the bot's id]
    #[arg(long, value_name = "NAME", value_parser = parse_name, hide_short_help = true)]
    pub lease_name: Option<String>,
    /// How long a grant lasts without renewal: 5s to 10m, the same on every host [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_ttl, allow_negative_numbers = true, hide_short_help = true)]
    pub lease_ttl: Option<std::time::Duration>,
}

impl LeaseArgs {
    /// Whether they say anything.
    pub fn any(&self) -> bool {
        let Self { lease, lease_env, lease_name, lease_ttl } = self;
        lease.is_some() || lease_env.is_some() || lease_name.is_some() || lease_ttl.is_some()
    }
}
