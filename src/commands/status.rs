//! `status`: instances, lock, origin and polling of each bot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::notice::Notify;
use super::polling;
use super::view::LockView;
use crate::cli;
use crate::error::{Error, Expected};
use crate::exit::Exit;
use crate::journal::{Event, Journal};
use crate::lock::layouts;
use crate::lock::state::{Facts, State, inspect};
use crate::platform::{poll, user};
use crate::process::connections::{self, Servers, Subject};
use crate::process::find::{self, Search};
use crate::process::identity::Identity;
use crate::process::instance::Instance;
use crate::process::origin;
use crate::settings::{Bot, Explained, Origin, Settings};

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
}

/// One bot.
#[derive(Debug, Clone, Serialize)]
pub struct BotView {
    /// Its name.
    pub name: String,
    /// Its lock; `null` where nobody says which it is.
    pub lock: Option<LockView>,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceView>,
    /// Its token, as far as it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenView>,
}

/// A token, as far as it may be shown: enough to compare two hosts.
#[derive(Debug, Clone, Serialize)]
pub struct TokenView {
    /// The bot's id at Telegram: the part before the colon.
    pub bot_id: String,
    /// First 12 hex digits of its SHA-256.
    pub fingerprint: String,
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
    /// Its command line, tokens masked.
    pub command: String,
    /// All its processes.
    pub pids: Vec<i32>,
    /// The same with their start times.
    #[serde(skip)]
    pub members: Vec<Identity>,
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

/// How an instance stands to its bot's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covered {
    /// One of its processes holds it.
    Holder,
    /// An ancestor holds it.
    Covered,
    /// It runs without.
    Unlocked,
    /// The holder cannot be seen.
    Unknown,
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
    not_permitted: bool,
}

/// The error for it.
pub fn unreadable(path: PathBuf, why: String, not_permitted: bool) -> Unreadable {
    Unreadable { path, why, not_permitted }
}

impl Expected for Unreadable {
    fn exit(&self) -> Exit {
        if self.not_permitted { Exit::NotPermitted } else { Exit::Config }
    }

    fn kind(&self) -> &'static str {
        "lock-unreadable"
    }

    fn hints(&self) -> Vec<String> {
        if self.not_permitted {
            vec!["with more rights: sudo solobot …".into()]
        } else {
            vec!["name another lock: --lock PATH".into()]
        }
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
    let mut is_first = true;
    loop {
        let mut status = look(&args.selection, &args.bots, is_first, settings, notify)?;
        if verbose {
            let mut journal = Journal::at(settings.journal()).read();
            status.events = journal.events.split_off(journal.events.len().saturating_sub(LAST_EVENTS));
            status.broken_events = journal.broken;
        }
        let outcome = super::Outcome::Status(status);
        let Some(every) = args.watch else { return into_status(outcome) };
        if !notify.interim(&outcome) {
            return into_status(outcome);
        }
        pause(every)?;
        is_first = false;
    }
}

fn into_status(outcome: super::Outcome) -> Result<Outcome, Error> {
    match outcome {
        super::Outcome::Status(status) => Ok(status),
        _ => Err(Error::Bug("status made another outcome".into())),
    }
}

fn pause(every: Duration) -> Result<(), Error> {
    poll::any_readable(&[], Some(every.max(Duration::from_millis(100))))
        .map(drop)
        .map_err(|source| Error::Io { action: "wait".into(), source })
}

/// Looks once; the first look of a run refuses a program that names nothing.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn look(
    selection: &cli::Selection,
    bots: &[String],
    is_first: bool,
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<Outcome, Error> {
    let bots = settings.select_many(selection, bots)?;
    let guessed = bots.is_empty();
    let mut outcome = Outcome {
        host: user::host_name(),
        user: user::name(user::effective_uid()),
        time: Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
        bots: Vec::new(),
        processes: 0,
        uninspected: 0,
        hidden: false,
        guessed,
        file: settings.file().map(Path::to_owned),
        provenance: Vec::new(),
        events: Vec::new(),
        broken_events: 0,
    };
    if guessed {
        guess(settings, &mut outcome)?;
    }
    for bot in &bots {
        let view = look_at(bot, is_first, &mut outcome, notify)?;
        outcome.bots.push(view);
        outcome.provenance.extend(bot.explained());
    }
    look_at_connections(&bots, settings, &mut outcome);
    Ok(outcome)
}

/// Looks at the connections of all instances at the same time.
fn look_at_connections(bots: &[Bot], settings: &Settings, outcome: &mut Outcome) {
    let servers: Vec<Servers> = if outcome.guessed {
        vec![polling::servers_of_all(settings); outcome.bots.len()]
    } else {
        // A name is looked up only for somebody.
        let of_bot = |(bot, seen): (&Bot, &BotView)| match seen.instances[..] {
            [] => Servers::default(),
            [_, ..] => polling::servers(bot),
        };
        bots.iter().zip(&outcome.bots).map(of_bot).collect()
    };
    let of_bot = |(bot, servers): (&BotView, _)| vec![servers; bot.instances.len()];
    let servers: Vec<&Servers> = outcome.bots.iter().zip(&servers).flat_map(of_bot).collect();
    let mut instances: Vec<&mut InstanceView> = outcome.bots.iter_mut().flat_map(|bot| &mut bot.instances).collect();
    let subjects: Vec<Subject<'_>> =
        instances.iter().zip(servers).map(|(one, servers)| Subject { members: &one.members, servers }).collect();
    let seen = connections::look(&subjects);
    for (instance, evidence) in instances.iter_mut().zip(seen) {
        instance.polling = evidence.polling.into();
    }
}

/// With nothing configured: every likely bot on this machine, and the lock that it may have.
fn guess(settings: &Settings, outcome: &mut Outcome) -> Result<(), Error> {
    let mut found = find::likely_bots(&[]).map_err(|source| Error::Io { action: "list processes".into(), source })?;
    found.forecast();
    outcome.processes = found.total;
    outcome.uninspected = found.uninspected;
    outcome.hidden = found.hidden;
    for instances in found.bots() {
        let Some(first) = instances.first() else { continue };
        let folder = folder_of(first);
        let state = settings.context().home.as_ref().map(|home| home.join(".local/state"));
        let locks = folder.map(|folder| layouts::of_bot(&folder, first.token.as_deref(), state.as_deref()));
        let facts = locks.into_iter().flatten().map(|lock| inspect(&lock)).find(|facts| facts.state != State::Absent);
        let views = instances.iter().map(|one| InstanceView::of(one, facts.as_ref()));
        let token = first.token.clone().zip(first.bot_id.clone());
        outcome.bots.push(BotView {
            name: first
                .program
                .as_ref()
                .map_or_else(|| first.command.clone(), crate::process::program::Program::file_name),
            lock: facts.as_ref().map(LockView::of),
            instances: views.collect(),
            token: token.map(|(fingerprint, bot_id)| TokenView { bot_id, fingerprint }),
        });
    }
    Ok(())
}

fn folder_of(instance: &Instance) -> Option<PathBuf> {
    let cwd = instance.cwd.clone().unwrap_or_default();
    instance.program.as_ref().map(|program| program.default_lock_dir(&cwd)).or(instance.cwd.clone())
}

/// A typing error in a flag must not read "no instance"; what the file names may be deployed later, and what an earlier
/// look has seen may go.
fn look_at(bot: &Bot, is_first: bool, outcome: &mut Outcome, notify: &mut dyn Notify) -> Result<BotView, Error> {
    let token = super::token_of(bot, notify);
    let facts = inspect(&bot.lock);
    let mut instances = Vec::new();
    if let Some(program) = &bot.program {
        let mut found = find::find(&Search::new(program).with_token(token))
            .map_err(|source| Error::Io { action: "list processes".into(), source })?;
        if is_first && matches!(bot.provenance.of("program"), Origin::Flag(_)) {
            found.refuse_nothing(program)?;
        }
        found.forecast();
        outcome.processes = found.total;
        outcome.uninspected = outcome.uninspected.max(found.uninspected);
        outcome.hidden = found.hidden;
        let shown = found.instances.iter().chain(&found.probable);
        instances = shown.map(|one| InstanceView::of(one, Some(&facts))).collect();
    }
    instances.sort_by_key(|one| (one.start, one.pid));
    Ok(BotView {
        name: bot.name.clone(),
        lock: Some(LockView::of(&facts)),
        instances,
        token: token
            .map(|token| TokenView { bot_id: token.bot_id().to_owned(), fingerprint: token.fingerprint().to_owned() }),
    })
}

impl InstanceView {
    fn of(instance: &Instance, lock: Option<&Facts>) -> Self {
        Self {
            pid: instance.root.pid,
            start: instance.started,
            user: instance.user.clone(),
            origin: OriginView::of(&instance.origin),
            lock: lock.map_or(Covered::Unlocked, |lock| covered(instance, lock)),
            polling: Polling::Unknown,
            confidence: instance.confidence.word(),
            command: instance.command.clone(),
            pids: instance.pids(),
            members: instance.members.clone(),
        }
    }
}

/// How an instance stands to its bot's lock.
pub fn covered(instance: &Instance, lock: &Facts) -> Covered {
    let holders = match &lock.state {
        State::Held { holders, .. } | State::Replaced { holders } => holders,
        State::Unreadable { .. } => return Covered::Unknown,
        State::Absent | State::Free | State::Stale(_) | State::OwnerAliveUnlocked(_) => return Covered::Unlocked,
    };
    if holders.is_empty() {
        Covered::Unknown
    } else if holders.iter().any(|holder| instance.members.contains(holder)) {
        Covered::Holder
    } else if holders.iter().any(|holder| instance.descends_from(holder.pid)) {
        Covered::Covered
    } else {
        Covered::Unlocked
    }
}
