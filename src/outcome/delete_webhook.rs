//! What `delete-webhook` found and did.

use jiff::Timestamp;
use serde::Serialize;

use crate::base::exit::Exit;
use crate::telegram::api::WebhookInfo;

/// What was found and done.
#[derive(Debug, Serialize)]
pub struct DeleteWebhookOutcome {
    /// The bot's name.
    pub name: String,
    /// Its id at Telegram.
    pub bot_id: String,
    /// The server that was asked.
    pub api_url: String,
    /// The webhook as it was; `null` if none was set.
    pub webhook: Option<Webhook>,
    /// What was done about it.
    pub action: Removal,
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
pub enum Removal {
    /// None is set.
    None,
    /// It was removed.
    Deleted,
    /// It would be removed, but for `--dry-run`.
    WouldDelete,
    /// It was removed, and another program has set one again.
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
    /// As Telegram tells of it; `None` if none is set.
    pub fn of(info: WebhookInfo) -> Option<Self> {
        let time = info.last_error_date.and_then(|date| Timestamp::from_second(date).ok());
        let last_error = match (&info.last_error_message, time) {
            (None, None) => None,
            (message, time) => Some(LastError { time, message: message.clone().unwrap_or_default() }),
        };
        info.is_set().then_some(Self { info, last_error })
    }
}

impl DeleteWebhookOutcome {
    pub fn exit(&self) -> Exit {
        match self.action {
            Removal::None | Removal::Deleted | Removal::WouldDelete => Exit::Ok,
            Removal::SetAgain | Removal::Declined => Exit::No,
        }
    }
}
