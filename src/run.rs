//! The command from its arguments to its end.

use std::ffi::OsString;
use std::panic::catch_unwind;

use crate::base::env::COMPLETE;
use crate::base::exit::Exit;
use crate::cli::again::TypedLine;
use crate::cli::{Cli, Command};
use crate::outcome::Outcome;
use crate::platform::stack;
use crate::report::{self, Report};
use crate::{commands, completion};

/// Runs the command line and says how solobot ends, after a panic too. Everything that is printed is printed in here, nothing
/// exits.
pub fn run(args: &[OsString]) -> Exit {
    report::bugs::report_panics();
    let run = || catch_unwind(|| run_here(args)).unwrap_or(Exit::Bug);
    stack::with_room(run).unwrap_or_else(|error| report::no_room(&error))
}

fn run_here(args: &[OsString]) -> Exit {
    if let Some(shell) = std::env::var_os(COMPLETE)
        && let Some(answer) = completion::answer(&shell, args)
    {
        return report::bytes(&answer);
    }
    let typed = TypedLine(args);
    let cli = match Cli::of_args(args) {
        Ok(cli) => cli,
        Err(usage) => return report::usage(&usage, typed),
    };
    let mut report = Report::new(&cli.global, typed);
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
