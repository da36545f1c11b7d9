//! `check`: one line, one code, for cron and systemd.

use std::fs;

use crate::harness::{Signal, alone};
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
