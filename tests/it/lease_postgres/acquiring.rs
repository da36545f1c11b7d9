//! `acquire` with a lease in a database, as its users meet it.

use std::time::{Duration, Instant};

use super::server::Server;
use crate::harness::{Background, Signal, Test, alive, alone, wait_until, wait_within};
use crate::registers::PASSWORD;

/// `acquire` on a host of this name, with a folder of its own.
#[track_caller]
fn acquire(test: &Test, host: &str, url: &str, options: &str) -> Background {
    std::fs::create_dir_all(test.path(host).join("state")).unwrap();
    let exe = env!("CARGO_BIN_EXE_solobot");
    let line = format!(
        "unshare -u sh -c 'hostname {host} && exec \"$@\"' sh {exe} acquire -l bot.lock --lease-env DATABASE_URL \
         --lease-name bot --lease-ttl 5s --grace 1s {options} -- sh -c 'echo $$ >up; exec sleep 600'"
    );
    let mut command = test.command(&line);
    command.current_dir(test.path(host)).env("XDG_STATE_HOME", test.path(host).join("state")).env("DATABASE_URL", url);
    test.start_command(command)
}

#[track_caller]
fn up(test: &Test, host: &str) -> i32 {
    let path = test.path(host).join("up");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_within(Duration::from_mins(1), &format!("the bot on {host} runs"), || read().ends_with('\n'));
    read().trim().parse().unwrap()
}

#[test]
fn a_lease_goes_from_host_to_host() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server
            .psql(&format!("CREATE ROLE hunter LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON SCHEMA public TO hunter"));
        // As it is here, unoptimized, the hashing of a better login takes a tenth of a second.
        server.allow("host all hunter all password");
        let url = server.url_as(&format!("hunter:{PASSWORD}"));
        let start = Instant::now();
        let first = acquire(test, "one", &url, "");
        let bot = up(test, "one");
        assert!(start.elapsed() > Duration::from_millis(4900), "the first use waits one TTL");
        let record = || server.psql("SELECT record FROM solobot_lease WHERE name = 'bot'");
        assert!(record().contains("\"state\":\"held\"") && record().contains("\"host\":\"one\""), "{}", record());
        // Renewed over one connection.
        let pid = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'solobot'";
        let (session, version) = (server.psql(pid), "SELECT version FROM solobot_lease");
        let before = server.psql(version);
        wait_until("it is renewed", || server.psql(version) != before);
        assert!(session.split(' ').count() == 1 && server.psql(pid) == session, "{session}");

        let mut waiter = acquire(test, "two", &url, "--wait forever");
        waiter.wait_for_stderr("is held by one (PID ");
        let refused = acquire(test, "three", &url, "-n").finish().code(75);
        let said =
            refused.stderr_has(&["lease bot on postgres://…@127.0.0.1:", "is held by one", "ssh one solobot stop"]);
        said.nowhere("hunter");
        let start = Instant::now();
        first.signal(Signal::TERM);
        let next = up(test, "two");
        assert!(start.elapsed() < Duration::from_secs(4), "the hand-over took {:?}", start.elapsed());
        assert!(!alive(bot) && alive(next));
        first.finish().signal(Signal::TERM).stderr_has(&["has no record yet"]).nowhere("hunter");
        assert!(record().contains("\"host\":\"two\""), "{}", record());
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&["got lease bot on"]).nowhere("hunter");
        assert!(record().contains("\"state\":\"released\""), "{}", record());
    });
}

#[test]
fn what_a_host_is_told_that_cannot_write() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql(&format!("CREATE ROLE hunter LOGIN PASSWORD '{PASSWORD}'"));
        server.allow("host all hunter all scram-sha-256");
        let start = Instant::now();
        let refused = acquire(test, "one", &server.url_as("hunter:hunter3"), "-w 60").finish().code(77);
        refused.stderr_has(&["password authentication failed"]).nowhere("hunter");
        // Nothing is left to wait for.
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        // Somebody may make the table meanwhile.
        let mut waiter = acquire(test, "one", &server.url_as(&format!("hunter:{PASSWORD}")), "-w 60");
        waiter.wait_for_stderr(
            "on the server, make the lease's table: CREATE TABLE solobot_lease (name text PRIMARY KEY",
        );
        server.psql("GRANT CREATE ON SCHEMA public TO hunter");
        up(test, "one");
        waiter.signal(Signal::TERM);
        waiter.finish().signal(Signal::TERM).stderr_has(&["permission denied for schema public"]).nowhere("hunter");
    });
}
