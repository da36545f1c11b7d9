//! What solobot prints about a command line that it does not run: help, version, wrong usage.

use std::ffi::OsString;

use clap::ValueEnum;
use clap::error::ErrorKind;

use super::complaint::message;
use super::global::Color;
use super::tips;
use super::typed::Typed;

/// What to print instead of running a subcommand.
#[derive(Debug)]
pub enum Usage {
    /// Help or the version, with ANSI colours.
    Answer {
        text: String,
        /// It was asked for, so it is not an error.
        is_asked: bool,
    },
    /// The command line is wrong.
    Wrong(Wrong),
}

/// A wrong command line: an error as any other, and how the subcommand is used.
#[derive(Debug)]
pub struct Wrong {
    pub message: String,
    /// What to type instead; never empty.
    pub hints: Vec<String>,
    /// `Usage: solobot stop [OPTIONS] [BOT]`, where the subcommand is known.
    pub synopsis: Option<String>,
    /// `--json` was asked for.
    pub is_json: bool,
    pub color: Color,
}

impl Usage {
    /// `error` is what the parser of `command` says of `args`.
    pub(super) fn new(error: &clap::Error, args: &[OsString], command: &mut clap::Command) -> Self {
        if let ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand = error.kind()
        {
            return Self::Answer { text: error.render().ansi().to_string(), is_asked: !error.use_stderr() };
        }
        command.build();
        let typed = Typed::new(args, command);
        let subcommand = typed.subcommand().and_then(|name| command.find_subcommand_mut(name));
        Self::Wrong(Wrong {
            message: message(error),
            synopsis: subcommand.map(|one| one.render_usage().to_string()),
            hints: tips::hints(error, &typed, command),
            is_json: typed.has_option("--json"),
            color: typed.value_of("--color").and_then(|word| Color::from_str(word, false).ok()).unwrap_or(Color::Auto),
        })
    }
}
