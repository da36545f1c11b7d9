//! Engines and records with which no lease can be had.

use std::time::Duration;

use solobot::lease::record::GrantState;

use super::{BOT, Host, guardian, is_released, plant, used_server};
use crate::harness::{Signal, alone, token};
use crate::lease_redis::server::{Server, free_port};

/// A password that must be seen nowhere.
const PASSWORD: &str = "hunter2-and-more";
const ENGINE: &str = "--lease-env ENGINE --lease-name bot --lease-ttl 5s --grace 1s";

#[test]
fn an_engine_that_is_away_is_waited_for_and_fails_closed() {
    alone(|test| {
        let host = Host::new(test, "one", format!("redis://127.0.0.1:{}/0", free_port()));
        let output = host.acquire("--wait 2s -- touch ran").finish().code(69);
        output.stderr_has(&["warning: lease bot: redis://", "trying for up to 2s", "error: lease bot: redis://"]);
        host.acquire("-n -- touch ran").finish().code(69).stderr_has(&["error:", "connection refused"]);
        assert!(!test.has("one/ran") && !host.is_locked());
    });
}

#[test]
fn what_waiting_would_not_change_is_said_at_once() {
    alone(|test| {
        let server = Server::start(test, "redis", &format!("--requirepass {PASSWORD}"));
        let replica = Server::start(test, "replica", "--replicaof '127.0.0.1 1'");
        let host = Host::new(test, "one", replica.url());
        let wait = Duration::from_secs(10);
        for run in ["", "--if-held run"] {
            let mut command = host.command_at(&format!("{ENGINE} {run} -- touch ran"));
            command.env("ENGINE", server.url_as(":wrong-guess"));
            let output = test.start_command(command).finish_within(wait).code(77);
            output.nowhere("wrong-guess").stderr_has(&["error: lease bot: redis://…@127.0.0.1:"]);
        }
        host.acquire("-- touch ran")
            .finish_within(wait)
            .code(78)
            .stderr_has(&["error: lease bot: redis://", "replica"]);
        assert!(!test.has("one/ran") && !host.is_locked());
    });
}

#[test]
fn the_lease_of_another_bot_is_a_mistake() {
    alone(|test| {
        let server = used_server(test);
        plant(&server, GrantState::Held, 2, |by| by.bot_id = Some("987654321".into()));
        let host = Host::new(test, "one", server.url());
        for run in ["", "--if-held run"] {
            let mut command = host.command(&format!("{run} -- touch ran"));
            command.env("BOT_TOKEN", token());
            test.start_command(command).finish_within(Duration::from_secs(10)).code(78).stderr_has(&[
                "belongs to another bot (bot 987654321, vps (PID 77: python3 bot.py))",
                "--lease-name NAME",
            ]);
        }
        assert!(!test.has("one/ran") && !host.is_locked());
    });
}

#[test]
fn without_a_guardian_nothing_is_started() {
    alone(|test| {
        let server = used_server(test);
        // Root has no such limit. Two: solobot and its thread.
        test.mount("tmpfs", "mode=777", "open");
        let lease = format!("--lease {} --lease-name bot --lease-ttl 5s --grace 1s", server.url());
        let as_other = "setpriv --reuid=54321 --regid=54321 --clear-groups prlimit --nproc=2";
        std::fs::copy(env!("CARGO_BIN_EXE_solobot"), test.path("open/solobot")).unwrap();
        let mut command = test.command(&format!("{as_other} ./solobot acquire -l bot.lock {lease} -- touch ran"));
        command.current_dir(test.path("open")).env("HOME", test.path("open"));
        let output = test.start_command(command).finish().code(73).stderr_has(&["cannot start the guardian"]);
        assert_eq!(output.stderr().matches("guardian").count(), 1, "{}", output.stderr());
        assert!(!test.has("open/ran") && is_released(&server) && !test.is_locked("open/bot.lock"));
    });
}

#[test]
fn neither_token_nor_password_is_shown_anywhere() {
    alone(|test| {
        let server = Server::start(test, "redis", &format!("--requirepass {PASSWORD}"));
        let host = Host::new(test, "one", String::new());
        let mut command = host.command_at(&format!("-vv {ENGINE} -- {BOT}"));
        command.env("ENGINE", server.url_as(&format!(":{PASSWORD}"))).env("BOT_TOKEN", token());
        let solobot = test.start_command(command);
        host.up();
        let of = |pid: i32| {
            let read = |file: &str| {
                String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap()).into_owned()
            };
            format!("{}{}", read("cmdline"), read("comm"))
        };
        let guardian = guardian(&solobot).unwrap();
        let environ = std::fs::read(format!("/proc/{guardian}/environ")).unwrap();
        assert!(environ.is_empty(), "{}", String::from_utf8_lossy(&environ));
        let key = format!("-a {PASSWORD} --no-auth-warning get {}", super::KEY);
        let mut shown = vec![of(solobot.pid()), of(guardian), server.cli(&key)];
        let status = std::fs::read_dir(test.path("one/state/solobot/leases")).unwrap().next().unwrap().unwrap();
        shown.push(std::fs::read_to_string(status.path()).unwrap());
        solobot.signal(Signal::TERM);
        let output = solobot.finish().signal(Signal::TERM);
        shown.extend([
            output.stderr().to_owned(),
            test.read("one/state/solobot/journal.jsonl"),
            test.read("one/bot.lock"),
        ]);
        assert!(shown.iter().all(|text| !text.is_empty() || text == &test.read("one/bot.lock")), "{shown:?}");
        for secret in [PASSWORD, &token()[10..40]] {
            assert!(shown.iter().all(|text| !text.contains(secret)), "{shown:?}");
        }
    });
}
