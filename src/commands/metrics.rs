//! `metrics`: what a monitoring system wants to know, as OpenMetrics text.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::error::Error;
use crate::cli;
use crate::journal::{EventKind, Journal};
use crate::outcome::events::{Events, Notice};
use crate::outcome::lock::LockView;
use crate::outcome::metrics::{BotMetrics, MetricsOutcome};
use crate::settings::{Bot, SetBy, Settings};
use crate::survey::journal::JournalQuery;
use crate::survey::{FoundBot, Surveyor, logs};

/// Errors of the logs are counted for this long.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// How long Telegram may take to answer unless told: a collector must not hang.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs `metrics`.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(args: &cli::Metrics, settings: &Settings, events: &mut dyn Events) -> Result<MetricsOutcome, Error> {
    let bots = settings.select_many(&args.selection, &args.bots)?;
    let survey = Surveyor::new(settings).look(&bots)?;
    if bots.iter().any(|bot| matches!(bot.provenance.of("program"), SetBy::Flag(_))) {
        survey.refuse_nothing()?;
    }
    survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
    let journal = Journal::at(settings.journal()).read();
    let traces: Vec<JournalQuery> = survey.bots.iter().map(JournalQuery::of).collect();
    let time = Timestamp::now();
    let one = |(bot, own): (&FoundBot, &JournalQuery)| {
        let is_asked = !bots.is_empty();
        let webhook_set = is_asked.then(|| webhook_set(&bot.bot, &args.api, settings)).flatten();
        let events = EventKind::ALL.iter().map(|what| (what.as_str(), own.count(*what, &journal, &traces))).collect();
        BotMetrics { webhook_set, events, ..of_bot(bot, time) }
    };
    Ok(MetricsOutcome {
        time,
        uninspected: survey.uninspected,
        bots: survey.bots.iter().zip(&traces).map(one).collect(),
        broken_events: journal.broken,
        output: args.output.clone(),
    })
}

/// Asks Telegram once, without a retry: a collector asks again in a minute. The request does not disturb a poll.
fn webhook_set(bot: &Bot, api: &cli::Api, settings: &Settings) -> Option<bool> {
    bot.token.resolve().ok()??;
    let api = cli::Api { timeout: Some(api.timeout.unwrap_or(PATIENCE)), ..api.clone() };
    let mut bot = bot.clone();
    if let Some(url) = &api.api_url {
        bot.set_api_url(url).ok()?;
    }
    let client = settings.client(&bot, &api).ok()?.without_retries();
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
