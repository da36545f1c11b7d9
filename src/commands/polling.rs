//! Whether a bot's instances are connected to Telegram, or to the server of its settings.

use std::time::Duration;

use crate::process::connections::{self, Evidence, Servers, Subject};
use crate::process::instance::Instance;
use crate::settings::Bot;
use crate::telegram::addresses;
use crate::telegram::base_url::BaseUrl;

/// How long a self-hosted server's name may be looked up.
const LOOKUP: Duration = Duration::from_secs(1);

/// Looks at the connections of these bots' instances, all at the same time. Without a token nothing is sent, not even a
/// DNS query: it is then unknown whether an instance is connected to a server whose address is written down nowhere.
pub fn evidence(bots: &[(&Bot, &[Instance])]) -> Vec<Vec<Evidence>> {
    let servers: Vec<Servers> = bots
        .iter()
        .map(|(bot, instances)| if instances.is_empty() { Servers::default() } else { servers(bot) })
        .collect();
    let subjects: Vec<Subject<'_>> = bots
        .iter()
        .zip(&servers)
        .flat_map(|((_, instances), servers)| {
            instances.iter().map(move |instance| Subject { members: &instance.members, servers })
        })
        .collect();
    let mut seen = connections::look(&subjects).into_iter();
    bots.iter().map(|(_, instances)| seen.by_ref().take(instances.len()).collect()).collect()
}

fn servers(bot: &Bot) -> Servers {
    let Ok(server) = BaseUrl::parse(&bot.api_url) else { return Servers::default() };
    if server.is_public() {
        return Servers::default();
    }
    let has_token = bot.token.resolve().is_ok_and(|token| token.is_some());
    let addresses =
        addresses::known(&server).or_else(|| has_token.then(|| addresses::looked_up(&server, LOOKUP)).flatten());
    Servers { is_unknown: addresses.is_none(), addresses: addresses.unwrap_or_default() }
}
