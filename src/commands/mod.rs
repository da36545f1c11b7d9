//! One file a subcommand: gather facts, decide, act, return an [`Outcome`]. Nothing here prints or exits; what must be
//! said before the end goes through [`Notify`].

pub mod acquire;
pub mod check;
pub mod clean_stale;
pub mod conflicts;
pub mod delete_webhook;
pub mod doctor;
pub mod init;
pub mod keeper;
pub mod kill_duplicates;
pub mod metrics;
pub mod notice;
pub mod release;
pub mod status;
pub mod unseen;
pub mod view;

use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::cli::{self, Cli, Command};
use crate::completion;
use crate::settings::{Context, Purpose, Settings};
use notice::{Notice, Notify};

/// What a subcommand found and did.
#[derive(Debug)]
pub enum Outcome {
    /// `acquire` ended.
    Acquire(acquire::Outcome),
    /// `release` ended.
    Release(release::Outcome),
    /// `status` looked.
    Status(status::Outcome),
    /// `clean-stale` ended.
    CleanStale(clean_stale::Outcome),
    /// `delete-webhook` ended.
    DeleteWebhook(delete_webhook::Outcome),
    /// `kill-duplicates` or `stop` ended.
    KillDuplicates(kill_duplicates::Outcome),
    /// `check` answered.
    Check(check::Outcome),
    /// `doctor` looked.
    Doctor(doctor::Outcome),
    /// `conflicts` counted.
    Conflicts(Box<conflicts::Outcome>),
    /// `metrics` measured.
    Metrics(metrics::Outcome),
    /// `init` wrote a file, or shows what it would write.
    Init(Box<init::Outcome>),
    /// What registers solobot with a shell.
    Completions {
        /// The shell's name.
        shell: cli::Shell,
        /// What it is to read.
        text: String,
    },
    /// A keeper has ended: nobody reads what it would say.
    Keeper,
}

impl Outcome {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Acquire(outcome) => outcome.exit(),
            Self::Release(outcome) => outcome.exit(),
            Self::Status(outcome) => outcome.exit(),
            Self::Metrics(_) | Self::Init(_) | Self::Completions { .. } | Self::Keeper => Exit::Ok,
            Self::CleanStale(outcome) => outcome.exit(),
            Self::DeleteWebhook(outcome) => outcome.exit(),
            Self::KillDuplicates(outcome) => outcome.exit(),
            Self::Check(outcome) => outcome.exit(),
            Self::Doctor(outcome) => outcome.exit(),
            Self::Conflicts(outcome) => outcome.exit(),
        }
    }
}

/// What a subcommand is run for: whose files are believed depends on it.
fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Status(_) | Command::Check(_) | Command::Doctor(_) | Command::Conflicts(_) | Command::Metrics(_) => {
            Purpose::Looking
        }
        Command::KillDuplicates(cli::KillDuplicates { stopping, .. }) | Command::Stop(cli::Stop { stopping, .. })
            if stopping.dry_run =>
        {
            Purpose::Looking
        }
        Command::CleanStale(args) if args.dry_run => Purpose::Looking,
        Command::Acquire(_)
        | Command::Release(_)
        | Command::KillDuplicates(_)
        | Command::Stop(_)
        | Command::CleanStale(_)
        | Command::DeleteWebhook(_)
        | Command::Init(_)
        | Command::Completions(_)
        | Command::Keeper(_) => Purpose::Acting,
    }
}

/// Runs the subcommand.
///
/// # Errors
/// Whatever keeps it from its outcome.
pub fn run(cli: Cli, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    // A keeper gets everything from its parent and must not depend on a current folder or a file.
    let command = match cli.command {
        Command::Keeper(args) => return keeper::run(&args).map(|()| Outcome::Keeper),
        // An explanation is wanted all the more where solobot.toml is wrong.
        Command::Doctor(cli::Doctor { explain: Some(code), .. }) => return Ok(Outcome::Doctor(doctor::explain(code))),
        Command::Completions(cli::Completions { shell }) => {
            let text = completion::registration(shell)
                .map_err(|source| Error::Io { action: "write completions".into(), source })?;
            return Ok(Outcome::Completions { shell, text });
        }
        // The file that it is to replace may be wrong.
        Command::Init(args) => {
            let purpose = if args.dry_run { Purpose::Looking } else { Purpose::Acting };
            let outcome = init::run(&args, &cli.global, Context::of_process(purpose)?, notify)?;
            return Ok(Outcome::Init(Box::new(outcome)));
        }
        command => command,
    };
    let settings = Settings::load(&cli.global, Context::of_process(purpose(&command))?)?;
    for warning in &settings.warnings {
        notify.notice(&Notice::Warning(warning.clone()));
    }
    match command {
        Command::Acquire(args) => acquire::run(&args, &cli.global, &settings, notify).map(Outcome::Acquire),
        Command::Release(args) => release::run(&args, &settings, notify).map(Outcome::Release),
        Command::Status(args) => status::run(&args, cli.global.verbose > 0, &settings, notify).map(Outcome::Status),
        Command::CleanStale(args) => clean_stale::run(&args, &settings).map(Outcome::CleanStale),
        Command::DeleteWebhook(args) => delete_webhook::run(&args, &settings, notify).map(Outcome::DeleteWebhook),
        Command::KillDuplicates(args) => {
            kill_duplicates::run(&args, &cli.global, &settings, notify).map(Outcome::KillDuplicates)
        }
        Command::Stop(args) => {
            kill_duplicates::stop(&args, &cli.global, &settings, notify).map(Outcome::KillDuplicates)
        }
        Command::Check(args) => check::run(&args, cli.global.verbose > 0, &settings, notify).map(Outcome::Check),
        Command::Doctor(args) => doctor::run(&args, &cli.global, &settings, notify).map(Outcome::Doctor),
        Command::Conflicts(args) => {
            conflicts::run(&args, &settings, notify).map(|outcome| Outcome::Conflicts(Box::new(outcome)))
        }
        Command::Metrics(args) => metrics::run(&args, &settings, notify).map(Outcome::Metrics),
        Command::Init(_) | Command::Completions(_) | Command::Keeper(_) => Ok(Outcome::Keeper),
    }
}
