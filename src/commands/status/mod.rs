//! `status`: instances, lock, origin and polling of each bot, once (`look`) or for as long as it is wanted (`watch`).

mod look;
mod watch;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

pub use self::look::Look;
use super::notice::Notify;
use super::view::LockView;
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::base::secret::TokenId;
use crate::cli;
use crate::journal::{Event, Journal};
pub use crate::lock::covered::Covered;
use crate::lock::error::HINT_OF_LEASE;
use crate::lock::state::Obstacle;
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::process::matching::Doubt;
use crate::process::origin;
use crate::settings::{Explained, Settings};
use crate::survey::{FoundBot, connections};

/// `-v` shows so many of the journal's events.
const LAST_EVENTS: usize = 10;

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// This host's name.
    pub host: String,
    /// Who looks.
    pub user: String,
    /// When, to a second.
    pub time: Timestamp,
    /// Each bot.
    pub bots: Vec<BotView>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be inspected.
    pub uninspected: usize,
    /// Whether `/proc` hides other users' processes (`hidepid=`): there may be more than were counted.
    pub hidden: bool,
    /// Nothing is configured, and no flag says which bot: these are the likely ones.
    #[serde(skip)]
    pub guessed: bool,
    /// The configuration file that counts.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The journal's last events, for `-v`.
    #[serde(skip)]
    pub events: Vec<Event>,
    /// So many of the journal's lines were not understood.
    #[serde(skip)]
    pub broken_events: u64,
    /// Where each bot's settings came from, for `-v`.
    #[serde(skip)]
    pub provenance: Vec<Explained>,
    /// It was watched, so it has been shown already, until this signal or until nobody read it any more.
    #[serde(skip)]
    pub watched: Option<Watched>,
}

/// How watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// By this signal.
    Signal(i32),
    /// Nobody reads any more.
    Unread,
}

impl Outcome {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self.watched {
            Some(Watched::Signal(signal)) => Exit::Signal(signal),
            Some(Watched::Unread) | None => Exit::Ok,
        }
    }
}

/// One bot.
#[derive(Debug, Clone, Serialize)]
pub struct BotView {
    /// Its name.
    pub name: String,
    /// The same for people: with what tells it from another of that name.
    #[serde(skip)]
    pub label: String,
    /// Its lock.
    pub lock: LockView,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceView>,
    /// Its token, as far as it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
}

/// One instance.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceView {
    /// Its topmost process.
    pub pid: i32,
    /// When that started.
    pub start: Timestamp,
    /// Whose it is.
    pub user: String,
    /// Who started it.
    pub origin: OriginView,
    /// How it stands to the lock.
    pub lock: Covered,
    /// Whether it is connected to Telegram.
    pub polling: Polling,
    /// How sure it is that this is the bot.
    pub confidence: &'static str,
    /// Why it may be another bot, where it is only probably this one.
    #[serde(skip)]
    pub doubt: Option<&'static str>,
    /// It is stopped (SIGSTOP), and serves nobody.
    #[serde(skip)]
    pub is_stopped: bool,
    /// Its command line, tokens masked.
    pub command: String,
    /// All its processes.
    pub pids: Vec<i32>,
    /// The same with their start times.
    #[serde(skip)]
    pub members: Vec<Identity>,
    /// What is above the topmost one, nearest first.
    #[serde(skip)]
    pub ancestors: Vec<Identity>,
}

/// Who started an instance, and what stops it for good.
#[derive(Debug, Clone, Serialize)]
pub struct OriginView {
    /// In one word.
    pub kind: &'static str,
    /// Its name for the instance.
    pub name: Option<String>,
    /// The command that stops it for good.
    pub stop: Option<String>,
    /// Whether it starts again what was killed.
    pub respawns: &'static str,
}

impl OriginView {
    /// As it is shown.
    pub fn of(origin: &origin::Origin) -> Self {
        Self {
            kind: origin.kind.word(),
            name: origin.name.clone(),
            stop: origin.stop.clone(),
            respawns: origin.respawns.word(),
        }
    }
}

/// Whether an instance is connected to Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polling {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It could not be told.
    Unknown,
}

impl From<connections::Polling> for Polling {
    fn from(polling: connections::Polling) -> Self {
        match polling {
            connections::Polling::Yes => Self::Yes,
            connections::Polling::No => Self::No,
            connections::Polling::Unknown(_) => Self::Unknown,
        }
    }
}

/// A lock that cannot be looked at, where a subcommand needs to.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the state of lock `{}`: {why}", .path.display())]
pub struct Unreadable {
    path: PathBuf,
    why: String,
    obstacle: Obstacle,
}

/// The error for it.
pub fn unreadable(path: PathBuf, why: String, obstacle: Obstacle) -> Unreadable {
    Unreadable { path, why, obstacle }
}

impl Expected for Unreadable {
    fn exit(&self) -> Exit {
        match self.obstacle {
            Obstacle::NotPermitted => Exit::NotPermitted,
            Obstacle::Leased => Exit::Held,
            Obstacle::Place => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        "lock-unreadable"
    }

    fn hints(&self) -> Vec<String> {
        vec![match self.obstacle {
            Obstacle::NotPermitted => "with more rights: sudo solobot …".into(),
            Obstacle::Leased => HINT_OF_LEASE.into(),
            Obstacle::Place => "name another lock: --lock PATH".into(),
        }]
    }
}

/// Runs `status`, once or again and again.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(args: &cli::Status, verbose: bool, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    if let Some(number) = args.bots.iter().find(|bot| args.watch.is_some() && bot.parse::<f64>().is_ok()) {
        return Err(Error::usage(
            format!("`{number}` was taken for a bot's name"),
            format!("join it to its option: --watch={number}"),
        ));
    }
    let journal = verbose.then(|| Journal::at(settings.journal()));
    let look = Look::new(&args.selection, &args.bots, settings);
    if let Some(every) = args.watch {
        return watch::run(look, every, journal, notify);
    }
    let mut seen = look.once(notify)?;
    if let Some(journal) = &journal {
        seen.add_events(journal);
    }
    Ok(seen)
}

impl Outcome {
    fn add_events(&mut self, journal: &Journal) {
        let mut contents = journal.read();
        self.events = contents.events.split_off(contents.events.len().saturating_sub(LAST_EVENTS));
        self.broken_events = contents.broken;
    }
}

impl InstanceView {
    /// One that is only probably this bot.
    fn doubtful(instance: &Instance, bot: &FoundBot, polling: Polling) -> Self {
        let doubt = instance.doubt.map_or("which bot it is cannot be told", Doubt::reason);
        Self { doubt: Some(doubt), ..Self::of(instance, bot, polling) }
    }

    fn of(instance: &Instance, bot: &FoundBot, polling: Polling) -> Self {
        Self {
            pid: instance.root.pid,
            start: instance.started,
            user: instance.user.clone(),
            origin: OriginView::of(&instance.origin),
            lock: bot.covered(instance),
            polling,
            confidence: instance.confidence.word(),
            doubt: None,
            // A debugger stops it as well (`t`), and lets it go on itself.
            is_stopped: instance.state == b'T',
            command: instance.command.clone(),
            pids: instance.pids(),
            members: instance.members.clone(),
            ancestors: instance.ancestors.clone(),
        }
    }
}
