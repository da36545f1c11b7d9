//! Conflicts that no second instance explains: somebody else here may be the other poller, or cannot be seen, or it is on
//! another machine. That is said last, once nobody here is left who could be it.

use std::time::Duration;

use super::super::finding::{Finding, Level};
use super::fetching;
use super::logged::{conflicts, see_logs};
use crate::base::finding_code::Code;
use crate::base::text::plural;
use crate::platform::advice::{self, USE_SUDO};
use crate::process::program::Program;
use crate::survey::connections::{Connection, Polling};
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance};

/// Two bots that keep polling cause a conflict at least every 30 s. After this time, the conflict is over.
const ONGOING: Duration = Duration::from_secs(90);
/// Two that fight log within so many seconds of each other: a refused client waits before it polls again.
const TOGETHER: u64 = 2;
/// More suspects than these are only counted.
const MOST_SUSPECTS: usize = 5;

/// What explains the conflicts of a bot.
enum ConflictCause {
    /// Something that another finding says.
    Said,
    /// One of these processes here, the likeliest first.
    Suspects(Vec<Suspect>),
    /// Perhaps somebody here whom solobot cannot see, and why it cannot.
    Unseen(Vec<String>),
    /// Nobody here could be it.
    Elsewhere,
}

impl ConflictCause {
    fn of(facts: &Facts, bot: &BotFacts) -> Self {
        if !bot.is_fought() || is_shared(facts, bot) {
            return Self::Said;
        }
        let mut suspects = suspects(facts, bot);
        let is_settling = bot.logs.fresh.other_poller == 0;
        if is_settling {
            // Right after a start conflicts are normal, unless somebody else has them in the same seconds.
            suspects.retain(|one| one.logs.is_some());
        }
        if !suspects.is_empty() {
            return Self::Suspects(suspects);
        }
        if is_settling {
            return Self::Said;
        }
        let unseen = unseen(facts);
        if unseen.is_empty() { Self::Elsewhere } else { Self::Unseen(unseen) }
    }
}

/// Whether the conflicts of a bot come from outside of it, and nothing here is known to have its token.
pub fn is_unexplained(facts: &Facts, bot: &BotFacts) -> bool {
    !matches!(ConflictCause::of(facts, bot), ConflictCause::Said)
}

/// There are conflicts now, and every process here that could cause them has been looked at.
pub fn remote_poller(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let ConflictCause::Elsewhere = ConflictCause::of(facts, bot) else { return None };
        let is_ongoing = is_ongoing(facts, bot);
        let is_sure = is_ongoing && facts.uninspected == 0 && bot.logs.fresh.other_poller > 1;
        let level = if is_sure { Level::Error } else { Level::Warning };
        let twice = twice(bot);
        let itself = twice.as_ref().map_or_else(String::new, |all| format!("; or PID {} itself polls twice", all[0].pid));
        let summary = format!(
            "another program polls with the token of {}, on another machine or where solobot cannot see it{itself}",
            bot.name
        );
        let (here, with) = match (bot.instances.as_slice(), bot.fingerprint()) {
            ([], _) => ("no instance is running here", ""),
            (_, Some(_)) => ("one instance is running here", ", and no other process here is connected with this token"),
            (_, None) => ("one instance is running here", ", and no other process here is connected to Telegram"),
        };
        let doubt = match (facts.uninspected > 0, is_ongoing) {
            (true, _) => Some("not every process here could be inspected: the other poller may be here".to_owned()),
            (_, false) => Some("if you have just stopped an instance here, run doctor again in two minutes".to_owned()),
            _ => None,
        };
        let lock_out = if twice.is_some() { "another machine" } else { "it" };
        Some(
            Finding::new(Code::RemotePoller, level, summary)
                .shown_by(conflicts(bot, facts.now))
                .shown_by(fetching::seen_in_queue(bot))
                .shown_by([format!("{here}{with}")])
                .shown_by(idle_users(facts, bot))
                .shown_by(doubt)
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .shown_by([find_it(bot)])
                .shown_by(twice.map(or_itself))
                .shown_by([format!(
                    "to lock {lock_out} out, get a new token with /revoke at @BotFather: the old one stops working at once"
                )])
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(bot.solobot("status").or_else(|| see_logs(bot))),
        )
    })
}

/// There are conflicts now, and a process here may be the other poller: one whose token cannot be seen, or one that cannot
/// be seen itself.
pub fn unseen_poller(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let name = &bot.name;
        let (summary, why, pids, command) = match ConflictCause::of(facts, bot) {
            ConflictCause::Said | ConflictCause::Elsewhere => return None,
            ConflictCause::Suspects(suspects) => {
                let who = match suspects.as_slice() {
                    [one] => format!("it may be PID {} ({}) here", one.pid, one.name),
                    many => format!("it may be one of {} other processes here", many.len()),
                };
                let pids: Vec<i32> = suspects.iter().map(|one| one.pid).collect();
                let left = suspects.len().saturating_sub(MOST_SUSPECTS);
                let more = (left > 0).then(|| format!("and {left} more that are connected"));
                let lines = suspects.iter().take(MOST_SUSPECTS).map(|one| one.describe(name)).chain(more).collect();
                let command = advice::processes(&pids);
                (format!("another program polls with the token of {name}: {who}"), lines, pids, Some(command))
            }
            ConflictCause::Unseen(why) => {
                let command = bot.solobot("doctor").map(|command| advice::typed_as_root(&command));
                let summary = format!(
                    "another program polls with the token of {name}: cannot tell whether it is here, since not every \
                     process can be seen"
                );
                (summary, why, Vec::new(), command)
            }
        };
        let own = bot.instances.is_empty().then(|| "no instance is running here".to_owned());
        Some(
            Finding::new(Code::UnseenPoller, Level::Warning, summary)
                .shown_by(conflicts(bot, facts.now))
                .shown_by(why)
                .shown_by(own)
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .shown_by(twice(bot).map(or_itself))
                .shown_by([format!("if it is not here: {}", find_it(bot))])
                .about(bot.instances.iter().map(SeenInstance::pid).chain(pids))
                .explored_by(command),
        )
    })
}

fn is_ongoing(facts: &Facts, bot: &BotFacts) -> bool {
    bot.logs.last.is_some_and(|last| facts.now.duration_since(last).unsigned_abs() < ONGOING)
}

fn find_it(bot: &BotFacts) -> String {
    let token =
        bot.fingerprint().map_or_else(|| "the token's fingerprint".to_owned(), |own| format!("fingerprint {own}"));
    format!(
        "to find it, run `solobot status` on every machine that ever had the token (laptop, old server, CI, containers) \
         and look for {token}"
    )
}

/// The connections of an instance that has several. A healthy client may have two, one of them for sending, so it is only
/// evidence beside conflicts.
fn twice(bot: &BotFacts) -> Option<&[Connection]> {
    bot.instances.iter().map(|seen| seen.evidence.connections.as_slice()).find(|all| all.len() > 1)
}

fn or_itself(connections: &[Connection]) -> String {
    let list: Vec<String> =
        connections.iter().filter_map(|one| one.descriptor).map(|descriptor| descriptor.to_string()).collect();
    let descriptors = if list.is_empty() { String::new() } else { format!(" (fd {})", list.join(", ")) };
    format!(
        "or this very process polls twice: PID {} has {} to Telegram{descriptors}; then a new token changes nothing",
        connections[0].pid,
        plural(connections.len() as u64, "connection"),
    )
}

/// A process here that may be the other poller.
struct Suspect {
    pid: i32,
    name: String,
    why: WhySuspect,
    /// Its logs, if they have conflicts in the same seconds as the bot's.
    logs: Option<String>,
}

enum WhySuspect {
    /// It has the bot's token; whether it is seen to be connected.
    SameToken(bool),
    /// It is connected, and has a token that cannot be seen.
    TokenUnseen,
    /// It is connected with a token that is known, as the bot's is not.
    OwnTokenUnseen,
}

impl Suspect {
    fn describe(&self, bot: &str) -> String {
        let why = match self.why {
            WhySuspect::SameToken(true) => "is connected and has this very token".to_owned(),
            WhySuspect::SameToken(false) => "has this very token, and may poll unseen".to_owned(),
            WhySuspect::TokenUnseen => "is connected too and its token cannot be seen".to_owned(),
            WhySuspect::OwnTokenUnseen => format!("is connected too, and the token of {bot} cannot be seen"),
        };
        let logs = self.logs.as_ref();
        let logs = logs.map_or_else(String::new, |logs| format!("; it has conflicts in the same seconds, in {logs}"));
        format!("PID {} ({}) {why}: look there first{logs}", self.pid, self.name)
    }
}

/// Everybody here who may be the other poller of a bot.
fn suspects(facts: &Facts, bot: &BotFacts) -> Vec<Suspect> {
    let own = bot.fingerprint();
    let suspicion = |its: Option<&str>, polling: Polling| match (own, its) {
        (Some(own), Some(its)) if own == its => {
            may_poll(bot, polling).then_some(WhySuspect::SameToken(polling == Polling::Yes))
        }
        _ if polling != Polling::Yes => None,
        (Some(_), Some(_)) => None,
        (_, None) => Some(WhySuspect::TokenUnseen),
        (None, Some(_)) => Some(WhySuspect::OwnTokenUnseen),
    };
    let together = |moments: &[i64], logs: &[String]| {
        let near = |own: &&i64| moments.iter().any(|its| its.abs_diff(**own) <= TOGETHER);
        let count = bot.logs.moments.iter().filter(near).count();
        (count > 0 && count * 2 >= bot.logs.moments.len()).then(|| logs.join(", "))
    };
    let mut found = Vec::new();
    for other in facts.bots.iter().filter(|other| !std::ptr::eq(*other, bot)) {
        for seen in other.pollers() {
            let shown = seen.instance.known_token().map(|token| token.fingerprint.as_str());
            let Some(why) = suspicion(shown.or(other.fingerprint()), seen.evidence.polling) else { continue };
            let name = seen.instance.program.as_ref().map_or_else(|| other.name.clone(), Program::file_name);
            found.push(Suspect { pid: seen.pid(), name, why, logs: together(&other.logs.moments, &other.logs.names) });
        }
    }
    for user in &facts.token_users {
        let Some(why) = suspicion(Some(&user.fingerprint), user.evidence.polling) else { continue };
        found.push(Suspect { pid: user.process.pid, name: user.name.clone(), why, logs: None });
    }
    for one in &facts.strangers {
        let Some(why) = suspicion(one.fingerprint.as_deref(), Polling::Yes) else { continue };
        let logs = together(&one.moments, &one.logs);
        found.push(Suspect { pid: one.process.pid, name: one.name.clone(), why, logs });
    }
    found.sort_by_key(|one| (one.logs.is_none(), !matches!(one.why, WhySuspect::SameToken(true)), one.pid));
    found.dedup_by_key(|one| one.pid);
    found
}

/// Whether one that is seen so may poll. The bot itself certainly polls: where it is not seen connected either, that
/// another one is not seen connected tells nothing.
fn may_poll(bot: &BotFacts, polling: Polling) -> bool {
    polling != Polling::No || bot.instances.iter().all(|seen| seen.evidence.polling == Polling::No)
}

/// Whether another program or bot runs here with the bot's token, and neither is seen not to poll: that is said as such.
fn is_shared(facts: &Facts, bot: &BotFacts) -> bool {
    let Some(own) = bot.fingerprint() else { return false };
    let polls = |seen: &SeenInstance| seen.evidence.polling != Polling::No;
    let of_bot = |other: &BotFacts| {
        !std::ptr::eq(other, bot) && other.fingerprint() == Some(own) && other.instances.iter().any(polls)
    };
    let users = || facts.token_users.iter().any(|one| one.fingerprint == own && one.evidence.polling != Polling::No);
    bot.instances.iter().any(polls) && (facts.bots.iter().any(of_bot) || users())
}

/// The processes with the bot's token that are not connected.
fn idle_users(facts: &Facts, bot: &BotFacts) -> Vec<String> {
    let own = bot.fingerprint();
    let idle =
        facts.token_users.iter().filter(|user| own == Some(&user.fingerprint) && user.evidence.polling == Polling::No);
    let line = |pid: i32, name: &str| format!("PID {pid} ({name}) has this token too, and is not connected");
    idle.take(MOST_SUSPECTS).map(|user| line(user.process.pid, &user.name)).collect()
}

/// Why somebody here may be the other poller although nobody is seen to be.
fn unseen(facts: &Facts) -> Vec<String> {
    let unseen = &facts.unseen_connections;
    let mut users = unseen.users.clone();
    users.dedup();
    let owners = (!users.is_empty()).then(|| {
        let count = plural(unseen.users.len() as u64, "connection");
        let (belong, them) = if unseen.users.len() == 1 { ("belongs", "that one") } else { ("belong", "one of them") };
        format!(
            "cannot tell: {count} to Telegram {belong} to user {} and a process that cannot be inspected; {them} may be \
             the other poller",
            users.join(" and ")
        )
    });
    let contained = (unseen.contained > 0).then(|| {
        let are =
            if unseen.contained == 1 { "process in a container cannot" } else { "processes in containers cannot" };
        format!("cannot tell: {} {are} be inspected", unseen.contained)
    });
    let hidden = facts.hidden.then(|| format!("cannot tell: {}", advice::HIDDEN));
    let unshown = (unseen.unshown > 0).then(|| {
        let processes = if unseen.unshown == 1 { "process" } else { "processes" };
        let count = unseen.unshown;
        format!(
            "cannot tell: {count} {processes} of other users cannot be asked for connections; {USE_SUDO} to see them"
        )
    });
    [hidden, owners, contained, unshown].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
