//! The command from its arguments to its end.

use std::ffi::OsString;

use crate::base::env::COMPLETE;
use crate::base::exit::Exit;
use crate::cli::{Cli, Command};
use crate::outcome::Outcome;
use crate::report::{self, Report};
use crate::{commands, completion};

/// Says that there is no stack to run on, with which code solobot ends then.
pub fn no_room(error: &std::io::Error) -> Exit {
    report::no_room(error)
}

/// Runs the command line and says how solobot ends. Everything that is printed is printed in here, nothing exits.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(shell) = std::env::var_os(COMPLETE)
        && let Some(answer) = completion::answer(&shell, &args)
    {
        return report::bytes(&answer);
    }
    let cli = match Cli::of_args(&args) {
        Ok(cli) => cli,
        Err(usage) => return report::usage(&usage),
    };
    let mut report = Report::new(&cli.global);
    let result = match &cli.command {
        Command::Completions(args) => {
            completion::registration(args.shell).map(|text| Outcome::Completions { shell: args.shell, text })
        }
        _ => commands::run(cli, &mut report),
    };
    match result {
        Ok(outcome) => report.outcome(&outcome),
        Err(error) => report.error(&error),
    }
}
