//! The journal: what solobot did, and what it says of it.

use std::time::Duration;

use serde_json::Value;
use solobot::journal::lease_journal::LeaseJournal;
use solobot::journal::{EventKind, Journal};

use crate::harness::{PUBLIC, Signal, Test, alive, alone, send, wait_until};
use crate::holding::stale;
use crate::odd_processes::{NOBODY, public, start_as};
use crate::scenes::{instances, script, sleeper};
use crate::standin::Standin;
use crate::telegram_webhook::asking;

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
        waiter.finish().code(0).stderr_has(&["got the lock"]);
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
        said.stdout_has(&["last events", "stale-cleaned main", "lines of the journal that cannot be read: 1"]);
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

#[test]
fn a_lock_that_is_taken_over() {
    alone(|test| {
        configure(test);
        let holder = test.solobot("acquire main -- sleep 100").start();
        wait_until("the lock is taken", || words(test) == ["lock-taken"]);
        test.solobot("acquire --takeover main -- true").run().code(0).stderr_has(&[]);
        holder.finish().signal(Signal::TERM).stderr_has(&[]);
        let words = words(test);
        let count = |word| words.iter().filter(|other| *other == word).count();
        assert_eq!((count("lock-taken-over"), count("lock-released"), words.len()), (1, 2, 4), "{words:?}");
    });
}

#[test]
fn a_lock_that_is_lost() {
    alone(|test| {
        configure(test);
        let kept = test.start("tail -f /dev/null");
        // Whoever holds: the solobot around COMMAND, or a keeper.
        for (number, line) in
            ["acquire main -- sleep 100".to_owned(), format!("acquire --pid {} main", kept.pid())].iter().enumerate()
        {
            let holder = test.solobot(line).start();
            let taken = || words(test).iter().filter(|word| *word == "lock-taken").count() == number + 1;
            wait_until("the lock is taken", taken);
            let new = format!("new{number}.lock");
            test.write(&new, "");
            let squatter = test.start(&format!("flock {new} tail -f /dev/null"));
            wait_until("the squatter holds", || test.is_locked(&new));
            std::fs::rename(test.path(&new), test.path("bot.lock")).unwrap();
            let lost = || events(test).into_iter().filter(|event| event["event"] == "lock-lost").collect::<Vec<_>>();
            wait_until("it is lost", || lost().len() == number + 1);
            assert_eq!(lost()[number]["pid"], squatter.pid(), "{:?}", lost());
            drop(squatter);
            holder.kill();
            std::fs::remove_file(test.path("bot.lock")).unwrap();
        }
        drop(kept);
    });
}

#[test]
fn a_keeper_writes_its_end_down() {
    alone(|test| {
        configure(test);
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} main", kept.pid())).run().code(0);
        assert_eq!(words(test), ["lock-taken"]);
        kept.kill();
        wait_until("it is released", || words(test) == ["lock-taken", "lock-released"]);
        assert_eq!(events(test)[1]["lock"], test.name("bot.lock"));
        // Once, too, if `release` asks for it.
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} main", kept.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        test.solobot("release --yes main").run().code(0).stderr_has(&[]);
        wait_until("the keeper has ended", || !alive(keeper));
        assert_eq!(words(test)[2..], ["lock-taken", "lock-released"]);
        drop(kept);
    });
}

#[test]
fn a_shells_descriptor() {
    alone(|test| {
        configure(test);
        let exe = env!("CARGO_BIN_EXE_solobot");
        let script = format!("exec 9<>bot.lock; {exe} acquire -q -n --fd 9 main; {exe} release -q --fd 9 main");
        test.run(&format!("sh -c '{script}'")).code(0);
        assert_eq!(words(test), ["lock-taken", "lock-released"]);
    });
}

#[test]
fn a_webhook_that_is_deleted() {
    alone(|test| {
        configure(test);
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        asking(test, &server, "delete-webhook --dry-run main").run().settled();
        assert_eq!(words(test), [""; 0], "nothing was done");
        asking(test, &server, "delete-webhook main").run().code(0).stdout_has(&["deleted"]);
        assert_eq!(words(test), ["webhook-deleted"]);
        let event = &events(test)[0];
        assert_eq!(event["bot"], "main", "{event}");
        asking(test, &server, "delete-webhook main").run().code(0).stdout_has(&["no webhook is set"]);
        assert_eq!(words(test).len(), 1, "there was none to delete");
    });
}

#[test]
fn a_lease_from_its_grant_to_its_loss() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", "journal = \"j.jsonl\"\n[bots.main]\nscript = \"bot.py\"\nlock = \"main.lock\"\n");
        let journal = Journal::at(Some(test.path("j.jsonl")));
        let lease = LeaseJournal::new(journal, "main", &test.path("main.lock"), "123456", "redis://h:6379/0");
        lease.taken(7, None);
        lease.released(7);
        lease.taken(9, Some(Duration::from_secs(3)));
        lease.lost(9, "no answer for 48s");
        assert_eq!(words(test), ["lease-taken", "lease-released", "lease-waited", "lease-lost"]);
        let why = "lease 123456 on redis://h:6379/0, generation 9: no answer for 48s";
        test.solobot("status -v").run().code(0).stdout_has(&["lease-waited main", ", after 3s", why]);
        test.solobot("metrics").run().code(0).stdout_has(&["event=\"lease-lost\"} 1"]);
        let found = test.solobot("doctor --json").run().settled().json();
        let is_loss = |one: &&Value| one["code"] == "lease-lost";
        let loss = found["findings"].as_array().unwrap().iter().find(is_loss).unwrap();
        assert!(loss["evidence"][0].as_str().unwrap().ends_with(why), "{found}");
    });
}

/// What can be written is written by something here.
#[test]
fn each_event_has_its_test() {
    let text = include_str!("journal.rs");
    for what in EventKind::ALL {
        assert!(text.contains(&format!("\"{}\"", what.as_str())), "no test has {}", what.as_str());
    }
}

#[test]
fn duplicates_that_survive() {
    alone(|test| {
        let program = public(test);
        test.write(
            "solobot.toml",
            format!("journal = \"j.jsonl\"\n[bots.main]\nexe = \"{program}\"\nlock = \"bot.lock\"\n"),
        );
        test.write("j.jsonl", "");
        std::os::unix::fs::chown(test.path("j.jsonl"), Some(NOBODY), None).unwrap();
        let own = start_as(test, NOBODY, &program);
        wait_until("it is seen", || instances(test, "main").len() == 1);
        let foreign = start_as(test, 0, &program);
        wait_until("both are seen", || instances(test, "main").len() == 2);
        let keep = format!("kill-duplicates -y --keep {} main", own.pid());
        let said = test.solobot_as(NOBODY, &keep);
        said.code(77).stdout_has(&["not-permitted"]);
        assert_eq!(words(test), ["duplicate-found", "duplicate-survived"]);
        assert_eq!(events(test)[1]["pid"], foreign.pid());
        assert!(program.starts_with(PUBLIC) && alive(own.pid()) && alive(foreign.pid()));
    });
}

#[test]
fn duplicates_that_come_back() {
    alone(|test| {
        sleeper(test, "mybot");
        test.write("solobot.toml", "journal = \"j.jsonl\"\n[bots.main]\nexe = \"mybot\"\nlock = \"bot.lock\"\n");
        // Each is an orphan at once: nothing links it to the one that starts it.
        script(test, "launch", "#!/bin/sh\n./mybot --for 60000 &\n");
        script(test, "bomb", "#!/bin/sh\nwhile :; do\n  ./launch\n  sleep 0.2\ndone\n");
        let bomb = test.start("timeout 60 ./bomb");
        wait_until("bots run", || instances(test, "main").len() > 1);
        test.solobot("kill-duplicates -y main").run().code(1).stdout_has(&["respawned"]);
        assert!(words(test).iter().any(|word| word == "duplicate-respawned"), "{:?}", words(test));
        assert!(alive(bomb.pid()));
    });
}
