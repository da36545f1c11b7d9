//! `check`: one line, one code, for cron and systemd.

use std::fs;

use crate::harness::{Background, Output, Signal, Test, alone};
use crate::holding::{Holding, holding, stale};

#[test]
fn yes_where_nothing_runs() {
    alone(|test| {
        test.bot("bot.py");
        test.solobot("check -m bot.py -l bot.lock").run().code(0).stdout_has(&["bot"]);
        assert!(!test.has("bot.lock"), "checking creates nothing");
        test.write("bot.lock", "");
        test.solobot("check -l bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        test.solobot("check -q -l bot.lock").run().code(0);
        let json = test.solobot("check --json -l bot.lock").run().code(0).json();
        assert_eq!((&json["ok"], &json["bots"][0]["ok"]), (&true.into(), &true.into()), "{json}");
    });
}

#[test]
fn one_line_a_bot() {
    alone(|test| {
        let output = test.solobot("check -l bot.lock").run().code(0);
        assert_eq!(output.stdout().lines().count(), 1);
    });
}

#[test]
fn a_stale_lock_is_no_hindrance() {
    alone(|test| {
        stale(test);
        test.solobot("check -l bot.lock").run().code(0).stdout_has(&["bot.lock"]);
    });
}

#[test]
fn no_while_held_with_the_reason() {
    alone(|test| {
        let Holding { bot, .. } = &holding(test);
        test.solobot("check -m bot.py -l bot.lock").run().code(1).stdout_has(&[&bot.to_string()]);
        let json = test.solobot("check --json -l bot.lock").run().code(1).json();
        assert_eq!(json["ok"], false);
        assert!(json["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{json}");
    });
}

#[test]
fn no_for_an_instance_without_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid");
        test.solobot("check -m bot.py -l bot.lock").run().code(1).stdout_has(&[&pid.to_string()]);
        drop(by_hand);
    });
}

#[test]
fn no_for_an_owner_that_lives_without_a_flock() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        test.write("bot.lock", other.pid().to_string());
        test.solobot("check -l bot.lock").run().code(1).stdout_has(&[&other.pid().to_string()]);
    });
}

#[test]
fn could_not_tell() {
    alone(|test| {
        fs::create_dir(test.path("bot.lock")).unwrap();
        let output = test.solobot("check -l bot.lock").run();
        let output = output.stdout_has(&[]).stderr_has(&[]);
        assert!(format!("{}{}", output.stdout(), output.stderr()).contains(&test.name("bot.lock")));
        output.code(78);
    });
}

#[test]
fn waits_for_a_yes() {
    alone(|test| {
        let Holding { solobot, .. } = holding(test);
        test.solobot("check --wait 0.3 -l bot.lock").run().code(1).stdout_has(&["bot.lock"]);
        let mut waiting = test.solobot("check --wait forever -l bot.lock").start();
        crate::harness::holds_for(std::time::Duration::from_millis(300), "it waits", || !waiting.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        waiting.finish().code(0).stdout_has(&["bot.lock"]);
    });
}

/// From here on every process of this test is this much older: whoever asks for start times takes them from the time of the
/// boot, and that is now the earlier one.
fn age_everything(test: &Test, seconds: i64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let lines = stat.lines().map(|line| match line.strip_prefix("btime ") {
        Some(time) => format!("btime {}\n", time.parse::<i64>().unwrap() - seconds),
        None => format!("{line}\n"),
    });
    test.write("stat", lines.collect::<String>());
    test.mount_bind("stat", "/proc/stat");
}

/// A bot under its lock, and a solobot.toml that names its log.
fn running_for(test: &Test, seconds: i64) -> Background {
    let settings = "[bots.main]\nscript = \"main.py\"\nlock = \"bot.lock\"\nlogs = [\"bot.log\"]\n";
    test.write("solobot.toml", settings);
    test.bot("main.py");
    let held = test.solobot("acquire main -- python3 main.py").env("BOT_OPTIONS", "--pid-file bot.pid").start();
    test.wait_for_pid("bot.pid");
    age_everything(test, seconds);
    held
}

/// Whether the bot is connected cannot be told, and so fails nothing: its server's address is written down nowhere.
fn check_running(test: &Test) -> Output {
    test.solobot("check --running main").env("SOLOBOT_API_URL", "http://api.invalid:8081").run()
}

/// A line with a conflict, logged so many seconds ago.
fn conflict(ago: i64) -> String {
    let time = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ago);
    format!("{time} ERROR Conflict: terminated by other getUpdates request; make sure\n")
}

#[test]
fn running_and_young_conflicts() {
    alone(|test| {
        let held = running_for(test, 1000);
        check_running(test).code(0).stdout_has(&["main"]);
        test.write("bot.log", conflict(400) + &conflict(310));
        check_running(test).code(0).stdout_has(&["main"]);
        test.write("bot.log", conflict(400) + &conflict(200) + &conflict(5));
        check_running(test).code(1).stdout_has(&["2 conflicts with another poller in its logs, the last one at"]);
        let json = test.solobot("check --json --running main").env("SOLOBOT_API_URL", "http://api.invalid:8081").run();
        assert_eq!(json.code(1).json()["bots"][0]["ok"], false);
        drop(held);
    });
}

#[test]
fn running_and_conflicts_of_its_start() {
    alone(|test| {
        // Up for 100 s: what was logged in its first minute was the end of the one before it.
        let held = running_for(test, 100);
        test.write("bot.log", conflict(200) + &conflict(90) + &conflict(60));
        check_running(test).code(0).stdout_has(&["main"]);
        test.write("bot.log", conflict(90) + &conflict(10));
        check_running(test).code(1).stdout_has(&["1 conflict with another poller"]);
        drop(held);
    });
}

#[test]
fn running_and_conflicts_of_unknown_age() {
    alone(|test| {
        let held = running_for(test, 1000);
        test.write("bot.log", "ERROR Conflict: terminated by other getUpdates request\n");
        check_running(test).code(0).stdout_has(&["main"]).stderr_has(&["warning", "1 conflict without a time"]);
        // Last written to an hour ago: whatever it says is old.
        let log = fs::File::options().append(true).open(test.path("bot.log")).unwrap();
        log.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(1)).unwrap();
        check_running(test).code(0).stdout_has(&["main"]);
        fs::remove_file(test.path("bot.log")).unwrap();
        fs::create_dir(test.path("bot.log")).unwrap();
        check_running(test).code(0).stdout_has(&["main"]).stderr_has(&["cannot read", "bot.log"]);
        drop(held);
    });
}

#[test]
fn running_and_not_connected() {
    alone(|test| {
        let held = running_for(test, 10);
        let check = || test.solobot("check --running main").run();
        // It may take a minute to connect.
        check().code(0).stdout_has(&["main"]);
        age_everything(test, 60);
        check().code(1).stdout_has(&["is not connected to Telegram"]);
        check_running(test).code(0).stdout_has(&["main"]);
        drop(held);
    });
}

#[test]
fn a_lock_that_cannot_be_told_is_no_yes_for_a_running_bot_either() {
    alone(|test| {
        test.bot("bot.py");
        let _bot = test.by_hand("bot.py", "--pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        std::fs::create_dir(test.path("folder.lock")).unwrap();
        for line in ["check --running -m bot.py -l folder.lock", "check --running -l folder.lock"] {
            let _ = test.solobot(line).run().code(78).stdout_has(&["cannot tell the state of lock"]);
        }
    });
}

#[test]
fn what_may_be_another_users_bot_is_neither_yes_nor_no() {
    alone(|test| {
        // Python's own folders may be closed to others: the process only has to look like Python.
        test.bot("bot.py");
        let _bot = test.by_hand("bot.py", "--pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        for line in ["check -m bot.py", "check --running -m bot.py"] {
            let _ = test.solobot_as(65534, line).code(77).stdout_has(&["may be the bot", "sudo"]);
        }
    });
}

#[test]
fn somebodys_file_in_a_locks_place_is_no_yes() {
    alone(|test| {
        test.bot("bot.py");
        test.write("bot.lock", "hello\n");
        test.write(".solobot.lock", "hello\n");
        for (line, lock) in [
            ("-l bot.lock", "bot.lock"),
            ("-m bot.py", ".solobot.lock"),
            ("-m bot.py -l bot.py", "bot.py"),
            ("--running -l bot.lock", "bot.lock"),
        ] {
            let said = ["cannot tell the state of lock", &test.name(lock), "not a lock", "--lock PATH"];
            let check = test.solobot(&format!("check {line}")).run().code(78);
            let _ =
                check.stdout_has(&said).nowhere("safe to start").nowhere("healthy: exactly one instance is running");
            let json = test.solobot(&format!("check --json {line}")).run().code(78).json();
            assert_eq!(json["ok"], false, "{json}");
            let status = line.trim_start_matches("--running ");
            let seen = test.solobot(&format!("status {status}")).run().code(0);
            let _ = seen.stdout_has(&[&format!("{}: unknown", test.name(lock)), "not a lock"]);
            let json = test.solobot(&format!("status --json {status}")).run().code(0).json();
            assert_eq!(json["bots"][0]["lock"]["state"], "unreadable", "{json}");
            assert!(json["bots"][0]["lock"]["why"].as_str().unwrap().contains("not a lock"), "{json}");
        }
    });
}
