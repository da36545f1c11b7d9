//! How a lease is got: at once where it is sure to be free, else after one TTL, and not at all where that is refused.

use std::time::{Duration, Instant};

use super::{BOT, Host, SLACK, TTL, guardian, is_released, plant, record, took, used_server};
use crate::harness::{Signal, alive, alone, holds_for, send, wait_until, wait_within};
use crate::lease_redis::server::Server;
use solobot::lease::record::GrantState;

/// A start that has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn the_first_use_of_an_engine_waits_one_ttl_and_the_next_start_does_not() {
    alone(|test| {
        let server = Server::start(test, "redis", "");
        let host = Host::new(test, "one", server.url());
        let start = Instant::now();
        let output = host.acquire("-- sh -c 'echo $SOLOBOT_GENERATION; exit 3'").finish().code(3).stderr_has(&[
            "lease bot on redis://127.0.0.1:",
            "has no record yet, and another host may be running the bot; watching it for 5s first",
            "got lease bot on",
        ]);
        took("the first start", start, TTL, TTL + SLACK * 2);
        let first: u64 = output.stdout().trim().parse().unwrap();
        assert!(is_released(&server) && !host.is_locked());
        let start = Instant::now();
        let output = host.acquire("-n -- sh -c 'echo $SOLOBOT_GENERATION'").finish().code(0);
        took("the second start", start, Duration::ZERO, AT_ONCE);
        let second: u64 = output.stdout().trim().parse().unwrap();
        assert!(second > first && record(&server)["generation"] == second, "{first} {second}");
    });
}

#[test]
fn whoever_was_killed_starts_again_at_once_on_its_own_host_only() {
    alone(|test| {
        let server = used_server(test);
        let (one, two) = (Host::new(test, "one", server.url()), Host::new(test, "two", server.url()));
        let bot = "-- python3 bot.py --pid-file pid";
        for (host, waits) in [(&one, false), (&two, true)] {
            let pid = one.at("pid");
            let killed = one.acquire(bot);
            let bot_pid = test.wait_for_pid(&pid);
            std::fs::remove_file(test.path(&pid)).unwrap();
            send(killed.pid(), Signal::KILL);
            send(bot_pid, Signal::KILL);
            wait_until("the bot is dead", || !alive(bot_pid) && !one.is_locked());
            let (start, pid) = (Instant::now(), host.at("pid"));
            // One that does not wait would be refused.
            let again = host.acquire(&format!("{} {bot}", if waits { "" } else { "-n" }));
            test.wait_for_pid(&pid);
            let (least, most) = if waits {
                (TTL.saturating_sub(Duration::from_secs(1)), TTL + SLACK)
            } else {
                (Duration::ZERO, AT_ONCE)
            };
            took(host.name, start, least, most);
            again.signal(Signal::TERM);
            let output = again.finish().code(0);
            if waits {
                output.stderr_has(&["is held by one (PID ", "free      if it is not renewed for 5s", "got lease"]);
            }
            let _ = std::fs::remove_file(test.path(&pid));
            killed.kill();
        }
    });
}

#[test]
fn a_hand_off_takes_no_longer_than_a_second() {
    alone(|test| {
        let server = used_server(test);
        let (one, two) = (Host::new(test, "one", server.url()), Host::new(test, "two", server.url()));
        let (holder, bot) = one.holds();
        let mut waiter = two.acquire(&format!("-- {BOT}"));
        waiter.wait_for_stderr("solobot: waiting up to 30s for it to end");
        let start = Instant::now();
        holder.signal(Signal::TERM);
        let next = two.up();
        took("the hand-off", start, Duration::ZERO, Duration::from_millis(1200));
        assert!(!alive(bot) && alive(next));
        holder.finish().signal(Signal::TERM);
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&[
            "is held by one (PID ",
            "since     20",
            "hint: to stop it there: ssh one solobot stop",
        ]);
    });
}

#[test]
fn a_lease_of_another_host_refuses() {
    alone(|test| {
        let server = used_server(test);
        let (one, two) = (Host::new(test, "one", server.url()), Host::new(test, "two", server.url()));
        let (holder, _) = one.holds();
        let by = format!("by one (PID {}: {BOT})", holder.pid());
        let start = Instant::now();
        let refused = two.acquire("-n -- touch ran").finish().code(75);
        took("-n", start, Duration::ZERO, AT_ONCE);
        let said = refused.stderr();
        assert!(said.contains(&format!("is held {by}")) && said.contains("ssh one solobot stop"), "{said}");
        assert!(said.contains("solobot acquire --wait forever -l bot.lock --lease"), "{said}");
        assert_eq!(said.matches("is held").count(), 1, "each is said once:\n{said}");
        two.acquire("-n -E 9 -- touch ran").finish().code(9).stderr_has(&[&by]);
        let start = Instant::now();
        two.acquire("--wait 3s -- touch ran").finish().code(75).stderr_has(&["is still held after 3s", &by]);
        took("--wait 3s", start, Duration::from_secs(3), Duration::from_secs(3) + SLACK);
        assert!(!two.is_locked() && !test.has("two/ran"));
        let left = |name: &str| std::fs::read_dir(test.path(name)).unwrap().count();
        assert_eq!(left("two/state/solobot/leases"), 0);
        holder.signal(Signal::TERM);
        holder.finish().signal(Signal::TERM);
    });
}

#[test]
fn a_signal_ends_a_wait_and_a_stop_of_the_waiter_costs_nothing() {
    alone(|test| {
        use std::os::unix::process::CommandExt;

        let server = used_server(test);
        let (one, two) = (Host::new(test, "one", server.url()), Host::new(test, "two", server.url()));
        let (holder, _) = one.holds();
        // In an orphaned process group, as the test's own may be, SIGTSTP stops nobody.
        let mut command = two.command("--wait forever -- touch ran");
        command.process_group(0);
        let mut waiter = test.start_command(command);
        waiter.wait_for_stderr("solobot: waiting until it ends");
        waiter.signal(Signal::TSTP);
        wait_until("it is stopped", || crate::harness::is_stopped(waiter.pid()));
        waiter.signal(Signal::CONT);
        assert!(two.is_locked() && !waiter.has_ended());
        waiter.signal(Signal::INT);
        waiter.finish_within(SLACK).signal(Signal::INT).stderr_has(&["is held by one"]);
        assert!(!two.is_locked() && !test.has("two/ran"));
        holder.signal(Signal::TERM);
        holder.finish().signal(Signal::TERM);
    });
}

#[test]
fn what_is_no_record_is_never_overwritten_while_it_changes() {
    alone(|test| {
        let server = used_server(test);
        server.cli(&format!("set {} foreign-0", super::KEY));
        let host = Host::new(test, "one", server.url());
        let mut waiter = host.acquire("--wait forever -- touch ran");
        waiter.wait_for_stderr("something that this solobot did not write is in the place of lease bot");
        let mut count = 0;
        holds_for(TTL + Duration::from_secs(1), "it is left alone", || {
            let left = server.cli(&format!("get {}", super::KEY)) == format!("foreign-{count}");
            count += 1;
            server.cli(&format!("set {} foreign-{count}", super::KEY));
            left && !test.has("one/ran")
        });
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&["watching it for 10m"]);
    });
}

#[test]
fn another_ttl_is_said_and_counts() {
    alone(|test| {
        let server = used_server(test);
        let (one, two) = (Host::new(test, "one", server.url()), Host::new(test, "two", server.url()));
        let long = format!("--lease {} --lease-name bot --lease-ttl 8s --grace 1s -- {BOT}", one.url);
        let holder = test.start_command(one.command_at(&long));
        let bot = one.up();
        let mut waiter = two.acquire(&format!("-- {BOT}"));
        waiter.wait_for_stderr("the TTL of lease bot on");
        waiter.wait_for_stderr("is 5s here and 8s where it was held last; use one for all hosts");
        send(holder.pid(), Signal::KILL);
        send(bot, Signal::KILL);
        let start = Instant::now();
        two.up();
        took("the grant", start, Duration::from_secs(6), Duration::from_secs(8) + SLACK);
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&["warning:"]);
        holder.kill();
    });
}

#[test]
fn a_command_ends_as_it_does_without_a_lease() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        for code in [0, 3] {
            host.acquire(&format!("-- sh -c 'exit {code}'")).finish().code(code);
        }
        host.acquire("-- true").finish().code(0);
        host.acquire("-- sh -c 'kill -KILL $$'").finish().signal(Signal::KILL);
        host.acquire("-- sh -c 'kill -HUP $$'").finish().signal(Signal::HUP);
        host.acquire("-- no-such-command").finish().code(127).stderr_has(&["command `no-such-command` was not found"]);
        test.write("one/plain", "no program\n");
        host.acquire("-- ./plain").finish().code(126).stderr_has(&["cannot execute `./plain`"]);
        assert!(is_released(&server) && !host.is_locked());
    });
}

#[test]
fn without_a_lease_there_is_no_thread_and_no_guardian() {
    alone(|test| {
        let host = Host::new(test, "one", String::new());
        let tasks = |pid: i32| std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        let solobot = test.start_command(host.command_at(&format!("-- {BOT}")));
        host.up();
        assert_eq!((tasks(solobot.pid()), guardian(&solobot)), (1, None));
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        // The same look sees both where there is a lease.
        let server = used_server(test);
        let (solobot, _) = Host::new(test, "two", server.url()).holds();
        assert_eq!((tasks(solobot.pid()), guardian(&solobot).is_some()), (2, true));
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
    });
}

#[test]
fn a_record_put_there_while_it_is_waited_for_begins_the_watch_again() {
    alone(|test| {
        let server = used_server(test);
        plant(&server, GrantState::Held, 2, |_| {});
        let host = Host::new(test, "one", server.url());
        let start = Instant::now();
        let mut waiter = host.acquire(&format!("-- {BOT}"));
        waiter.wait_for_stderr("is held by vps (PID 77: python3 bot.py)");
        wait_within(TTL, "half of it has passed", || start.elapsed() > TTL / 2);
        plant(&server, GrantState::Held, 3, |by| by.host = "mac; reboot".into());
        let again = Instant::now();
        waiter.wait_for_stderr("hint: to stop it there: ssh 'mac; reboot' solobot stop");
        host.up();
        took("the grant", again, TTL.saturating_sub(Duration::from_millis(100)), TTL + SLACK);
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&["origin    systemd"]);
    });
}
