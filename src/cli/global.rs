//! Options that every subcommand takes.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::base::env;

/// Options that every subcommand takes; `-h` shows only their names.
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
    /// Print nothing but warnings and errors; only the exit code tells the result
    #[arg(short, long, global = true, conflicts_with = "verbose", hide_short_help = true)]
    pub quiet: bool,
    /// Print more, such as where each setting came from; -vv and -vvv also print a log
    #[arg(short, long, global = true, action = ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_short_help = true)]
    pub color: Color,
}

/// Options that clap answers by itself, without a subcommand being run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct HelpFlags {
    /// Print this help; -h prints a shorter one
    #[arg(short, long, global = true, action = ArgAction::Help, hide_short_help = true)]
    pub(super) help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, hide_short_help = true)]
    pub(super) version: Option<bool>,
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
