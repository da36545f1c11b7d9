//! Where each setting of a bot came from, for `-v`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::base::error::quoted;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetBy {
    Flag(&'static str),
    /// The command line's COMMAND.
    Command,
    /// This environment variable.
    Variable(&'static str),
    /// A line of the configuration file, counted from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    Default,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Command => f.write_str("COMMAND"),
            Self::Variable(name) => write!(f, "variable `{name}`"),
            Self::File { path, line } => write!(f, "{} line {line}", quoted(path)),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The origin of every setting of one bot, by the setting's name in solobot.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance(BTreeMap<&'static str, SetBy>);

impl Provenance {
    /// Records where a setting came from; a subcommand's own flags (`--wait`) are noted by the subcommand.
    pub fn note(&mut self, setting: &'static str, origin: SetBy) {
        self.0.insert(setting, origin);
    }

    /// Where a setting came from.
    pub fn of(&self, setting: &str) -> &SetBy {
        self.0.get(setting).unwrap_or(&SetBy::Default)
    }
}
