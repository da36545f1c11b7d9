//! `doctor --elsewhere`: whether another machine polls, told by one message, and never by a poll of solobot's own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::duplicates::other_token;
use crate::harness::{Background, Signal, Test, Venv, alone, peer, send, token, wait_until};
use crate::holding::holding;
use crate::standin::{Kind, Standin};
use crate::telegram_routes::free_port;
use crate::telegram_webhook::asking;

/// A bot in another network namespace, whose token nobody sees, and that handles a message for a second.
fn remote(test: &Test, server: &Standin) -> Background {
    server.listen_at(&test.path("api.sock"));
    test.write("remote.py", peer("sequential.py"));
    test.write("secret", token());
    let mut command = test.command(&format!("unshare -n {} remote.py api.sock", Venv::Bots.interpreter().display()));
    command.env("HANDLER", "1").stdin(Stdio::from(std::fs::File::open(test.path("secret")).unwrap()));
    let bot = test.start_command(command);
    wait_until("it polls", || server.rules().is_polled());
    std::fs::remove_file(test.path("secret")).unwrap();
    bot
}

/// `doctor --elsewhere` until it asks for the message.
fn asked(test: &Test, server: &Standin, line: &str) -> Background {
    let mut doctor = asking(test, server, &format!("doctor --elsewhere {line}")).start();
    doctor.wait_for_stderr("send a message to @standin_bot now");
    doctor
}

fn json(doctor: Background, code: i32) -> Value {
    doctor.finish().code(code).stderr_has(&["send a message to @standin_bot now"]).json()
}

#[test]
fn a_poller_in_another_network_namespace_is_proved() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let remote = remote(test, &server);
        let doctor = asked(test, &server, "--json -m bot.py");
        // Nobody starts here meanwhile.
        let refused = asking(test, &server, "acquire -n -m bot.py -- true").run();
        refused.code(75).stderr_has(&["doctor --elsewhere"]);
        let sent = Instant::now();
        server.rules().add_updates(1);
        let seen = json(doctor, 1);
        assert!(sent.elapsed() < Duration::from_secs(15), "{:?}", sent.elapsed());
        assert_eq!((&seen["elsewhere"], server.rules().fetched()), (&"proved".into(), 1));
        let found = finding(&seen, "remote-poller");
        assert_eq!(level_and_pids(found), ("error", vec![]));
        assert!(found["summary"].to_string().contains("proved: another program polls"), "{found}");
        assert!(!test.is_locked(".solobot.lock") && test.read(".solobot.lock").is_empty(), "the lock is free again");
        remote.kill();
    });
}

/// A bot with a token of its own, as far as anybody sees, that polls with this one's.
#[test]
fn on_a_server_of_ones_own_the_address_that_polls_is_named() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        test.write("other.py", peer("sequential.py"));
        test.write("secret", token());
        let mut command = test.command("python3 other.py -");
        command.env("HANDLER", "1").env("API_BASE", server.url()).env("BOT_TOKEN", other_token());
        let other = test.start_command({
            command.stdin(Stdio::from(std::fs::File::open(test.path("secret")).unwrap()));
            command
        });
        wait_until("it polls", || server.rules().is_polled());
        let doctor = asked(test, &server, "--json -m bot.py");
        server.rules().add_updates(1);
        let seen = json(doctor, 1);
        let evidence = finding(&seen, "remote-poller")["evidence"].to_string();
        assert!(evidence.contains("127.0.0.1:") && evidence.contains("is connected to the server"), "{evidence}");
        other.kill();
    });
}

/// One in a container, so in a network namespace of its own; and its statistics, which have tokens in them.
#[test]
fn a_server_in_a_container_shows_who_asks_it() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        test.write("api_server.py", peer("api_server.py"));
        let start = |before: &str, options: &str| {
            let _ = std::fs::remove_file(test.path("api_server.ready"));
            let line = format!("{before} bash -c 'exec -a telegram-bot-api python3 api_server.py {options}'");
            let mut command = test.command(line.trim_start());
            command.env("BOT_ID", token().split(':').next().unwrap());
            let started = test.start_command(command);
            wait_until("it is ready", || test.path("api_server.ready").exists());
            started
        };
        let other = start("unshare -n", "--http-port=8081 --around");
        let statistics = free_port();
        let counting = start("", &format!("--http-port={} --http-stat-port {statistics}", server.port()));
        let remote = remote(test, &server);
        let doctor = asked(test, &server, "--json -m bot.py");
        server.rules().add_updates(1);
        let found = json(doctor, 1);
        let evidence = finding(&found, "remote-poller")["evidence"].to_string();
        assert!(evidence.contains("10.99.0.2:") && evidence.contains("is connected to the server"), "{evidence}");
        let counted = format!("(port {statistics}) show 1 open request for bot 123456789");
        assert!(evidence.contains(&counted) && !found.to_string().contains("AAAA"), "{evidence}");
        for one in [other, counting, remote] {
            one.kill();
        }
    });
}

#[test]
fn a_message_that_stays_is_fetched_by_nobody() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let doctor = asked(test, &server, "--json -m bot.py");
        server.rules().add_updates(1);
        let seen = json(doctor, 0);
        assert_eq!((&seen["elsewhere"], codes(&seen)), (&"nobody".into(), vec!["nobody-fetches"]), "{seen:#}");
        assert_eq!(finding(&seen, "nobody-fetches")["level"], "info");
        let methods = server.methods();
        assert!(methods.iter().all(|method| method == "getMe" || method == "getWebhookInfo"), "{methods:?}");
    });
}

/// What leaves a queue without being fetched is no proof, and what does not come is none.
#[test]
fn a_queue_that_says_nothing() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let ask = || asking(test, &server, "doctor --elsewhere -m bot.py").run();
        server.rules().set_webhook("https://example.org/hook");
        ask().code(77).stdout_has(&["cannot tell whether another machine polls", "https://example.org/hook"]);
        server.rules().set_webhook("");
        server.rules().allow_updates(&["callback_query"]);
        ask().code(77).stdout_has(&["cannot tell", "asked for callback_query only"]);
        server.rules().allow_updates(&[]);
        // Never empty: a query goes by its age, and then the rest by a drop.
        server.rules().add_updates(2);
        server.rules().add_update(Kind::CallbackQuery, Duration::from_mins(2));
        ask().code(77).stdout_has(&["cannot tell", "never empty"]).stderr_has(&["send a message"]);
        let doctor = asked(test, &server, "-m bot.py");
        server.rules().add_updates(1);
        let looks = server.methods().len();
        wait_until("it has looked", || server.methods().len() > looks + 1);
        server.rules().drop_updates();
        doctor.finish().code(77).stdout_has(&["cannot tell", "never empty"]).stderr_has(&["send a message"]);
        assert!(!server.methods().contains(&"getUpdates".to_owned()));
    });
}

#[test]
fn nothing_comes_and_what_comes_may_be_fetched_here() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        // A process here that is connected, and whose token nobody sees.
        test.write("red.py", peer("connected.py"));
        let line = format!("python3 red.py 127.0.0.1 {} --pid-file red.pid", server.port());
        let stranger = test.start(&line);
        test.wait_for_pid("red.pid");
        let remote = remote(test, &server);
        let doctor = asked(test, &server, "--json -m bot.py");
        server.rules().add_updates(1);
        let seen = json(doctor, 77);
        assert_eq!(seen["elsewhere"], "cannot-tell");
        assert!(seen["unseen"].to_string().contains(&format!("PID {} is connected", stranger.pid())), "{seen:#}");
        remote.kill();
        stranger.kill();
    });
}

#[test]
fn not_while_an_instance_runs_here_or_may_start() {
    alone(|test| {
        let server = Standin::start();
        let ask = |line: &str| asking(test, &server, &format!("doctor --elsewhere {line}")).run();
        let held = holding(test);
        ask("-m bot.py -l bot.lock").code(75).stderr_has(&[&held.bot.to_string(), "solobot stop"]);
        ask("-l bot.lock").code(75).stderr_has(&["is held by", "solobot stop"]);
        assert_eq!(server.connections(), 0, "nothing was asked");
        test.solobot("doctor --elsewhere -m other.py")
            .run()
            .code(78)
            .stderr_has(&["no token found", "--token-env NAME"]);
        asking(test, &server, "doctor --elsewhere --explain deaf").run().code(2).stderr_has(&["--explain"]);
    });
}

#[test]
fn ctrl_c_releases_the_lock() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let doctor = asked(test, &server, "-m bot.py");
        assert!(test.is_locked(".solobot.lock"));
        send(doctor.pid(), Signal::INT);
        doctor.finish().signal(Signal::INT).stderr_has(&["send a message"]);
        assert!(!test.is_locked(".solobot.lock") && test.read(".solobot.lock").is_empty());
        assert!(!test.has(".solobot.lock.info"));
    });
}

/// The stand-in's own rules, which the tests rest on.
#[test]
fn what_enters_the_queue_and_what_leaves_it() {
    alone(|test| {
        let server = Standin::start();
        let rules = server.rules();
        let seconds = Duration::from_secs;
        for (kind, lives) in
            [(Kind::InlineQuery, 30), (Kind::CallbackQuery, 150), (Kind::ChosenInlineResult, 600), (Kind::Message, 900)]
        {
            rules.add_update(kind, seconds(lives - 20));
            assert_eq!(rules.pending(), 1, "{kind:?}");
            rules.drop_updates();
            rules.add_update(kind, seconds(lives + 1));
            assert_eq!(rules.pending(), usize::from(kind == Kind::Message), "{kind:?}");
            rules.drop_updates();
        }
        rules.allow_updates(&["message"]);
        rules.add_update(Kind::InlineQuery, Duration::ZERO);
        rules.add_updates(2);
        assert_eq!((rules.pending(), rules.fetched()), (2, 0));
        test.bot("bot.py");
        let told = || {
            let seen = asking(test, &server, "doctor --json -m bot.py").run().code(0).json();
            seen["bots"][0]["telegram"]["pending_updates"].as_u64()
        };
        rules.cache_count(Duration::from_hours(1));
        assert_eq!(told(), Some(2));
        rules.drop_updates();
        assert_eq!((told(), rules.pending()), (Some(2), 0), "it tells an old count");
    });
}
