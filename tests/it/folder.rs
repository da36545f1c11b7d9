//! Without arguments and without a file: what acts means the bot of the current folder.

use std::fs;
use std::os::unix::fs::chown;

use crate::harness::{Test, alive, alone, wait_until};
use crate::odd_processes::NOBODY;

const ACTING: [&str; 5] = ["check", "stop", "kill-duplicates", "release", "clean-stale"];

/// A bot under solobot, started in `app/`.
fn held(test: &Test) -> (crate::harness::Background, i32) {
    test.bot("app/main.py");
    let solobot = test.solobot("acquire -- python3 main.py").in_dir("app");
    (solobot.env("BOT_OPTIONS", "--pid-file main.pid").start(), test.wait_for_pid("app/main.pid"))
}

#[test]
fn the_quick_start_needs_no_arguments() {
    alone(|test| {
        let (solobot, bot) = held(test);
        let here = |line: &str| test.solobot(line).in_dir("app").run();
        let pid = bot.to_string();
        here("check").code(1).stdout_has(&["main: already running", &pid, "check --running -m"]);
        here("check --running").code(0).stdout_is("main: healthy: exactly one instance is running\n");
        here("kill-duplicates").code(0).stdout_has(&["keep", &pid, "nothing to stop"]);
        here("release").code(1).stderr_has(&["a bot holds", &pid, "solobot stop"]);
        here("clean-stale").code(0).stdout_has(&["kept", "held by PID"]);
        here("stop").code(0).stdout_has(&[&format!("PID {bot} terminated")]);
        wait_until("it has ended", || !alive(bot));
        drop(solobot);
        // The lock is there still, and says no more whose it is.
        here("check").code(0).stdout_has(&["safe to start"]);
        here("stop").code(0).stdout_is("no instance is running\n");
        here("release").code(0).stderr_has(&["nothing to release"]);
        here("clean-stale").code(0).stdout_has(&["nothing to clean"]);
    });
}

#[test]
fn a_likely_bot_that_runs_in_this_folder_is_meant() {
    alone(|test| {
        test.bot("app/main.py");
        let bot = {
            let mut command = test.command("python3 main.py");
            command.current_dir(test.path("app")).env("BOT_OPTIONS", "--pid-file main.pid");
            command.env("MY_SECRET", crate::harness::token());
            test.start_command(command)
        };
        test.wait_for_pid("app/main.pid");
        let pid = bot.pid().to_string();
        test.solobot("check").in_dir("app").run().code(1).stdout_has(&["already running", &pid]);
        // From elsewhere it is proposed, and nothing is done.
        for line in ACTING {
            let refused = test.solobot(line).run().code(2);
            refused.stderr_has(&[
                "which bot?",
                &format!("solobot {line} -m {}", test.name("app/main.py")),
                "solobot status",
            ]);
        }
        assert!(alive(bot.pid()));
        test.solobot("stop").in_dir("app").run().code(0).stdout_has(&["terminated"]);
    });
}

#[test]
fn several_are_named_with_what_to_type() {
    alone(|test| {
        let (solobot, bot) = held(test);
        test.bot("app/aux.py");
        let other = test.solobot("acquire -l .solobot-aux.lock -- python3 aux.py").in_dir("app");
        let other = other.env("BOT_OPTIONS", "--pid-file aux.pid").start();
        test.wait_for_pid("app/aux.pid");
        for line in ["stop", "kill-duplicates", "release"] {
            let refused = test.solobot(line).in_dir("app").run().code(2);
            let hints = [format!("solobot {line} -m {}", test.name("app/main.py")), "--lock ".into()];
            refused.stderr_has(&["which bot?", "main", "aux", &hints[0], &hints[1]]);
        }
        assert!(alive(bot));
        test.solobot("check")
            .in_dir("app")
            .run()
            .code(1)
            .stdout_has(&["main: already running", "aux: already running"]);
        drop((solobot, other));
    });
}

#[test]
fn nothing_here_is_said_with_what_would_name_it() {
    alone(|test| {
        for line in ACTING {
            test.solobot(line).run().code(2).stderr_has(&[
                "which bot? there is no solobot.toml",
                &format!("solobot {line} -m main.py"),
                "solobot status",
            ]);
        }
    });
}

/// A record that somebody else has put there says nothing: it could name any program to be stopped.
#[test]
fn a_planted_record_is_not_believed() {
    alone(|test| {
        test.bot("victim/main.py");
        let victim = test.by_hand("victim/main.py", "--pid-file victim.pid");
        test.wait_for_pid("victim.pid");
        let (solobot, _) = held(test);
        let record = test.read("app/.solobot.lock.info").replace("main.py", &test.name("victim/main.py"));
        drop(solobot);
        fs::create_dir(test.path("trap")).unwrap();
        test.write("trap/.solobot.lock", "");
        test.write("trap/.solobot.lock.info", record);
        for name in ["trap", "trap/.solobot.lock", "trap/.solobot.lock.info"] {
            chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let said = test.solobot("stop -y --include-probable").in_dir("trap").run().settled();
        assert!(alive(victim.pid()), "stopped by a record that another user wrote: {}", said.stdout());
    });
}

/// Neither does a lock: who holds it, and for whom, would be that one's to say.
#[test]
fn a_lock_in_somebody_elses_folder_is_only_proposed() {
    alone(|test| {
        let victim = test.start("tail -f /dev/null");
        fs::create_dir(test.path("trap")).unwrap();
        test.write("trap/.solobot.lock", "");
        for name in ["trap", "trap/.solobot.lock"] {
            chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let ticks = crate::harness::start_ticks(victim.pid()).unwrap();
        let pretends = format!("X keeper --pid {} --start-ticks {ticks}", victim.pid());
        let holder =
            test.start(&format!("flock -n trap/.solobot.lock bash -c 'exec -a {pretends:?} tail -f /dev/null'"));
        wait_until("it is held", || test.is_locked("trap/.solobot.lock"));
        let refused = test.solobot("stop -y").in_dir("trap").run().code(2);
        refused.stderr_has(&["which bot?", &format!("solobot stop --lock {}", test.name("trap/.solobot.lock"))]);
        assert!(alive(victim.pid()) && alive(holder.pid()));
    });
}

/// "None runs" would be wrong of what cannot be named.
#[test]
fn a_bot_whose_program_cannot_be_told_is_said() {
    alone(|test| {
        fs::create_dir(test.path("app")).unwrap();
        let mut command = test.command("python3 -c");
        command.arg("import signal; open('up', 'w'); signal.pause()").current_dir(test.path("app"));
        let bot = test.start_command({
            command.env("BOT_TOKEN", crate::harness::token());
            command
        });
        wait_until("it is up", || test.has("app/up"));
        let pid = format!("PID {}", bot.pid());
        for line in ["check", "stop"] {
            test.solobot(line).in_dir("app").run().code(2).stderr_has(&[
                "which bot?",
                &pid,
                "its program is unknown",
                "-m main.py",
            ]);
        }
    });
}

#[test]
fn two_locks_of_one_bot_and_a_script_in_a_subfolder() {
    alone(|test| {
        test.bot("app/tg_bot/bot.py");
        let mut command = test.command("python3 tg_bot/bot.py");
        command.current_dir(test.path("app")).env("BOT_TOKEN", crate::harness::token());
        command.env("BOT_OPTIONS", "--pid-file bot.pid");
        let bot = test.start_command(command);
        test.wait_for_pid("app/bot.pid");
        test.solobot("check").in_dir("app").run().code(1).stdout_has(&["bot: not safe", &bot.pid().to_string()]);
        drop(bot);
        let (solobot, pid) = held(test);
        test.write("app/.bot_instance.lock", "");
        let seen = test.solobot("check --json").in_dir("app").run().code(1).json();
        assert_eq!(seen["bots"].as_array().map(Vec::len), Some(1), "{seen}");
        assert_eq!(seen["bots"][0]["lock"]["path"], test.name("app/.solobot.lock"), "{seen}");
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([pid]), "{seen}");
        drop(solobot);
    });
}
