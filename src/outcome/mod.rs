//! The result of each subcommand: plain data, one file for each, with its exit code. `docs/schema` describes it as
//! JSON; `report` decides how it looks on a terminal.
//!
//! Beside them: how processes, locks, holders and origins are shown, and [`events`], through which a subcommand speaks
//! before its end.

pub mod acquire;
pub mod check;
pub mod clean_stale;
pub mod condition;
pub mod conflicts;
pub mod delete_webhook;
pub mod doctor;
pub mod events;
pub mod holding;
pub mod home_holding;
pub mod init;
pub mod kill_duplicates;
pub mod lease;
pub mod lease_notice;
pub mod lock;
pub mod metrics;
pub mod origin;
pub mod process;
pub mod release;
pub mod restart;
pub mod sentence;
pub mod status;
pub mod unseen;

use serde::Serialize;

use self::acquire::AcquireOutcome;
use self::check::CheckOutcome;
use self::clean_stale::CleanStaleOutcome;
use self::conflicts::ConflictsOutcome;
use self::delete_webhook::DeleteWebhookOutcome;
use self::doctor::DoctorOutcome;
use self::init::InitOutcome;
use self::kill_duplicates::StopOutcome;
use self::lease::LeaseOutcome;
use self::metrics::MetricsOutcome;
use self::release::ReleaseOutcome;
use self::restart::RestartOutcome;
use self::status::StatusOutcome;
use crate::base::exit::Exit;
use crate::cli::Shell;

/// What a subcommand found and did.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// `acquire` ended.
    Acquire(AcquireOutcome),
    /// `release` ended.
    Release(ReleaseOutcome),
    /// `status` looked.
    Status(StatusOutcome),
    /// `clean-stale` ended.
    CleanStale(CleanStaleOutcome),
    /// `delete-webhook` ended.
    DeleteWebhook(DeleteWebhookOutcome),
    /// `kill-duplicates` or `stop` ended.
    KillDuplicates(StopOutcome),
    /// `restart` did it, or says how.
    Restart(RestartOutcome),
    /// `check` answered.
    Check(CheckOutcome),
    /// `doctor` looked.
    Doctor(DoctorOutcome),
    /// `conflicts` counted.
    Conflicts(Box<ConflictsOutcome>),
    /// `metrics` measured.
    Metrics(MetricsOutcome),
    /// `lease` looked.
    Lease(LeaseOutcome),
    /// `init` wrote a file, or shows what it would write.
    Init(Box<InitOutcome>),
    /// What registers solobot with a shell.
    Completions {
        /// The shell's name.
        shell: Shell,
        /// What it is to read.
        text: String,
    },
    /// A keeper, a guardian or a `hold` has ended: nobody reads what it would say.
    Background,
}

impl Outcome {
    /// Whether it prints no JSON on stdout: stdout was COMMAND's, nothing reads it, or a signal came first.
    pub fn is_silent(&self) -> bool {
        matches!(
            self,
            Self::Acquire(AcquireOutcome::Ended(_)) | Self::Doctor(DoctorOutcome::Interrupted(_)) | Self::Background
        )
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Acquire(outcome) => outcome.exit(),
            Self::Release(outcome) => outcome.exit(),
            Self::Status(outcome) => outcome.exit(),
            Self::Metrics(_) | Self::Init(_) | Self::Restart(_) | Self::Completions { .. } | Self::Background => {
                Exit::Ok
            }
            Self::CleanStale(outcome) => outcome.exit(),
            Self::DeleteWebhook(outcome) => outcome.exit(),
            Self::KillDuplicates(outcome) => outcome.exit(),
            Self::Check(outcome) => outcome.exit(),
            Self::Doctor(outcome) => outcome.exit(),
            Self::Conflicts(outcome) => outcome.exit(),
            Self::Lease(outcome) => outcome.exit(),
        }
    }
}
