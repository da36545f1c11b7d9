//! What `status` sees.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::lease::{LeaseStateView, LeaseView};
use super::lock::{LockStateView, LockView};
use super::origin::{OriginView, hint_if_started_again};
use super::unseen;
use crate::base::error::typed;
use crate::base::exit::Exit;
use crate::base::secret::TokenId;
use crate::journal::Event;
use crate::lock::coverage::LockCoverage;
use crate::platform::identity::{Identity, RunState};
use crate::process::instance::Instance;
use crate::process::matching::Doubt;
use crate::settings::{ExplainedSetting, SetBy};
use crate::survey::{FoundBot, connections, find};

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub struct StatusOutcome {
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
    pub provenance: Vec<ExplainedSetting>,
    /// The exit code is to say how the bots are.
    #[serde(skip)]
    pub is_asked: bool,
    /// With `--watch` everything has been shown already, until this signal or until its reader was gone.
    #[serde(skip)]
    pub watched: Option<WatchEnd>,
}

/// How watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    Signal(i32),
    /// Nobody reads any more.
    Unread,
}

impl StatusOutcome {
    pub fn exit(&self) -> Exit {
        match self.watched {
            Some(WatchEnd::Signal(signal)) => Exit::Signal(signal),
            None if self.is_asked => self.condition_exit(),
            Some(WatchEnd::Unread) | None => Exit::Ok,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct BotView {
    pub name: String,
    /// The same for people: with what tells it from another of that name.
    #[serde(skip)]
    pub label: String,
    pub lock: LockView,
    /// Its lease across hosts, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceView>,
    /// What to type next, where something is wrong.
    #[serde(skip)]
    pub hints: Vec<String>,
    /// A flag or solobot.toml says which lock it has.
    #[serde(skip)]
    pub names_lock: bool,
    /// Only the lock says which bot it is.
    #[serde(skip)]
    pub has_no_program: bool,
    /// Other programs that are connected with its token.
    #[serde(skip)]
    pub rivals: Vec<i32>,
    /// A process that cannot be looked at may be an instance.
    #[serde(skip)]
    pub may_be_unseen: bool,
    /// Its token, as far as it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
}

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
    pub lock: LockCoverage,
    /// Whether it is connected to Telegram.
    pub polling: PollingView,
    /// How sure it is that this is the bot.
    pub confidence: &'static str,
    /// Why it may be another bot, where it is only probably this one.
    #[serde(skip)]
    pub doubt: Option<&'static str>,
    /// It counts where something is to be started.
    #[serde(skip)]
    pub counts: bool,
    /// It is another user's, so it proves nothing.
    #[serde(skip)]
    pub is_strangers: bool,
    /// It is stopped (SIGSTOP), so it does nothing.
    #[serde(skip)]
    pub is_stopped: bool,
    /// Its command line, tokens masked.
    pub command: String,
    /// All its processes.
    pub pids: Vec<i32>,
    /// The memory that they use; `None` if that is unknown.
    pub memory_bytes: Option<u64>,
    /// Their share of one processor since they started; `None` if that is unknown.
    pub cpu_percent: Option<f64>,
    /// The same with their start times.
    #[serde(skip)]
    pub members: Vec<Identity>,
    /// What is above the topmost one, nearest first.
    #[serde(skip)]
    pub ancestors: Vec<Identity>,
}

/// Whether an instance is connected to Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PollingView {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It could not be told.
    Unknown,
}

impl From<connections::Polling> for PollingView {
    fn from(polling: connections::Polling) -> Self {
        match polling {
            connections::Polling::Yes => Self::Yes,
            connections::Polling::No => Self::No,
            connections::Polling::Unknown(_) => Self::Unknown,
        }
    }
}

impl BotView {
    /// As it was found; of an instance whose connections were not seen for long enough, what was known `before` stays.
    pub fn of(bot: &FoundBot, before: &HashMap<Identity, PollingView>) -> Self {
        let seen = |one: &Instance| bot.evidence(one).map(|evidence| evidence.polling.into());
        let polling = |one: &Instance| seen(one).or(before.get(&one.root).copied()).unwrap_or(PollingView::Unknown);
        let sure = bot.found.instances.iter().map(|one| InstanceView::of(one, bot, polling(one)));
        let probable = bot.found.probable.iter().map(|one| InstanceView::doubtful(one, bot, polling(one)));
        let mut instances: Vec<InstanceView> = sure.chain(probable).collect();
        instances.sort_by_key(|one| (one.start, one.pid));
        let lock = LockView::of(&bot.locks.own);
        Self {
            name: bot.bot.name.clone(),
            label: bot.label.clone(),
            hints: hints(bot, &lock),
            lock,
            lease: bot.lease.as_ref().map(LeaseView::of),
            instances,
            names_lock: *bot.bot.provenance.of("lock") != SetBy::Default,
            has_no_program: bot.bot.program.is_none(),
            rivals: bot.rivals.iter().map(|rival| rival.process.pid).collect(),
            may_be_unseen: unseen::instance(&bot.found).is_some(),
            token: bot.token.clone(),
        }
    }
}

/// What ends a state that should not last.
fn hints(bot: &FoundBot, lock: &LockView) -> Vec<String> {
    let selected = bot.bot.typed();
    let path = typed(&lock.path);
    let mut hints = Vec::new();
    match bot.found.instances.as_slice() {
        [_, _, ..] => {
            hints.push(format!("to keep one instance and stop the others: solobot kill-duplicates {selected}"));
        }
        [one] if lock.orphaned => {
            let stop = || format!("to stop the orphan: solobot stop {selected}");
            hints.push(hint_if_started_again(&one.origin).unwrap_or_else(stop));
        }
        _ => {}
    }
    if let Some(rival) = bot.rivals.first() {
        let pid = rival.process.pid;
        hints.push(format!("PID {pid} is connected with the same token; to find out more: solobot doctor {selected}"));
    }
    let lease = bot.lease.as_ref().map(LeaseView::of);
    if let Some(lease) = lease.filter(|lease| matches!(lease.state, LeaseStateView::WaitingHere | LeaseStateView::Held))
    {
        hints.extend(lease.stop_there(if bot.bot.configured { &bot.bot.name } else { "BOT" }));
    }
    match lock.state {
        LockStateView::Stale => hints.push(format!("to clear the stale lock: solobot clean-stale {path}")),
        LockStateView::Replaced => hints.push(format!("to find out what deletes it: solobot doctor --lock {path}")),
        _ => {}
    }
    hints
}

impl InstanceView {
    /// One that is only probably this bot.
    fn doubtful(instance: &Instance, bot: &FoundBot, polling: PollingView) -> Self {
        let doubt = instance.doubt.map_or("cannot tell which bot it is", Doubt::reason);
        Self { doubt: Some(doubt), ..Self::of(instance, bot, polling) }
    }

    fn of(instance: &Instance, bot: &FoundBot, polling: PollingView) -> Self {
        Self {
            pid: instance.root.pid,
            start: instance.started,
            user: instance.user.clone(),
            origin: OriginView::of(&instance.origin),
            lock: bot.covered(instance),
            polling,
            confidence: instance.confidence.as_str(),
            doubt: None,
            counts: bot.found.for_starting().any(|one| one.root == instance.root),
            is_strangers: find::is_strangers(instance),
            // A debugger stops it as well (`t`), and lets it go on itself.
            is_stopped: instance.state == RunState::Stopped,
            command: instance.command.clone(),
            pids: instance.pids(),
            memory_bytes: None,
            cpu_percent: None,
            members: instance.members.clone(),
            ancestors: instance.ancestors.clone(),
        }
    }
}
