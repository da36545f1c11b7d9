//! Tokens that are rejected, have white space around them, or are shared by two bots.

use std::collections::{BTreeMap, BTreeSet};

use super::super::finding::{Finding, Level};
use crate::base::finding_code::Code;
use crate::platform::advice;
use crate::survey::connections::Polling;
use crate::survey::evidence::facts::{ConfiguredBot, Facts, KnownToken, SeenInstance};
use crate::telegram::errors::Error;

/// The token is malformed, or Telegram rejects it.
pub fn token_invalid(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let (summary, evidence) = if let Some(fault) = &bot.token_fault {
            (format!("the token of {} is malformed", bot.name), fault.clone())
        } else if let Some(error @ Error::TokenRejected { server, .. }) = bot.telegram.error() {
            let summary = format!("{server} rejects the token of {}: it was revoked or mistyped", bot.name);
            (summary, error.to_string())
        } else {
            return None;
        };
        Some(
            Finding::new(Code::TokenInvalid, Level::Error, summary)
                .shown_by([evidence])
                .shown_by(bot.token.as_ref().map(whose))
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(bot.solobot("status -v")),
        )
    })
}

fn whose(token: &KnownToken) -> String {
    format!("bot {}, fingerprint {}, from {}", token.bot_id, token.fingerprint, token.place)
}

/// White space around a token, with which two programs may derive two locks from it.
pub fn token_whitespace(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let padded: Vec<&SeenInstance> = bot.all().filter(|seen| seen.padded.is_some()).collect();
        let ours = bot.token.as_ref().filter(|token| token.is_padded);
        if padded.is_empty() && ours.is_none() {
            return None;
        }
        let of_process = |seen: &&SeenInstance| {
            let name = seen.padded.as_deref().unwrap_or_default();
            format!("white space around {name} in the environment of PID {}: {}", seen.pid(), seen.instance.command)
        };
        let summary = format!(
            "the token of {} has white space around it: a program that does not strip it may use another lock",
            bot.name
        );
        Some(
            Finding::new(Code::TokenWhitespace, Level::Warning, summary)
                .shown_by(ours.map(|token| format!("white space around the token in {}", token.place)))
                .shown_by(padded.iter().map(of_process))
                .about(padded.iter().map(|seen| seen.pid()))
                .explored_by(bot.solobot("status -v")),
        )
    })
}

/// A process with a token: an instance of a bot that was looked at, or of another program.
struct SharedTokenUser {
    /// Which bot, or which program.
    whose: String,
    pid: i32,
    polling: Polling,
    shown: String,
}

/// Two bots of the file with different locks, or two programs that may both poll, have the same token.
pub fn token_shared(facts: &Facts) -> Vec<Finding> {
    let mut users: BTreeMap<&str, Vec<SharedTokenUser>> = BTreeMap::new();
    for (number, bot) in facts.bots.iter().enumerate() {
        for seen in &bot.instances {
            let own = bot.token.as_ref().map(|token| token.fingerprint.as_str());
            let Some(token) = seen.instance.known_token().map(|token| token.fingerprint.as_str()).or(own) else {
                continue;
            };
            let shown = bot.describe(seen, facts.now);
            let user =
                SharedTokenUser { whose: format!("#{number}"), pid: seen.pid(), polling: seen.evidence.polling, shown };
            users.entry(token).or_default().push(user);
        }
    }
    for user in &facts.token_users {
        let (pid, polling) = (user.process.pid, user.evidence.polling);
        let shown = format!("PID {pid}, {}: {}", connected(polling), user.command);
        users.entry(&user.fingerprint).or_default().push(SharedTokenUser {
            whose: user.program.clone(),
            pid,
            polling,
            shown,
        });
    }
    let mut entries: BTreeMap<&str, Vec<&ConfiguredBot>> = BTreeMap::new();
    for sibling in &facts.siblings {
        entries.entry(&sibling.fingerprint).or_default().push(sibling);
    }
    let tokens: BTreeSet<&str> = users.keys().chain(entries.keys()).copied().collect();
    let none = Vec::new();
    tokens
        .into_iter()
        .filter_map(|token| {
            shared(token, users.get(token).unwrap_or(&none), entries.get(token).map_or(&[][..], Vec::as_slice))
        })
        .collect()
}

fn connected(polling: Polling) -> &'static str {
    match polling {
        Polling::Yes => "connected to Telegram",
        Polling::No => "not connected to Telegram",
        Polling::Unknown(_) => "unknown whether it is connected to Telegram",
    }
}

fn shared(token: &str, users: &[SharedTokenUser], entries: &[&ConfiguredBot]) -> Option<Finding> {
    // A web front end or a worker that reads the same `.env` does not poll.
    let users: Vec<&SharedTokenUser> = users.iter().filter(|user| user.polling != Polling::No).collect();
    let distinct =
        |users: &[&SharedTokenUser]| users.iter().map(|user| user.whose.as_str()).collect::<BTreeSet<_>>().len();
    let locks: BTreeSet<_> = entries.iter().map(|entry| &entry.lock).collect();
    let both_run = distinct(&users) > 1;
    if locks.len() < 2 && !both_run {
        return None;
    }
    let sure: Vec<&SharedTokenUser> = users.iter().copied().filter(|user| user.polling == Polling::Yes).collect();
    let is_proved = distinct(&sure) > 1;
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let summary = if locks.len() > 1 {
        format!(
            "bots {} in solobot.toml have the same token but different locks: both may poll at once",
            names.join(", ")
        )
    } else {
        "two programs are running with the same token: only one of them may poll".to_owned()
    };
    let pids: Vec<i32> = users.iter().map(|user| user.pid).collect();
    let command = if both_run { Some(advice::processes(&pids)) } else { Some("solobot status".to_owned()) };
    let level = if is_proved { Level::Error } else { Level::Warning };
    Some(
        Finding::new(Code::TokenShared, level, summary)
            .shown_by([format!("token fingerprint: {token}")])
            .shown_by(
                entries
                    .iter()
                    .filter(|_| locks.len() > 1)
                    .map(|entry| format!("bot {} has lock {}", entry.name, entry.lock.display())),
            )
            .shown_by(users.iter().filter(|_| both_run).map(|user| user.shown.clone()))
            .about(users.iter().filter(|_| both_run).map(|user| user.pid))
            .explored_by(command),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::survey::connections::{ConnectionEvidence, UnknownReason};
    use crate::survey::evidence::facts::{BotFacts, ConnectedTokenUser};
    use crate::survey::evidence::testing::{self, bot, facts, failed, identity, polling, seen, with_token};
    use crate::telegram::base_url::BaseUrl;

    fn rejected() -> Error {
        let server = BaseUrl::parse("http://h").unwrap();
        Error::TokenRejected { server, bot_id: "1".into(), code: 401, description: "Unauthorized".into() }
    }

    #[test]
    fn a_token_that_is_none_or_is_refused() {
        let look = Some("solobot status -v main".to_owned());
        let malformed = BotFacts { token_fault: Some("variable `T` holds no bot token".into()), ..bot("main", vec![]) };
        assert_eq!(say(token_invalid, malformed), [(Level::Error, vec![], look.clone())]);
        let refused = BotFacts { telegram: failed(rejected()), ..with_token(bot("main", vec![seen(10)]), "f") };
        assert_eq!(say(token_invalid, refused), [(Level::Error, vec![10], look)]);
        let server = BaseUrl::parse("http://h").unwrap();
        let limited = failed(Error::RateLimited { server, retry_after: None });
        assert_eq!(say(token_invalid, BotFacts { telegram: limited, ..bot("main", vec![]) }), []);
        assert_eq!(say(token_invalid, with_token(bot("main", vec![seen(10)]), "f")), []);
    }

    #[test]
    fn white_space_in_the_settings_or_in_a_process() {
        let mut ours = with_token(bot("main", vec![]), "f");
        ours.token.as_mut().unwrap().is_padded = true;
        assert_eq!(say(token_whitespace, ours)[0].0, Level::Warning);
        let theirs = SeenInstance { padded: Some("BOT_TOKEN".into()), ..seen(10) };
        assert_eq!(say(token_whitespace, bot("main", vec![theirs]))[0].1, [10]);
        assert_eq!(say(token_whitespace, with_token(bot("main", vec![seen(10)]), "f")), []);
    }

    fn sibling(name: &str, fingerprint: &str, lock: &str) -> ConfiguredBot {
        ConfiguredBot { name: name.into(), fingerprint: fingerprint.into(), lock: lock.into() }
    }

    #[test]
    fn two_entries_of_the_file() {
        let found = |siblings: Vec<ConfiguredBot>| token_shared(&Facts { siblings, ..Facts::default() });
        let shared = found(vec![sibling("a", "f", "/a"), sibling("b", "f", "/b"), sibling("c", "g", "/c")]);
        assert_eq!((shared.len(), shared[0].level), (1, Level::Warning));
        assert!(shared[0].summary.contains("bots a, b in"), "{shared:?}");
        // A supervisor and its bot share a lock, which excludes them.
        assert_eq!(found(vec![sibling("a", "f", "/a"), sibling("b", "f", "/a")]), []);
        assert_eq!(found(vec![sibling("a", "f", "/a"), sibling("b", "g", "/b")]), []);
    }

    #[test]
    fn two_programs_that_are_connected() {
        let user = |polling| ConnectedTokenUser {
            process: identity(20),
            program: "/srv/other.py".into(),
            name: "other.py".into(),
            command: "python other.py".into(),
            fingerprint: "f".into(),
            evidence: ConnectionEvidence { polling, connections: vec![] },
        };
        let found = |own, others: Vec<Polling>, conflicts| {
            let mut one = with_token(bot("main", vec![polling(seen(10), own)]), "f");
            one.logs = testing::fresh_conflicts(conflicts);
            let token_users = others.into_iter().map(user).collect();
            let found = token_shared(&Facts { token_users, ..facts(vec![one]) });
            found.into_iter().map(|one| (one.level, one.pids)).collect::<Vec<_>>()
        };
        let unknown = Polling::Unknown(UnknownReason::Proxy);
        let both = vec![10, 20];
        assert_eq!(found(Polling::Yes, vec![Polling::Yes], 0), [(Level::Error, both.clone())]);
        assert_eq!(found(Polling::Yes, vec![Polling::Yes], 5), [(Level::Error, both.clone())]);
        assert_eq!(found(Polling::Yes, vec![unknown], 5), [(Level::Warning, both)]);
        assert_eq!(found(Polling::Yes, vec![Polling::No], 5), []);
        assert_eq!(found(Polling::No, vec![Polling::Yes], 5), []);
        assert_eq!(found(Polling::Yes, vec![], 5), []);
    }

    #[test]
    fn two_bots_that_were_looked_at_and_both_run() {
        let one = |name: &str, pid, token: &str| {
            let seen = polling(seen(pid), Polling::Yes);
            with_token(bot(name, vec![seen]), token)
        };
        let siblings = vec![sibling("a", "f", "/a"), sibling("b", "f", "/b")];
        let both = Facts { siblings, ..facts(vec![one("a", 10, "f"), one("b", 20, "f")]) };
        let found = token_shared(&both);
        assert_eq!((found.len(), found[0].level, &found[0].pids), (1, Level::Error, &vec![10, 20]));
        assert_eq!(token_shared(&facts(vec![one("a", 10, "f"), one("b", 20, "g")])), []);
    }
}
