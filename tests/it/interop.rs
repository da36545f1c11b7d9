//! The field's bots, as they are: Python's fcntl.flock (layout A), filelock (layout B) and flock(1), in both directions.

use std::fs;
use std::time::Duration;

use crate::harness::{Background, Signal, Test, Venv, alive, alone, holds_for, wait_until};
use crate::holding::{Holding, holding};

/// A bot of layout A in the background, which tries for `seconds`.
#[track_caller]
fn layout_a(test: &Test, lock: &str, seconds: &str) -> Background {
    test.start_command(test.python(Venv::None, "layout_a.py", &format!("hold {lock} {seconds} a.pid")))
}

/// A bot of layout B in the background, which tries for `seconds`.
#[track_caller]
fn layout_b(test: &Test, venv: Venv, seconds: &str) -> Background {
    test.start_command(test.python(venv, "layout_b.py", &format!(". {seconds} b.pid")))
}

const B: &str = ".bot_instance.lock";

#[test]
fn layout_a_holds_and_solobot_refuses_by_name() {
    alone(|test| {
        let a = layout_a(test, "bot.lock", "0");
        let pid = test.wait_for_pid("a.pid");
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&pid.to_string(), "layout_a.py"]);
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["held", &pid.to_string()]);
        test.solobot("check -l bot.lock").run().code(1).stdout_has(&[&pid.to_string()]);
        assert_eq!(test.read("bot.lock"), pid.to_string());
        let waiting = test.solobot("acquire -l bot.lock -- echo ran").start();
        a.signal(Signal::TERM);
        a.finish().code(0);
        waiting.finish().code(0).stdout_is("ran\n").stderr_has(&[]);
    });
}

#[test]
fn solobot_holds_and_layout_a_refuses_with_the_bots_pid() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        layout_a(test, "bot.lock", "0").finish().code(3).stderr_has(&[&format!("PID {bot}")]);
        layout_a(test, "bot.lock", "1.5").finish().code(3).stderr_has(&[&format!("PID {bot}")]);
        assert_eq!(test.read("bot.lock"), bot.to_string());
        let waiting = layout_a(test, "bot.lock", "30");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        let pid = test.wait_for_pid("a.pid");
        assert_eq!(test.read("bot.lock"), pid.to_string());
        waiting.signal(Signal::TERM);
        waiting.finish().code(0);
    });
}

#[test]
fn layout_as_cleaner_leaves_what_solobot_holds() {
    alone(|test| {
        let holder = holding(test);
        let inode = test.inode("bot.lock");
        let clean = || test.start_command(test.python(Venv::None, "layout_a.py", "clean bot.lock")).finish();
        clean().code(0).stdout_is("kept\n");
        assert_eq!(test.inode("bot.lock"), inode);
        drop(holder);
    });
}

#[test]
fn layout_as_cleaner_in_the_moment_between() {
    alone(|test| {
        let mut holder = holding(test);
        let cleaner = test.start_command(test.python(Venv::None, "layout_a.py", "clean-loop bot.lock stop"));
        // Contenders that empty the text again and again, so that the cleaner finds its moment.
        for _ in 0..20 {
            let emptied = fs::OpenOptions::new().write(true).truncate(true).open(test.path("bot.lock"));
            drop(emptied);
            wait_until("the lock is there, with its text", || {
                fs::read_to_string(test.path("bot.lock")).is_ok_and(|text| text == holder.bot.to_string())
                    || holder.solobot.has_ended()
            });
        }
        test.write("stop", "");
        cleaner.finish().code(0).stdout_has(&["removed"]);
        assert!(alive(holder.bot) && !holder.solobot.has_ended());
        // Either the file at the path is held, or solobot said loudly that it lost it.
        let held = test.is_locked("bot.lock");
        assert!(held || holder.solobot.stderr().contains("bot.lock"), "lost without a word");
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&["bot.py"]);
    });
}

#[test]
fn layout_a_under_solobot_skips_its_own_lock() {
    alone(|test| {
        // What its supervisor does for it: the variable is there, the lock is held.
        test.solobot("acquire -l bot.lock -- sh -c 'test \"$SKIP_TELEGRAM_LOCK\" = 1 && echo skipped'")
            .run()
            .code(0)
            .stdout_is("skipped\n");
    });
}

#[test]
fn layout_b_holds_and_solobot_refuses_by_name() {
    alone(|test| {
        for venv in [Venv::OldFilelock, Venv::NewFilelock] {
            let b = layout_b(test, venv, "0");
            let pid = test.wait_for_pid("b.pid").to_string();
            let line = format!("acquire -n -l {B} -- true");
            test.solobot(&line).run().code(75).stderr_has(&[&pid, "layout_b.py"]);
            let json = test.solobot(&format!("status --json -l {B}")).run().code(0).json();
            assert_eq!(json["bots"][0]["lock"]["state"], "held");
            assert!(json["bots"][0]["lock"]["holders"].to_string().contains(&pid), "{json}");
            assert_eq!(test.record(B)["pid"].to_string(), pid, "its record is untouched");
            b.signal(Signal::TERM);
            b.finish().code(0);
            fs::remove_file(test.path("b.pid")).unwrap();
        }
    });
}

#[test]
fn solobot_holds_and_layout_b_refuses() {
    alone(|test| {
        for venv in [Venv::OldFilelock, Venv::NewFilelock] {
            test.bot("bot.py");
            let line = format!("acquire -l {B} -- python3 bot.py --pid-file bot.pid");
            let solobot = test.solobot(&line).start();
            let bot = test.wait_for_pid("bot.pid");
            layout_b(test, venv, "0.3").finish().code(3).stderr_has(&["another instance runs"]);
            // The old one emptied the file with each attempt: the text comes back, and the holder never was in doubt.
            wait_until("the text is back", || test.read(B) == bot.to_string());
            test.solobot(&format!("acquire -n -l {B} -- true")).run().code(75).stderr_has(&[&bot.to_string()]);
            assert_eq!(test.record(B)["pid"], bot);
            let contending = layout_b(test, venv, "60");
            let status = || test.solobot(&format!("status --json -l {B}")).run().code(0).json();
            for _ in 0..10 {
                let json = status();
                assert_eq!(json["bots"][0]["lock"]["state"], "held", "{json}");
                assert!(json["bots"][0]["lock"]["holders"].to_string().contains(&bot.to_string()), "{json}");
            }
            solobot.signal(Signal::TERM);
            let output = solobot.finish().code(0).stderr_has(&[]);
            // Twenty attempts a second for minutes must not fill a log.
            assert!(output.stderr().lines().count() <= 3, "{}", output.stderr());
            test.wait_for_pid("b.pid");
            contending.signal(Signal::TERM);
            contending.finish().code(0);
            fs::remove_file(test.path("b.pid")).unwrap();
            fs::remove_file(test.path("bot.pid")).unwrap();
        }
    });
}

#[test]
fn layout_b_under_handover_runs_and_a_second_one_waits() {
    alone(|test| {
        let python = Venv::OldFilelock.interpreter();
        let python = python.to_str().unwrap();
        // The peer's script, put into the bot's folder as its program.
        test.write("run.py", include_str!("peers/layout_b.py"));
        let line = |pid: &str| format!("acquire --handover -l {B} -- {python} run.py . 5 {pid}");
        let mut first = test.solobot(&line("first.pid")).start();
        let bot = test.wait_for_pid("first.pid");
        assert_eq!(test.record(B)["pid"], bot, "the bot's own record");
        let mut second = test.solobot(&line("second.pid")).start();
        second.wait_for_stderr(&bot.to_string());
        holds_for(Duration::from_millis(500), "the second one waits", || !test.has("second.pid"));
        assert!(!first.has_ended());
        first.signal(Signal::TERM);
        first.finish().code(0).stderr_has(&[]);
        let other = test.wait_for_pid("second.pid");
        assert!(!alive(bot) && alive(other));
        second.signal(Signal::TERM);
        second.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn layout_b_without_handover_is_told_of_it() {
    alone(|test| {
        let python = Venv::OldFilelock.interpreter();
        test.write("run.py", include_str!("peers/layout_b.py"));
        let line = format!("acquire -l {B} -- {} run.py . 0.2 b.pid", python.to_str().unwrap());
        test.solobot(&line).run().code(3).stderr_has(&["another instance runs", "--handover"]);
    });
}

#[test]
fn a_layout_b_holder_beside_the_default_lock_counts_as_an_instance() {
    alone(|test| {
        test.bot("bot.py");
        let b = layout_b(test, Venv::OldFilelock, "0");
        let pid = test.wait_for_pid("b.pid").to_string();
        test.solobot("acquire -n -- python3 bot.py").run().code(75).stderr_has(&[&pid]);
        b.signal(Signal::TERM);
        b.finish().code(0);
        test.solobot("acquire -n -- python3 bot.py --until b.pid").run().code(0);
    });
}

#[test]
fn flock_holds_and_waits() {
    alone(|test| {
        let flock = test.start("flock bot.lock tail -f /dev/null");
        wait_until("flock(1) holds", || test.is_locked("bot.lock"));
        let pid = flock.pid().to_string();
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&pid]);
        drop(flock);
        wait_until("free", || !test.is_locked("bot.lock"));
        let Holding { solobot, .. } = holding(test);
        test.run("flock -n bot.lock true").code(1);
        let waiting = test.start("flock -w 30 bot.lock echo mine");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        waiting.finish().code(0).stdout_is("mine\n");
    });
}

#[test]
fn a_posix_lock_is_no_flock() {
    alone(|test| {
        // s6-setlock and lckdo take this kind; it excludes nobody here, and solobot does not claim otherwise.
        let script = "import fcntl, sys, threading\nf = open('bot.lock', 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\n\
                      open('up', 'w').close()\nthreading.Event().wait()\n";
        test.write("posix.py", script);
        let posix = test.start("python3 posix.py");
        wait_until("it holds", || test.has("up"));
        test.solobot("acquire -n -l bot.lock -- true").run().settled().code(0);
        drop(posix);
    });
}

/// A bot with a PID file, which it creates: it is refused by a living PID, and by a file without any.
const PID_BOT: &str = "import os, signal, sys\n\
    def ended(*_):\n\
    \x20   os.remove('bot.pid')\n\
    \x20   sys.exit(0)\n\
    if os.path.exists('bot.pid'):\n\
    \x20   try:\n\
    \x20       pid = int(open('bot.pid').read())\n\
    \x20   except ValueError:\n\
    \x20       sys.exit('bot.pid has no number in it')\n\
    \x20   try:\n\
    \x20       os.kill(pid, 0)\n\
    \x20       sys.exit(f'Already running: pid {pid}')\n\
    \x20   except ProcessLookupError:\n\
    \x20       os.remove('bot.pid')\n\
    signal.signal(signal.SIGTERM, ended)\n\
    with open('bot.pid', 'x') as file:\n\
    \x20   file.write(str(os.getpid()))\n\
    signal.pause()\n";

#[test]
fn a_bot_with_a_pid_file_is_told_of_handover() {
    alone(|test| {
        test.write("pidbot.py", PID_BOT);
        let told = "--handover";
        let refused = || test.solobot("acquire -n -l bot.pid -- python3 pidbot.py").run().code(1);
        refused().stderr_has(&["Already running: pid", "read the PID in the lock file", told]);
        // However soon it reads.
        test.write("quick.sh", "read -r pid <bot.pid; kill -0 \"$pid\" && echo already running; exit 3\n");
        let quick = test.solobot("acquire -n -l bot.pid -- sh quick.sh").run().code(3);
        quick.stdout_is("already running\n").stderr_has(&[told]);
        // What fails without a look at the file has another reason.
        test.solobot("acquire -n -l bot.pid -- python3 -c 'raise SystemExit(4)'").run().code(4).nowhere("handover");
    });
}

#[test]
fn a_bot_with_a_pid_file_runs_under_handover_and_a_second_one_is_refused() {
    alone(|test| {
        test.write("pidbot.py", PID_BOT);
        let line = "acquire -n --handover -l bot.pid -- python3 pidbot.py";
        let writes_its_own = |solobot: &Background| {
            wait_until("the bot has written its PID", || {
                let text = fs::read_to_string(test.path("bot.pid")).unwrap_or_default();
                text.parse().is_ok_and(|pid| solobot.descendants().contains(&pid))
            });
            test.read("bot.pid").parse::<i32>().unwrap()
        };
        let left = |text: Option<&str>| {
            let _ = fs::remove_file(test.path("bot.pid"));
            text.inspect(|text| test.write("bot.pid", text));
        };
        // No file; one that a dead bot has left.
        for before in [None, Some("99999999")] {
            left(before);
            let first = test.solobot(line).start();
            let bot = writes_its_own(&first);
            // By its program, and where that is not looked for, by the PID in the file.
            for option in ["", "--lock-only"] {
                let second = format!("acquire -n --handover {option} -l bot.pid -- python3 pidbot.py");
                test.solobot(&second).run().code(75).stderr_has(&[&bot.to_string(), "pidbot.py"]);
            }
            assert_eq!(test.read("bot.pid"), bot.to_string(), "it is the bot's");
            first.signal(Signal::TERM);
            first.finish().code(0);
        }
        // A file that somebody has open stays: he may wait for it.
        left(Some("99999999"));
        let open = test.start("tail -f bot.pid");
        wait_until("it is open", || crate::harness::holds_descriptor(open.pid(), &test.path("bot.pid")));
        test.solobot(line).run().code(1).stderr_has(&["bot.pid has no number in it"]);
        assert_eq!(test.read("bot.pid"), "");
        drop(open);
    });
}
