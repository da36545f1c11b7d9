//! `delete-webhook`: shows a bot's webhook, removes it if one is set, and proves that it is gone.
//!
//! A webhook and a poll exclude each other: while a URL is set, each `getUpdates` fails with 409. Three requests at the
//! most: look, delete, look again. Nothing set is success.


use crate::base::error::Error;
use crate::cli;
use crate::http::client::Route;
use crate::journal::{Event, Journal, What};
use crate::outcome::delete_webhook::DeleteWebhookOutcome;
use crate::outcome::delete_webhook::{Removal, Webhook};
use crate::outcome::events::{Events, Notice};
use crate::settings::{self, Bot, Settings};
use crate::telegram::api::{Client, OnRetry, TIMEOUT, WebhookInfo};
use crate::telegram::errors;

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
pub fn run(
    args: &cli::DeleteWebhook,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<DeleteWebhookOutcome, Error> {
    let mut bot = match settings.select_one(&args.selection, args.bot.as_deref()) {
        Err(settings::Error::NothingNamed) => of_token(settings)?,
        selected => selected?,
    };
    if let Some(url) = &args.api.api_url {
        bot.set_api_url(url)?;
    }
    let client = client(&bot, &args.api, settings)?;
    for warning in &bot.token.require()?.warnings {
        events.notice(&Notice::Warning(warning.clone()));
    }
    let before = client.webhook(&mut |error, after| retry(events, error, after))?.result;
    let pending = before.pending_update_count;
    let is_set = before.is_set();
    let webhook = Webhook::of(before);
    let outcome = |action, pending_updates, dropped_updates| DeleteWebhookOutcome {
        name: bot.name.clone(),
        bot_id: client.bot_id().to_owned(),
        api_url: client.server().to_string(),
        webhook,
        deleted: action == Removal::Deleted,
        action,
        pending_updates,
        dropped_updates,
        drop_asked: args.drop_pending_updates,
    };
    if !is_set {
        return Ok(outcome(Removal::None, pending, 0));
    }
    if args.dry_run {
        return Ok(outcome(Removal::WouldDelete, pending, 0));
    }
    let drops = args.drop_pending_updates && pending > 0;
    if drops && !args.yes {
        let question = format!("{pending} updates wait for bot `{}` and would be lost. Throw them away?", bot.name);
        // A script said it all with the option.
        if events.confirm(&question) == Some(false) {
            return Ok(outcome(Removal::Declined, pending, 0));
        }
    }
    let after = remove(&client, args.drop_pending_updates, &mut |error, after| retry(events, error, after))?;
    let action = if after.is_set() { Removal::SetAgain } else { Removal::Deleted };
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
pub fn retry(events: &mut dyn Events, error: &errors::Error, after: std::time::Duration) {
    events.notice(&Notice::Retrying { why: error.to_string(), after });
}
