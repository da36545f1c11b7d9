//! `status`: what is, whoever looks; 0 whenever it could look.

use std::fs;

use serde_json::Value;

use crate::harness::{Signal, Test, alive, alone, wait_until};
use crate::holding::{Holding, holding, orphan, stale};
use crate::scenes::{launch, pid};
use crate::telegram_secrets::traced;

/// The one bot of `status --json -l bot.lock`.
#[track_caller]
fn look(test: &Test) -> Value {
    let json = test.solobot("status --json -l bot.lock").run().code(0).json();
    assert_eq!(json["bots"].as_array().map(Vec::len), Some(1), "{json}");
    assert!(json["uninspected"].is_u64(), "{json}");
    json["bots"][0].clone()
}

#[track_caller]
fn state(test: &Test) -> String {
    let bot = look(test);
    assert_eq!(bot["lock"]["path"], test.name("bot.lock"));
    bot["lock"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn absent_and_free() {
    alone(|test| {
        assert_eq!(state(test), "absent");
        assert!(!test.has("bot.lock"), "looking creates nothing");
        test.write("bot.lock", "");
        assert_eq!(state(test), "free");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&[&test.name("bot.lock"), "free"]);
    });
}

#[test]
fn held_by_whom_since_when_with_what_command() {
    alone(|test| {
        let Holding { solobot, bot } = &holding(test);
        let seen = look(test);
        assert_eq!(seen["lock"]["state"], "held");
        assert_eq!(seen["lock"]["orphaned"], false);
        let holders = seen["lock"]["holders"].as_array().unwrap();
        let pids: Vec<i64> = holders.iter().map(|holder| holder["pid"].as_i64().unwrap()).collect();
        assert!(pids.contains(&i64::from(*bot)) && pids.contains(&i64::from(solobot.pid())), "{seen}");
        assert!(holders.iter().all(|holder| !holder["start"].is_null() && holder["command"].is_string()), "{seen}");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&[
            &bot.to_string(),
            "bot.py",
            &test.name("bot.lock"),
        ]);
    });
}

#[test]
fn the_instance_and_its_part_in_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let held =
            test.solobot("acquire -l bot.lock -- python3 bot.py").env("BOT_OPTIONS", "--pid-file bot.pid").start();
        let bot = test.wait_for_pid("bot.pid");
        let json = test.solobot("status --json -m bot.py -l bot.lock").run().code(0).json();
        let instances = json["bots"][0]["instances"].as_array().unwrap();
        assert_eq!(instances.len(), 1, "{json}");
        assert_eq!(instances[0]["pid"], bot);
        assert!(matches!(instances[0]["lock"].as_str(), Some("holder" | "covered")), "{json}");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let hand = test.wait_for_pid("hand.pid");
        let json = test.solobot("status --json -m bot.py -l bot.lock").run().code(0).json();
        let instances = json["bots"][0]["instances"].as_array().unwrap();
        assert_eq!(instances.len(), 2, "{json}");
        let second = instances.iter().find(|instance| instance["pid"] == hand).unwrap();
        assert_eq!(second["lock"], "unlocked");
        drop((by_hand, held));
    });
}

#[test]
fn those_who_wait() {
    alone(|test| {
        let _holding = holding(test);
        let mut waiting = test.solobot("acquire -w forever -l bot.lock -- true").start();
        waiting.wait_for_stderr("bot.lock");
        wait_until("the waiting one is listed", || {
            let waiters = look(test)["lock"]["waiters"].as_array().unwrap().clone();
            waiters.iter().any(|waiter| *waiter == waiting.pid() || waiter["pid"] == waiting.pid())
        });
        waiting.signal(Signal::TERM);
        waiting.finish().signal(Signal::TERM).stderr_has(&[]);
    });
}

#[test]
fn orphaned() {
    alone(|test| {
        let bot = orphan(test);
        let seen = look(test);
        assert_eq!((&seen["lock"]["state"], &seen["lock"]["orphaned"]), (&"held".into(), &true.into()), "{seen}");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["orphaned", &bot.to_string()]);
    });
}

#[test]
fn stale_is_what_a_killed_holder_left() {
    alone(|test| {
        let pid = stale(test);
        assert_eq!(state(test), "stale");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["stale", &pid.to_string()]);
    });
}

#[test]
fn a_zombie_is_dead() {
    alone(|test| {
        // Its parent never reaps it.
        let script = "import os, signal\npid = os.fork()\nif pid == 0:\n    os._exit(0)\n\
                      open('zombie.pid', 'w').write(str(pid))\nsignal.pause()\n";
        test.write("parent.py", script);
        let parent = test.start("python3 parent.py");
        wait_until("the PID is there", || test.has("zombie.pid") && !test.read("zombie.pid").is_empty());
        let zombie: i32 = test.read("zombie.pid").trim().parse().unwrap();
        wait_until("it is a zombie", || {
            fs::read_to_string(format!("/proc/{zombie}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        });
        test.write("bot.lock", zombie.to_string());
        assert_eq!(state(test), "stale");
        drop(parent);
    });
}

#[test]
fn an_owner_that_lives_without_a_flock_is_not_stale() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        test.write("bot.lock", other.pid().to_string());
        assert_eq!(state(test), "owner-alive-unlocked");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&[&other.pid().to_string()]);
    });
}

#[test]
fn replaced_while_held() {
    alone(|test| {
        let mut holder = holding(test);
        // Another one has the new inode before solobot can: two holders, and solobot says so.
        test.write("new.lock", "");
        let squatter = test.start("flock new.lock tail -f /dev/null");
        wait_until("the squatter holds", || test.is_locked("new.lock"));
        fs::rename(test.path("new.lock"), test.path("bot.lock")).unwrap();
        holder.solobot.wait_for_stderr("bot.lock");
        assert_eq!(state(test), "replaced");
        test.solobot("check -l bot.lock").run().code(1).stdout_has(&["bot.lock"]);
        drop(squatter);
    });
}

#[test]
fn unreadable_is_said_and_not_a_failure() {
    alone(|test| {
        fs::create_dir(test.path("bot.lock")).unwrap();
        assert_eq!(state(test), "unreadable");
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&[&test.name("bot.lock")]);
    });
}

#[test]
fn a_status_that_looks_holds_nothing_up() {
    alone(|test| {
        let _holding = holding(test);
        let inode = test.inode("bot.lock");
        let before = test.snapshot();
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["held"]);
        assert_eq!(test.snapshot(), before);
        assert_eq!(test.inode("bot.lock"), inode);
    });
}

#[test]
fn watch_repeats_until_it_is_told_to_stop() {
    alone(|test| {
        let watching = test.solobot("status --watch=0.1 -l bot.lock").start();
        let count = |text: &str| watching.stdout().matches(text).count();
        wait_until("two looks", || count("bot.lock") >= 2);
        test.write("bot.lock", "");
        wait_until("what is new is seen", || watching.stdout().contains("free"));
        watching.signal(Signal::INT);
        let output = watching.finish().stdout_has(&["bot.lock"]);
        output.signal(Signal::INT);
    });
}

/// The bots of a bare `status`: their instances' PIDs, how they stand to their lock, and its name.
#[track_caller]
fn bare(test: &Test) -> Vec<(Vec<i32>, Value, String)> {
    let json = test.solobot("status --json").run().code(0).json();
    let said = test.solobot("status").run().code(0).stdout().to_owned();
    let of_bot = |bot: &Value| {
        let instances = bot["instances"].as_array().unwrap();
        let lock = bot["lock"]["path"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(&lock), "{said}");
        (instances.iter().map(pid).collect(), instances[0]["lock"].clone(), lock)
    };
    json["bots"].as_array().unwrap().iter().map(of_bot).collect()
}

/// The bot reads its token from `.env` by itself: there is none in its environment, and here no connection either.
#[test]
fn a_bot_that_shows_no_token_is_known_by_its_lock() {
    alone(|test| {
        test.bot("bot.py");
        let exe = env!("CARGO_BIN_EXE_solobot");
        for (line, lock, stands) in [
            ("solobot acquire -- python3 bot.py".to_owned(), ".solobot.lock", "holder"),
            ("solobot acquire -o -l my.lock -- python3 bot.py".to_owned(), "my.lock", "covered"),
            ("solobot acquire -l my.lock -- sh -c 'python3 bot.py; exit 0'".to_owned(), "my.lock", "covered"),
            ("flock --close .bot_instance.lock python3 bot.py".to_owned(), ".bot_instance.lock", "covered"),
            (format!("sh -c '{exe} acquire --lock-only -l my.lock --pid $$ && exec python3 bot.py'"), "my.lock", ""),
        ] {
            let (started, bot) = launch(test, &line, "");
            let seen = bare(test);
            assert_eq!((seen.len(), &seen[0].0, &seen[0].2), (1, &vec![bot], &test.name(lock)), "{line}: {seen:?}");
            assert!(stands.is_empty() || seen[0].1 == stands, "{line}: {seen:?}");
            started.kill();
            wait_until("all have ended", || !alive(bot) && bare(test).is_empty());
        }
        // Locks of anything else mark nobody.
        let backup = test.start("flock backup.lock python3 bot.py");
        wait_until("it holds its lock", || test.is_locked("backup.lock"));
        assert_eq!(bare(test), []);
        drop(backup);
    });
}

#[test]
fn what_is_only_probable_and_other_bots_of_the_name_are_counted_apart() {
    alone(|test| {
        fs::create_dir(test.path("a")).unwrap();
        fs::create_dir(test.path("b")).unwrap();
        for script in ["a/main.py", "b/main.py"] {
            test.write(script, "import signal\nsignal.pause()\n");
        }
        let first = test.start("python3 a/main.py");
        let other = test.start("python3 a/main.py --other");
        let seen = |line: &str| test.solobot(&format!("status {line}")).run().code(0).stdout().to_owned();
        wait_until("both run", || seen("-m a/main.py").contains(&other.pid().to_string()));
        let text = seen("-m a/main.py");
        assert!(text.contains("main: one instance, 1 probable\n"), "{text}");
        let why = format!("PID {} is only probably this bot: other arguments, token unknown\n", other.pid());
        assert!(text.contains(&why), "{text}");
        other.kill();
        let second = test.start("python3 b/main.py");
        wait_until("the second runs", || seen("-m main.py").contains(&second.pid().to_string()));
        let text = seen("-m main.py");
        for folder in ["a", "b"] {
            assert!(
                text.contains(&format!("\nmain ({}): one instance\n", test.path(folder).join("main.py").display())),
                "{text}"
            );
        }
        assert!(seen("-m a/main.py").contains("main: one instance\n"));
        drop(first);
    });
}

/// The kernel stops all lockers for its list: 10 ms and more, for every look of a cron job.
#[test]
fn without_a_lock_file_the_kernel_is_not_asked_for_all_its_locks() {
    alone(|test| {
        test.bot("bot.py");
        let _bot = test.start("python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        let asked = |file: &str| traced(test, "status -m bot.py -l bot.lock", &[]).contains(file);
        assert!(!asked("/proc/locks"));
        test.write("bot.lock", "");
        assert!(asked("/proc/locks"), "strace shows it where there is one");
    });
}

#[test]
fn what_an_instance_uses() {
    alone(|test| {
        test.bot("main.py");
        let _bot = test.start("python3 main.py --pid-file pid");
        test.wait_for_pid("pid");
        let json = test.solobot("status --json -m main.py").run().code(0).json();
        let seen = &json["bots"][0]["instances"][0];
        assert!(seen["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000), "{seen}");
        assert!(seen["cpu_percent"].as_f64().is_some_and(|percent| percent >= 0.0), "{seen}");
        test.solobot("status -v -m main.py").run().code(0).stdout_has(&["MEM", " MiB ", "CPU", "% "]);
    });
}
