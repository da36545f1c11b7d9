//! `acquire --delete-webhook`: once the lock is held, and before COMMAND starts, the bot's webhook is removed.
//!
//! A wrong token, URL, proxy or certificate is an error before the lock is touched. If Telegram cannot be reached, that
//! is a warning, or an error with `--require-telegram`. A separate thread asks Telegram, so that a signal ends
//! `acquire` at once, not after the last time-out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::request::Request;
use crate::base::env::Vars;
use crate::base::error::{Error, Expected};
use crate::base::secret::Token;
use crate::http::client::Route;
use crate::lock::wait::ending_signal;
use crate::outcome::events::{Events, Notice};
use crate::platform::poll::{self, Wakeup};
use crate::platform::signals::Signals;
use crate::settings::Settings;
use crate::telegram::api::{Client, TIMEOUT};
use crate::telegram::errors;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalEnd {
    /// COMMAND may start.
    Done,
    /// A signal asked solobot to end.
    Signal(i32),
}

/// Everything that the thread needs.
pub struct WebhookRemover {
    token: Token,
    api_url: String,
    timeout: Duration,
    ca_file: Option<PathBuf>,
    vars: Vars,
    required: bool,
}

/// What the thread has to say.
enum ThreadMessage {
    /// It tries again.
    Retry(errors::Error, Duration),
    End(Result<WebhookResult, errors::Error>),
}

/// What became of the webhook.
enum WebhookResult {
    /// None was set.
    Nothing,
    /// This one was removed; so many updates wait.
    Removed(String, u64),
    /// This one was set again meanwhile.
    SetAgain(String),
}

/// Prepares it; nothing is sent, and the lock is not touched.
///
/// # Errors
/// No token; a base URL, proxy or certificates that cannot be used.
pub fn prepare(
    request: &Request<'_>,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<Option<WebhookRemover>, Error> {
    let (args, bot) = (request.args, &request.bot);
    if !args.delete_webhook {
        return Ok(None);
    }
    settings.client(bot, &args.api)?;
    let resolved = bot.token.require()?;
    for warning in &resolved.warnings {
        events.notice(&Notice::Warning(warning.clone()));
    }
    Ok(Some(WebhookRemover {
        token: resolved.token.clone(),
        api_url: bot.api_url.clone(),
        timeout: args.api.timeout.unwrap_or(TIMEOUT),
        ca_file: args.api.ca_file.clone(),
        vars: settings.context().vars.clone(),
        required: args.require_telegram,
    }))
}

impl WebhookRemover {
    /// Removes the webhook. Without `signals` nobody but the kernel watches them.
    ///
    /// # Errors
    /// Telegram cannot be reached and is required; it does not know the token.
    pub fn run(self, signals: Option<&Signals>, events: &mut dyn Events) -> Result<RemovalEnd, Error> {
        let io = |source| Error::Io { action: "wait for Telegram".into(), source };
        let required = self.required;
        let event = Arc::new(Wakeup::new().map_err(io)?);
        let (send, words) = mpsc::channel();
        let raised = Arc::clone(&event);
        thread::Builder::new()
            .name("telegram".into())
            .spawn(move || {
                let end = self.ask(&send, &raised);
                tell(&send, &raised, ThreadMessage::End(end));
            })
            .map_err(io)?;
        let result = loop {
            let [signalled, _] =
                poll::readable([signals.map(Signals::descriptor), Some(event.descriptor())], None).map_err(io)?;
            if signalled && let Some(arrived) = signals.and_then(ending_signal) {
                return Ok(RemovalEnd::Signal(arrived.signal.number()));
            }
            event.lower();
            if let Some(result) = listen(&words, events) {
                break result;
            }
        };
        judge(result, required, events)
    }

    fn ask(&self, send: &Sender<ThreadMessage>, event: &Wakeup) -> Result<WebhookResult, errors::Error> {
        let route = Route { timeout: self.timeout, ca_file: self.ca_file.as_deref(), vars: &self.vars };
        let client = Client::new(&self.api_url, &self.token, route)?;
        let on_retry =
            &mut |error: &errors::Error, after| tell(send, event, ThreadMessage::Retry(error.clone(), after));
        let before = client.webhook(on_retry)?.result;
        if !before.is_set() {
            return Ok(WebhookResult::Nothing);
        }
        let after = client.remove_webhook(false, on_retry)?;
        Ok(if after.is_set() {
            WebhookResult::SetAgain(after.url)
        } else {
            WebhookResult::Removed(before.url, after.pending_update_count)
        })
    }
}

fn tell(send: &Sender<ThreadMessage>, event: &Wakeup, word: ThreadMessage) {
    // A signal has ended the wait: nobody listens any more.
    let _ = send.send(word);
    event.raise();
}

/// Passes on what was said so far; the result, if it was among it.
fn listen(words: &Receiver<ThreadMessage>, events: &mut dyn Events) -> Option<Result<WebhookResult, errors::Error>> {
    for word in words.try_iter() {
        match word {
            ThreadMessage::Retry(error, after) => events.retrying(&error, after),
            ThreadMessage::End(result) => return Some(result),
        }
    }
    None
}

fn judge(
    result: Result<WebhookResult, errors::Error>,
    required: bool,
    events: &mut dyn Events,
) -> Result<RemovalEnd, Error> {
    match result {
        Ok(WebhookResult::Nothing) => {}
        Ok(WebhookResult::Removed(url, pending)) => events.notice(&Notice::WebhookRemoved { url, pending }),
        Ok(WebhookResult::SetAgain(url)) => events.notice(&Notice::Warning(format!(
            "the webhook {url} was set again: another program runs this bot with webhooks"
        ))),
        Err(error) if error.is_unavailable() && !required => {
            let why = format!("the webhook was not deleted: {error}; starting anyway");
            events.notice(&Notice::Warning(why));
        }
        Err(error) => {
            tracing::debug!(kind = error.kind(), "the webhook was not deleted");
            return Err(error.into());
        }
    }
    Ok(RemovalEnd::Done)
}
