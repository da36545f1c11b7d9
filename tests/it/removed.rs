//! `rm -f bot.lock bot.lock.info` while a bot holds the lock whose solobot is dead: nothing but the bot's own descriptor
//! tells of it, and it is a holder still.

use std::fs;

use crate::harness::{Signal, Test, alive, alone, send, wait_until};
use crate::holding::orphan;

/// The names of a lock and its owner record.
const LOCK: [&str; 2] = ["bot.lock", "bot.lock.info"];

fn remove(test: &Test, names: [&str; 2]) {
    for name in names {
        fs::remove_file(test.path(name)).unwrap();
    }
}

/// An orphan, and nothing left at its lock's path.
fn orphan_of_nothing(test: &Test) -> i32 {
    let bot = orphan(test);
    remove(test, LOCK);
    bot
}

#[test]
fn who_looks_sees_the_holder_of_the_removed_file() {
    alone(|test| {
        let bot = orphan_of_nothing(test);
        let pid = bot.to_string();
        for lock in ["absent", "made anew"] {
            let json = test.solobot("status --json -m bot.py -l bot.lock").run().code(0).json();
            let one = &json["bots"][0];
            assert_eq!(one["lock"]["state"], "replaced", "{lock}: {json}");
            assert_eq!(one["lock"]["holders"][0]["pid"], bot, "{lock}: {json}");
            assert_eq!(one["instances"][0]["lock"], "holder", "{lock}: {json}");
            let check = test.solobot("check -m bot.py -l bot.lock").run().code(1);
            let said = [&format!("PID {pid} still holds the lock file that was deleted at"), &test.name("bot.lock")];
            let _ = check.stdout_has(&said.map(|text| text as &str)).nowhere("healthy");
            let json = test.solobot("doctor --json -m bot.py -l bot.lock").run().code(1).json();
            let codes: Vec<_> = json["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
            assert!(codes.contains(&"replaced-lock".into()), "{lock}: {codes:?}");
            test.write("bot.lock", "");
        }
    });
}

#[test]
fn at_the_default_place_too() {
    alone(|test| {
        test.bot("bot.py");
        let solobot = test.solobot("acquire -- timeout 600 python3 bot.py --pid-file bot.pid").start();
        let bot = test.wait_for_pid("bot.pid");
        solobot.kill_alone();
        remove(test, [".solobot.lock", ".solobot.lock.info"]);
        let json = test.solobot("status --json -m bot.py").run().code(0).json();
        assert_eq!(json["bots"][0]["lock"]["state"], "replaced", "{json}");
        let _ = test.solobot("check -m bot.py").run().code(1).stdout_has(&["the lock file that was deleted at"]);
        let second = test.solobot("acquire -n -- python3 bot.py --until bot.pid").run().code(75);
        let _ = second.stderr_has(&["was deleted", &format!("PID {bot}")]);
        send(bot, Signal::KILL);
    });
}

#[test]
fn a_contender_waits_for_it_whatever_it_looks_for() {
    alone(|test| {
        let bot = orphan_of_nothing(test);
        let acquire = |options: &str| format!("acquire {options} -l bot.lock -- python3 bot.py --until bot.pid");
        for options in ["-n --lock-only", "-n", "-w 300ms", "-n --lock-only"] {
            let second = test.solobot(&acquire(options)).run().code(75);
            let shown = ["was deleted", "holds the deleted", &format!("PID {bot}"), "--takeover=orphan"];
            let _ = second.stderr_has(&shown).nowhere("runs without it").nowhere("--lock-only …");
        }
        let mut waiting = test.solobot(&acquire("--lock-only")).start();
        waiting.wait_for_stderr(&format!("PID {bot}"));
        send(bot, Signal::KILL);
        waiting.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn takeover_orphan_takes_its_place() {
    alone(|test| {
        for options in ["", "--lock-only"] {
            let bot = orphan_of_nothing(test);
            let line = format!("acquire --takeover=orphan {options} -l bot.lock -- python3 bot.py --until bot.pid");
            let _ = test.solobot(&line).run().code(0).stderr_has(&["taking over", &bot.to_string()]);
            wait_until("the orphan was stopped", || !alive(bot));
        }
    });
}

#[test]
fn takeover_orphan_leaves_a_holder_alone_whose_solobot_lives_or_that_never_had_one() {
    alone(|test| {
        // With -F it is its own solobot; flock(1) knows none.
        let become_it = test.solobot("acquire -F -l bot.lock -- sleep 600").start();
        wait_until("it holds it", || test.has("bot.lock.info") && test.is_locked("bot.lock"));
        let orphan = || test.solobot("acquire --takeover=orphan -w 500ms --lock-only -l bot.lock -- touch ran").run();
        remove(test, LOCK);
        let _ = orphan().code(75).stderr_has(&[&become_it.pid().to_string()]).nowhere("solobot: taking over");
        become_it.kill();
        test.write("bot.lock", "");
        let other = test.start("flock -F bot.lock sleep 600");
        wait_until("it holds it", || test.is_locked("bot.lock"));
        fs::remove_file(test.path("bot.lock")).unwrap();
        let _ = orphan().code(75).stderr_has(&[&other.pid().to_string()]).nowhere("solobot: taking over");
        assert!(alive(other.pid()) && !test.has("ran"));
    });
}

#[test]
fn the_lock_alone_leads_to_it_too() {
    alone(|test| {
        let bot = orphan_of_nothing(test);
        let said = [&format!("PID {bot} still holds the lock file that was deleted at") as &str];
        let json = test.solobot("status --json -l bot.lock").run().code(0).json();
        assert_eq!(json["bots"][0]["lock"]["state"], "replaced", "{json}");
        let _ = test.solobot("check -l bot.lock").run().code(1).stdout_has(&said);
        let second = test.solobot("acquire -n -l bot.lock -- touch ran").run().code(75);
        let _ = second.stderr_has(&["was deleted", &format!("PID {bot}")]);
        assert!(!test.has("ran"));
    });
}
