//! Failures on the way to Telegram, which are not conflicts. Each step of the way is its own finding.

use super::super::finding::{Finding, Level};
use super::logged::see_logs;
use crate::base::duration::show;
use crate::base::error::Expected;
use crate::base::finding_code::Code;
use crate::base::shell::quote;
use crate::base::text::plural;
use crate::http::client::{self, Step};
use crate::platform::advice::{typed_here, with_variable};
use crate::survey::connections::Polling;
use crate::survey::evidence::facts::{BotFacts, FRESH, Facts, SeenInstance};
use crate::telegram::base_url::BaseUrl;
use crate::telegram::errors::Error;

/// Fewer network errors in the logs are normal.
const MANY: u64 = 3;

pub fn dns(facts: &Facts) -> Vec<Finding> {
    failed(facts, Code::Dns, "cannot look up the name of the Bot API server")
}

/// No connection can be made, or connections break according to the logs.
pub fn tcp(facts: &Facts) -> Vec<Finding> {
    let mut found = failed(facts, Code::Tcp, "cannot connect to the Bot API server");
    found.extend(facts.each(unsteady));
    found
}

pub fn tls(facts: &Facts) -> Vec<Finding> {
    failed(facts, Code::Tls, "cannot make a secure connection to the Bot API server")
}

/// The proxy cannot be used, or answers instead of Telegram.
pub fn proxy(facts: &Facts) -> Vec<Finding> {
    failed(facts, Code::Proxy, "cannot reach Telegram through the proxy")
}

/// The server answers with errors, or not at all.
pub fn telegram_down(facts: &Facts) -> Vec<Finding> {
    let mut found = failed(facts, Code::TelegramDown, "the Bot API server can be reached but does not work");
    found.extend(facts.each(|bot| {
        let count = bot.logs.fresh.server;
        if count == 0 || bot.telegram.error().is_some() {
            return None;
        }
        let summary = format!("Telegram answered {} with server errors", bot.name);
        let evidence = format!(
            "{} with 5xx in the last {}, in {}",
            plural(count, "answer"),
            show(FRESH),
            bot.logs.names.join(", ")
        );
        Some(Finding::new(Code::TelegramDown, Level::Warning, summary).shown_by([evidence]).explored_by(see_logs(bot)))
    }));
    found
}

/// The code for a failure; `None` if another finding reports it.
fn code_of(bot: &BotFacts, error: &Error) -> Option<Code> {
    match error {
        Error::Unreachable { step, .. } => Some(match step {
            Step::Dns => Code::Dns,
            Step::Proxy => Code::Proxy,
            Step::Tcp => Code::Tcp,
            Step::Tls => Code::Tls,
            Step::Http => Code::TelegramDown,
        }),
        Error::Setup(client::Error::Proxy(_)) => Some(Code::Proxy),
        Error::Redirected { .. } | Error::NoBotApi { .. } => match (bot.telegram.proxy(), &bot.server) {
            (Some(_), _) => Some(Code::Proxy),
            // `local-api-server` reports it.
            (None, Some(_)) => None,
            (None, None) => Some(Code::TelegramDown),
        },
        Error::Server { .. } | Error::Refused { .. } => Some(Code::TelegramDown),
        Error::BaseUrl(_)
        | Error::Setup(client::Error::CaFile { .. })
        | Error::RateLimited { .. }
        | Error::TokenRejected { .. }
        | Error::NotServed { .. }
        | Error::LoggedOut { .. } => None,
    }
}

/// One finding for all bots that fail in the same way.
fn failed(facts: &Facts, code: Code, summary: &str) -> Vec<Finding> {
    let mut alike: Vec<(String, &Error, Vec<&BotFacts>)> = Vec::new();
    for bot in &facts.bots {
        let Some(error) = bot.telegram.error().filter(|error| code_of(bot, error) == Some(code)) else { continue };
        let text = error.to_string();
        match alike.iter_mut().find(|(other, ..)| *other == text) {
            Some((.., bots)) => bots.push(bot),
            None => alike.push((text, error, vec![bot])),
        }
    }
    let finding = |(text, error, bots): (String, &Error, Vec<&BotFacts>)| {
        let names: Vec<&str> = bots.iter().map(|bot| bot.name.as_str()).collect();
        let connected: Vec<&SeenInstance> =
            bots.iter().flat_map(|bot| &bot.instances).filter(|seen| seen.evidence.polling == Polling::Yes).collect();
        // If an instance is connected, only our own way is broken: another environment or network namespace.
        let level = if connected.is_empty() { Level::Error } else { Level::Warning };
        let command = command(error, bots[0]);
        let hints = error.hints().into_iter().map(|hint| without(&hint, command.as_deref()));
        let spared = connected.iter().map(|seen| format!("PID {} is connected anyway", seen.pid()));
        Finding::new(code, level, format!("{summary} (for {})", names.join(", ")))
            .shown_by([text])
            .shown_by(hints)
            .shown_by(spared)
            .about(bots.iter().flat_map(|bot| &bot.instances).map(SeenInstance::pid))
            .explored_by(command)
    };
    alike.into_iter().map(finding).collect()
}

/// A hint whose command is printed below it does not repeat it.
fn without(hint: &str, command: Option<&str>) -> String {
    let purpose = command.and_then(|command| hint.strip_suffix(command)?.strip_suffix(": "));
    purpose.map_or_else(|| hint.to_owned(), |purpose| format!("{purpose}, use the command below"))
}

/// The command that shows more of a failure, or goes around it.
fn command(error: &Error, bot: &BotFacts) -> Option<String> {
    let again = || Some(format!("{}{}", bot.solobot("doctor")?, bot.api_flags));
    match error {
        Error::Setup(client::Error::Proxy(malformed)) => Some(format!("env -u {} {}", malformed.variable, again()?)),
        Error::Unreachable { server, step: Step::Dns, .. } => {
            Some(typed_here(&format!("getent hosts {}", server.host())).into_owned())
        }
        Error::Unreachable { server, step: Step::Proxy, .. } => Some(around(server, &again()?)),
        Error::Redirected { server, .. } | Error::NoBotApi { server, .. } if bot.telegram.proxy().is_some() => {
            Some(around(server, &again()?))
        }
        Error::Unreachable { server, .. }
        | Error::Server { server, .. }
        | Error::Refused { server, .. }
        | Error::Redirected { server, .. }
        | Error::NoBotApi { server, .. } => Some(typed_here(&format!("curl -v {server}")).into_owned()),
        _ => None,
    }
}

fn around(server: &BaseUrl, again: &str) -> String {
    with_variable("NO_PROXY", &quote(server.host()), again)
}

/// Connections of the bot keep breaking, although ours did not.
fn unsteady(bot: &BotFacts) -> Option<Finding> {
    let (network, timeout) = (bot.logs.fresh.network, bot.logs.fresh.timeout);
    if network + timeout < MANY || bot.telegram.error().is_some() {
        return None;
    }
    let now = if bot.telegram.answer().is_some() { "; it answers now" } else { "" };
    let evidence = format!(
        "{} and {} in the last {}, in {}{now}",
        plural(network, "network error"),
        plural(timeout, "time-out"),
        show(FRESH),
        bot.logs.names.join(", ")
    );
    let summary = format!("the connection of {} to Telegram keeps breaking: this is not a conflict", bot.name);
    Some(Finding::new(Code::Tcp, Level::Warning, summary).shown_by([evidence]).explored_by(see_logs(bot)))
}

#[cfg(test)]
mod tests {
    use super::super::Find;
    use super::super::testing::say;
    use super::*;
    use crate::logs::tally::Counts;
    use crate::survey::evidence::facts::Telegram;
    use crate::survey::evidence::testing::{answered, bot, facts, logs, polling, seen};

    const ALL: [(Code, Find); 5] = [
        (Code::Dns, dns),
        (Code::Tcp, tcp),
        (Code::Tls, tls),
        (Code::Proxy, proxy),
        (Code::TelegramDown, telegram_down),
    ];

    fn failing(error: Error, proxy: bool, server: bool) -> BotFacts {
        let proxy = proxy.then(|| "127.0.0.1:3128 (ALL_PROXY)".to_owned());
        let server = server.then(|| "http://h:8081".to_owned());
        BotFacts { telegram: Telegram::Failed { error, proxy }, server, ..bot("main", vec![]) }
    }

    /// The codes found, and their commands.
    fn found(bot: &BotFacts) -> Vec<(Code, Option<String>)> {
        let all = ALL.into_iter().flat_map(|(code, find)| {
            say(find, bot.clone()).into_iter().map(move |(level, _, command)| {
                assert_eq!(level, Level::Error, "{code:?}");
                (code, command)
            })
        });
        all.collect()
    }

    #[test]
    fn each_step_is_one_finding() {
        let server = || BaseUrl::parse("https://h").unwrap();
        let at = |step| Error::Unreachable { server: server(), step, why: "x".into(), transient: true, proxy: None };
        let curl = || Some("curl -v https://h".to_owned());
        let cases = [
            (at(Step::Dns), Code::Dns, Some("getent hosts h".to_owned())),
            (at(Step::Tcp), Code::Tcp, curl()),
            (at(Step::Tls), Code::Tls, curl()),
            (at(Step::Proxy), Code::Proxy, Some("NO_PROXY=h solobot doctor main".to_owned())),
            (at(Step::Http), Code::TelegramDown, curl()),
            (Error::Server { server: server(), status: 502, description: String::new() }, Code::TelegramDown, curl()),
        ];
        for (error, code, command) in cases {
            assert_eq!(found(&failing(error, false, false)), [(code, command)], "{code:?}");
        }
        for fine in [
            Error::RateLimited { server: server(), retry_after: None },
            Error::NotServed { server: server(), bot_id: String::new(), description: String::new() },
        ] {
            assert_eq!(found(&failing(fine, false, false)), []);
        }
        assert_eq!(found(&BotFacts { telegram: answered("", 0), ..bot("main", vec![]) }), []);
        assert_eq!(found(&bot("main", vec![seen(10)])), []);
    }

    #[test]
    fn whose_fault_a_foreign_answer_is() {
        let page = || {
            let server = BaseUrl::parse("http://h:8081").unwrap();
            Error::NoBotApi { server, status: 200, why: "it begins with `<html>`".into() }
        };
        let codes = |bot: BotFacts| found(&bot).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
        assert_eq!(codes(failing(page(), true, false)), [Code::Proxy]);
        assert_eq!(codes(failing(page(), false, true)), [], "local-api-server says it");
        assert_eq!(codes(failing(page(), false, false)), [Code::TelegramDown]);
    }

    #[test]
    fn bots_that_fail_alike_are_told_once_and_a_connected_one_softens_it() {
        let error = || {
            let server = BaseUrl::parse("https://h").unwrap();
            Error::Unreachable { server, step: Step::Tcp, why: "x".into(), transient: true, proxy: None }
        };
        let failing = |name: &str, seen| {
            let telegram = Telegram::Failed { error: error(), proxy: None };
            BotFacts { telegram, ..bot(name, vec![seen]) }
        };
        let two = facts(vec![failing("a", seen(10)), failing("b", seen(20))]);
        let found = tcp(&two);
        assert_eq!((found.len(), found[0].level, &found[0].pids), (1, Level::Error, &vec![10, 20]));
        assert!(found[0].summary.ends_with("(for a, b)"), "{found:?}");
        let connected = facts(vec![failing("a", polling(seen(10), Polling::Yes))]);
        assert_eq!(tcp(&connected)[0].level, Level::Warning);
    }

    #[test]
    fn trouble_in_the_logs() {
        let logged = |counts| BotFacts { logs: logs(counts), telegram: answered("", 0), ..bot("main", vec![]) };
        let many = Counts { network: 2, timeout: 1, ..Counts::default() };
        assert_eq!(say(tcp, logged(many))[0].0, Level::Warning);
        assert_eq!(say(tcp, logged(Counts { network: 2, ..Counts::default() })), []);
        let down = Counts { server: 1, ..Counts::default() };
        assert_eq!(say(telegram_down, logged(down))[0].0, Level::Warning);
        assert_eq!(say(telegram_down, logged(Counts::default())), []);
    }
}
