//! The journal: what solobot did, and what it says of it.

use serde_json::Value;

use crate::harness::{Signal, Test, alone, send, wait_until};
use crate::holding::stale;

fn events(test: &Test) -> Vec<Value> {
    let Ok(lines) = std::fs::read_to_string(test.path("j.jsonl")) else { return Vec::new() };
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
}

fn words(test: &Test) -> Vec<String> {
    events(test).iter().map(|event| event["event"].as_str().unwrap_or("?").to_owned()).collect()
}

fn configure(test: &Test) {
    test.write("solobot.toml", "journal = \"j.jsonl\"\n[bots.main]\nscript = \"main.py\"\nlock = \"bot.lock\"\n");
    test.bot("main.py");
}

#[test]
fn a_lock_is_taken_and_released() {
    alone(|test| {
        configure(test);
        test.solobot("acquire main -- true").run().code(0);
        assert_eq!(words(test), ["lock-taken", "lock-released"]);
        let event = &events(test)[0];
        assert_eq!(
            (&event["schema"], &event["bot"], &event["lock"]),
            (&1.into(), &"main".into(), &test.name("bot.lock").into())
        );
        assert!(event["pid"].is_i64() && event["time"].is_string(), "{event}");
        test.solobot("acquire -F main -- true").run().code(0);
        assert_eq!(words(test)[2..], ["lock-taken"]);
    });
}

#[test]
fn waits_and_their_end() {
    alone(|test| {
        configure(test);
        let holder = test.solobot("acquire main -- sleep 100").start();
        wait_until("the lock is taken", || words(test) == ["lock-taken"]);
        let said = test.solobot("acquire --wait 0.2 main -- true").run().code(75);
        said.stderr_has(&["held"]);
        test.solobot("acquire -n main -- true").run().code(75).stderr_has(&["held"]);
        assert_eq!(words(test), ["lock-taken", "lock-timed-out"], "not to wait at all is no event");
        let waiter = test.solobot("acquire --wait forever main -- true").start();
        wait_until("it waits", || {
            test.solobot("status --json").run().code(0).json()["bots"][0]["lock"]["waiters"][0].is_object()
        });
        send(holder.pid(), Signal::TERM);
        holder.finish().signal(Signal::TERM).stderr_has(&[]);
        waiter.finish().code(0).stderr_has(&["the lock is ours"]);
        let event = events(test).into_iter().find(|event| event["event"] == "lock-waited").unwrap();
        assert!(event["seconds"].as_f64().unwrap() > 0.0, "{event}");
    });
}

#[test]
fn stale_locks_and_broken_lines() {
    alone(|test| {
        stale(test);
        configure(test);
        test.write("j.jsonl", "{\"schema\":1,\"ti\n");
        test.solobot("clean-stale --dry-run bot.lock").run().code(0).stdout_has(&["would clean"]);
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["cleaned"]);
        assert_eq!(words(test), ["?", "stale-cleaned"]);
        let said = test.solobot("-v status").run().code(0);
        said.stdout_has(&["last events", "stale-cleaned main", "1 broken lines of the journal were skipped"]);
    });
}

#[test]
fn it_never_fails_a_command() {
    alone(|test| {
        for place in ["solobot.toml/x", "."] {
            test.write(
                "solobot.toml",
                format!("journal = \"{place}\"\n[bots.main]\nscript = \"main.py\"\nlock = \"bot.lock\"\n"),
            );
            test.solobot("acquire main -- true").run().code(0);
        }
        test.write("solobot.toml", "[bots.main]\nscript = \"main.py\"\nlock = \"bot.lock\"\n");
        test.solobot("acquire main -- true").env("XDG_STATE_HOME", "/proc/nowhere").run().code(0);
        test.solobot("acquire main -- true").env("XDG_STATE_HOME", &test.name("state")).run().code(0);
        assert!(test.read("state/solobot/journal.jsonl").contains("lock-taken"));
    });
}

#[test]
fn duplicates_and_what_became_of_them() {
    alone(|test| {
        configure(test);
        let bots: Vec<_> =
            ["a", "b"].map(|name| test.start(&format!("setsid python3 main.py --pid-file {name}"))).into();
        test.wait_for_pid("a");
        test.wait_for_pid("b");
        test.solobot("kill-duplicates -y --include-probable main").run().code(0).stdout_has(&["terminated"]);
        assert_eq!(words(test), ["duplicate-found", "duplicate-stopped"]);
        test.solobot("stop -y --include-probable main").run().code(0).stdout_has(&["terminated"]);
        assert_eq!(words(test).len(), 2, "to stop a bot is not to stop a duplicate");
        for bot in bots {
            bot.finish().settled();
        }
    });
}
