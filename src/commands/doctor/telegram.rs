//! What Telegram says about a bot: two harmless requests, each sent once.

use std::panic::resume_unwind;
use std::thread::{Builder, Scope};

use crate::survey::evidence::facts::{Telegram, TelegramAnswer};
use crate::telegram::api::Client;
use crate::telegram::errors::Error;

/// Whether and how Telegram may be asked about a bot.
#[derive(Debug, Default)]
pub enum TelegramAccess<'a> {
    /// No token: nothing is sent.
    #[default]
    None,
    Client(Client<'a>),
    /// The way is broken before anything is sent: a proxy variable that cannot be understood.
    Broken(Error),
}

impl TelegramAccess<'_> {
    /// Asks in a separate thread. Calling the result waits for the answer. If no thread can be started, that call asks.
    pub fn ask_meanwhile<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> impl FnOnce() -> Telegram + 'scope {
        let thread = Builder::new().spawn_scoped(scope, || self.ask());
        move || match thread {
            // "Not asked" would be a false answer: the run has failed.
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => self.ask(),
        }
    }

    /// Asks, as long as the client's time-out allows.
    pub fn ask(&self) -> Telegram {
        let client = match self {
            Self::None => return Telegram::NotAsked,
            Self::Broken(error) => return Telegram::Failed { error: error.clone(), proxy: None },
            Self::Client(client) => client,
        };
        let proxy = client.proxy();
        let mut quiet = |_: &Error, _| {};
        let answers = client.me(&mut quiet).and_then(|me| Ok((me, client.webhook(&mut quiet)?)));
        match answers {
            Ok((me, webhook)) => Telegram::Answered(TelegramAnswer {
                username: me.result.username,
                webhook: webhook.result,
                clock_ahead: me.clock_ahead,
                proxy,
            }),
            Err(error) => Telegram::Failed { error, proxy },
        }
    }
}
