//! Ways in which two holders came about, nobody came to hold it, or the lock went before the bot did.

use std::fs;
use std::time::Duration;

use crate::harness::{Signal, Test, alive, alone, holds_for, send, wait_until};
use crate::scenes::script;

/// Two who wait for the same holder of a removed file are not each other's predecessors for ever.
#[test]
fn two_who_wait_for_the_holder_of_a_removed_file_come_in_one_by_one() {
    alone(|test| {
        // It does not take the path again.
        let holder = test.start("flock -w 60 bot.lock tail -f /dev/null");
        wait_until("it is held", || test.is_locked("bot.lock"));
        let wait = |name: &str, pid: i32| {
            fs::remove_file(test.path("bot.lock")).unwrap();
            let line = format!("acquire -w forever -l bot.lock -- sh -c 'echo in > {name}; exec tail -f /dev/null'");
            let mut waiting = test.solobot(&line).start();
            waiting.wait_for_stderr(&format!("PID {pid}"));
            waiting
        };
        let first = wait("first", holder.pid());
        let second = wait("second", first.pid());
        drop(holder);
        wait_until("one of them is in", || test.has("first") || test.has("second"));
        holds_for(Duration::from_secs(2), "one alone", || test.has("first") != test.has("second"));
        test.solobot("check -l bot.lock").run().code(1).stdout_has(&[]);
        let (inside, other) = if test.has("first") { (first, "second") } else { (second, "first") };
        inside.signal(Signal::TERM);
        wait_until("then the other one", || test.has(other));
    });
}

/// A keeper gives the lock back when the kept process has ended, and not when that one is asked to end.
#[test]
fn a_kept_process_is_taken_over_from_with_the_lock_held_to_its_end() {
    alone(|test| {
        test.bot("bot.py");
        let kept = test.by_hand("bot.py", "--pid-file kept.pid --ignore-term");
        let pid = test.wait_for_pid("kept.pid");
        test.solobot(&format!("acquire -l bot.lock --pid {pid}")).run().code(0).stderr_has(&[]);
        let came = format!("grep -q State:.[RSDT] /proc/{pid}/status && touch overlap; touch in");
        let mut waiting = test.solobot(&format!("acquire -w forever -l bot.lock -- sh -c '{came}'")).start();
        waiting.wait_for_stderr("waiting");
        let took = test.solobot(&format!("acquire --takeover --grace 2s -l bot.lock -- sh -c '{came}'")).run();
        // The one that has waited longer may be first.
        let _ = took.settled();
        wait_until("one of them came in", || test.has("in"));
        assert!(!test.has("overlap"), "the lock was given to another while the bot had its grace");
        waiting.finish().settled().stderr_has(&[]);
        drop(kept);
    });
}

/// What a start script leaves behind keeps the lock: at once in the background, late, and on its way there.
#[test]
fn a_start_script_keeps_the_lock_for_the_bot_that_it_leaves_behind() {
    alone(|test| {
        test.bot("app/bot.py");
        let lines = [
            "nohup python3 bot.py --pid-file bot.pid >/dev/null 2>&1 &",
            "python3 bot.py --pid-file bot.pid &",
            "(sleep 0.3; exec python3 bot.py --pid-file bot.pid) &",
            "setsid sh -c 'sleep 0.3; python3 bot.py --pid-file bot.pid' &",
            "./shims/python3 bot.py --pid-file bot.pid &",
        ];
        // As pyenv's: a script of the interpreter's name looks for the interpreter, by another script.
        fs::create_dir(test.path("app/shims")).unwrap();
        script(test, "app/shims/python3", "#!/bin/sh\nexec env sh shims/manager exec python3 \"$@\"\n");
        script(test, "app/shims/manager", "#!/bin/sh\nsleep 0.2\nshift\nexec \"$@\"\n");
        for (number, line) in lines.iter().enumerate() {
            for named in ["", "-m app/bot.py"] {
                let name = format!("app/start{number}.sh");
                script(test, &name, &format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{line}\n"));
                let _ = fs::remove_file(test.path("app/bot.pid"));
                let mut solobot = test.solobot(&format!("acquire -l bot.lock {named} -- ./{name}")).start();
                let bot = test.wait_for_pid("app/bot.pid");
                solobot.wait_for_stderr(&format!("for PID {bot}"));
                test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&["held"]);
                wait_until("it is named", || test.read("bot.lock") == bot.to_string());
                send(bot, Signal::TERM);
                let said = solobot.finish().code(0);
                assert_eq!(said.stderr().matches("has ended, but left").count(), 1, "once: {}", said.stderr());
                said.stderr_has(&[]);
                assert!(!test.is_locked("bot.lock"), "{line} {named}");
            }
        }
        // What is no bot is named, and keeps nothing.
        script(test, "app/helper.sh", "#!/bin/sh\ntail -f /dev/null &\nprintf %s $! > helper.pid\n");
        test.solobot("acquire -l bot.lock -- app/helper.sh")
            .run()
            .code(0)
            .stderr_has(&["still running, but without the lock", "tail"]);
        let helper: i32 = test.wait_for_pid("helper.pid");
        assert!(alive(helper) && !test.is_locked("bot.lock"));
        send(helper, Signal::KILL);
    });
}

/// A lock file that was renamed is held as much as one that was removed.
#[test]
fn a_renamed_lock_is_held_still() {
    alone(|test| {
        test.bot("bot.py");
        let holder = test.solobot("acquire -F -l bot.lock -- python3 bot.py --pid-file bot.pid").start();
        let bot = test.wait_for_pid("bot.pid");
        assert_eq!(bot, holder.pid());
        for name in ["old", "other.lock"] {
            let from = if test.has("bot.lock") { "bot.lock" } else { "old" };
            fs::rename(test.path(from), test.path(name)).unwrap();
            let pid = format!("PID {bot}");
            test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&pid]);
            test.solobot("check -l bot.lock").run().code(1).stdout_has(&[&pid]);
            let seen = test.solobot("status --json -l bot.lock").run().code(0).json();
            assert_eq!(seen["bots"][0]["lock"]["state"], "replaced", "{seen}");
            let _ = fs::remove_file(test.path("bot.lock"));
        }
        test.solobot("stop -y -l bot.lock").run().code(0).stdout_has(&[&format!("PID {bot}")]);
        drop(holder);
    });
}

/// `acquire -o` and a solobot that is killed as soon as COMMAND runs: the text names COMMAND, and it is asked.
#[test]
fn a_command_without_the_descriptor_counts_from_its_first_moment() {
    alone(|test| {
        test.bot("bot.py");
        let solobot = test.solobot("acquire -o -l bot.lock -- python3 bot.py --pid-file bot.pid").start();
        let bot = test.wait_for_pid("bot.pid");
        // As it is before the record follows the text.
        wait_until("the record names it", || test.record("bot.lock")["pid"] == bot);
        solobot.kill_alone();
        let mut record = test.record("bot.lock");
        record["pid"] = record["holder_pid"].clone();
        record["start_ticks"] = record["holder_start_ticks"].clone();
        test.write("bot.lock.info", record.to_string());
        let pid = format!("PID {bot}");
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&pid]);
        test.solobot("acquire --takeover=orphan -l bot.lock -- true").run().code(0).stderr_has(&[&pid]);
        assert!(!alive(bot));
    });
}

/// An error in supervision is no reason to give the lock of a living COMMAND back.
#[test]
fn an_error_in_supervision_leaves_the_lock_with_command() {
    alone(|test| {
        test.bot("bot.py");
        for (number, fault) in ["poll,ppoll:error=ENOMEM", "wait4,waitid:error=EIO"].iter().enumerate() {
            let exe = env!("CARGO_BIN_EXE_solobot");
            let pid_file = format!("bot{number}.pid");
            let line = format!("python3 bot.py --pid-file {pid_file}");
            let strace = format!("strace -qq -o trace -e inject={fault}:when=1");
            let solobot = test.start(&format!("{strace} {exe} acquire -l bot.lock -- {line}"));
            let bot = test.wait_for_pid(&pid_file);
            solobot.finish().code(73).stderr_has(&[&format!("PID {bot}")]);
            assert!(alive(bot) && test.is_locked("bot.lock"), "{fault}: the lock went before the bot did");
            test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&bot.to_string()]);
            send(bot, Signal::KILL);
            wait_until("it has ended", || !test.is_locked("bot.lock"));
        }
    });
}

/// Only an interrupted call is made again.
#[test]
fn a_lock_that_the_kernel_refuses_to_give_is_an_error() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let acquire = |fault: &str| {
            test.run(&format!(
                "strace -qq -o trace -e inject=flock:{fault} {exe} acquire -n --lock-only -l l -- touch ran"
            ))
        };
        acquire("error=EINTR:when=1").code(0);
        assert!(test.has("ran"));
        acquire("error=ENOLCK").code(73).stderr_has(&["no locks available"]);
    });
}

/// A token that does not come is waited for before the lock is taken, and can be given up.
#[test]
fn a_token_that_does_not_come_holds_no_lock() {
    alone(|test| {
        let fifo = |test: &Test| test.run("mkfifo token").code(0).stdout_has(&[]);
        let _ = fifo(test);
        let line = "acquire -l bot.lock --token-file token -- true";
        let waiting = test.solobot(line).start();
        wait_until("it reads the token", || {
            fs::read_to_string(format!("/proc/{}/wchan", waiting.pid())).is_ok_and(|at| at.contains("fifo"))
                || fs::read_to_string(format!("/proc/{}/syscall", waiting.pid()))
                    .is_ok_and(|call| call.starts_with("257"))
        });
        assert!(!test.is_locked("bot.lock"));
        test.solobot("acquire -n -l bot.lock -- true").run().code(0).stderr_has(&[]);
        waiting.signal(Signal::TERM);
        let _ = waiting.finish().signal(Signal::TERM);
    });
}

/// A deploy that swaps folders under the bot: what is started in the new one finds the one that runs in the old one.
#[track_caller]
fn folders_are_swapped_under(test: &Test, told_by: Option<&str>) {
    let by_hand = told_by.is_none();
    test.bot("app/main.py");
    test.bot("new/main.py");
    let run = |line: &str| {
        let solobot = test.solobot(line).in_dir("app").env("XDG_STATE_HOME", &test.name("state"));
        solobot.env("BOT_OPTIONS", "--pid-file ../second.pid")
    };
    let first = if by_hand {
        test.start("sh -c 'cd app && BOT_OPTIONS=\"--pid-file ../bot.pid\" python3 main.py; :'")
    } else {
        // It does not take the path again.
        run("acquire -F -- python3 main.py").env("BOT_OPTIONS", "--pid-file ../bot.pid").start()
    };
    let bot = test.wait_for_pid("bot.pid");
    wait_until("it has settled", || by_hand || test.record("app/.solobot.lock")["pid"] == bot);
    fs::rename(test.path("app"), test.path("old")).unwrap();
    fs::rename(test.path("new"), test.path("app")).unwrap();
    match told_by {
        Some("journal") => fs::remove_file(test.path("old/.solobot.lock.info")).unwrap(),
        Some(_) => fs::remove_file(test.path("state/solobot/journal.jsonl")).unwrap(),
        None => {}
    }
    let pid = format!("PID {bot}");
    run("acquire -n -- python3 main.py").run().code(75).stderr_has(&[&pid]);
    let said = run("check -m main.py").run().code(1).stdout_has(&[&pid]);
    if told_by != Some("journal") {
        let _ = said.nowhere("healthy");
    }
    let status = run("status --json -m main.py").run().code(0).json();
    if by_hand {
        assert_eq!(status["bots"][0]["instances"][0]["pid"], bot, "{status}");
        run("stop -y -m main.py").run().code(1).stdout_has(&["blocked"]);
        assert!(alive(bot), "in doubt nothing is stopped");
    } else {
        assert_eq!(status["bots"][0]["instances"][0]["pid"], bot, "{status}");
        if told_by == Some("record") {
            assert_eq!(status["bots"][0]["lock"]["state"], "replaced", "{status}");
        }
        run("stop -y -m main.py").run().code(0).stdout_has(&[&pid]);
        assert!(!alive(bot));
    }
    assert!(!test.has("second.pid"));
    drop(first);
}

#[test]
fn a_bot_whose_folder_was_swapped_is_the_bot_still() {
    alone(|test| folders_are_swapped_under(test, Some("record")));
}

#[test]
fn a_swapped_folder_without_its_record_is_in_the_journal() {
    alone(|test| folders_are_swapped_under(test, Some("journal")));
}

#[test]
fn one_that_was_started_by_hand_may_be() {
    alone(|test| folders_are_swapped_under(test, None));
}

/// A manager that passes its own `PWD` on has moved no folder.
#[test]
fn another_folder_is_no_moved_one_because_of_a_managers_pwd() {
    alone(|test| {
        test.bot("app/main.py");
        test.bot("other/main.py");
        test.write(
            "app/manager.py",
            "import subprocess, sys\nsubprocess.run([sys.executable, 'main.py', '--pid-file', '../other.pid'], cwd='../other')\n",
        );
        let manager = test.start("sh -c 'cd app && exec python3 manager.py'");
        test.wait_for_pid("other.pid");
        test.write("other/touched", "");
        let run = |line: &str| test.solobot(line).in_dir("app").env("BOT_OPTIONS", "--until ../other.pid");
        run("check -m main.py").run().code(0).stdout_has(&["safe"]);
        run("acquire -n -- python3 main.py").run().code(0).stderr_has(&[]);
        drop(manager);
    });
}

/// Within a second, whichever folder above the lock it is.
#[test]
fn a_lock_whose_folder_is_moved_is_missed_at_once() {
    alone(|test| {
        for (number, moved) in ["srv/app", "srv"].iter().enumerate() {
            test.bot("srv/app/main.py");
            let line = format!("acquire -- python3 main.py --pid-file bot{number}.pid");
            let mut solobot = test.solobot(&line).in_dir("srv/app").start();
            test.wait_for_pid(&format!("srv/app/bot{number}.pid"));
            wait_until("it watches", || {
                let info =
                    |fd: i32| fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", solobot.pid())).unwrap_or_default();
                (3..200).any(|fd| info(fd).contains("inotify"))
            });
            fs::rename(test.path(moved), test.path(&format!("moved{number}"))).unwrap();
            fs::create_dir_all(test.path("srv/app")).unwrap();
            let start = std::time::Instant::now();
            solobot.wait_for_stderr("now holding the new file too");
            assert!(start.elapsed() < Duration::from_secs(5), "the timer of ten seconds found it, not the watch");
            wait_until("the new path is held", || test.is_locked("srv/app/.solobot.lock"));
            drop(solobot);
            fs::remove_dir_all(test.path("srv")).unwrap();
        }
    });
}
