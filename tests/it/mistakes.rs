//! The mistakes that existing tools make with processes: a test each, named after its number in the list and what it is.
//!
//! The list: 1 to 12 are about finding and killing, 17 and 18 about PIDs, 22 and 25 about what is left when a parent is
//! killed, 27 about what a refusal sets off. The others are about locks and Telegram and have their tests there.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{
    Background, Signal, Terminal, Test, alive, alone, holds_for, parent, send, start_ticks, wait_until,
};
use crate::scenes::{assert_alive, by_hand, by_pid, instances, launch, only, roots, sleeper, wait_for_end_of, with};

#[test]
fn mistake_01_kills_its_own_launcher() {
    alone(|test| {
        test.bot("bot.py");
        for line in ["timeout 600 python3 bot.py", "sh -c 'python3 bot.py; echo $? > code'"] {
            let (mut launcher, bot) = launch(test, line, "");
            assert_ne!(bot, launcher.pid());
            // The wrapper has the script's name in its command line, and is not the second instance.
            only(test, "-m bot.py", bot);
            test.solobot("kill-duplicates -m bot.py").run().code(0).stdout_has(&["nothing to stop"]);
            assert_alive(line, &[launcher.pid(), bot]);
            test.solobot("stop -m bot.py").run().code(0).stdout_has(&[&format!("PID {bot} terminated")]);
            wait_until("the launcher sees its bot end", || launcher.has_ended());
        }
        assert_eq!(test.read("code"), "0\n", "the shell was there to see the bot's own code");
    });
}

#[test]
fn mistake_02_substring_hits() {
    alone(|test| {
        test.bot("main.py");
        test.bot("domain.py");
        let links = ["vim", "less", "git", "ssh", "docker"];
        for name in links {
            std::os::unix::fs::symlink("/usr/bin/tail", test.path(name)).unwrap();
        }
        test.run("mkfifo fifo").code(0);
        let mut decoys: Vec<Background> = ["tail -f domain.py", "tail -f main.py", "grep -r main.py fifo"]
            .iter()
            .map(|line| test.start(line))
            .collect();
        decoys.extend(links.iter().map(|name| test.start(&format!("./{name} -f main.py"))));
        let domain = by_hand(test, "domain.py", 1, "");
        let bots = by_hand(test, "main.py", 2, "");
        let answer = test.solobot("stop --json -m main.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bots[0].pid(), bots[1].pid()], "{answer}");
        assert_eq!(by_pid(&answer, "plan").len(), 2, "{answer}");
        for decoy in decoys.iter().chain(&domain) {
            assert_alive("a decoy", &[decoy.pid()]);
        }
    });
}

#[test]
fn mistake_03_overbroad() {
    alone(|test| {
        for folder in ["mine", "theirs"] {
            test.bot(&format!("{folder}/main.py"));
        }
        test.write("robot.py", "import signal\nsignal.pause()\n");
        let robot = test.start("python3 robot.py bot main.py");
        let theirs = by_hand(test, "theirs/main.py", 2, "");
        let mine = by_hand(test, "mine/main.py", 2, "");
        // From inside its own folder, as most do it: the same name elsewhere is another project's.
        let mut there = test.command("python3 main.py");
        there.current_dir(test.path("mine")).env("BOT_OPTIONS", "--pid-file inside.pid");
        let there = test.start_command(there);
        test.wait_for_pid("mine/inside.pid");
        let answer = test.solobot("stop --json -m main.py").in_dir("mine").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [mine[0].pid(), mine[1].pid()], "{answer}");
        assert_eq!(with(&answer, "plan", "blocked"), [there.pid()], "another working folder, token unknown: {answer}");
        assert_alive("strangers", &[robot.pid(), theirs[0].pid(), theirs[1].pid()]);
    });
}

#[test]
fn mistake_04_kills_the_shell_it_runs_in() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 1, "");
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let line = format!("sh -c '{solobot} stop -y -m bot.py; echo survived python3 bot.py'");
        let mut command = test.command("sh -c");
        command.arg(&line);
        let output = test.start_command(command).finish();
        output.code(0).stdout_has(&["terminated", "survived python3 bot.py"]);
        assert!(!alive(bots[0].pid()));
    });
}

#[test]
fn mistake_05_too_narrow() {
    alone(|test| {
        test.bot("tg_bot/bot.py");
        test.write("tg_bot/__init__.py", "");
        let mut started = Vec::new();
        for (number, (folder, line)) in [
            (".", "python3 tg_bot/bot.py"),
            (".", "python3 -m tg_bot.bot"),
            ("tg_bot", "python3 ./bot.py"),
            ("tg_bot", "python3 -um bot"),
            (".", "python3 -X dev -W ignore tg_bot/../tg_bot/bot.py"),
        ]
        .iter()
        .enumerate()
        {
            let mut command = test.command(line);
            let file = test.name(&format!("{number}.pid"));
            command.current_dir(test.path(folder)).env("BOT_OPTIONS", format!("--pid-file {file}"));
            command.env("TELEGRAM_BOT_TOKEN", crate::harness::token());
            started.push(test.start_command(command));
            test.wait_for_pid(&format!("{number}.pid"));
        }
        let mut all: Vec<i32> = started.iter().map(Background::pid).collect();
        all.sort_unstable();
        for program in ["tg_bot/bot.py", "tg_bot.bot", "./tg_bot/bot.py"] {
            assert_eq!(roots(test, &format!("-m {program}")), all, "{program}");
        }
        let answer = test.solobot("stop --json -m tg_bot.bot").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), all, "{answer}");
    });
}

#[test]
fn mistake_06_waits_for_a_zombie() {
    alone(|test| {
        test.bot("bot.py");
        // Its parent never reaps it.
        let parent = "import subprocess, sys, signal\nbot = subprocess.Popen([sys.executable, 'bot.py', '--pid-file', 'b.pid'])\n\
                      signal.pause()\n";
        test.write("parent.py", parent);
        let parent = test.start("python3 parent.py");
        let bot = test.wait_for_pid("b.pid");
        let begin = Instant::now();
        // The parent would start it again for all solobot knows, so it goes first.
        let answer = test.solobot("stop --json --grace 60 --include-managed -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [parent.pid(), bot], "{answer}");
        assert!(begin.elapsed() < Duration::from_secs(30), "it waited for a zombie: {:?}", begin.elapsed());
        drop(parent);
    });
}

/// Waits with the question on the terminal: what happens now, happens between plan and signal.
#[track_caller]
fn at_the_question(test: &Test, line: &str) -> Terminal {
    let terminal = Terminal::start(test, line);
    terminal.wait_for("Stop it?");
    terminal
}

#[test]
fn mistake_07_one_that_has_gone_is_a_failure() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 2, "");
        let mut terminal = at_the_question(test, "solobot kill-duplicates -m bot.py");
        let gone = bots[1].pid();
        let mut bots = bots.into_iter();
        let kept = bots.next().unwrap();
        bots.next().unwrap().kill();
        wait_until("it has gone", || start_ticks(gone).is_none());
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        terminal.wait_for("gone");
        assert!(alive(kept.pid()));
    });
}

#[test]
fn mistake_08_signals_a_reused_pid() {
    alone(|test| {
        test.bot("bot.py");
        let mut bots = by_hand(test, "bot.py", 2, "");
        let mut terminal = at_the_question(test, "solobot kill-duplicates -m bot.py");
        let bot = bots.pop().unwrap();
        let pid = bot.pid();
        bot.kill();
        wait_until("the PID is free", || start_ticks(pid).is_none());
        let mut stranger = crate::pid_reuse::reuse(test, pid);
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        terminal.wait_for("gone");
        assert!(!stranger.has_ended(), "the stranger was signalled");
    });
}

#[test]
fn mistake_09_never_escalates_or_kills_at_once() {
    alone(|test| {
        test.bot("bot.py");
        let deaf = by_hand(test, "bot.py", 1, "--ignore-term --signals-file deaf");
        let polite = by_hand(test, "bot.py", 1, "--signals-file polite");
        let answer = test.solobot("stop --json --grace 1 -m bot.py").run().code(0).json();
        let expected = [(deaf[0].pid(), "killed".to_owned()), (polite[0].pid(), "terminated".to_owned())];
        assert_eq!(by_pid(&answer, "results"), expected.into(), "{answer}");
        assert_eq!((test.read("deaf"), test.read("polite")), ("SIGTERM\n".into(), "SIGTERM\n".into()));
    });
}

#[test]
fn mistake_10_a_live_holder_is_taken_for_stale() {
    alone(|test| {
        test.bot("bot.py");
        let held = test.solobot("acquire -- python3 bot.py").env("BOT_OPTIONS", "--pid-file held.pid").start();
        let holder = test.wait_for_pid("held.pid");
        // Younger ones, with another text in the lock file, prove nothing.
        let hand = by_hand(test, "bot.py", 1, "");
        let answer = test.solobot("kill-duplicates --json --dry-run -m bot.py").run().code(1).json();
        assert_eq!(with(&answer, "plan", "keep"), [holder], "{answer}");
        test.solobot("clean-stale -m bot.py").run().code(0).stdout_has(&["kept"]);
        assert_alive("holder, solobot, duplicate", &[holder, held.pid(), hand[0].pid()]);
    });
}

#[test]
fn mistake_11_two_kill_each_other() {
    alone(|test| {
        // Two starters that clear first: without an agreement each would end the other's bot, and so on.
        test.bot("bot.py");
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let starter =
            format!("{solobot} kill-duplicates -q -y -m bot.py; exec {solobot} acquire -q -n -- python3 bot.py");
        let starters: Vec<Background> = (0..4)
            .map(|number| {
                let mut command = test.command("sh -c");
                command.arg(&starter).env("BOT_OPTIONS", format!("--pid-file s{number}.pid"));
                test.start_command(command)
            })
            .collect();
        wait_until("one runs", || instances(test, "-m bot.py").len() == 1);
        let one = roots(test, "-m bot.py");
        holds_for(Duration::from_secs(4), "the same one runs on", || roots(test, "-m bot.py") == one);
        drop(starters);
    });
}

#[test]
fn mistake_12_fork_workers_outlive_their_root() {
    alone(|test| {
        test.bot("bot.py");
        // The root ends at once on TERM, its worker does not.
        let code = "import os, signal, sys\nworker = os.fork()\nif worker == 0:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                    else:\n    open('tmp', 'w').write(str(worker))\n    os.rename('tmp', 'worker.pid')\n\
                    while True:\n    signal.pause()\n";
        test.write("forker.py", code);
        let root = test.start("python3 forker.py");
        let worker = test.wait_for_pid("worker.pid");
        wait_until("two processes", || only(test, "-m forker.py", root.pid())["pids"].as_array().unwrap().len() == 2);
        let answer = test.solobot("stop --json --grace 500ms -m forker.py").run().code(0).json();
        assert_eq!(by_pid(&answer, "results"), [(root.pid(), "terminated".to_owned())].into(), "no respawn: {answer}");
        wait_for_end_of(&[worker, root.pid()]);

        // One whose root somebody else has killed is an instance: it polls.
        fs::remove_file(test.path("worker.pid")).unwrap();
        let root = test.start("python3 forker.py");
        let worker = test.wait_for_pid("worker.pid");
        root.kill_alone();
        wait_until("the worker is an orphan", || parent(worker) == Some(1));
        only(test, "-m forker.py", worker);
        test.solobot("stop --grace 500ms -m forker.py").run().code(0).stdout_has(&["killed"]);
        assert!(!alive(worker));
    });
}

#[test]
fn mistake_17_pids_of_another_namespace() {
    alone(|test| {
        test.bot("bot.py");
        // PID 1 there is not PID 1 here, and what it is here is what gets the signal.
        let launcher = test.start("unshare -pf --mount-proc python3 bot.py --pid-file inner.pid");
        assert_eq!(test.wait_for_pid("inner.pid"), 1);
        let bot = crate::harness::children(launcher.pid())[0];
        only(test, "-m bot.py", bot);
        let stranger = test.start("tail -f /dev/null");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bot], "{answer}");
        assert!(alive(stranger.pid()) && alive(1));
    });
}

#[test]
fn mistake_18_eperm_is_read_as_dead() {
    alone(|test| {
        sleeper(test, "mybot");
        let _ = test.solobot_as(65534, "status -m ./mybot").code(0).stdout();
        let program = format!("{}/work/mybot", crate::harness::PUBLIC);
        let foreign = test.start(&program);
        for line in ["check -m", "check --wait 300ms -m"] {
            let output = test.solobot_as(65534, &format!("{line} {program}")).code(1);
            let _ = output.stdout_has(&["already running", &foreign.pid().to_string()]);
        }
        // A PID in a lock file that may not be signalled is alive all the same.
        test.write("bot.lock", foreign.pid().to_string());
        let json = test.solobot_as(65534, "status --json -l bot.lock").code(0).json();
        assert_eq!(json["bots"][0]["lock"]["state"], "owner-alive-unlocked", "{json}");
    });
}

#[test]
fn mistake_22_the_supervisor_is_killed_and_its_child_polls_on() {
    alone(|test| {
        test.bot("bot.py");
        let held = test.solobot("acquire -- python3 bot.py").env("BOT_OPTIONS", "--pid-file held.pid").start();
        let bot = test.wait_for_pid("held.pid");
        held.kill_alone();
        wait_until("it is an orphan", || parent(bot) == Some(1));
        let seen = only(test, "-m bot.py", bot);
        assert_eq!(seen["lock"], "holder", "{seen}");
        test.solobot("check -m bot.py").run().code(1).stdout_has(&["orphaned", &bot.to_string()]);
        test.solobot("stop -m bot.py").run().code(0).stdout_has(&["terminated"]);
        test.solobot("check -m bot.py").run().code(0).stdout_has(&["safe to start"]);
    });
}

#[test]
fn mistake_25_term_to_flock_leaves_the_command_with_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let (mut flock, bot) = launch(test, "flock bot.lock python3 bot.py", "");
        test.solobot("stop -m bot.py -l bot.lock").run().code(0).stdout_has(&[&format!("PID {bot} terminated")]);
        wait_until("flock(1) ends with its command", || flock.has_ended());
        assert!(!test.is_locked("bot.lock"));
        // Somebody else has sent TERM to flock(1) already: its orphan is found and stopped.
        let (flock, bot) = launch(test, "flock bot.lock python3 bot.py", "");
        send(flock.pid(), Signal::TERM);
        wait_until("an orphan", || parent(bot) == Some(1));
        assert_eq!(only(test, "-m bot.py -l bot.lock", bot)["lock"], "holder");
        test.solobot("stop -m bot.py -l bot.lock").run().code(0).stdout_has(&[&format!("PID {bot} terminated")]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn mistake_27_a_refusal_becomes_a_respawn_loop() {
    alone(|test| {
        test.bot("bot.py");
        // A shell that starts the bot again and again under solobot: refused by a hand start, it waits, it does not spin.
        let hand = by_hand(test, "bot.py", 1, "");
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let mut looping = test.command("sh -c");
        looping.arg(format!("while :; do echo >> starts; {solobot} acquire -q -w forever -- python3 bot.py; done"));
        looping.env("BOT_OPTIONS", "--pid-file own.pid");
        let looping = test.start_command(looping);
        wait_until("it has started", || test.has("starts") && !test.read("starts").is_empty());
        holds_for(Duration::from_secs(1), "one start, that waits", || test.read("starts").lines().count() == 1);
        test.solobot("check -m bot.py").run().code(1).stdout_has(&[&hand[0].pid().to_string()]);
        send(hand[0].pid(), Signal::TERM);
        let bot = test.wait_for_pid("own.pid");
        assert_eq!(roots(test, "-m bot.py"), [bot]);
        drop(looping);
    });
}
