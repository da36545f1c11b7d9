//! `metrics`: what a monitoring system wants to know, as OpenMetrics text.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::notice::Notify;
use super::{conflicts, delete_webhook, status};
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::cli;
use crate::conflicts::tally::Counts;
use crate::journal::{Contents, Journal, What};
use crate::settings::{Bot, Settings};

/// Errors of the logs are counted for this long.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// How long Telegram may take to answer unless told: a collector must not hang.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// When.
    pub time: Timestamp,
    /// How many processes could not be inspected.
    pub uninspected: usize,
    /// Each bot.
    pub bots: Vec<BotMetrics>,
    /// So many lines of the journal were not understood.
    pub broken_events: u64,
    /// Where it is to be written; stdout unless told.
    #[serde(skip)]
    pub output: Option<PathBuf>,
}

/// One bot.
#[derive(Debug, Serialize)]
pub struct BotMetrics {
    /// Its name.
    pub name: String,
    /// How many instances run.
    pub instances: usize,
    /// Its lock's state, in one word; `null` where nobody says which lock it is.
    pub lock_state: Option<&'static str>,
    /// How long the lock has been held, in seconds.
    pub lock_age: Option<u64>,
    /// How many processes wait for it.
    pub waiters: usize,
    /// Whether a webhook is set; `null` where Telegram was not asked or did not answer.
    pub webhook_set: Option<bool>,
    /// What its logs say of the last 24 hours; `null` if it has none.
    pub errors: Option<Counts>,
    /// The last conflict in them.
    pub last_conflict: Option<Timestamp>,
    /// Whether all of its logs could be read.
    pub logs_readable: bool,
    /// What the journal says, and how often.
    pub events: Vec<(&'static str, u64)>,
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}", .path.display())]
pub struct NotWritten {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Expected for NotWritten {
    fn exit(&self) -> Exit {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::CantCreate,
        }
    }

    fn kind(&self) -> &'static str {
        "not-written"
    }

    fn hints(&self) -> Vec<String> {
        let folder = self.path.parent().unwrap_or(&self.path).to_string_lossy().into_owned();
        vec![
            "the folder must be there, and the caller must be allowed to write in it".into(),
            format!("look at it: ls -ld {}", shell_words::quote(if folder.is_empty() { "." } else { &folder })),
        ]
    }
}

/// Runs `metrics`.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(args: &cli::Metrics, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    let seen = status::look(&args.selection, &args.bots, settings, notify)?;
    let bots = settings.select_many(&args.selection, &args.bots)?;
    let journal = Journal::at(settings.journal()).read();
    let time = Timestamp::now();
    let all = by_name(seen.bots).into_iter().map(|view| {
        let bot = bots.iter().find(|bot| bot.name == view.name);
        let webhook_set = bot.and_then(|bot| webhook_set(bot, &args.api, settings));
        BotMetrics { webhook_set, ..of_bot(&view, bot, &journal, time) }
    });
    Ok(Outcome {
        time,
        uninspected: seen.uninspected,
        bots: all.collect(),
        broken_events: journal.broken,
        output: args.output.clone(),
    })
}

/// Distinct bots of one name are one here: a sample must not come twice.
fn by_name(views: Vec<status::BotView>) -> Vec<status::BotView> {
    let mut all: Vec<status::BotView> = Vec::new();
    for view in views {
        match all.iter_mut().find(|known| known.name == view.name) {
            Some(known) => known.instances.extend(view.instances),
            None => all.push(view),
        }
    }
    all
}

/// Asks Telegram once, without another try: whoever collects metrics asks again in a minute. The question disturbs no poll.
fn webhook_set(bot: &Bot, api: &cli::Api, settings: &Settings) -> Option<bool> {
    bot.token.resolve().ok()??;
    let api = cli::Api { timeout: Some(api.timeout.unwrap_or(PATIENCE)), ..api.clone() };
    let mut bot = bot.clone();
    if let Some(url) = &api.api_url {
        bot.set_api_url(url).ok()?;
    }
    let client = delete_webhook::client(&bot, &api, settings).ok()?.without_retries();
    Some(client.webhook(&mut |_, _| {}).ok()?.result.is_set())
}

fn of_bot(view: &status::BotView, bot: Option<&Bot>, journal: &Contents, now: Timestamp) -> BotMetrics {
    let lock = view.lock.as_ref();
    let logs = bot.filter(|bot| !bot.logs.is_empty()).map(|bot| conflicts::summary_of(bot, Some(now - WINDOW)));
    let age = lock.and_then(|lock| lock.since).map(|since| now.duration_since(since).as_secs());
    BotMetrics {
        name: view.name.clone(),
        instances: view.instances.len(),
        lock_state: lock.map(|lock| lock.state),
        lock_age: age.and_then(|age| u64::try_from(age).ok()),
        webhook_set: None,
        waiters: lock.map_or(0, |lock| lock.waiters.len()),
        errors: logs.as_ref().map(|(summary, _)| summary.totals),
        last_conflict: logs.as_ref().and_then(|(summary, _)| summary.last),
        logs_readable: logs.is_none_or(|(_, sources)| sources.iter().all(|source| source.error.is_none())),
        events: What::ALL.iter().map(|what| (what.word(), journal.count(*what, &view.name))).collect(),
    }
}
