//! `doctor`: causes made for real, named, and fixed by the very command that it prints. The other files `doctor_*.rs` have
//! a subject each.

use std::fs;

use serde_json::Value;

use crate::harness::{Background, Output, Test, alive, alone, send, token, wait_until};
use crate::holding::{Holding, holding, orphan};

/// `solobot doctor --json OPTIONS`, which must end with that code.
#[track_caller]
pub fn diagnose(test: &Test, options: &str, code: i32) -> Value {
    test.solobot(&format!("doctor --json {options}")).run().code(code).json()
}

/// The codes that were found, the worst first.
pub fn codes(diagnosis: &Value) -> Vec<&str> {
    diagnosis["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The finding of that code; panics without one, or if it lacks anything.
#[track_caller]
pub fn finding<'a>(diagnosis: &'a Value, code: &str) -> &'a Value {
    let found = diagnosis["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code);
    let found = found.unwrap_or_else(|| panic!("no {code}: {diagnosis:#}"));
    assert!(found["evidence"].as_array().is_some_and(|evidence| !evidence.is_empty()), "{found}");
    assert!(found["command"].is_string() && found["summary"].is_string(), "{found}");
    found
}

#[track_caller]
pub fn level_and_pids(finding: &Value) -> (&str, Vec<i32>) {
    let pids = finding["pids"].as_array().unwrap().iter().map(|pid| i32::try_from(pid.as_i64().unwrap()).unwrap());
    (finding["level"].as_str().unwrap(), pids.collect())
}

/// Types the command that fixes a finding.
#[track_caller]
pub fn fix(test: &Test, finding: &Value) -> Output {
    test.run(finding["command"].as_str().unwrap())
}

/// A bot started by hand, at work.
#[track_caller]
pub fn by_hand(test: &Test, number: u32) -> (Background, i32) {
    // Options count as arguments: those of two instances of one bot are the same.
    let mut command = test.command("sh -c 'exec python3 bot.py --say up'");
    command.env("NUMBER", number.to_string());
    at_work(test.start_command(command))
}

/// Waits until a bot that was told to `--say up` has said so.
#[track_caller]
pub fn at_work(bot: Background) -> (Background, i32) {
    wait_until("the bot runs", || bot.stdout().contains("up"));
    let pid = bot.pid();
    (bot, pid)
}

#[test]
fn nothing_to_find_is_said_with_what_was_looked_at() {
    alone(|test| {
        test.bot("bot.py");
        let lock = test.name("bot.lock");
        test.solobot("doctor -m bot.py -l bot.lock").run().code(0).stdout_has(&[
            "looked at bot: no instance",
            &lock,
            "no findings",
        ]);
        let Holding { bot, .. } = &holding(test);
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(codes(&seen), [""; 0], "{seen:#}");
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([bot]));
        assert_eq!(seen["bots"][0]["locks"][0], serde_json::json!({ "path": lock, "state": "held" }));
        assert!(!test.has(".solobot.lock"), "looking creates nothing");
    });
}

#[test]
fn an_orphan_that_holds_its_lock_is_well() {
    alone(|test| {
        orphan(test);
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 0)), [""; 0]);
    });
}

#[test]
fn duplicates_are_fixed_by_the_command_it_prints() {
    alone(|test| {
        test.bot("bot.py");
        let (_one, first) = by_hand(test, 1);
        let (_two, second) = by_hand(test, 2);
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(codes(&seen)[0], "duplicate-instances");
        let found = finding(&seen, "duplicate-instances");
        assert_eq!(level_and_pids(found), ("error", vec![first, second]));
        test.solobot("doctor -m bot.py -l bot.lock").run().code(1).stdout_has(&[
            "error duplicate-instances: ",
            &format!("PID {second}, user root, "),
            "fix: solobot kill-duplicates -m ",
            "--explain duplicate-instances",
        ]);
        fix(test, found).code(0).stdout_has(&[&second.to_string()]).stderr_has(&[]);
        assert!(alive(first) && !alive(second));
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert!(!codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
    });
}

#[test]
fn nothing_configured_means_every_likely_bot() {
    alone(|test| {
        test.solobot("doctor").run().code(0).stdout_has(&["found no process with a bot's token", "no findings"]);
        test.bot("app/bot.py");
        let secret = token();
        let start = || {
            let mut command = test.command("python3 app/bot.py --say up");
            command.env("BOT_TOKEN", &secret);
            at_work(test.start_command(command))
        };
        let (_one, first) = start();
        let (_two, second) = start();
        let output = test.solobot("doctor --json").run().code(1).nowhere(&secret);
        let seen = output.json();
        let found = finding(&seen, "duplicate-instances");
        assert_eq!(level_and_pids(found), ("error", vec![first, second]));
        fix(test, found).code(0).stdout_has(&[]).stderr_has(&[]);
        assert!(alive(first) && !alive(second));
    });
}

#[test]
fn what_cannot_be_seen_is_said() {
    alone(|test| {
        test.bot("bot.py");
        let mut command = test.command("python3 bot.py --say up");
        command.env("BOT_TOKEN", token());
        let (_bot, _) = at_work(test.start_command(command));
        // Another user cannot read whose token it is.
        test.solobot_as(65534, "doctor").stdout_has(&["not checked: ", "sudo shows more"]).settled();
        fs::create_dir(test.path("bot.lock")).unwrap();
        test.solobot("doctor -l bot.lock")
            .run()
            .code(0)
            .stdout_has(&["not checked: the state of lock", "no findings in what could be seen"]);
    });
}

#[test]
fn a_vanishing_bot_does_no_harm() {
    alone(|test| {
        test.bot("bot.py");
        let (mut bot, pid) = by_hand(test, 1);
        let doctor = test.solobot("doctor --json -m bot.py").start();
        send(pid, crate::harness::Signal::KILL);
        wait_until("it has ended", || bot.has_ended());
        doctor.finish().settled();
    });
}

#[test]
fn every_code_is_explained() {
    alone(|test| {
        // A broken file is when an explanation is wanted.
        test.write("solobot.toml", "broken");
        for code in solobot::base::finding_code::Code::ALL {
            let word = code.as_str();
            test.solobot(&format!("doctor --explain {word}")).run().code(0).stdout_has(&[
                word,
                "cause",
                "to be sure",
                "to fix",
            ]);
        }
        let json = test.solobot("doctor --json --explain stale-lock").run().code(0).json();
        assert_eq!(json["code"], "stale-lock");
        assert!(json["cause"].is_string() && json["check"].is_string() && json["fix"].is_string(), "{json}");
        test.solobot("doctor --explain stale-lok").run().code(2).stderr_has(&["`stale-lock`"]);
        test.solobot("doctor main").run().code(78).stderr_has(&["solobot.toml"]);
    });
}

#[test]
fn an_unknown_bot_is_wrong_usage() {
    alone(|test| {
        test.solobot("doctor nobody").run().code(2).stderr_has(&["nobody"]);
    });
}
