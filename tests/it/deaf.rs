//! Whether a bot fetches its updates: `check --running --responsive`, `metrics --telegram`, and what `doctor` says, by the
//! queue's length at the stand-in and what the real bots' connections bring.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::harness::{
    Background, Output, Signal, Test, Venv, alone, installed, peer, send, token, wait_until, wait_within,
};
use crate::standin::{Fault, Kind, Standin};
use crate::telegram_webhook::asking;

/// How long a real bot takes to import its library and start on a loaded machine.
const START: Duration = Duration::from_mins(2);
/// A bot is deaf once nothing has come for the two minutes that are asked for and the 50 s that a poll may take.
const SILENCE: Duration = Duration::from_secs(170);
/// How often a health check runs.
const OFTEN: Duration = Duration::from_secs(16);

/// One bot at a server of its own.
struct Scene {
    server: Standin,
    token: String,
    script: String,
    bot: Background,
}

impl Scene {
    /// `command` runs the script, which is this peer's.
    fn start(test: &Test, number: u32, (name, command): (&str, &str), source: &str, handler: &str) -> Self {
        let token = format!("{}:{}", 200_000_000 + number, "A".repeat(35));
        let server = Standin::of_token(&token);
        let extension = source.rsplit('.').next().unwrap();
        let script = format!("{name}.{extension}");
        test.write(&script, peer(source));
        let mut command = test.command(&format!("{command} {script}"));
        command.env("BOT_TOKEN", &token).env("API_BASE", server.url()).env("HANDLER", handler);
        command.env("NODE_PATH", installed("npm/node_modules"));
        let bot = test.start_command(command);
        wait_within(START, &format!("{script} polls"), || server.rules().is_polled());
        Self { server, token, script, bot }
    }

    fn asking(&self, test: &Test, line: &str) -> Output {
        let line = format!("{line} -m {}", self.script);
        test.solobot(&line).env("BOT_TOKEN", &self.token).env("SOLOBOT_API_URL", &self.server.url()).run()
    }

    fn check(&self, test: &Test) -> Output {
        self.asking(test, "check --json --running --responsive=2m")
    }

    /// How often it was polled.
    fn polls(&self) -> usize {
        self.server.methods().iter().filter(|method| method.eq_ignore_ascii_case("getUpdates")).count()
    }
}

fn python() -> String {
    Venv::Bots.interpreter().display().to_string()
}

#[test]
fn a_bot_that_polls_is_asked_about_once_in_fifteen_seconds() {
    alone(|test| {
        let aiogram = Scene::start(test, 1, ("bot", &python()), "aiogram_bot.py", "0");
        let looks = || aiogram.server.methods().iter().filter(|method| *method == "getWebhookInfo").count();
        aiogram.check(test).code(0).json();
        aiogram.asking(test, "check --running --responsive").code(0).stdout_has(&["healthy"]);
        assert_eq!(looks(), 1, "the second check knew enough");
        aiogram.server.rules().add_updates(50);
        aiogram.check(test).code(0).json();
        // What plain commands say, they say without asking.
        let (before, polls) = (aiogram.server.connections(), aiogram.server.methods().len() - aiogram.polls());
        for line in ["check --running", "check --json --running", "status", "status --json", "metrics"] {
            let output = aiogram.asking(test, line).code(0);
            let _ = output.stdout();
        }
        assert_eq!(aiogram.server.connections(), before, "somebody has connected");
        assert_eq!(aiogram.server.methods().len() - aiogram.polls(), polls);
        aiogram.bot.kill();
    });
}

#[test]
fn what_is_wrong_with_the_question() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let bot = test.by_hand("bot.py", "--pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        let check = |line: &str| asking(test, &server, &format!("check --running {line} -m bot.py")).run();
        check("--responsive=1m").code(2).stderr_has(&["too short", "2m"]);
        check("--responsive=2h").code(2).stderr_has(&["too long", "1h"]);
        check("--responsive 5m").code(2).stderr_has(&["--responsive=5m"]);
        asking(test, &server, "check --responsive -m bot.py").run().code(2).stderr_has(&["--running"]);
        let no_token = test.solobot("check --running --responsive -m bot.py").run();
        no_token.code(78).stdout_has(&["cannot tell", "no token found", "--token-env NAME"]);
        server.rules().set_webhook("https://example.org/hook");
        check("--responsive").code(77).stdout_has(&["a webhook is or was just set"]);
        assert!(!server.methods().contains(&"getUpdates".to_owned()));
        let far = test.solobot("check --running --responsive -m bot.py --api-url http://127.0.0.1:9");
        far.env("BOT_TOKEN", &token()).run().code(69).stdout_has(&["cannot tell", "127.0.0.1:9"]);
        server.always(Fault::Says(401, "Unauthorized"));
        let refused = asking(test, &server, "metrics --telegram -m bot.py").run().code(0);
        refused.stdout_has(&["# EOF"]).nowhere("solobot_pending_updates{");
        bot.kill();
    });
}

#[test]
fn looks_that_others_wrote_do_not_count() {
    alone(|test| {
        let scene = Scene::start(test, 2, ("bot", &python()), "sequential.py", "100000");
        scene.server.rules().add_updates(2);
        scene.check(test).code(0).json();
        let (file, text) = (looks_file(test), looks(test));
        assert!(text.contains("\"pending\":2") && !text.contains("AAAA"), "{text}");
        std::fs::write(&file, "no looks").unwrap();
        scene.check(test).code(0).stdout_has(&["\"ok\":true"]).stderr_has(&["ignored what", "cannot be understood"]);
        scene.bot.kill();
    });
}

/// What its connections bring is seen there as well, by whoever may enter.
#[test]
fn a_bot_in_another_network_namespace() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", peer("connected.py"));
        let python = python();
        let line = format!("exec {python} bot.py 127.0.0.1 {} --listen --pid-file bot.pid", server.port());
        let mut command = test.command(&format!("unshare -n sh -c 'ip link set lo up && {line}'"));
        command.env("BOT_TOKEN", token());
        let bot = test.start_command(command);
        test.wait_for_pid("bot.pid");
        asking(test, &server, "check --running --responsive -m bot.py").run().code(0).stdout_has(&["healthy"]);
        let looks = looks(test);
        assert!(looks.contains("\"traffic\":{\"seen\":[["), "{looks}");
        bot.kill();
    });
}

/// The file that keeps the looks.
fn looks_file(test: &Test) -> PathBuf {
    let folder = test.dir().parent().unwrap().join("home/.local/state/solobot/looks");
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

fn looks(test: &Test) -> String {
    std::fs::read_to_string(looks_file(test)).unwrap()
}

/// Asks about every scene again and again, until each has been said to be deaf; how long that took.
fn until_deaf(test: &Test, scenes: &[&Scene], since: Instant) -> Vec<(Duration, String)> {
    let mut said: Vec<Option<(Duration, String)>> = scenes.iter().map(|_| None).collect();
    let mut next = Instant::now();
    wait_within(SILENCE * 2, "each is deaf", || {
        if Instant::now() < next {
            return false;
        }
        next += OFTEN;
        for (scene, said) in scenes.iter().zip(&mut said).filter(|(_, said)| said.is_none()) {
            let asked = since.elapsed();
            let output = scene.check(test);
            let seen: Value = serde_json::from_str(output.stdout()).unwrap();
            if seen["ok"] == true {
                let _ = output.code(0).stderr();
            } else {
                let _ = output.code(1).stderr();
                *said = Some((asked, seen["reasons"].to_string()));
            }
        }
        said.iter().all(Option::is_some)
    });
    said.into_iter().flatten().collect()
}

/// A bot that a signal has stopped, one whose event loop hangs, and one whose poller has died.
#[test]
fn the_deaf_are_found_within_three_minutes() {
    alone(|test| {
        let stopped = Scene::start(test, 3, ("stopped", &python()), "aiogram_bot.py", "0");
        let hung = Scene::start(test, 4, ("hung", &python()), "aiogram_bot.py", "hang");
        let dead = Scene::start(test, 5, ("dead", &python()), "aiogram_bot.py", "die");
        let scenes = [&stopped, &hung, &dead];
        // Two looks, further apart than a poll takes, show that the clients keep their connections.
        let begin = Instant::now();
        for least in [0, 61] {
            wait_until("time passes", || begin.elapsed() >= Duration::from_secs(least));
            for scene in scenes {
                scene.check(test).code(0).json();
            }
        }
        let since = Instant::now();
        send(stopped.bot.pid(), Signal::STOP);
        for scene in scenes {
            scene.server.rules().add_updates(1);
        }
        // Between two polls nobody is polled either: what each of them does now is seen at the process itself.
        let sleeps = |pid: i32| {
            std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|place| place.contains("nanosleep"))
        };
        wait_until("the hung one and the dead one are past their last poll", || {
            let over = !hung.server.rules().is_polled() && !dead.server.rules().is_polled();
            over && sleeps(hung.bot.pid()) && dead.bot.stderr().contains("Polling stopped")
        });
        for scene in scenes {
            scene.server.rules().add_updates(2);
        }
        let polls: Vec<usize> = scenes[..2].iter().map(|scene| scene.polls()).collect();
        let said = until_deaf(test, &scenes, since);
        for ((after, reasons), name) in said.iter().zip(["stopped", "hung", "dead"]) {
            assert!(*after < Duration::from_mins(3) + OFTEN, "{name} after {after:?}: {reasons}");
        }
        for (after, reasons) in &said {
            assert!(reasons.contains(" is deaf: ") && reasons.contains("updates are waiting at Telegram"), "{reasons}");
            assert!(*after + OFTEN > SILENCE, "too soon: {after:?}");
        }
        assert_eq!(scenes[..2].iter().map(|scene| scene.polls()).collect::<Vec<_>>(), polls, "somebody has fetched");
        // Without the looks before, nobody knows.
        std::fs::remove_dir_all(test.dir().parent().unwrap().join("home/.local/state")).unwrap();
        let few = stopped.asking(test, "check --running --responsive=2m").code(77);
        few.stdout_has(&["cannot tell", "has not been looked at for long enough", "--wait 2m"]);
        // It goes on, and is well.
        send(stopped.bot.pid(), Signal::CONT);
        stopped.asking(test, "check --running --responsive=2m --wait 1m").code(0).stdout_has(&["healthy"]);
        for scene in [stopped, hung, dead] {
            scene.bot.kill();
        }
    });
}

/// Handlers of a minute in four libraries, ten messages of 15 s one after the other, and 50 updates a second.
#[test]
fn the_busy_are_never_deaf() {
    alone(|test| {
        let python = python();
        let kinds = [
            ("grammy", "node", "grammy_bot.js", "60"),
            ("telegraf", "node", "telegraf_bot.js", "60"),
            ("aio", python.as_str(), "aiogram_bot.py", "60"),
            ("ptb", python.as_str(), "ptb_bot.py", "60"),
            ("sequential", python.as_str(), "sequential.py", "15"),
            ("flooded", python.as_str(), "sequential.py", "0.01"),
        ];
        let scenes: Vec<Scene> = (10..)
            .zip(kinds)
            .map(|(number, (name, command, source, handler))| {
                Scene::start(test, number, (name, command), source, handler)
            })
            .collect();
        let (flooded, slow) = scenes.split_last().unwrap();
        for scene in slow {
            scene.server.rules().add_updates(if scene.script == "sequential.py" { 10 } else { 1 });
        }
        let begin = Instant::now();
        let (mut next, mut flood) = (begin, begin);
        wait_within(SILENCE * 2, "time passes", || {
            if Instant::now() >= flood {
                flood += Duration::from_millis(100);
                flooded.server.rules().add_updates(5);
            }
            if Instant::now() < next {
                return false;
            }
            next += OFTEN;
            for scene in &scenes {
                // Another update, so that some are always waiting.
                scene.server.rules().add_updates(u64::from(scene.script != "sequential.py"));
                let output = scene.check(test).code(0);
                let _ = output.stderr();
                assert_eq!(output.json()["ok"], true);
            }
            begin.elapsed() > SILENCE + OFTEN
        });
        for scene in scenes {
            scene.bot.kill();
        }
    });
}

/// Nothing of the bot runs here.
#[test]
fn nobody_fetches_and_what_a_fall_is_worth() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let doctor = || asking(test, &server, "doctor --json -m bot.py").run().code(0).json();
        let says_nothing = |seen: Value| assert_eq!(codes(&seen), ["local-api-server"], "{seen:#}");
        let begin = Instant::now();
        let at = |seconds: u64| {
            wait_until("time passes", || begin.elapsed() >= Duration::from_secs(seconds));
        };
        says_nothing(doctor());
        // A query that nobody answers, and that is soon too old.
        server.rules().add_update(Kind::CallbackQuery, Duration::from_secs(110));
        server.rules().add_updates(1);
        at(16);
        says_nothing(doctor());
        at(33);
        says_nothing(doctor());
        at(55);
        assert_eq!(server.rules().pending(), 1, "the query has left by its age");
        let seen = doctor();
        let found = finding(&seen, "remote-poller");
        assert_eq!(level_and_pids(found), ("warning", vec![]));
        assert!(found["evidence"].to_string().contains("likely, not proved"), "{found}");
        assert!(found["evidence"].to_string().contains("by age"), "{found}");
        server.rules().add_updates(1);
        at(72);
        assert!(!codes(&doctor()).contains(&"nobody-fetches"));
        at(134);
        let seen = doctor();
        let found = finding(&seen, "nobody-fetches");
        assert_eq!(found["level"], "warning");
        assert!(found["summary"].to_string().contains("updates are waiting for bot"), "{found}");
        assert!(!server.methods().contains(&"getUpdates".to_owned()));
    });
}

#[test]
fn metrics_ask_only_if_they_are_told_to() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        server.rules().add_updates(3);
        server.rules().set_last_error(jiff::Timestamp::now().as_second() - 100, "Connection refused");
        let plain = asking(test, &server, "metrics -m bot.py").run().code(0);
        plain.stdout_has(&["# EOF"]).nowhere("solobot_pending_updates{");
        assert_eq!(server.connections(), 0);
        let asked = asking(test, &server, "metrics --telegram -m bot.py").run().code(0);
        asked.stdout_has(&["solobot_pending_updates{bot=\"bot\"} 3", "solobot_last_error_age_seconds{bot=\"bot\"} 1"]);
        let json = asking(test, &server, "metrics --json --telegram -m bot.py").run().code(0).json();
        let bot = &json["bots"][0];
        assert_eq!((&bot["pending_updates"], &bot["deaf"]), (&3.into(), &Value::Null), "{json:#}");
        assert_eq!(server.methods(), ["getWebhookInfo", "getWebhookInfo"]);
    });
}
