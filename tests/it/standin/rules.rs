//! The rules of the Bot API server: tokens, webhooks, updates, held polls and their 409s.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Asked;
use super::http::Reply;

const OTHER_POLL: &str =
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
const WEBHOOK_IS_SET: &str =
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
const SET_WEBHOOK: &str = "Conflict: terminated by setWebhook request";
/// A second 409 within this time is held back as long; so is a poll without a time-out that repeats the last one.
const HOLD_BACK: Duration = Duration::from_secs(3);
/// No poll is held longer.
const LONGEST_POLL: u64 = 50;

/// One bot at its server.
pub struct Rules {
    token: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    webhook: String,
    last_error: Option<(i64, String)>,
    nulls: bool,
    updates: VecDeque<u64>,
    next_update: u64,
    sets_again: Option<String>,
    /// The poll that is held, by its number.
    held: Option<u64>,
    polls: u64,
    last_poll: Option<(Option<String>, Instant)>,
    last_conflict: Option<Instant>,
    conflicts: Vec<Instant>,
}

impl Rules {
    /// A server that knows this token.
    pub fn new(token: &str) -> Self {
        Self { token: token.to_owned(), state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the rules' state")
    }

    /// Sets a webhook, as `setWebhook` does: a held poll ends.
    pub fn set_webhook(&self, url: &str) {
        url.clone_into(&mut self.state().webhook);
        self.changed.notify_all();
    }

    /// The webhook; empty if none is set.
    pub fn webhook(&self) -> String {
        self.state().webhook.clone()
    }

    /// Whoever removes the webhook finds this one set a moment later.
    pub fn set_again(&self, url: &str) {
        self.state().sets_again = Some(url.to_owned());
    }

    /// A delivery that failed.
    pub fn set_last_error(&self, date: i64, message: &str) {
        self.state().last_error = Some((date, message.to_owned()));
    }

    /// Fields that are absent come as `null`.
    pub fn send_nulls(&self) {
        self.state().nulls = true;
    }

    /// So many updates come in.
    pub fn add_updates(&self, count: u64) {
        let mut state = self.state();
        for _ in 0..count {
            state.next_update += 1;
            let id = state.next_update;
            state.updates.push_back(id);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// How many updates wait.
    pub fn pending(&self) -> usize {
        self.state().updates.len()
    }

    /// The 409s that reached a living client.
    pub fn conflicts(&self) -> Vec<Instant> {
        self.state().conflicts.clone()
    }

    /// Whether a poll is held now.
    pub fn is_polled(&self) -> bool {
        self.state().held.is_some()
    }

    /// The answer to a request; `is_gone` tells whether its client still waits.
    pub fn answer(&self, token: &str, asked: &Asked, is_gone: &dyn Fn() -> bool) -> Reply {
        let is_well_formed = token.split_once(':').is_some_and(|(id, secret)| {
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && secret.len() > 20
        });
        if !is_well_formed {
            return Reply::refusal(404, "Not Found", None);
        }
        if token != self.token {
            return Reply::refusal(401, "Unauthorized", None);
        }
        match asked.method.to_ascii_lowercase().as_str() {
            "getme" => Reply::result(&me(token)),
            "getwebhookinfo" => Reply::result(&self.webhook_info()),
            "deletewebhook" => self.delete_webhook(asked),
            "setwebhook" => {
                self.set_webhook(asked.parameter("url").unwrap_or_default());
                Reply::done(&json!(true), "Webhook was set")
            }
            "getupdates" => self.get_updates(asked, is_gone),
            // A real server locks the bot out; whoever calls this is seen in what was asked.
            "logout" | "close" => Reply::done(&json!(true), "Logged out"),
            _ => Reply::refusal(404, "Not Found: method not found", None),
        }
    }

    fn webhook_info(&self) -> Value {
        let state = self.state();
        let mut info = json!({
            "url": state.webhook,
            "has_custom_certificate": false,
            "pending_update_count": state.updates.len(),
        });
        if state.nulls {
            for name in ["last_error_date", "last_error_message", "max_connections", "ip_address", "allowed_updates"] {
                info[name] = Value::Null;
            }
            if state.webhook.is_empty() {
                info["url"] = Value::Null;
            }
        }
        if let Some((date, message)) = &state.last_error {
            info["last_error_date"] = json!(date);
            info["last_error_message"] = json!(message);
        }
        info
    }

    fn delete_webhook(&self, asked: &Asked) -> Reply {
        let mut state = self.state();
        if asked.parameter("drop_pending_updates").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            state.updates.clear();
        }
        let words = if state.webhook.is_empty() { "Webhook is already deleted" } else { "Webhook was deleted" };
        state.webhook = state.sets_again.clone().unwrap_or_default();
        Reply::done(&json!(true), words)
    }

    fn get_updates(&self, asked: &Asked, is_gone: &dyn Fn() -> bool) -> Reply {
        let number = |name: &str| asked.parameter(name).and_then(|value| value.parse::<u64>().ok());
        let offset = asked.parameter("offset").map(str::to_owned);
        let mut timeout = Duration::from_secs(number("timeout").unwrap_or(0).min(LONGEST_POLL));
        let mut state = self.state();
        if !state.webhook.is_empty() {
            return self.conflict(state, WEBHOOK_IS_SET, is_gone);
        }
        if let Some(first) = number("offset") {
            state.updates.retain(|&id| id >= first);
        }
        let repeats = |(last, at): &(Option<String>, Instant)| *last == offset && at.elapsed() < HOLD_BACK;
        if timeout.is_zero() && state.last_poll.as_ref().is_some_and(repeats) {
            timeout = HOLD_BACK;
        }
        state.last_poll = Some((offset, Instant::now()));
        if timeout.is_zero() || !state.updates.is_empty() {
            return updates(&state);
        }
        state.polls += 1;
        let poll = state.polls;
        // The newer one wins: whoever was held before wakes up and finds another number here.
        state.held = Some(poll);
        self.changed.notify_all();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| {
                state.held == Some(poll) && state.updates.is_empty() && state.webhook.is_empty()
            })
            .expect("the rules' state");
        if state.held != Some(poll) {
            return self.conflict(state, OTHER_POLL, is_gone);
        }
        state.held = None;
        if state.webhook.is_empty() { updates(&state) } else { self.conflict(state, SET_WEBHOOK, is_gone) }
    }

    /// The first 409 goes out at once, another one within three seconds is held back.
    fn conflict(&self, mut state: MutexGuard<'_, State>, description: &str, is_gone: &dyn Fn() -> bool) -> Reply {
        let soon = state.last_conflict.is_some_and(|last| last.elapsed() < HOLD_BACK);
        state.last_conflict = Some(Instant::now());
        drop(state);
        if soon {
            thread::sleep(HOLD_BACK); // as the real server does
        }
        if !is_gone() {
            self.state().conflicts.push(Instant::now());
        }
        Reply::refusal(409, description, None)
    }
}

fn me(token: &str) -> Value {
    let id: u64 = token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(0);
    json!({ "id": id, "is_bot": true, "first_name": "Standin", "username": "standin_bot",
            "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false })
}

fn updates(state: &State) -> Reply {
    let message = |id: u64| {
        json!({ "update_id": id, "message": { "message_id": id, "date": 1_700_000_000, "text": format!("update {id}"),
                "chat": { "id": 1, "type": "private", "first_name": "A" },
                "from": { "id": 1, "is_bot": false, "first_name": "A" } } })
    };
    Reply::result(&state.updates.iter().take(100).map(|&id| message(id)).collect())
}
