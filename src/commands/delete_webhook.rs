//! `delete-webhook`: shows a bot's webhook, removes it if one is set, and makes sure that it is gone.
//!
//! A webhook and a poll exclude each other: while a URL is set, each `getUpdates` fails with 409. It makes three
//! requests at most: look, delete, look again. If no webhook is set, that is success.

use crate::base::error::Error;
use crate::cli;
use crate::journal::{Event, EventKind, Journal};
use crate::outcome::delete_webhook::{DeleteWebhookOutcome, Removal, Webhook};
use crate::outcome::events::{Events, Notice};
use crate::settings::{self, Bot, Settings};

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
    let client = settings.client(&bot, &args.api)?;
    for warning in &bot.token.require()?.warnings {
        events.notice(&Notice::Warning(warning.clone()));
    }
    let before = client.webhook(&mut |error, after| events.retrying(error, after))?.result;
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
        let question = format!("{pending} updates wait for bot `{}` and would be lost. Drop them?", bot.name);
        // A script said it all with the option.
        if events.confirm(&question) == Some(false) {
            return Ok(outcome(Removal::Declined, pending, 0));
        }
    }
    let after = client.remove_webhook(args.drop_pending_updates, &mut |error, after| events.retrying(error, after))?;
    let action = if after.is_set() { Removal::SetAgain } else { Removal::Deleted };
    Journal::at(settings.journal()).append(&Event::new(EventKind::WebhookDeleted, &bot.name));
    let dropped = if drops { pending } else { 0 };
    Ok(outcome(action, after.pending_update_count, dropped))
}

/// The bot of this environment: a token is all that it needs.
fn of_token(settings: &Settings) -> Result<Bot, Error> {
    let mut bot = settings.ambient()?;
    bot.name = format!("bot {}", bot.token.require()?.token.bot_id());
    Ok(bot)
}
