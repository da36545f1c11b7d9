//! The rules of the Bot API server: tokens, webhooks, updates, held polls and their 409s.
//!
//! The queue: an update enters if `allowed_updates` has its kind; it leaves by a poll with a higher offset, by its age, or by
//! a drop. `pending_update_count` is the queue's length.

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

/// The kinds of updates, and after how long each leaves the queue unfetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Message,
    CallbackQuery,
    InlineQuery,
    ChosenInlineResult,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::CallbackQuery => "callback_query",
            Self::InlineQuery => "inline_query",
            Self::ChosenInlineResult => "chosen_inline_result",
        }
    }

    fn lives(self) -> Duration {
        Duration::from_secs(match self {
            Self::Message => 86400,
            Self::CallbackQuery => 150,
            Self::InlineQuery => 30,
            Self::ChosenInlineResult => 600,
        })
    }
}

struct Update {
    id: u64,
    kind: Kind,
    came: Instant,
}

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
    updates: VecDeque<Update>,
    next_update: u64,
    /// What may enter; every kind, if it is empty.
    allowed_updates: Vec<String>,
    /// The count is remembered for so long.
    caches: Option<Duration>,
    cached: Option<(Instant, usize)>,
    fetched: u64,
    sets_again: Option<String>,
    /// The poll that is held, by its number.
    held: Option<u64>,
    polls: u64,
    last_poll: Option<(Option<String>, Instant)>,
    last_conflict: Option<Instant>,
    conflicts: Vec<Instant>,
}

impl State {
    /// The length of the queue, after what is too old has left.
    fn waiting(&mut self) -> usize {
        self.updates.retain(|update| update.came.elapsed() < update.kind.lives());
        self.updates.len()
    }

    /// The same as it is told.
    fn told(&mut self) -> usize {
        let waiting = self.waiting();
        let Some(time) = self.caches else { return waiting };
        match self.cached {
            Some((since, count)) if since.elapsed() < time => count,
            _ => self.cached.insert((Instant::now(), waiting)).1,
        }
    }
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

    /// So many messages come in.
    pub fn add_updates(&self, count: u64) {
        (0..count).for_each(|_| self.add_update(Kind::Message, Duration::ZERO));
    }

    /// An update comes in that is so old already.
    pub fn add_update(&self, kind: Kind, age: Duration) {
        let mut state = self.state();
        state.next_update += 1;
        let update =
            Update { id: state.next_update, kind, came: Instant::now().checked_sub(age).expect("a young machine") };
        if state.allowed_updates.is_empty() || state.allowed_updates.iter().any(|name| name == kind.name()) {
            state.updates.push_back(update);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Everything that waits is thrown away, as by `drop_pending_updates`.
    pub fn drop_updates(&self) {
        self.state().updates.clear();
    }

    /// Only these kinds enter from now on, as a poll's or a webhook's `allowed_updates` says.
    pub fn allow_updates(&self, names: &[&str]) {
        self.state().allowed_updates = names.iter().map(|&name| name.to_owned()).collect();
    }

    /// The count that is told may be so old.
    pub fn cache_count(&self, time: Duration) {
        self.state().caches = Some(time);
    }

    /// How many updates wait.
    pub fn pending(&self) -> usize {
        self.state().waiting()
    }

    /// How many updates were fetched and confirmed.
    pub fn fetched(&self) -> u64 {
        self.state().fetched
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
        let mut state = self.state();
        let count = state.told();
        let mut info = json!({
            "url": state.webhook,
            "has_custom_certificate": false,
            "pending_update_count": count,
        });
        if !state.allowed_updates.is_empty() {
            info["allowed_updates"] = json!(state.allowed_updates);
        }
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
        if let Some(allowed) = asked.parameter("allowed_updates") {
            state.allowed_updates = serde_json::from_str(allowed).unwrap_or_default();
        }
        if let Some(first) = number("offset") {
            let before = state.waiting();
            state.updates.retain(|update| update.id >= first);
            state.fetched += (before - state.updates.len()) as u64;
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
    let from = || json!({ "id": 1, "is_bot": false, "first_name": "A" });
    let content = |id: u64, kind: Kind| match kind {
        Kind::Message => json!({ "message_id": id, "date": 1_700_000_000, "text": format!("update {id}"),
                                 "chat": { "id": 1, "type": "private", "first_name": "A" }, "from": from() }),
        Kind::CallbackQuery => json!({ "id": id.to_string(), "from": from(), "chat_instance": "1", "data": "x" }),
        Kind::InlineQuery => json!({ "id": id.to_string(), "from": from(), "query": "x", "offset": "" }),
        Kind::ChosenInlineResult => json!({ "result_id": id.to_string(), "from": from(), "query": "x" }),
    };
    let update = |update: &Update| {
        let mut object = json!({ "update_id": update.id });
        object[update.kind.name()] = content(update.id, update.kind);
        object
    };
    Reply::result(&state.updates.iter().take(100).map(update).collect())
}
