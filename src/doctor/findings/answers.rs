//! What Telegram's answer shows: a webhook, a wrong clock, too many requests, a self-hosted server.

use std::time::Duration;

use jiff::SignedDuration;

use super::super::finding::{Finding, Level};
use super::logged::see_logs;
use crate::base::duration::show;
use crate::base::finding_code::Code;
use crate::base::text::plural;
use crate::platform::advice::typed_here;
use crate::survey::connections::{Connection, Polling};
use crate::survey::evidence::facts::{BotFacts, FRESH, Facts, SeenInstance};
use crate::telegram::api::WebhookInfo;
use crate::telegram::errors::Error;
use crate::telegram::networks;

/// A smaller difference does not count: HTTP has whole seconds, and requests take time.
const SKEW: Duration = Duration::from_mins(1);

/// A webhook is set, so every poll gets 409. A bot that is made for it does not poll: it listens, and its logs have no such
/// conflicts.
pub fn webhook_active(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let in_logs = bot.logs.fresh.webhook;
        let logged = (in_logs > 0).then(|| {
            format!(
                "{} because of a webhook in the last {}, in {}",
                plural(in_logs, "conflict"),
                show(FRESH),
                bot.logs.names.join(", ")
            )
        });
        let finding = match bot.telegram.answer() {
            Some(answer) if answer.webhook.is_set() && in_logs == 0 && is_served(bot) => {
                return Some(served(bot, &answer.webhook, facts));
            }
            Some(answer) if answer.webhook.is_set() => {
                let info = &answer.webhook;
                let summary = format!(
                    "a webhook is set for {}: Telegram sends updates there and answers every poll with 409",
                    bot.name
                );
                let failed = info.last_error_message.as_ref().map(|text| format!("its last delivery failed: {text}"));
                Finding::new(Code::WebhookActive, Level::Error, summary)
                    .shown_by([format!(
                        "webhook {}, {} waiting",
                        info.url,
                        plural(info.pending_update_count, "update")
                    )])
                    .shown_by(failed)
            }
            None if in_logs > 0 => {
                let summary = format!("a webhook kept {} from polling, according to its logs", bot.name);
                Finding::new(Code::WebhookActive, Level::Warning, summary)
            }
            // There is no webhook any more, so the conflicts in the logs are over.
            Some(_) | None => return None,
        };
        Some(
            finding
                .shown_by(logged)
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .about(bot.instances.iter().map(SeenInstance::pid))
                .fixed_by(bot.delete_webhook()),
        )
    })
}

/// Whether every instance here looks like what a webhook leads to: it listens, as a web server does, and is not connected to
/// Telegram all the same, unless its logs are known to have nothing against it.
fn is_served(bot: &BotFacts) -> bool {
    let is_quiet = |seen: &SeenInstance| seen.evidence.polling != Polling::Yes || !bot.logs.names.is_empty();
    !bot.instances.is_empty() && bot.instances.iter().all(|seen| !seen.listeners.is_empty() && is_quiet(seen))
}

fn served(bot: &BotFacts, webhook: &WebhookInfo, facts: &Facts) -> Finding {
    let summary = format!("{} gets its updates by a webhook, not by polling", bot.name);
    let waiting = plural(webhook.pending_update_count, "update");
    Finding::new(Code::WebhookActive, Level::Info, summary)
        .shown_by([format!("webhook {}, {waiting} waiting", webhook.url)])
        .shown_by(webhook.last_error_message.as_ref().map(|text| format!("its last delivery failed: {text}")))
        .shown_by(
            bot.instances
                .iter()
                .flat_map(|seen| &seen.listeners)
                .map(|pid| format!("PID {pid} listens for connections")),
        )
        .shown_by(bot.describe_all(&bot.instances, facts.now))
        .about(bot.instances.iter().map(SeenInstance::pid))
        .explored_by(bot.solobot("delete-webhook --dry-run").map(|command| format!("{command}{}", bot.api_flags)))
}

/// This machine's clock is wrong.
pub fn clock_skew(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts.each(|bot| {
        let ahead = bot.telegram.answer().and_then(|answer| answer.clock_ahead);
        let (summary, evidence) = match (ahead, bot.telegram.error()) {
            (Some(ahead), _) if ahead.unsigned_abs() >= SKEW => {
                let side = if ahead > SignedDuration::ZERO { "behind" } else { "ahead of" };
                let apart = show(ahead.unsigned_abs());
                let summary = format!("this machine's clock is {apart} {side} Telegram's");
                (summary, format!("it is {} here, and {apart} {} at Telegram", facts.now, other_side(side)))
            }
            (_, Some(error)) if error.is_about_time() => (
                "this machine's clock may be wrong: a certificate is rejected because of its dates".into(),
                error.to_string(),
            ),
            _ => return None,
        };
        Some(
            Finding::new(Code::ClockSkew, Level::Warning, summary)
                .shown_by([evidence])
                .fixed_by("timedatectl set-ntp true".to_owned()),
        )
    });
    // All bots share the machine's clock.
    found.truncate(1);
    found
}

fn other_side(side: &str) -> &'static str {
    if side == "behind" { "later" } else { "earlier" }
}

pub fn rate_limited(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let in_logs = bot.logs.fresh.rate_limit;
        let error = bot.telegram.error().filter(|error| matches!(error, Error::RateLimited { .. }));
        if error.is_none() && in_logs == 0 {
            return None;
        }
        let summary = format!("Telegram limits {}: too many requests with its token", bot.name);
        let logged = (in_logs > 0).then(|| {
            format!(
                "{} with 429 in the last {}, in {}",
                plural(in_logs, "answer"),
                show(FRESH),
                bot.logs.names.join(", ")
            )
        });
        Some(
            Finding::new(Code::RateLimited, Level::Warning, summary)
                .shown_by(error.map(ToString::to_string))
                .shown_by(logged)
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(see_logs(bot).or_else(|| bot.solobot("status"))),
        )
    })
}

/// The bot belongs to a self-hosted server, or a server was asked to which it does not belong.
pub fn local_api_server(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let (level, summary) = match (bot.telegram.error(), &bot.server) {
            (Some(Error::NotServed { server, .. }), _) => {
                (Level::Error, format!("{server} does not serve {}: the bot belongs to another server", bot.name))
            }
            (Some(Error::LoggedOut { server, .. }), _) => {
                (Level::Error, format!("{} was moved from {server} to another server", bot.name))
            }
            (Some(Error::Redirected { .. } | Error::NoBotApi { .. }), Some(server))
                if bot.telegram.proxy().is_none() =>
            {
                (Level::Error, format!("{server} does not answer like a Bot API server"))
            }
            (_, Some(server)) if elsewhere(bot).next().is_some() => (
                Level::Warning,
                format!("{} is configured to use {server}, but is connected to Telegram's own server", bot.name),
            ),
            (_, Some(server)) => {
                let summary = format!(
                    "{} uses the Bot API server {server}: every program with its token must use that one",
                    bot.name
                );
                (Level::Info, summary)
            }
            (_, None) => return None,
        };
        let connections = elsewhere(bot).map(|(seen, to)| format!("PID {} is connected to {}", seen.pid(), to.to));
        let error = bot.telegram.error().filter(|_| level == Level::Error);
        let command = match (level, &bot.server) {
            (Level::Error, Some(server)) => Some(typed_here(&format!("curl -v {server}")).into_owned()),
            _ => bot.solobot("status"),
        };
        Some(
            Finding::new(Code::LocalApiServer, level, summary)
                .shown_by(error.map(ToString::to_string))
                .shown_by(connections)
                .shown_by([match &bot.server {
                    Some(server) => format!("configured server: {server}"),
                    None => "no server is configured, so Telegram's own was asked".to_owned(),
                }])
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(command),
        )
    })
}

/// The connections of a bot's instances to Telegram's own networks, although it uses another server.
fn elsewhere(bot: &BotFacts) -> impl Iterator<Item = (&SeenInstance, &Connection)> {
    bot.instances
        .iter()
        .flat_map(|seen| seen.evidence.connections.iter().map(move |to| (seen, to)))
        .filter(|(_, connection)| networks::is_telegram(connection.to.ip()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::http::client::Step;
    use crate::logs::tally::Counts;
    use crate::survey::evidence::facts::LogFacts;
    use crate::survey::evidence::testing::{answered, bot, connected, failed, logs, polling, seen};
    use crate::telegram::base_url::BaseUrl;

    fn server() -> BaseUrl {
        BaseUrl::parse("http://127.0.0.1:8081").unwrap()
    }

    fn saying(telegram: crate::survey::evidence::facts::Telegram) -> BotFacts {
        BotFacts { telegram, ..bot("main", vec![seen(10)]) }
    }

    #[test]
    fn a_webhook_that_is_set_and_one_that_was() {
        let fix = Some("solobot delete-webhook main --token-env T".to_owned());
        let flags = |bot| BotFacts { api_flags: " --token-env T".into(), ..bot };
        let with_logs = |bot| BotFacts { logs: logs(Counts { webhook: 3, conflicts: 3, ..Counts::default() }), ..bot };
        let set = flags(saying(answered("https://example.org/x", 0)));
        assert_eq!(say(webhook_active, set.clone()), [(Level::Error, vec![10], fix.clone())]);
        assert_eq!(say(webhook_active, with_logs(set)).len(), 1);
        let unasked = flags(with_logs(bot("main", vec![seen(10)])));
        assert_eq!(say(webhook_active, unasked), [(Level::Warning, vec![10], fix)]);
        assert_eq!(say(webhook_active, with_logs(saying(answered("", 0)))), []);
        assert_eq!(say(webhook_active, bot("main", vec![seen(10)])), []);
    }

    #[test]
    fn a_bot_that_is_made_for_its_webhook() {
        let listening = || SeenInstance { listeners: vec![10], ..seen(10) };
        let served = |seen| BotFacts { instances: vec![seen], ..saying(answered("https://example.org/x", 0)) };
        let level = |bot| say(webhook_active, bot).remove(0).0;
        assert_eq!(level(served(listening())), Level::Info);
        let connected = || polling(listening(), Polling::Yes);
        assert_eq!(level(served(connected())), Level::Error, "it may poll, and nobody knows its logs");
        let logged = |webhook| LogFacts {
            names: vec!["bot.log".into()],
            fresh: Counts { webhook, conflicts: webhook, ..Counts::default() },
            ..LogFacts::default()
        };
        assert_eq!(level(BotFacts { logs: logged(0), ..served(connected()) }), Level::Info);
        assert_eq!(level(BotFacts { logs: logged(3), ..served(listening()) }), Level::Error);
    }

    #[test]
    fn a_clock_that_is_wrong_is_said_once() {
        for (ahead, words) in [(3600, "1h behind"), (-7200, "2h ahead of")] {
            let found = clock_skew(&crate::survey::evidence::testing::facts(vec![
                saying(answered("", ahead)),
                saying(answered("", ahead)),
            ]));
            assert_eq!((found.len(), found[0].level), (1, Level::Warning));
            assert!(found[0].summary.contains(words), "{found:?}");
        }
        for fine in [0, 59, -59] {
            assert_eq!(say(clock_skew, saying(answered("", fine))), []);
        }
        let tls = |why: &str| {
            let (why, step) = (why.to_owned(), Step::Tls);
            saying(failed(Error::Unreachable { server: server(), step, why, transient: false, proxy: None }))
        };
        assert_eq!(say(clock_skew, tls("invalid peer certificate: Expired")).len(), 1);
        assert_eq!(say(clock_skew, tls("invalid peer certificate: UnknownIssuer")), []);
    }

    #[test]
    fn too_many_requests() {
        let limited = saying(failed(Error::RateLimited { server: server(), retry_after: Some(3) }));
        assert_eq!(say(rate_limited, limited)[0].0, Level::Warning);
        let logged = BotFacts { logs: logs(Counts { rate_limit: 2, ..Counts::default() }), ..bot("main", vec![]) };
        assert_eq!(say(rate_limited, logged)[0].2.as_deref(), Some("solobot conflicts --since 1h /srv/bot.log"));
        assert_eq!(say(rate_limited, saying(answered("", 0))), []);
    }

    #[test]
    fn a_server_of_ones_own() {
        let own = |bot| BotFacts { server: Some("http://127.0.0.1:8081".into()), ..bot };
        let level = |bot| say(local_api_server, bot).first().map(|said| said.0);
        assert_eq!(level(saying(answered("", 0))), None);
        assert_eq!(level(own(saying(answered("", 0)))), Some(Level::Info));
        let (bot_id, description) = (String::new(), String::new());
        let not_served =
            Error::NotServed { server: server(), bot_id: bot_id.clone(), description: description.clone() };
        assert_eq!(level(own(saying(failed(not_served)))), Some(Level::Error));
        let left = Error::LoggedOut { server: server(), bot_id, description };
        assert_eq!(level(saying(failed(left))), Some(Level::Error), "the public server, too");
        let page = || failed(Error::NoBotApi { server: server(), status: 200, why: String::new() });
        assert_eq!(level(own(saying(page()))), Some(Level::Error));
        assert_eq!(level(saying(page())), None);
        let split = |to: &str| own(bot("main", vec![connected(seen(10), &[(10, to)])]));
        assert_eq!(level(split("149.154.167.220:443")), Some(Level::Warning));
        assert_eq!(level(split("127.0.0.1:8081")), Some(Level::Info));
    }
}
