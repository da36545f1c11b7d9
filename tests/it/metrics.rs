//! `metrics`: valid text, written in one step.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::duplicates::other_token;
use crate::harness::{Test, alone, token, wait_until};
use crate::holding::stale;
use crate::scenes::with_token;
use crate::standin::Standin;
use crate::telegram_webhook::asking;

/// What `promtool check metrics` says of a text: nothing, if it is well formed and well named.
#[track_caller]
fn is_valid(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool of the Debian package prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}

fn configure(test: &Test) {
    test.bot("main.py");
    let settings = "journal = \"j.jsonl\"\n[bots.main]\nscript = \"main.py\"\nlock = \"bot.lock\"\nlogs = [\"bot.log\"]\n\
                [bots.\"a \\\"b\\\\\"]\nscript = \"other.py\"\nlock = \"other.lock\"\n";
    test.write("solobot.toml", settings);
}

#[test]
fn promtool_accepts_it() {
    alone(|test| {
        configure(test);
        test.write("bot.log", "ERROR Conflict: terminated by other getUpdates request\n");
        let holder = test.solobot("acquire main -- sleep 100").start();
        wait_until("the lock is held", || test.is_locked("bot.lock") && test.has("bot.lock.info"));
        let output = test.solobot("metrics").run().code(0).stdout_has(&[
            "solobot_lock_state{bot=\"main\",state=\"held\"} 1",
            "solobot_lock_state{bot=\"main\",state=\"free\"} 0",
            "solobot_lock_waiters{bot=\"main\"} 0",
            "solobot_lock_age_seconds{bot=\"main\"}",
            "solobot_log_errors{bot=\"main\",kind=\"other_poller\"} 0",
            "solobot_journal_events{bot=\"main\",event=\"lock-taken\"}",
            "solobot_instances{bot=\"a \\\"b\\\\\"} 0",
            "# EOF\n",
        ]);
        is_valid(output.stdout());
        let seen = test.solobot("metrics --json main").run().code(0).json();
        assert_eq!(seen["bots"][0]["lock_state"], "held");
        drop(holder);
        is_valid(test.solobot("metrics").in_dir("..").run().code(0).stdout());
    });
}

#[test]
fn a_file_is_replaced_in_one_step() {
    alone(|test| {
        configure(test);
        test.write("solobot.prom", "old");
        let inode = test.inode("solobot.prom");
        test.solobot("metrics --output solobot.prom").run().code(0);
        is_valid(&test.read("solobot.prom"));
        assert_ne!(test.inode("solobot.prom"), inode, "renamed over, not written into");
        let names: Vec<_> = std::fs::read_dir(test.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{names:?}");
        test.solobot("metrics -o missing/solobot.prom").run().code(73).stderr_has(&["missing/solobot.prom"]);
    });
}

#[test]
fn the_examples_are_valid() {
    alone(|test| {
        let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let output =
            Command::new("promtool").args(["check", "rules"]).arg(examples.join("alerts.yml")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dashboard = std::fs::read_to_string(examples.join("grafana.json")).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
        assert!(dashboard["panels"].as_array().unwrap().len() >= 6);
        // Every metric that the examples ask for exists.
        configure(test);
        let output = test.solobot("metrics").run().code(0);
        let rules = std::fs::read_to_string(examples.join("alerts.yml")).unwrap();
        for text in [dashboard.to_string(), rules] {
            for word in
                text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(|word| word.starts_with("solobot_"))
            {
                assert!(output.stdout().contains(&format!("# TYPE {word} gauge")), "{word}");
            }
        }
    });
}

#[test]
fn a_webhook_shows_until_it_is_deleted() {
    alone(|test| {
        configure(test);
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        let metrics = || asking(test, &server, "metrics --telegram main").run().code(0);
        let output = metrics().stdout_has(&["solobot_webhook_set{bot=\"main\"} 1"]);
        is_valid(output.stdout());
        assert_eq!(server.methods(), ["getWebhookInfo"], "one question, and a harmless one");
        asking(test, &server, "delete-webhook main").run().code(0).stdout_has(&["deleted"]);
        assert!(test.read("j.jsonl").contains("\"event\":\"webhook-deleted\",\"bot\":\"main\""));
        metrics().stdout_has(&["solobot_webhook_set{bot=\"main\"} 0", "event=\"webhook-deleted\"} 1"]);
        let unreachable =
            test.solobot("metrics --telegram --api-url http://127.0.0.1:9 main").env("BOT_TOKEN", &token()).run();
        unreachable.code(0).stdout_has(&["# EOF"]).nowhere("solobot_webhook_set{");
    });
}

#[test]
fn every_figure_counts_what_it_says() {
    alone(|test| {
        stale(test);
        configure(test);
        let time = jiff::Timestamp::now();
        let old = time - jiff::SignedDuration::from_hours(30);
        let words = ["Conflict: terminated by other getUpdates request", "NetworkError", "TimedOut", "Bad Gateway"];
        let log: String =
            [time, time, old].iter().flat_map(|time| words.map(|text| format!("{time} ERROR {text}\n"))).collect();
        test.write("bot.log", log);
        let event = |what: &str| format!("{{\"schema\":1,\"time\":\"{old}\",\"event\":\"{what}\",\"bot\":\"main\"}}\n");
        let events = ["duplicate-found", "duplicate-found", "duplicate-stopped", "lock-taken-over"].map(event);
        test.write("j.jsonl", events.concat());
        let figures = |seen: &[&str]| is_valid(test.solobot("metrics").run().code(0).stdout_has(seen).stdout());
        figures(&[
            "solobot_lock_stale{bot=\"main\"} 1",
            "solobot_instances{bot=\"main\"} 0",
            "solobot_log_errors{bot=\"main\",kind=\"other_poller\"} 2",
            "solobot_log_errors{bot=\"main\",kind=\"network\"} 2",
            "solobot_log_errors{bot=\"main\",kind=\"timeout\"} 2",
            "solobot_log_errors{bot=\"main\",kind=\"server\"} 2",
            "solobot_last_conflict_timestamp_seconds{bot=\"main\"}",
            "solobot_journal_events{bot=\"main\",event=\"duplicate-found\"} 2",
            "solobot_journal_events{bot=\"main\",event=\"duplicate-stopped\"} 1",
            "solobot_journal_events{bot=\"main\",event=\"lock-taken-over\"} 1",
            "solobot_last_check_timestamp_seconds",
        ]);
        let holder = test.solobot("acquire main -- python3 main.py").env("BOT_OPTIONS", "--pid-file main.pid").start();
        test.wait_for_pid("main.pid");
        let waiter = test.solobot("acquire --wait forever main -- true").start();
        wait_until("it waits", || {
            test.solobot("status --json main").run().code(0).json()["bots"][0]["lock"]["waiters"][0].is_object()
        });
        figures(&[
            "solobot_lock_stale{bot=\"main\"} 0",
            "solobot_instances{bot=\"main\"} 1",
            "solobot_lock_waiters{bot=\"main\"} 1",
            "solobot_lock_state{bot=\"main\",state=\"held\"} 1",
        ]);
        waiter.kill();
        drop(holder);
    });
}

/// Two bots that only their tokens tell apart have one name, and a sample must not come twice: the label says which it is.
#[test]
fn distinct_bots_of_one_name_are_told_apart() {
    alone(|test| {
        test.bot("bot.py");
        let _bots =
            [token(), other_token()].map(|token| with_token(test, &format!("{}.pid", &token[..9]), Some(&token)));
        let output = test.solobot("metrics -m bot.py").run().code(0);
        for id in [&token()[..9], &other_token()[..9]] {
            let figure = format!("solobot_instances{{bot=\"bot (bot id {id}, token ");
            assert_eq!(output.stdout().matches(&figure).count(), 1, "{}", output.stdout());
        }
        is_valid(output.stdout());
    });
}
