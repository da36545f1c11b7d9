//! What counts as Telegram for a bot: Telegram's networks, and the server in the bot's settings.

use std::time::Duration;

use super::connections::Servers;
use crate::base::env;
use crate::http::addresses;
use crate::settings::{Bot, Context};
use crate::telegram::base_url::BaseUrl;

/// How long a self-hosted server's name may be looked up.
const LOOKUP: Duration = Duration::from_secs(1);

/// The servers of one bot. Without a token nothing is sent, not even a DNS query: it is then unknown whether an instance
/// is connected to a server whose address is written down nowhere.
pub fn of_bot(bot: &Bot) -> Servers {
    let has_token = bot.token.resolve().is_ok_and(|token| token.is_some());
    of_url(&bot.api_url, has_token)
}

/// The same, as far as it is written down here: nothing is sent.
pub fn known_of_bot(bot: &Bot) -> Servers {
    of_url(&bot.api_url, false)
}

/// The servers where nothing says which bot: those of the environment. Nothing is sent.
pub fn of_machine(context: &Context) -> Servers {
    context.vars.get(env::API_URL).map_or_else(Servers::default, |url| of_url(&url.to_string_lossy(), false))
}

fn of_url(url: &str, may_ask: bool) -> Servers {
    let server = match BaseUrl::parse(url) {
        Ok(server) if !server.is_public() => server,
        Ok(_) | Err(_) => return Servers::default(),
    };
    let asked = || may_ask.then(|| addresses::looked_up(server.host(), server.port(), LOOKUP)).flatten();
    let addresses = addresses::known(server.host(), server.port()).or_else(asked);
    Servers { is_unknown: addresses.is_none(), addresses: addresses.unwrap_or_default() }
}
