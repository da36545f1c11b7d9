//! One file for each subcommand: survey, decide, act, return an [`Outcome`]. Nothing here prints or exits. What a
//! subcommand has to say before its end goes through [`Events`].

pub mod acquire;
pub mod check;
pub mod clean_stale;
pub mod conflicts;
pub mod delete_webhook;
pub mod doctor;
pub mod guardian;
pub mod hold;
pub mod init;
pub mod keeper;
pub mod kill_duplicates;
pub mod lease;
pub mod metrics;
pub mod release;
pub mod restart;
pub mod status;

use self::acquire::background::Background;
use crate::base::error::Error;
use crate::cli::{self, Cli, Command};
use crate::outcome::Outcome;
use crate::outcome::events::{Events, Notice};
use crate::settings::{Context, Purpose, Settings};

/// What a subcommand is run for: whose files are believed depends on it.
fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Doctor(args) if args.elsewhere => Purpose::Acting,
        Command::Status(_)
        | Command::Check(_)
        | Command::Doctor(_)
        | Command::Conflicts(_)
        | Command::Metrics(_)
        | Command::Lease(_) => Purpose::Looking,
        Command::KillDuplicates(cli::KillDuplicates { stopping, .. }) | Command::Stop(cli::Stop { stopping, .. })
            if stopping.dry_run =>
        {
            Purpose::Looking
        }
        Command::CleanStale(args) if args.dry_run => Purpose::Looking,
        Command::Restart(args) if args.dry_run => Purpose::Looking,
        Command::Acquire(_)
        | Command::Release(_)
        | Command::KillDuplicates(_)
        | Command::Stop(_)
        | Command::Restart(_)
        | Command::CleanStale(_)
        | Command::DeleteWebhook(_)
        | Command::Init(_)
        | Command::Completions(_)
        | Command::Keeper(_)
        | Command::Guardian(_)
        | Command::Hold(_) => Purpose::Acting,
    }
}

/// Runs the subcommand.
///
/// # Errors
/// Whatever keeps it from its outcome.
pub fn run(cli: Cli, events: &mut dyn Events) -> Result<Outcome, Error> {
    // A keeper or guardian gets everything from its parent and must not depend on a current folder or a file.
    let command = match cli.command {
        Command::Keeper(args) => return keeper::run(&args).map(|()| Outcome::Background),
        Command::Guardian(args) => return guardian::run(&args).map(|()| Outcome::Background),
        // The same holds for what ssh starts.
        Command::Hold(args) => return hold::run(&args).map(|()| Outcome::Background),
        // An explanation is wanted all the more where solobot.toml is wrong.
        Command::Doctor(cli::Doctor { explain: Some(code), .. }) => return Ok(Outcome::Doctor(doctor::explain(code))),
        // The file that it is to replace may be wrong.
        Command::Init(args) => {
            let purpose = if args.dry_run { Purpose::Looking } else { Purpose::Acting };
            let outcome = init::run(&args, &cli.global, Context::of_process(purpose)?, events)?;
            return Ok(Outcome::Init(Box::new(outcome)));
        }
        command => command,
    };
    let background = match &command {
        Command::Acquire(args) if args.detach => Background::of_process()?,
        _ => None,
    };
    let settings = Settings::load(&cli.global, Context::of_process(purpose(&command))?)?;
    // The solobot that started this one in the background has said them.
    for warning in settings.warnings.iter().filter(|_| background.is_none()) {
        events.notice(&Notice::Warning(warning.clone()));
    }
    match command {
        Command::Acquire(args) => acquire::run(&args, background, &cli.global, &settings, events).map(Outcome::Acquire),
        Command::Release(args) => release::run(&args, &settings, events).map(Outcome::Release),
        Command::Status(args) => status::run(&args, &cli.global, &settings, events).map(Outcome::Status),
        Command::CleanStale(args) => clean_stale::run(&args, &settings).map(Outcome::CleanStale),
        Command::DeleteWebhook(args) => delete_webhook::run(&args, &settings, events).map(Outcome::DeleteWebhook),
        Command::KillDuplicates(args) => {
            kill_duplicates::run(&args, &cli.global, &settings, events).map(Outcome::KillDuplicates)
        }
        Command::Stop(args) => {
            kill_duplicates::stop(&args, &cli.global, &settings, events).map(Outcome::KillDuplicates)
        }
        Command::Restart(args) => restart::run(&args, &cli.global, &settings, events).map(Outcome::Restart),
        Command::Check(args) => check::run(&args, cli.global.verbose > 0, &settings, events).map(Outcome::Check),
        Command::Doctor(args) => doctor::run(&args, &cli.global, &settings, events).map(Outcome::Doctor),
        Command::Conflicts(args) => {
            conflicts::run(&args, &settings, events).map(|outcome| Outcome::Conflicts(Box::new(outcome)))
        }
        Command::Lease(args) => lease::run(&args, &settings).map(Outcome::Lease),
        Command::Metrics(args) => metrics::run(&args, &settings, events).map(Outcome::Metrics),
        Command::Init(_) | Command::Completions(_) | Command::Keeper(_) | Command::Guardian(_) | Command::Hold(_) => {
            Err(Error::Bug("a subcommand that needs no settings came to those that do".into()))
        }
    }
}
