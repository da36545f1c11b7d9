//! `metrics`: what a monitoring system wants to know, as OpenMetrics text.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::delete_webhook;
use super::notice::{Notice, Notify};
use super::view::LockView;
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::cli;
use crate::journal::{Journal, What};
use crate::logs::tally::Counts;
use crate::settings::{Bot, Origin, Settings};
use crate::survey::journal::Traces;
use crate::survey::{FoundBot, Surveyor, logs};

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
    /// The same with what tells it from another of that name: a sample must not come twice.
    #[serde(skip)]
    pub label: String,
    /// How many instances run.
    pub instances: usize,
    /// How many more processes may be one.
    pub probable: usize,
    /// Its lock's state, in one word.
    pub lock_state: &'static str,
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
    let bots = settings.select_many(&args.selection, &args.bots)?;
    let survey = Surveyor::new(settings).look(&bots)?;
    if bots.iter().any(|bot| matches!(bot.provenance.of("program"), Origin::Flag(_))) {
        survey.refuse_nothing()?;
    }
    survey.warnings.iter().for_each(|warning| notify.notice(&Notice::Warning(warning.clone())));
    let journal = Journal::at(settings.journal()).read();
    let traces: Vec<Traces> = survey.bots.iter().map(Traces::of).collect();
    let time = Timestamp::now();
    let one = |(bot, own): (&FoundBot, &Traces)| {
        let is_asked = !bots.is_empty();
        let webhook_set = is_asked.then(|| webhook_set(&bot.bot, &args.api, settings)).flatten();
        let events = What::ALL.iter().map(|what| (what.word(), own.count(*what, &journal, &traces))).collect();
        BotMetrics { webhook_set, events, ..of_bot(bot, time) }
    };
    Ok(Outcome {
        time,
        uninspected: survey.uninspected,
        bots: survey.bots.iter().zip(&traces).map(one).collect(),
        broken_events: journal.broken,
        output: args.output.clone(),
    })
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

fn of_bot(bot: &FoundBot, now: Timestamp) -> BotMetrics {
    let lock = LockView::of(&bot.locks.own);
    let logs = logs::of_bot(bot).inputs;
    let logs = (!logs.is_empty()).then(|| logs::summary(logs, now - WINDOW));
    let age = lock.since.map(|since| now.duration_since(since).as_secs());
    BotMetrics {
        name: bot.bot.name.clone(),
        label: bot.label.clone(),
        instances: bot.found.instances.len(),
        probable: bot.found.probable.len(),
        lock_state: lock.state,
        lock_age: age.and_then(|age| u64::try_from(age).ok()),
        webhook_set: None,
        waiters: lock.waiters.len(),
        errors: logs.as_ref().map(|(summary, _)| summary.totals),
        last_conflict: logs.as_ref().and_then(|(summary, _)| summary.last),
        logs_readable: logs.is_none_or(|(_, sources)| sources.iter().all(|source| source.error.is_none())),
        events: Vec::new(),
    }
}
