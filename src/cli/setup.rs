//! The subcommands for the first day: a configuration file, completions.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Write solobot.toml from what is running here.
#[derive(Debug, Args)]
pub struct Init {
    /// Print the file instead of writing it
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
    /// Do not ask, even if nothing is found
    #[arg(short, long)]
    pub yes: bool,
}

/// Print what a shell needs.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to print for
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// Windows PowerShell 5.1, or PowerShell 7
    #[value(name = "powershell")]
    PowerShell,
}
