use super::super::testing::say;
use super::*;
use crate::survey::connections::{ConnectionEvidence, UnknownReason};
use crate::survey::evidence::facts::{ConnectedTokenUser, Handover, KnownToken, LogFacts};
use crate::survey::evidence::testing::{
    bot, connected, facts, fresh_conflicts, identity, moment, polling, seen, with_token,
};

/// A bot with one instance and so many fresh conflicts, the last one `ago` seconds ago.
fn fought(count: u64, ago: i64) -> BotFacts {
    let logs = LogFacts { last: Some(moment(-ago)), ..fresh_conflicts(count) };
    BotFacts { logs, ..with_token(bot("main", vec![polling(seen(10), Polling::Yes)]), "f") }
}

fn levels(find: super::super::Find, bot: BotFacts) -> Vec<Level> {
    say(find, bot).into_iter().map(|said| said.0).collect()
}

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
fn conflicts_right_after_a_takeover_are_normal() {
    let taken = |settling, fresh| {
        let takeover = Some(Handover { at: moment(-30), what: "the lock was taken over".into() });
        let logs = LogFacts { settling, takeover, last: Some(moment(-20)), ..fresh_conflicts(fresh) };
        BotFacts { logs, ..bot("main", vec![seen(10)]) }
    };
    assert_eq!(levels(recent_takeover, taken(2, 0)), [Level::Info]);
    assert_eq!(levels(remote_poller, taken(2, 0)), []);
    assert_eq!(levels(recent_takeover, taken(2, 1)), [], "they go on");
    assert_eq!(levels(recent_takeover, taken(0, 0)), []);
    let mut two = taken(2, 0);
    two.instances.push(seen(20));
    assert_eq!(levels(recent_takeover, two), [], "duplicates are no takeover");
    assert_eq!(levels(recent_takeover, bot("main", vec![seen(10)])), []);
}

#[test]
fn one_that_lives_and_is_not_connected() {
    // An instance's PID is how long after the beginning it started: 10 is old, 990 is 10 s old.
    let idle = |pid| bot("main", vec![polling(seen(pid), Polling::No)]);
    assert_eq!(say(not_polling, idle(10))[0], (Level::Warning, vec![10], Some("solobot status main".to_owned())));
    assert_eq!(levels(not_polling, idle(990)), [], "it has just started");
    let stopped = |mut bot: BotFacts, state| {
        bot.instances[0].instance.state = state;
        say(not_polling, bot)
    };
    let goes_on = [(Level::Warning, vec![990], Some("kill -CONT 990".to_owned()))];
    assert_eq!(stopped(idle(990), RunState::Stopped), goes_on);
    assert_eq!(
        stopped(bot("main", vec![polling(seen(990), Polling::Yes)]), RunState::Stopped),
        goes_on,
        "connected, and deaf"
    );
    assert_eq!(stopped(bot("main", vec![polling(seen(10), Polling::Yes)]), RunState::Traced), [], "in a debugger");
    assert_eq!(levels(not_polling, bot("main", vec![polling(seen(10), Polling::Yes)])), []);
    assert_eq!(levels(not_polling, bot("main", vec![seen(10)])), [], "it cannot be told");
    let after = |seconds: i64| BotFacts {
        logs: LogFacts { day: 9, last: Some(moment(-seconds)), ..LogFacts::default() },
        ..idle(10)
    };
    assert_eq!(levels(not_polling, after(10)), [], "it waits before the next try");
    assert_eq!(levels(not_polling, after(600)), [Level::Warning]);
    // What only carries a token need not poll, unless it did.
    assert_eq!(levels(not_polling, BotFacts { is_guess: true, ..idle(10) }), []);
    assert_eq!(levels(not_polling, BotFacts { is_guess: true, ..after(600) }), [Level::Warning]);
}

#[test]
fn several_processes_of_one_instance() {
    let two = |conflicts| {
        let seen = connected(seen(10), &[(11, "149.154.167.220:443"), (12, "149.154.167.220:443")]);
        BotFacts { logs: fresh_conflicts(conflicts), ..bot("main", vec![seen]) }
    };
    let ps = Some("ps -o pid,ppid,lstart,args -p 11,12".to_owned());
    assert_eq!(say(several_pollers, two(0)), [(Level::Warning, vec![11, 12], ps.clone())]);
    assert_eq!(say(several_pollers, two(3)), [(Level::Error, vec![11, 12], ps)]);
    // A process may have several connections; two instances are another finding.
    let pool = connected(seen(10), &[(10, "149.154.167.220:443"), (10, "149.154.167.220:443")]);
    assert_eq!(say(several_pollers, bot("main", vec![pool])), []);
    let one = |pid| connected(seen(pid), &[(pid, "149.154.167.220:443")]);
    assert_eq!(say(several_pollers, bot("main", vec![one(10), one(20)])), []);
}

#[test]
fn something_in_between_that_repeats() {
    let with = |has_proxy, server: Option<&str>| {
        let mut one = fought(20, 5);
        one.instances[0].has_proxy = has_proxy;
        one.server = server.map(str::to_owned);
        one
    };
    assert_eq!(say(repeating_proxy, with(true, None))[0].1, [10]);
    assert_eq!(levels(repeating_proxy, with(false, Some("https://bots.example.org"))), [Level::Warning]);
    for direct in
        [with(false, None), with(false, Some("http://127.0.0.1:8081")), with(false, Some("http://localhost:1"))]
    {
        assert_eq!(levels(repeating_proxy, direct), []);
    }
    let quiet = BotFacts { logs: fresh_conflicts(0), ..with(true, None) };
    assert_eq!(levels(repeating_proxy, quiet), []);
}

#[test]
fn a_token_without_a_place_is_named_by_its_fingerprint() {
    let token = KnownToken { bot_id: "1".into(), fingerprint: "abc".into(), place: "x".into(), is_padded: false };
    let found = remote_poller(&facts(vec![BotFacts { token: Some(token), ..fought(20, 5) }]));
    assert!(found[0].evidence.iter().any(|line| line.contains("fingerprint abc")), "{found:?}");
}
