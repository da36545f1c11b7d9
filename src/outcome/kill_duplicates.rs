//! What `kill-duplicates` and `stop` planned and did.

use serde::Serialize;

use super::lock::LockBrief;
use super::process::TokenRival;
use super::sentence::Sentence;
use crate::base::exit::Exit;
use crate::process::stop::StopStatus;
use crate::survey::FoundBot;

/// What was planned and done.
#[derive(Debug, Clone, Serialize)]
pub struct StopOutcome {
    pub plan: Vec<PlanView>,
    /// The bots that were looked at.
    pub bots: Vec<BotBrief>,
    /// What became of it; empty with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<ResultView>>,
    /// Other programs that have the token of a bot: they are left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_token: Vec<TokenRival>,
    /// How many processes could not be inspected: more instances may run.
    pub uninspected: usize,
    /// Whether `/proc` hides other users' processes: the same.
    pub hidden: bool,
    /// Why "none" would be a guess, where no instance is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_tell: Option<Sentence>,
    /// The plan was shown before the question.
    #[serde(skip)]
    pub shown: bool,
    /// The code that plan and results lead to.
    #[serde(skip)]
    pub exit: Exit,
}

/// A bot that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct BotBrief {
    pub name: String,
    pub lock: LockBrief,
}

impl BotBrief {
    pub fn of(bot: &FoundBot) -> Self {
        Self { name: bot.bot.name.clone(), lock: LockBrief::of(&bot.locks.own) }
    }
}

/// A line of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    /// The bot's name.
    pub bot: String,
    /// The instance's topmost process.
    pub pid: i32,
    /// What is to be done.
    pub action: Action,
    pub reason: String,
    /// Who started it.
    pub origin: String,
    /// Its command line, tokens masked.
    pub command: String,
    /// What stops it for good, where solobot does not touch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
}

/// What became of an instance, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopStatusView {
    /// By its own signal handling, or by the signal that asked.
    Terminated,
    /// By SIGKILL.
    Killed,
    /// Before it was asked.
    Gone,
    /// It outlived SIGKILL.
    Survived,
    NotPermitted,
    /// It must never be signalled.
    Blocked,
    /// Its manager has started it again.
    Respawned,
}

impl StopStatusView {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::Killed => "killed",
            Self::Gone => "gone",
            Self::Survived => "survived",
            Self::NotPermitted => "not-permitted",
            Self::Blocked => "blocked",
            Self::Respawned => "respawned",
        }
    }

    /// Whether the instance has ended.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Terminated | Self::Killed | Self::Gone)
    }
}

impl From<&StopStatus> for StopStatusView {
    fn from(fate: &StopStatus) -> Self {
        match fate {
            StopStatus::Terminated => Self::Terminated,
            StopStatus::Killed => Self::Killed,
            StopStatus::Gone => Self::Gone,
            StopStatus::Survived { .. } => Self::Survived,
            StopStatus::NotPermitted { .. } => Self::NotPermitted,
            StopStatus::Refused(_) => Self::Blocked,
        }
    }
}

/// What became of an instance.
#[derive(Debug, Clone, Serialize)]
pub struct ResultView {
    /// Its topmost process.
    pub pid: i32,
    /// In one word.
    pub result: StopStatusView,
    /// More, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl StopOutcome {
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// What is to be done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Stop,
    /// It should go, but not by solobot's hand.
    Blocked,
}
