//! `delete-webhook`: shows a bot's webhook, removes it if one is set, and proves that it is gone.
//!
//! A webhook and a poll exclude each other: while a URL is set, each `getUpdates` fails with 409. Three requests at the
//! most: look, delete, look again. Nothing set is success.

use jiff::Timestamp;
use serde::Serialize;

use super::notice::{Notice, Notify};
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::cli;
use crate::http::client::Route;
use crate::journal::{Event, Journal, What};
use crate::settings::{self, Bot, Settings};
use crate::telegram::api::{Client, OnRetry, TIMEOUT, WebhookInfo};
use crate::telegram::errors;

/// What was found and done.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The bot's name.
    pub name: String,
    /// Its id at Telegram.
    pub bot_id: String,
    /// The server that was asked.
    pub api_url: String,
    /// The webhook as it was; `null` if none was set.
    pub webhook: Option<Webhook>,
    /// What was done about it.
    pub action: Action,
    /// Whether it was removed, proved by a second look.
    pub deleted: bool,
    /// How many updates wait at Telegram now.
    pub pending_updates: u64,
    /// How many updates were thrown away, as asked.
    pub dropped_updates: u64,
    /// Updates were to be thrown away.
    #[serde(skip)]
    pub drop_asked: bool,
}

/// What was done about a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// None is set.
    None,
    /// It was removed.
    Deleted,
    /// It would be removed, but for `--dry-run`.
    WouldDelete,
    /// It was removed, and somebody has set one again.
    SetAgain,
    /// The operator said no.
    Declined,
}

/// A webhook as it is shown.
#[derive(Debug, Serialize)]
pub struct Webhook {
    /// Address, certificate and waiting updates.
    #[serde(flatten)]
    pub info: WebhookInfo,
    /// Why updates could not be delivered.
    pub last_error: Option<LastError>,
}

/// Why updates could not be delivered.
#[derive(Debug, Serialize)]
pub struct LastError {
    /// When it happened last.
    pub time: Option<Timestamp>,
    /// What happened.
    pub message: String,
}

impl Webhook {
    fn of(info: WebhookInfo) -> Option<Self> {
        let time = info.last_error_date.and_then(|date| Timestamp::from_second(date).ok());
        let last_error = match (&info.last_error_message, time) {
            (None, None) => None,
            (message, time) => Some(LastError { time, message: message.clone().unwrap_or_default() }),
        };
        info.is_set().then_some(Self { info, last_error })
    }
}

impl Outcome {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self.action {
            Action::None | Action::Deleted | Action::WouldDelete => Exit::Ok,
            Action::SetAgain | Action::Declined => Exit::No,
        }
    }
}

/// The way to ask Telegram about a bot; nothing is sent yet.
///
/// # Errors
/// Without a token, and for a base URL, proxy or certificates that cannot be used.
pub fn client<'a>(bot: &'a Bot, api: &cli::Api, settings: &Settings) -> Result<Client<'a>, Error> {
    let resolved = bot.token.require()?;
    Ok(Client::new(&bot.api_url, &resolved.token, route(api, settings))?)
}

/// How flags and environment say that Telegram is reached.
pub fn route<'a>(api: &'a cli::Api, settings: &'a Settings) -> Route<'a> {
    Route { timeout: api.timeout.unwrap_or(TIMEOUT), ca_file: api.ca_file.as_deref(), vars: &settings.context().vars }
}

/// Runs `delete-webhook`.
///
/// # Errors
/// No token; Telegram cannot be reached, or does not know the token.
pub fn run(args: &cli::DeleteWebhook, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    let mut bot = match settings.select_one(&args.selection, args.bot.as_deref()) {
        Err(settings::Error::NothingNamed) => of_token(settings)?,
        selected => selected?,
    };
    if let Some(url) = &args.api.api_url {
        bot.set_api_url(url)?;
    }
    let client = client(&bot, &args.api, settings)?;
    for warning in &bot.token.require()?.warnings {
        notify.notice(&Notice::Warning(warning.clone()));
    }
    let before = client.webhook(&mut |error, after| retry(notify, error, after))?.result;
    let pending = before.pending_update_count;
    let is_set = before.is_set();
    let webhook = Webhook::of(before);
    let outcome = |action, pending_updates, dropped_updates| Outcome {
        name: bot.name.clone(),
        bot_id: client.bot_id().to_owned(),
        api_url: client.server().to_string(),
        webhook,
        deleted: action == Action::Deleted,
        action,
        pending_updates,
        dropped_updates,
        drop_asked: args.drop_pending_updates,
    };
    if !is_set {
        return Ok(outcome(Action::None, pending, 0));
    }
    if args.dry_run {
        return Ok(outcome(Action::WouldDelete, pending, 0));
    }
    let drops = args.drop_pending_updates && pending > 0;
    if drops && !args.yes {
        let question = format!("{pending} updates wait for bot `{}` and would be lost. Throw them away?", bot.name);
        // A script said it all with the option.
        if notify.confirm(&question) == Some(false) {
            return Ok(outcome(Action::Declined, pending, 0));
        }
    }
    let after = remove(&client, args.drop_pending_updates, &mut |error, after| retry(notify, error, after))?;
    let action = if after.is_set() { Action::SetAgain } else { Action::Deleted };
    Journal::at(settings.journal()).append(&Event::new(What::WebhookDeleted, &bot.name));
    let dropped = if drops { pending } else { 0 };
    Ok(outcome(action, after.pending_update_count, dropped))
}

/// The bot of this environment: a token is all that it needs.
fn of_token(settings: &Settings) -> Result<Bot, Error> {
    let mut bot = settings.ambient()?;
    bot.name = format!("bot {}", bot.token.require()?.token.bot_id());
    Ok(bot)
}

/// Removes a webhook and looks again.
///
/// # Errors
/// As [`Client::webhook`].
pub fn remove(client: &Client<'_>, drop: bool, on_retry: OnRetry<'_>) -> Result<WebhookInfo, errors::Error> {
    client.delete_webhook(drop, on_retry)?;
    Ok(client.webhook(on_retry)?.result)
}

/// Says that it will be tried again.
pub fn retry(notify: &mut dyn Notify, error: &errors::Error, after: std::time::Duration) {
    notify.notice(&Notice::Retrying { why: error.to_string(), after });
}
