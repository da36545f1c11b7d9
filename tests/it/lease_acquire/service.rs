//! What systemd is told of a lease: tests/it/service.rs has the rest.

use solobot::lease::record::GrantState;

use super::{BOT, Host, plant, used_server};
use crate::harness::{Signal, alive, alone, wait_until};
use crate::service::Manager;

const HELD: &str = "STATUS=waiting: held by PID 77 on vps since 2026-01-10T15:27:14Z";

#[test]
fn the_unit_is_ready_and_watched_while_the_lease_is_fresh() {
    alone(|test| {
        let server = used_server(test);
        plant(&server, GrantState::Held, 2, |_| {});
        let manager = Manager::new(test);
        let host = Host::new(test, "one", server.url());
        let mut command = host.command(&format!("-q -w forever --restart always -- {BOT}"));
        command.env("NOTIFY_SOCKET", test.name("notify")).env("WATCHDOG_USEC", "1000000");
        let solobot = test.start_command(command);
        wait_until("it says who has the lease", || manager.has(HELD) && manager.has("EXTEND_TIMEOUT_USEC=60000000"));
        assert!(!manager.has("READY=1"));
        let first = host.up();
        wait_until("the watchdog is told", || manager.has("READY=1") && manager.count("WATCHDOG=1") > 1);

        let (said, asked) = (manager.count(HELD), manager.count("EXTEND"));
        plant(&server, GrantState::Held, 1 << 52, |_| {});
        wait_until("the bot is dead", || !alive(first));
        wait_until("the watchdog is to wait", || manager.has("WATCHDOG_USEC=0"));
        wait_until("it says who has the lease now", || manager.count(HELD) > said);
        let rests = manager.count("WATCHDOG=1");
        let second = host.up();
        let again = format!("STATUS=running: PID {second}\nWATCHDOG_USEC=1000000\n");
        wait_until("it is watched again", || manager.heard().contains(&again) && manager.count("WATCHDOG=1") > rests);
        let words = manager.heard();
        let (_, resting) = words.split_once("WATCHDOG_USEC=0\n").unwrap();
        let (resting, _) = resting.split_once(&again).unwrap();
        assert!(!resting.contains("WATCHDOG=1"), "{words}");
        assert_eq!((manager.count("READY=1"), manager.count("EXTEND")), (1, asked), "{words}");
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(manager.has("STOPPING=1"));
    });
}

#[test]
fn an_engine_that_does_not_answer_lets_the_watchdog_run_out() {
    alone(|test| {
        let server = used_server(test);
        let manager = Manager::new(test);
        let host = Host::new(test, "one", server.url());
        // It outlives the deadline for TERM, so that there is a time in which it runs under no fresh lease.
        let deaf = "sh -c 'trap \"\" TERM; echo $$ >up; while :; do sleep 0.1; done'";
        let mut command = host.command(&format!("-- {deaf}"));
        command.env("NOTIFY_SOCKET", test.name("notify")).env("WATCHDOG_USEC", "400000");
        let solobot = test.start_command(command);
        let bot = host.up();
        wait_until("the watchdog is told", || manager.count("WATCHDOG=1") > 2);
        server.signal(Signal::STOP);
        wait_until("it says why it is told no longer", || manager.has("STATUS=the lock or the lease is lost"));
        manager.forget();
        wait_until("the bot is dead", || !alive(bot));
        assert!(!manager.has("WATCHDOG=1"), "{}", manager.heard());
        solobot.finish().code(69).stderr_has(&["could not be renewed"]);
        server.signal(Signal::CONT);
    });
}
