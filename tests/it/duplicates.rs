//! `kill-duplicates` and `stop`: exactly the right ones go, whoever started them. The files `duplicates_*.rs` have a subject
//! each.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::harness::{
    Background, Signal, Terminal, Test, alive, alone, installed, is_stopped, send, token, wait_until,
};
use crate::scenes::{assert_alive, by_hand, by_pid, launch, roots, with};

/// The PIDs of started bots.
pub fn pids(bots: &[Background]) -> Vec<i32> {
    bots.iter().map(Background::pid).collect()
}

/// Another token than the test's own.
pub fn other_token() -> String {
    format!("{}:{}", 987_654_321, "B".repeat(35))
}

/// What looks like the bot to a tool that searches command lines, and is not.
fn decoys(test: &Test) -> Vec<Background> {
    test.bot("other/bot.py");
    // By other names, because not every machine has an editor and a pager: what counts is the command line.
    for name in ["vim", "less"] {
        std::os::unix::fs::symlink("/usr/bin/tail", test.path(name)).unwrap();
    }
    test.run("mkfifo fifo").code(0);
    let other = test.by_hand("other/bot.py", "--pid-file other.pid");
    test.wait_for_pid("other.pid");
    let mut twin = test.command("python3 bot.py");
    twin.env("TELEGRAM_BOT_TOKEN", other_token()).env("BOT_OPTIONS", "--pid-file twin.pid");
    let twin = test.start_command(twin);
    test.wait_for_pid("twin.pid");
    let mut decoys = vec![other, twin];
    let lines = [
        "tail -f bot.py",
        "./vim -f bot.py",
        "./less -f bot.py",
        "grep -r bot.py fifo",
        "tail -f /dev/null python bot.py",
    ];
    for line in lines {
        decoys.push(test.start(line));
    }
    decoys
}

/// Three under plain shells, each with the token in its environment.
fn three_under_shells(test: &Test) -> (Vec<Background>, Vec<i32>) {
    let mut shells = Vec::new();
    let mut bots = Vec::new();
    for number in 0..3 {
        let mut command = test.command("sh -c 'python3 bot.py; exit 0'");
        command.env("TELEGRAM_BOT_TOKEN", token()).env("BOT_OPTIONS", format!("--pid-file bot{number}.pid"));
        shells.push(test.start_command(command));
        bots.push(test.wait_for_pid(&format!("bot{number}.pid")));
    }
    (shells, bots)
}

fn supervised(test: &Test) -> (Background, i32) {
    let conf = format!(
        "[supervisord]\nnodaemon=true\nlogfile=%(here)s/s.log\npidfile=%(here)s/s.pid\nchildlogdir=%(here)s\n\
         [program:tgbot]\ndirectory=%(here)s\nstartsecs=0\nautorestart=true\ncommand=python3 bot.py\n\
         environment=BOT_OPTIONS=\"--pid-file sv.pid\",TELEGRAM_BOT_TOKEN=\"{}\"\n",
        token()
    );
    test.write("supervisord.conf", conf);
    let manager = test.start(&format!("{} -c supervisord.conf", installed("venv/bin/supervisord")));
    (manager, test.wait_for_pid("sv.pid"))
}

#[test]
fn three_by_hand_one_supervised_and_decoys() {
    alone(|test| {
        test.bot("bot.py");
        let (mut shells, bots) = three_under_shells(test);
        let (manager, supervised) = supervised(test);
        let decoys = decoys(test);
        // The oldest is to stay, so the supervised one is surplus: not killed, but explained.
        let line = "kill-duplicates --json --keep oldest -m bot.py";
        let answer = test.solobot(line).env("TELEGRAM_BOT_TOKEN", &token()).run().code(1).json();
        let expected: BTreeMap<i32, String> = [
            (bots[0], "keep".to_owned()),
            (bots[1], "stop".to_owned()),
            (bots[2], "stop".to_owned()),
            (supervised, "blocked".to_owned()),
        ]
        .into();
        assert_eq!(by_pid(&answer, "plan"), expected, "{answer}");
        assert_eq!(with(&answer, "results", "terminated"), bots[1..], "{answer}");
        let blocked = answer["plan"].as_array().unwrap().iter().find(|one| one["action"] == "blocked").unwrap();
        assert_eq!(blocked["stop"], "supervisorctl stop tgbot:tgbot", "{answer}");
        assert!(blocked["reason"].as_str().unwrap().contains("would start it again"), "{answer}");
        assert_alive("kept, supervised, manager", &[bots[0], supervised, manager.pid()]);
        assert_alive("decoys", &pids(&decoys));
        assert!(!alive(bots[1]) && !alive(bots[2]));
        wait_until("their shells end", || shells[1].has_ended() && shells[2].has_ended());
        // By default it is the supervised one that stays.
        let line = "kill-duplicates -m bot.py";
        let output = test.solobot(line).env("TELEGRAM_BOT_TOKEN", &token()).run().code(0);
        let _ =
            output.stdout_has(&["a service manager runs it", &format!("PID {} terminated", bots[0])]).nowhere(&token());
        assert_alive("the supervised one", &[supervised]);
        assert_alive("decoys", &pids(&decoys));
        assert!(!alive(bots[0]));
    });
}

#[test]
fn the_holder_stays_by_default() {
    alone(|test| {
        test.bot("bot.py");
        let early = by_hand(test, "bot.py", 1, "");
        // The lock of a hand-started bot is free: the holder comes later, and yet it is the one that stays.
        let held =
            test.solobot("acquire --lock-only -- python3 bot.py").env("BOT_OPTIONS", "--pid-file held.pid").start();
        let holder = test.wait_for_pid("held.pid");
        let answer = test.solobot("kill-duplicates --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "plan", "keep"), [holder], "{answer}");
        assert_eq!(with(&answer, "results", "terminated"), pids(&early), "{answer}");
        assert_alive("the holder and its solobot", &[holder, held.pid()]);
        assert!(test.is_locked(".solobot.lock"));
    });
}

#[test]
fn keep_says_which_one_stays() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 3, "");
        let all = pids(&bots);
        let kept = |keep: &str| {
            let line = format!("kill-duplicates --json --dry-run --keep {keep} -m bot.py");
            let answer = test.solobot(&line).run().code(1).json();
            assert!(answer.get("results").is_none(), "{answer}");
            with(&answer, "plan", "keep")
        };
        assert_eq!(kept("oldest"), all[..1]);
        assert_eq!(kept("holder"), all[..1], "none holds the lock, none is managed: the oldest");
        assert_eq!(kept("newest"), all[2..]);
        assert_eq!(kept(&all[1].to_string()), all[1..2]);
        assert_eq!(kept("none"), [0; 0]);
        assert_alive("a dry run stops nobody", &all);
        let line = format!("kill-duplicates --keep {} -m bot.py", std::process::id());
        test.solobot(&line).run().code(2).stderr_has(&["is not part of an instance", &all[0].to_string()]);
        test.solobot("kill-duplicates --keep best -m bot.py").run().code(2).stderr_has(&["oldest"]);
        let line = format!("kill-duplicates --json --keep {} -m bot.py", all[1]);
        test.solobot(&line).run().code(0).json();
        assert_eq!(roots(test, "-m bot.py"), all[1..2]);
    });
}

#[test]
fn nothing_surplus_is_nothing_to_do() {
    alone(|test| {
        test.bot("bot.py");
        test.solobot("kill-duplicates -m bot.py").run().code(0).stdout_is("no instance is running\n");
        test.solobot("stop -m bot.py").run().code(0).stdout_is("no instance is running\n");
        let bots = by_hand(test, "bot.py", 1, "");
        for flags in ["", "--dry-run", "--force", "--keep newest"] {
            test.solobot(&format!("kill-duplicates {flags} -m bot.py")).run().code(0).stdout_has(&["nothing to stop"]);
        }
        assert_alive("the only one", &pids(&bots));
    });
}

#[test]
fn a_stopped_one_is_not_kept_and_does_end() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 2, "--signals-file signals");
        bots[0].signal(Signal::STOP);
        wait_until("it is stopped", || is_stopped(bots[0].pid()));
        let answer = test.solobot("kill-duplicates --json --keep oldest -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "plan", "keep"), [bots[1].pid()], "{answer}");
        assert_eq!(with(&answer, "results", "terminated"), [bots[0].pid()], "TERM, then CONT: {answer}");
        assert_eq!(test.read("signals"), "SIGTERM\n");
    });
}

#[test]
fn the_signal_the_grace_and_force() {
    alone(|test| {
        test.bot("bot.py");
        let answer = |line: &str| test.solobot(&format!("stop --json {line} -m bot.py")).run().code(0).json();
        let bot = &by_hand(test, "bot.py", 1, "--signals-file int.signals")[0];
        assert_eq!(by_pid(&answer("--signal INT"), "results")[&bot.pid()], "terminated");
        assert_eq!(test.read("int.signals"), "SIGINT\n");
        let bot = &by_hand(test, "bot.py", 1, "--ignore-term --signals-file kill.signals")[0];
        assert_eq!(by_pid(&answer("--grace 300ms"), "results")[&bot.pid()], "killed");
        assert_eq!(test.read("kill.signals"), "SIGTERM\n");
        let bot = &by_hand(test, "bot.py", 1, "--signals-file force.signals")[0];
        assert_eq!(by_pid(&answer("--force"), "results")[&bot.pid()], "killed");
        assert!(!test.has("force.signals"), "killed at once");
        test.solobot("stop --force --grace 5 -m bot.py").run().code(2).stderr_has(&["--grace"]);
        test.solobot("stop --signal NONSENSE -m bot.py").run().code(2).stderr_has(&["NONSENSE"]);
    });
}

#[test]
fn on_a_terminal_the_plan_is_shown_and_the_question_asked() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 2, "");
        let all = pids(&bots);
        for no in ["n", "\u{3}"] {
            let mut terminal = Terminal::start(test, "solobot kill-duplicates -m bot.py");
            terminal.wait_for("Stop it?");
            let screen = terminal.screen();
            for shown in ["PID", "ACTION", "keep", "surplus", &all[0].to_string(), &all[1].to_string()] {
                assert!(screen.contains(shown), "`{shown}` stands before the question:\n{screen}");
            }
            assert_alive("asked, not acted", &all);
            terminal.keys(no);
            let ended = terminal.ended();
            let declined =
                if no == "n" { ended.code() == Some(1) } else { ended.signal() == Some(Signal::INT.as_raw()) };
            assert!(declined, "{ended}:\n{}", terminal.screen());
            assert_alive("declined", &all);
        }
        let mut terminal = Terminal::start(test, "solobot kill-duplicates -m bot.py");
        terminal.wait_for("Stop it?");
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        terminal.wait_for("terminated");
        let tables = terminal.screen().matches("ACTION").count();
        assert_eq!(tables, 1, "the plan is shown once:\n{}", terminal.screen());
        assert!(alive(all[0]) && !alive(all[1]));
        terminal.wait_for("stopping it");
        terminal.wait_for("watching for 3s to see whether it is started again");
        // -y asks nothing, and so does --json.
        let more = by_hand(test, "bot.py", 1, "");
        let mut terminal = Terminal::start(test, "solobot kill-duplicates -y -m bot.py");
        assert_eq!(terminal.ended().code(), Some(0));
        assert!(!alive(more[0].pid()) && !terminal.screen().contains("Stop it?"));
        let more = by_hand(test, "bot.py", 1, "");
        let mut terminal = Terminal::start(test, "solobot kill-duplicates -yq -m bot.py");
        assert_eq!((terminal.ended().code(), terminal.screen().as_str()), (Some(0), ""));
        assert!(!alive(more[0].pid()));
    });
}

#[test]
fn by_the_lock_alone() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.start("flock --no-fork held.lock python3 bot.py --pid-file bot.pid");
        let bot = test.wait_for_pid("bot.pid");
        let stranger = test.start("tail -f /dev/null");
        let answer = test.solobot("stop --json -l held.lock").run().code(0).json();
        assert_eq!(by_pid(&answer, "results"), [(bot, "terminated".to_owned())].into(), "{answer}");
        assert!(!alive(by_hand.pid()) && alive(stranger.pid()));
        test.solobot("stop -l held.lock").run().code(0).stdout_is("no instance is running\n");
    });
}

#[test]
fn the_one_that_solobot_runs_inside_of_stays() {
    alone(|test| {
        // A bot that clears its duplicates at its own start.
        let bot = "import os, signal, subprocess, sys\n\
                   code = subprocess.call(sys.argv[1:])\n\
                   open('tmp', 'w').write(str(code))\nos.rename('tmp', f'code.{os.getpid()}')\nsignal.pause()\n";
        test.write("bot.py", bot);
        let line =
            format!("python3 bot.py {} kill-duplicates -y --keep newest -m bot.py", env!("CARGO_BIN_EXE_solobot"));
        let first = test.start(&line);
        wait_until("the first has asked", || test.has(&format!("code.{}", first.pid())));
        let second = test.start(&line);
        wait_until("the second has asked", || test.has(&format!("code.{}", second.pid())));
        assert_eq!(test.read(&format!("code.{}", second.pid())), "0");
        assert!(!alive(first.pid()) && alive(second.pid()));
        drop((first, second));
    });
}

#[test]
fn check_running_asks_for_exactly_one() {
    alone(|test| {
        test.bot("bot.py");
        test.solobot("check --running -m bot.py").run().code(1).stdout_has(&["no instance is running"]);
        let (_shell, bot) = launch(test, "sh -c 'python3 bot.py; exit 0'", "");
        test.solobot("check --running -m bot.py")
            .run()
            .code(0)
            .stdout_has(&["healthy: exactly one instance is running"]);
        // It is one process tree, but it runs without the lock that is there.
        test.write(".solobot.lock", "");
        test.solobot("check --running -m bot.py").run().code(1).stdout_has(&["without lock", &bot.to_string()]);
        fs::remove_file(test.path(".solobot.lock")).unwrap();
        let second = by_hand(test, "bot.py", 1, "");
        let json = test.solobot("check --running --json -m bot.py").run().code(1).json();
        assert_eq!(json["ok"], false);
        assert!(json["reasons"][0].as_str().unwrap().contains("2 instances"), "{json}");
        let waiting = test.solobot("check --running --wait forever -m bot.py").start();
        send(second[0].pid(), Signal::TERM);
        waiting.finish().code(0).stdout_has(&["exactly one instance"]);
    });
}
