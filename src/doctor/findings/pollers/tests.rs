use super::super::elsewhere::remote_poller;
use super::super::testing::{levels, say};
use super::*;
use crate::survey::evidence::facts::{Handover, LogFacts};
use crate::survey::evidence::testing::{bot, connected, fought, fresh_conflicts, moment, polling, seen};

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
