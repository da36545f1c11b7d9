//! `metrics`: what a monitoring system wants to know, as OpenMetrics text. Telegram is asked only with `--telegram`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::error::Error;
use crate::cli;
use crate::journal::{EventKind, Journal};
use crate::outcome::events::{Events, Notice};
use crate::outcome::lease::LeaseView;
use crate::outcome::lock::LockView;
use crate::outcome::metrics::{BotMetrics, MetricsOutcome, TelegramMetrics};
use crate::settings::{SetBy, Settings};
use crate::survey::journal::JournalQuery;
use crate::survey::queue::asked::QueueLooks;
use crate::survey::queue::judge::Judgement;
use crate::survey::{FoundBot, Surveyor, leases, logs, queue, servers};

/// Errors of the logs are counted for this long.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// How long Telegram may take to answer unless told: a collector must not hang.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs `metrics`.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(args: &cli::Metrics, settings: &Settings, events: &mut dyn Events) -> Result<MetricsOutcome, Error> {
    let mut bots = settings.select_many(&args.selection, &args.bots)?;
    settings.set_leases(&mut bots, &args.lease)?;
    let mut survey = Surveyor::new(settings).look(&bots)?;
    survey.set_workers_aside();
    if bots.iter().any(|bot| matches!(bot.provenance.of("program"), SetBy::Flag(_))) {
        survey.refuse_nothing()?;
    }
    survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
    let journal = Journal::at(settings.journal()).read();
    let traces: Vec<JournalQuery> = survey.bots.iter().map(JournalQuery::of).collect();
    let time = Timestamp::now();
    let is_blind = survey.uninspected > 0 || survey.hidden;
    let mut all = Vec::new();
    for (bot, own) in survey.bots.iter().zip(&traces) {
        let asked = args.telegram.then(|| telegram(bot, is_blind, &args.api, settings, time, events)).flatten();
        let telegram = asked.unwrap_or_default();
        let counts = EventKind::ALL.iter().map(|what| (what.as_str(), own.count(*what, &journal, &traces))).collect();
        all.push(BotMetrics { telegram, events: counts, ..of_bot(bot, time) });
    }
    Ok(MetricsOutcome {
        time,
        uninspected: survey.uninspected,
        bots: all,
        broken_events: journal.broken,
        output: args.output.clone(),
    })
}

/// Asks Telegram once, without a retry: a collector asks again in a minute. The request does not disturb a poll.
fn telegram(
    found: &FoundBot,
    is_blind: bool,
    api: &cli::Api,
    settings: &Settings,
    now: Timestamp,
    events: &mut dyn Events,
) -> Option<TelegramMetrics> {
    found.bot.token.resolve().ok()??;
    let api = cli::Api { timeout: Some(api.timeout.unwrap_or(PATIENCE)), ..api.clone() };
    let mut bot = found.bot.clone();
    if let Some(url) = &api.api_url {
        bot.set_api_url(url).ok()?;
    }
    let client = settings.client(&bot, &api).ok()?.without_retries();
    let here = queue::here(found, &servers::of_bot(&bot), is_blind);
    let mut queue = QueueLooks::of(&client);
    let history = queue.add(&client.webhook(&mut |_, _| {}).ok()?.result, here)?;
    if let Some(trouble) = queue.trouble() {
        events.notice(&Notice::Warning(format!("{}: {trouble}", found.label)));
    }
    let last = history.looks.last()?;
    Some(TelegramMetrics {
        webhook_set: Some(last.webhook),
        pending_updates: Some(last.pending),
        last_error_age: last.last_error.and_then(|date| u64::try_from(now.as_second() - date).ok()),
        deaf: match history.judge(queue::RESPONSIVE) {
            Judgement::Deaf(_) => Some(true),
            Judgement::Fine => (!history.here.instances.is_empty()).then_some(false),
            Judgement::Slow(stuck, _) => stuck.quiet.map(|_| false),
            Judgement::TooFew { .. } | Judgement::Webhook => None,
        },
    })
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
        telegram: TelegramMetrics::default(),
        waiters: lock.waiters.as_ref().map(Vec::len),
        lease: leases::local(&bot.locks.own.path).as_ref().map(LeaseView::of),
        errors: logs.as_ref().map(|(summary, _)| summary.totals),
        last_conflict: logs.as_ref().and_then(|(summary, _)| summary.last),
        logs_readable: logs.is_none_or(|(_, sources)| sources.iter().all(|source| source.error.is_none())),
        events: Vec::new(),
    }
}
