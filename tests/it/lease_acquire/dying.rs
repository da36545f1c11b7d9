//! Who of the three dies, or is stopped: the bot is dead in time, whatever happens to the others.

use std::time::{Duration, Instant};

use super::{BOT, Host, SLACK, TTL, guardian, is_released, record, took, used_server};
use crate::harness::{Signal, alive, alone, holds_for, send, wait_until, wait_within};

/// A bot that says what it is asked, and goes on.
const DEAF: &str = "sh -c 'trap \"echo TERM >>asked\" TERM; echo $$ >up; while :; do sleep 0.1; done'";
const GRACE: Duration = Duration::from_secs(1);

#[test]
fn a_guardian_that_is_killed_is_followed_by_another() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let mut solobot = host.acquire(&format!("-- {DEAF}"));
        let bot = host.up();
        let first = guardian(&solobot).unwrap();
        send(first, Signal::KILL);
        wait_within(SLACK, "another guardian", || guardian(&solobot).is_some_and(|pid| pid != first));
        solobot.wait_for_stderr("the guardian of lease bot on");
        holds_for(Duration::from_secs(1), "the bot goes on", || alive(bot) && !test.has("one/asked"));
        // The new one stops it: solobot cannot.
        server.signal(Signal::STOP);
        let start = Instant::now();
        send(solobot.pid(), Signal::STOP);
        wait_within(TTL, "the bot is dead", || !alive(bot));
        took("KILL", start, TTL / 2, TTL * 9 / 10);
        assert_eq!(test.read("one/asked"), "TERM\n");
        send(solobot.pid(), Signal::CONT);
        server.signal(Signal::CONT);
        solobot.finish_within(SLACK * 2).code(69).stderr_has(&["was killed; started another one"]);
    });
}

#[test]
fn a_guardian_that_is_stopped_is_replaced_by_solobot_itself() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let solobot = host.acquire(&format!("-- {DEAF}"));
        let bot = host.up();
        let stopped = guardian(&solobot).unwrap();
        send(stopped, Signal::STOP);
        server.signal(Signal::STOP);
        let start = Instant::now();
        wait_within(TTL, "the bot is dead", || !alive(bot));
        took("KILL", start, TTL / 2, TTL * 9 / 10);
        solobot.finish_within(SLACK * 2).code(69).stderr_has(&["could not renew lease bot on"]);
        wait_within(SLACK, "the guardian has gone too", || !alive(stopped));
        server.signal(Signal::CONT);
    });
}

#[test]
fn a_solobot_that_is_killed_takes_its_bot_along() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let solobot = host.acquire(&format!("-- {DEAF}"));
        let bot = host.up();
        let watcher = guardian(&solobot).unwrap();
        let start = Instant::now();
        solobot.kill_alone();
        wait_within(SLACK, "TERM", || test.has("one/asked"));
        wait_within(TTL, "the bot is dead", || !alive(bot));
        took("KILL", start, GRACE * 9 / 10, GRACE + SLACK / 2);
        wait_within(SLACK, "the guardian has gone too", || !alive(watcher));
        assert!(!host.is_locked() && !is_released(&server));
    });
}

#[test]
fn a_bot_whose_solobot_and_guardian_are_killed_is_asked_to_end() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let (solobot, bot) = host.holds();
        // Stopped first, so that it cannot ask.
        let watcher = guardian(&solobot).unwrap();
        send(watcher, Signal::STOP);
        send(watcher, Signal::KILL);
        solobot.kill_alone();
        wait_within(SLACK, "the bot is dead", || !alive(bot));
        wait_within(SLACK, "the lock is free", || !host.is_locked());
    });
}

#[test]
fn a_bot_that_ignores_term_keeps_its_lease_until_it_is_dead() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let mut solobot = host.acquire(&format!("-- {DEAF}"));
        let bot = host.up();
        solobot.signal(Signal::TERM);
        holds_for(TTL + GRACE, "it is renewed for as long as the bot needs", || {
            alive(bot) && !solobot.has_ended() && !is_released(&server)
        });
        // A second TERM later than the grace kills.
        solobot.signal(Signal::TERM);
        solobot.finish_within(SLACK).signal(Signal::KILL);
        assert!(!alive(bot) && is_released(&server));
    });
}

#[test]
fn released_is_never_written_before_the_last_process_is_dead() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        // In a session of its own, without the lock, deaf to TERM: only the marks tell whose it is.
        test.write(
            "one/start.sh",
            "setsid sh -c 'trap \"\" TERM; echo $$ >daemon; while :; do sleep 0.1; done' 3>&- 64>&- &\n\
             while [ ! -s daemon ]; do sleep 0.05; done\necho $$ >up\nexec sleep 600\n",
        );
        let solobot = host.acquire("-o -- sh start.sh");
        let (bot, daemon) = (host.up(), test.read("one/daemon").trim().parse().unwrap());
        solobot.signal(Signal::TERM);
        wait_within(SLACK * 2, "released", || {
            let released = is_released(&server);
            assert!(!released || !alive(daemon), "released while it was alive");
            released
        });
        assert!(!alive(bot) && !alive(daemon));
        solobot.finish_within(SLACK).signal(Signal::TERM);
        assert!(!host.is_locked());
    });
}

#[test]
fn a_restart_is_of_the_same_grant_by_another_guardian() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let script =
            "echo $SOLOBOT_GENERATION >>generations; echo $$ >up; while [ ! -e end ]; do sleep 0.05; done; rm end";
        let solobot = host.acquire(&format!("--restart always -- sh -c '{script}'"));
        let bot = host.up();
        let (first, generation) = (guardian(&solobot).unwrap(), record(&server)["generation"].clone());
        test.write("one/end", "");
        wait_until("it has ended", || !alive(bot));
        let again = host.up();
        let second = guardian(&solobot).unwrap();
        assert!(first != second && !alive(first) && alive(again));
        assert_eq!(test.read("one/generations"), format!("{generation}\n{generation}\n"));
        assert_eq!((&record(&server)["generation"], &record(&server)["state"]), (&generation, &"held".into()));
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&["starting it again in 10s"]);
        assert!(is_released(&server));
        host.acquire(&format!("-n -- {BOT}")).kill();
    });
}
