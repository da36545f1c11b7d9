//! Real bots on the stand-in: aiogram 3 and python-telegram-bot 22.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::harness::{
    Background, Signal, Test, Venv, alive, alone, holds_for, peer, send, token, wait_until, wait_within,
};
use crate::standin::Standin;
use crate::telegram_webhook::asking;

/// How long a real bot takes to import its library and start on a loaded machine.
const START: Duration = Duration::from_mins(2);
/// A second 409 is held back for three seconds: only later is a quiet server quiet.
const LATE: Duration = Duration::from_secs(4);

/// A bot's command line in the test's folder; its environment names the server.
fn bot(test: &Test, server: &Standin, name: &str, arguments: &str) -> Command {
    test.write(name, peer(name));
    let mut command = test.command(&format!("{} {name} {arguments}", Venv::Bots.interpreter().display()));
    command.env("BOT_TOKEN", token()).env("API_BASE", server.url()).env("SOLOBOT_API_URL", server.url());
    command
}

/// The same under `solobot acquire OPTIONS`.
fn under_solobot(test: &Test, server: &Standin, options: &str, name: &str, pid_file: &str) -> Background {
    test.write(name, peer(name));
    let python = Venv::Bots.interpreter();
    let line = format!("acquire {options} -l bot.lock -- {} {name} {pid_file}", python.display());
    asking(test, server, &line).env("API_BASE", &server.url()).start()
}

/// The instances that `status` finds.
fn instances(test: &Test, server: &Standin, name: &str) -> Vec<Value> {
    let line = format!("status --json -m {name} -l bot.lock");
    let json = asking(test, server, &line).run().code(0).json();
    json["bots"][0]["instances"].as_array().unwrap().clone()
}

#[test]
fn three_copies_fight_until_one_is_left() {
    alone(|test| {
        let server = Standin::start();
        let mut copies: Vec<Background> =
            (0..3).map(|_| test.start_command(bot(test, &server, "aiogram_bot.py", ""))).collect();
        wait_within(START, "three copies fight", || server.rules().conflicts().len() >= 3);
        // Who has been refused pauses before it connects again: the longer they fight, the seldomer all are connected at once.
        let mut connected = BTreeSet::new();
        wait_until("three instances, each seen connected", || {
            let seen = instances(test, &server, "aiogram_bot.py");
            connected.extend(seen.iter().filter(|one| one["polling"] == "yes").map(|one| one["pid"].as_i64()));
            seen.len() == 3 && connected.len() == 3 && seen.iter().all(|one| one["confidence"] == "token")
        });
        // doctor names it, with the fight in the logs that nobody has named to it, and what it prints fixes it.
        let seen = asking(test, &server, "doctor --json -m aiogram_bot.py -l bot.lock").run().code(1).json();
        let found = finding(&seen, "duplicate-instances");
        let pids: Vec<i32> = copies.iter().map(Background::pid).collect();
        assert_eq!(level_and_pids(found), ("error", pids.clone()));
        assert!(found["evidence"].to_string().contains("conflicts with another poller"), "{found}");
        assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
        let command = found["command"].as_str().unwrap();
        assert!(command.starts_with("solobot kill-duplicates -m "), "{command}");
        asking(test, &server, command.strip_prefix("solobot ").unwrap()).run().code(0).stdout_has(&["terminated"]);
        // One stays that was connected just then: no lock, no manager.
        wait_until("two have ended", || {
            copies.iter_mut().map(Background::has_ended).filter(|ended| *ended).count() == 2
        });
        let (ended, mut copies): (Vec<_>, Vec<_>) = copies.into_iter().partition(|copy| !alive(copy.pid()));
        for copy in ended {
            copy.finish().code(0).stderr_has(&["TelegramConflictError"]);
        }
        let quiet = Instant::now() + LATE;
        wait_until("late 409s are out", || Instant::now() > quiet);
        let conflicts = server.rules().conflicts().len();
        holds_for(Duration::from_secs(10), "no new conflict", || server.rules().conflicts().len() == conflicts);
        assert_eq!(instances(test, &server, "aiogram_bot.py").len(), 1);
        assert!(server.rules().is_polled());
        let seen = asking(test, &server, "doctor --json -m aiogram_bot.py -l bot.lock").run().code(0).json();
        assert!(!codes(&seen).contains(&"remote-poller"), "the fight is over: {seen:#}");
        copies.pop().unwrap().kill();
    });
}

/// Two starts under solobot, the first one's bot killed: the second one takes over, and the server never sees two.
#[track_caller]
fn hands_over(test: &Test, name: &str) {
    let server = Standin::start();
    let first = under_solobot(test, &server, "", name, "first.pid");
    wait_within(START, "the first one polls", || server.rules().is_polled());
    let pid = test.wait_for_pid("first.pid");
    let mut second = under_solobot(test, &server, "-w forever", name, "second.pid");
    second.wait_for_stderr(&format!("PID {pid}"));
    send(pid, Signal::KILL);
    first.finish().signal(Signal::KILL).stderr_has(&[]);
    // The dead one's poll is still held: the second one's first poll ends it.
    wait_within(START, "the second one polls", || {
        server.asked().iter().filter(|asked| asked.method.eq_ignore_ascii_case("getUpdates")).count() > 1
    });
    wait_until("one instance, connected", || {
        let seen = instances(test, &server, name);
        seen.len() == 1 && seen[0]["polling"] == "yes" && seen[0]["pid"] != pid
    });
    second.signal(Signal::TERM);
    second.finish().settled();
    assert_eq!(server.rules().conflicts().len(), 0, "the server saw two at once");
}

#[test]
fn aiogram_hands_over() {
    alone(|test| hands_over(test, "aiogram_bot.py"));
}

#[test]
fn python_telegram_bot_hands_over() {
    alone(|test| hands_over(test, "ptb_bot.py"));
}

#[test]
fn a_webhook_stops_the_bot_and_delete_webhook_fixes_it() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        server.rules().add_updates(2);
        let mut copy = test.start_command(bot(test, &server, "aiogram_bot.py", ""));
        copy.wait_for_stderr("can't use getUpdates method while webhook is active");
        let seen = asking(test, &server, "doctor --json -m aiogram_bot.py").run().code(1).json();
        let found = finding(&seen, "webhook-active");
        assert_eq!(level_and_pids(found), ("error", vec![copy.pid()]));
        assert!(found["evidence"].to_string().contains("because of a webhook"), "what the bot's log says: {found}");
        let command = found["command"].as_str().unwrap();
        let fixed = asking(test, &server, command.strip_prefix("solobot ").unwrap()).run().code(0);
        fixed.stdout_has(&["deleted", "2 updates are waiting"]);
        copy.wait_for_stderr("handled update 2");
        let seen = asking(test, &server, "doctor --json -m aiogram_bot.py").run().code(0).json();
        assert!(!codes(&seen).contains(&"webhook-active"), "{seen:#}");
        wait_until("it polls", || server.rules().is_polled());
        assert_eq!(server.rules().pending(), 0);
        copy.kill();
    });
}

#[test]
fn acquire_clears_the_webhook_for_the_bot() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        let mut solobot = under_solobot(test, &server, "--delete-webhook", "aiogram_bot.py", "bot.pid");
        solobot.wait_for_stderr("webhook https://example.org/hook deleted");
        wait_within(START, "it polls", || server.rules().is_polled());
        assert!(!solobot.stderr().contains("Conflict"), "{}", solobot.stderr());
        // Another program sets it again: the poll ends with another 409, and is fixed the same way.
        server.rules().set_webhook("https://example.org/again");
        solobot.wait_for_stderr("terminated by setWebhook request");
        asking(test, &server, "delete-webhook -m aiogram_bot.py").run().code(0).stdout_has(&["again", "deleted"]);
        wait_until("it polls again", || server.rules().is_polled());
        solobot.kill();
    });
}
