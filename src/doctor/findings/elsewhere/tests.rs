use super::super::pollers::recent_takeover;
use super::super::testing::{levels, say};
use super::*;
use crate::survey::connections::{ConnectionEvidence, UnknownReason};
use crate::survey::evidence::facts::{ConnectedStranger, ConnectedTokenUser, Handover, KnownToken, UnseenConnections};
use crate::survey::evidence::testing::{bot, connected, facts, fought, identity, moment, polling, seen, with_token};

#[test]
fn somebody_elses_poll() {
    let status = Some("solobot status main".to_owned());
    assert_eq!(say(remote_poller, fought(20, 5)), [(Level::Error, vec![10], status)]);
    let gone = BotFacts { instances: vec![], ..fought(20, 5) };
    assert_eq!(levels(remote_poller, gone), [Level::Error], "a bot that exits at a conflict");
    // One conflict, or none for a while, proves less.
    assert_eq!(levels(remote_poller, fought(1, 5)), [Level::Warning]);
    assert_eq!(levels(remote_poller, fought(20, 120)), [Level::Warning]);
    assert_eq!(levels(remote_poller, fought(0, 600)), []);
    // A second instance, a probable one, or several connected processes here explain it.
    let mut two = fought(20, 5);
    two.instances.push(seen(20));
    assert_eq!(levels(remote_poller, two), []);
    let mut perhaps = fought(20, 5);
    perhaps.probable.push(seen(20));
    assert_eq!(levels(remote_poller, perhaps), []);
    let mut workers = fought(20, 5);
    workers.instances = vec![connected(seen(10), &[(10, "1.1.1.1:1"), (11, "1.1.1.1:1")])];
    assert_eq!(levels(remote_poller, workers), []);
    let found = remote_poller(&facts(vec![fought(20, 5)]));
    let text = found[0].evidence.join("\n");
    assert!(text.contains("/revoke") && text.contains("fingerprint f") && text.contains("20 conflicts"), "{text}");
}

#[test]
fn a_machine_that_is_not_seen_in_whole_may_hide_the_other_one() {
    let found = remote_poller(&Facts { uninspected: 3, ..facts(vec![fought(20, 5)]) });
    assert_eq!(found[0].level, Level::Warning);
}

#[test]
fn another_program_here_with_the_token_explains_it() {
    for (theirs, polling, fires) in [
        ("f", Polling::Yes, false),
        ("f", Polling::Unknown(UnknownReason::Proxy), false),
        ("f", Polling::No, true),
        ("g", Polling::Yes, true),
    ] {
        let user = ConnectedTokenUser {
            process: identity(20),
            program: "other".into(),
            name: "other".into(),
            command: "other".into(),
            fingerprint: theirs.into(),
            evidence: ConnectionEvidence { polling, connections: vec![] },
        };
        let found = remote_poller(&Facts { token_users: vec![user], ..facts(vec![fought(20, 5)]) });
        assert_eq!(!found.is_empty(), fires, "{theirs} {polling:?}");
    }
    let other = with_token(bot("other", vec![polling(seen(20), Polling::Yes)]), "f");
    assert_eq!(remote_poller(&facts(vec![fought(20, 5), other])), []);
}

#[test]
fn a_token_without_a_place_is_named_by_its_fingerprint() {
    let token = KnownToken { bot_id: "1".into(), fingerprint: "abc".into(), place: "x".into(), is_padded: false };
    let found = remote_poller(&facts(vec![BotFacts { token: Some(token), ..fought(20, 5) }]));
    assert!(found[0].evidence.iter().any(|line| line.contains("fingerprint abc")), "{found:?}");
}

fn stranger(pid: i32, fingerprint: Option<&str>, moments: &[i64]) -> ConnectedStranger {
    ConnectedStranger {
        process: identity(pid),
        name: "red.js".into(),
        fingerprint: fingerprint.map(str::to_owned),
        logs: vec!["/srv/red.log".into()],
        moments: moments.to_vec(),
    }
}

/// What is said of a bot with these strangers beside it: code, level, PIDs, evidence.
fn beside(bot: BotFacts, strangers: Vec<ConnectedStranger>) -> Vec<(Code, Level, Vec<i32>, String)> {
    let facts = Facts { strangers, ..facts(vec![bot]) };
    let found = [unseen_poller(&facts), remote_poller(&facts)].concat();
    found.into_iter().map(|one| (one.code, one.level, one.pids, one.evidence.join("\n"))).collect()
}

#[test]
fn a_connected_process_whose_token_cannot_be_seen_is_looked_at_first() {
    let mut bot = fought(20, 5);
    bot.logs.moments = vec![1000, 1005, 1010];
    let said = beside(bot.clone(), vec![stranger(30, None, &[]), stranger(31, None, &[1001, 1011])]);
    assert_eq!(
        (said.len(), said[0].0, said[0].1, &said[0].2),
        (1, Code::UnseenPoller, Level::Warning, &vec![10, 31, 30])
    );
    let text = &said[0].3;
    let first = "PID 31 (red.js) is connected too and its token cannot be seen: look there first; it has conflicts in the \
                 same seconds, in /srv/red.log\n";
    assert!(text.contains(&format!("{first}PID 30 (red.js) is connected too")), "{text}");
    assert!(!text.contains("no other process here is connected with this token"), "{text}");
    // With another token it is another bot.
    assert_eq!(beside(bot.clone(), vec![stranger(30, Some("g"), &[])])[0].0, Code::RemotePoller);
    // Which only the bot's own token could tell.
    bot.token = None;
    assert_eq!(beside(bot.clone(), vec![stranger(30, Some("g"), &[])])[0].0, Code::UnseenPoller);
    assert_eq!(beside(bot, vec![])[0].0, Code::RemotePoller);
    assert_eq!(beside(fought(0, 600), vec![stranger(30, None, &[])]), []);
}

#[test]
fn right_after_a_start_only_whoever_has_conflicts_in_the_same_seconds() {
    let mut bot = fought(0, 5);
    bot.logs.recent = 3;
    bot.logs.settling = 3;
    bot.logs.moments = vec![1000, 1005, 1010];
    let takeover = Handover { at: moment(-20), what: "PID 10 started".into() };
    bot.logs.takeover = Some(takeover);
    let normal =
        |strangers: Vec<ConnectedStranger>| recent_takeover(&Facts { strangers, ..facts(vec![bot.clone()]) }).len();
    assert_eq!(beside(bot.clone(), vec![stranger(30, None, &[]), stranger(31, None, &[900])]), []);
    assert_eq!(normal(vec![stranger(30, None, &[])]), 1);
    let together = || vec![stranger(30, None, &[]), stranger(31, None, &[1001, 1011])];
    let said = beside(bot.clone(), together());
    assert_eq!((said.len(), said[0].0, &said[0].2), (1, Code::UnseenPoller, &vec![10, 31]));
    assert_eq!(normal(together()), 0, "what is normal is not said beside it");
}

#[test]
fn another_bot_here_may_be_it_too() {
    let other = |token: Option<&str>, how| {
        let other = bot("other", vec![polling(seen(20), how)]);
        let other = token.map_or(other.clone(), |token| with_token(other.clone(), token));
        let found = unseen_poller(&facts(vec![fought(20, 5), other]));
        found.into_iter().map(|one| one.pids).collect::<Vec<_>>()
    };
    assert_eq!(other(None, Polling::Yes), [[10, 20]]);
    assert_eq!(other(None, Polling::No), [] as [Vec<i32>; 0]);
    assert_eq!(other(Some("g"), Polling::Yes), [] as [Vec<i32>; 0]);
    assert_eq!(other(Some("f"), Polling::Yes), [] as [Vec<i32>; 0], "that is said as a shared token");
}

/// The bot's log proves that it polls: where it is not seen connected, nobody's absence proves anything.
#[test]
fn where_the_bot_itself_is_not_seen_connected_others_need_not_be() {
    let own = BotFacts { instances: vec![polling(seen(10), Polling::No)], ..fought(20, 5) };
    for (how, word) in [(Polling::No, "may poll unseen"), (Polling::Yes, "is connected and has this very token")] {
        let other = with_token(bot("other", vec![polling(seen(20), how)]), "f");
        let found = unseen_poller(&facts(vec![own.clone(), other]));
        assert!(found[0].evidence.iter().any(|line| line.contains(word)), "{found:?}");
    }
}

#[test]
fn what_cannot_be_seen_is_no_error_and_says_why() {
    let said = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts(vec![fought(20, 5)]);
        change(&mut facts);
        assert_eq!(remote_poller(&facts), []);
        let found = unseen_poller(&facts).remove(0);
        assert_eq!((found.level, found.command.as_deref()), (Level::Warning, Some("sudo solobot doctor main")));
        found.evidence.join("\n")
    };
    assert!(said(&|facts| facts.hidden = true).contains("hidepid"));
    let of = |users: &[&str], contained| UnseenConnections {
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        contained,
        unshown: 0,
    };
    let one = said(&|facts| facts.unseen_connections = of(&["root"], 0));
    assert!(one.contains("1 connection to Telegram belongs to user root"), "{one}");
    let two = said(&|facts| facts.unseen_connections = of(&["bob", "bob", "root"], 0));
    assert!(two.contains("3 connections to Telegram belong to user bob and root"), "{two}");
    assert!(said(&|facts| facts.unseen_connections = of(&[], 2)).contains("2 processes in containers"));
    let unshown = |facts: &mut Facts| facts.unseen_connections.unshown = 2;
    assert!(said(&unshown).contains("2 processes of other users cannot be asked"));
}

#[test]
fn one_process_with_two_connections_may_poll_twice() {
    let with = |to: &[(i32, &str)]| BotFacts { instances: vec![connected(seen(10), to)], ..fought(20, 5) };
    let text = |bot: BotFacts| {
        let found = remote_poller(&facts(vec![bot])).remove(0);
        format!("{}\n{}", found.summary, found.evidence.join("\n"))
    };
    let two = text(with(&[(10, "149.154.167.220:443"), (10, "149.154.167.220:443")]));
    for said in [
        "or PID 10 itself polls twice",
        "PID 10 has 2 connections to Telegram (fd 3, 4); then a new token changes nothing",
        "to lock another machine out",
    ] {
        assert!(two.contains(said), "{said}: {two}");
    }
    let (elsewhere, itself) = (two.find("on every machine").unwrap(), two.find("or this very process").unwrap());
    assert!(elsewhere < itself, "two possibilities in order: {two}");
    assert!(!text(with(&[(10, "149.154.167.220:443")])).contains("twice"));
}
