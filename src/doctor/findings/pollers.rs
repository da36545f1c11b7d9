//! Who polls: several processes of one instance, somebody before a takeover, or nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::finding::{Finding, Level};
use super::elsewhere::is_unexplained;
use super::logged::{conflicts, see_logs};
use crate::base::duration::show;
use crate::base::finding_code::Code;
use crate::base::text::plural;
use crate::platform::advice;
use crate::platform::identity::RunState;
use crate::survey::connections::Polling;
use crate::survey::evidence::facts::{BotFacts, FRESH, Facts, SETTLES, SeenInstance};
use crate::telegram::base_url::BaseUrl;

/// A bot that has run for this long has connected.
const STARTED: Duration = Duration::from_secs(30);

/// The processes of an instance that are connected to Telegram.
fn connected_processes(seen: &SeenInstance) -> BTreeSet<i32> {
    seen.evidence.connections.iter().map(|connection| connection.pid).collect()
}

/// Conflicts only right after a start or a takeover, which are normal.
pub fn recent_takeover(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let (logs, takeover) = (&bot.logs, bot.logs.takeover.as_ref()?);
        if logs.settling == 0 || logs.fresh.other_poller > 0 || bot.pollers().count() > 1 || is_unexplained(facts, bot)
        {
            return None;
        }
        let age = facts.now.duration_since(takeover.at).unsigned_abs();
        let summary = format!(
            "the conflicts of {} came right after a start or takeover: they are normal for {}",
            bot.name,
            show(SETTLES)
        );
        Some(
            Finding::new(Code::RecentTakeover, Level::Info, summary)
                .shown_by([
                    format!("{} {} ago", takeover.what, show(age)),
                    format!("{} within {} of that, none later", plural(logs.settling, "conflict"), show(SETTLES)),
                ])
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(see_logs(bot)),
        )
    })
}

/// An instance that is running but not connected.
pub fn not_polling(facts: &Facts) -> Vec<Finding> {
    facts
        .instances()
        .filter(|(bot, seen)| {
            let age = facts.now.duration_since(seen.instance.started).unsigned_abs();
            // What only looks like a bot may never poll, unless its logs show that it did.
            let is_bot = !bot.is_guess || bot.logs.day > 0;
            let has_webhook = bot.telegram.answer().is_some_and(|answer| answer.webhook.is_set());
            let is_expected = has_webhook || is_backing_off(facts, bot);
            let is_idle = seen.evidence.polling == Polling::No && age >= STARTED && !is_expected;
            is_bot && (is_idle || is_stopped(seen))
        })
        .map(|(bot, seen)| {
            if is_stopped(seen) {
                return stopped(facts, bot, seen);
            }
            let summary = format!("PID {} of {} is running but not connected to Telegram", seen.pid(), bot.name);
            let storm = (bot.logs.day > 0).then(|| {
                let count = plural(bot.logs.day, "conflict");
                format!("it may have given up polling: {count} in the last day, in {}", bot.logs.names.join(", "))
            });
            Finding::new(Code::NotPolling, Level::Warning, summary)
                .shown_by([bot.describe(seen, facts.now), "no connection in three checks within a second".to_owned()])
                .shown_by(storm)
                .about([seen.pid()])
                .explored_by(see_logs(bot).or_else(|| bot.solobot("status")))
        })
        .collect()
}

/// By SIGSTOP or Ctrl-Z. A process in a debugger has another state.
fn is_stopped(seen: &SeenInstance) -> bool {
    seen.instance.state == RunState::Stopped
}

/// Reported even if it is connected: a stopped process keeps its connection for a while without using it.
fn stopped(facts: &Facts, bot: &BotFacts, seen: &SeenInstance) -> Finding {
    let summary =
        format!("PID {} of {} is stopped by a signal (SIGSTOP or Ctrl-Z) and does nothing", seen.pid(), bot.name);
    Finding::new(Code::NotPolling, Level::Warning, summary)
        .shown_by([bot.describe(seen, facts.now), "process state T (stopped)".to_owned()])
        .about([seen.pid()])
        .fixed_by(format!("kill -CONT {}", seen.pid()))
}

/// After a conflict, a client waits before it connects again.
fn is_backing_off(facts: &Facts, bot: &BotFacts) -> bool {
    bot.logs.last.is_some_and(|last| facts.now.duration_since(last).unsigned_abs() < SETTLES)
}

/// Several processes of one instance are connected.
pub fn several_pollers(facts: &Facts) -> Vec<Finding> {
    let all = facts.bots.iter().flat_map(|bot| bot.pollers().map(move |seen| (bot, seen)));
    all.filter_map(|(bot, seen)| {
        let pids = connected_processes(seen);
        if pids.len() < 2 {
            return None;
        }
        let are_at_odds = bot.logs.fresh.other_poller > 0;
        let level = if are_at_odds { Level::Error } else { Level::Warning };
        let summary = format!(
            "{} processes of one instance of {} are connected to Telegram: if more than one polls, they conflict",
            pids.len(),
            bot.name
        );
        let each = seen.evidence.connections.iter().map(|one| format!("PID {} is connected to {}", one.pid, one.to));
        let command = advice::processes(&pids.iter().copied().collect::<Vec<_>>());
        Some(
            Finding::new(Code::SeveralPollers, level, summary)
                .shown_by(each)
                .shown_by(are_at_odds.then(|| conflicts(bot, facts.now)).into_iter().flatten())
                .about(pids)
                .explored_by(command),
        )
    })
    .collect()
}

/// Conflicts without another poller, where a proxy or load balancer may send requests twice.
pub fn repeating_proxy(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let [seen] = bot.instances.as_slice() else { return None };
        if !is_unexplained(facts, bot) {
            return None;
        }
        let by_proxy = seen.has_proxy.then(|| format!("PID {} uses a proxy, set in its environment", seen.pid()));
        let by_server =
            bot.server.as_ref().filter(|url| is_far(url)).map(|url| format!("{url} may be a load balancer"));
        if by_proxy.is_none() && by_server.is_none() {
            return None;
        }
        let summary = format!(
            "a proxy between {} and Telegram may send requests twice: a repeated poll conflicts with itself",
            bot.name
        );
        let fresh = bot.logs.fresh.other_poller;
        Some(
            Finding::new(Code::RepeatingProxy, Level::Warning, summary)
                .shown_by(by_proxy)
                .shown_by(by_server)
                .shown_by([format!(
                    "{} in the last {}, with only one instance here",
                    plural(fresh, "conflict"),
                    show(FRESH)
                )])
                .about([seen.pid()])
                .explored_by(advice::proxies_of(seen.pid())),
        )
    })
}

/// Whether that server is another machine.
fn is_far(url: &str) -> bool {
    let Ok(server) = BaseUrl::parse(url) else { return false };
    let is_loopback = server.host().parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    !is_loopback && !server.host().eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
