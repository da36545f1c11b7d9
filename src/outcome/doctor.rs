//! What `doctor` found.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::lock::LockBrief;
use crate::base::exit::Exit;
use crate::base::secret::TokenId;

use crate::base::finding_code::Code;
use crate::doctor::{Explanation, Finding, Level, explanation};

/// What `doctor` has to say.
#[derive(Debug)]
pub enum DoctorOutcome {
    /// An explanation was asked for.
    Explained(Code),
    /// It looked.
    Diagnosed(Diagnosis),
    /// A signal ended it before it knew.
    Interrupted(Exit),
}

/// Whether another machine polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elsewhere {
    /// One does.
    Proved,
    /// None does.
    Nobody,
    CannotTell,
}

/// What was found, and what was looked at.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// This host's name.
    pub host: String,
    /// Who looks.
    pub user: String,
    /// When, to a second.
    pub time: Timestamp,
    /// The worst first.
    pub findings: Vec<Finding>,
    pub bots: Vec<DiagnosedBot>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be inspected.
    pub uninspected: usize,
    /// What could not be seen, in whole sentences.
    pub unseen: Vec<String>,
    /// Nothing was named: these are the likely bots.
    #[serde(skip)]
    pub guessed: bool,
    /// Whether another machine polls, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
}

/// One bot that was looked at.
#[derive(Debug, Serialize)]
pub struct DiagnosedBot {
    pub name: String,
    /// The PIDs of its instances.
    pub instances: Vec<i32>,
    /// The PIDs of what may be one.
    pub probable: Vec<i32>,
    /// Its locks, its own first.
    pub locks: Vec<LockBrief>,
    /// Its token, as far as it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    /// Telegram's answer, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telegram: Option<TelegramView>,
    /// The logs that were read.
    pub logs: Vec<String>,
}

/// What Telegram says of a bot that is well there.
#[derive(Debug, Serialize)]
pub struct TelegramView {
    /// The bot's name at Telegram.
    pub username: Option<String>,
    /// How many updates wait for it.
    pub pending_updates: u64,
}

impl DoctorOutcome {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Diagnosed(it) if it.findings.iter().any(|finding| finding.level == Level::Error) => Exit::No,
            Self::Diagnosed(Diagnosis { elsewhere: Some(Elsewhere::CannotTell), .. }) => Exit::NotPermitted,
            Self::Diagnosed(_) | Self::Explained(_) => Exit::Ok,
            Self::Interrupted(exit) => *exit,
        }
    }
}

impl Serialize for DoctorOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ExplainedCode {
            code: Code,
            #[serde(flatten)]
            explanation: Explanation,
        }
        match self {
            Self::Explained(code) => {
                ExplainedCode { code: *code, explanation: explanation(*code) }.serialize(serializer)
            }
            Self::Diagnosed(diagnosis) => diagnosis.serialize(serializer),
            Self::Interrupted(_) => serializer.serialize_unit(),
        }
    }
}
