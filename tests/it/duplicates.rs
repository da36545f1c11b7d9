//! `kill-duplicates` and `stop`: exactly the right ones go, whoever started them, however many there are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::harness::{
    Background, Signal, Terminal, Test, alive, alone, holds_for, installed, is_stopped, send, token, wait_until,
};
use crate::scenes::{
    assert_alive, by_hand, by_pid, instances, launch, pid, roots, script, sleeper, wait_for_end_of, with,
};

/// The PIDs of started bots.
fn pids(bots: &[Background]) -> Vec<i32> {
    bots.iter().map(Background::pid).collect()
}

/// Another token than the test's own.
fn other_token() -> String {
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
        let _ = output
            .stdout_has(&["a service manager keeps it", &format!("PID {} terminated", bots[0])])
            .nowhere(&token());
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
        assert!(kept("none").is_empty());
        assert_alive("a dry run stops nobody", &all);
        let line = format!("kill-duplicates --keep {} -m bot.py", std::process::id());
        test.solobot(&line).run().code(2).stderr_has(&["belongs to no instance", &all[0].to_string()]);
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
        test.solobot("kill-duplicates -m bot.py").run().code(0).stdout_is("no instance runs\n");
        test.solobot("stop -m bot.py").run().code(0).stdout_is("no instance runs\n");
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
            terminal.wait_for("Stop them?");
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
        terminal.wait_for("Stop them?");
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        terminal.wait_for("terminated");
        let tables = terminal.screen().matches("ACTION").count();
        assert_eq!(tables, 1, "the plan is shown once:\n{}", terminal.screen());
        assert!(alive(all[0]) && !alive(all[1]));
        // -y asks nothing, and so does --json.
        let more = by_hand(test, "bot.py", 1, "");
        let mut terminal = Terminal::start(test, "solobot kill-duplicates -y -m bot.py");
        assert_eq!(terminal.ended().code(), Some(0));
        assert!(!alive(more[0].pid()) && !terminal.screen().contains("Stop them?"));
    });
}

#[test]
fn a_bare_name_that_means_several_bots() {
    alone(|test| {
        for folder in ["a", "b", "c"] {
            test.bot(&format!("{folder}/main.py"));
        }
        let first = by_hand(test, "a/main.py", 2, "");
        let second = by_hand(test, "b/main.py", 2, "");
        let alone_there = by_hand(test, "c/main.py", 1, "");
        let listed: Vec<String> = pids(&first).iter().chain(&pids(&second)).map(ToString::to_string).collect();
        let mut expected: Vec<&str> = listed.iter().map(String::as_str).collect();
        expected.extend(["several bots", "--all", "a/main.py", "b/main.py"]);
        test.solobot("kill-duplicates -m main.py").run().code(2).stderr_has(&expected);
        assert_alive("nobody was told which", &[pids(&first), pids(&second), pids(&alone_there)].concat());
        // A path says which.
        let answer = test.solobot("kill-duplicates --json -m a/main.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), pids(&first)[1..], "{answer}");
        // Now only one of them has a surplus; for `stop` it is still several.
        test.solobot("stop -m main.py").run().code(2).stderr_has(&["several bots"]);
        let answer = test.solobot("kill-duplicates --json --dry-run -m main.py").run().code(1).json();
        assert_eq!(with(&answer, "plan", "stop"), pids(&second)[1..], "{answer}");
        let answer = test.solobot("stop --json --all -m main.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated").len(), 4, "{answer}");
    });
}

#[test]
fn on_a_terminal_each_of_several_bots_is_asked_for() {
    alone(|test| {
        for folder in ["a", "b"] {
            test.bot(&format!("{folder}/main.py"));
        }
        let first = by_hand(test, "a/main.py", 1, "");
        let second = by_hand(test, "b/main.py", 1, "");
        let mut terminal = Terminal::start(test, "solobot stop -m main.py");
        terminal.wait_for("a/main.py");
        terminal.keys("n");
        terminal.wait_for("b/main.py");
        terminal.keys("y");
        terminal.wait_for("Stop them?");
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        assert!(alive(first[0].pid()) && !alive(second[0].pid()), "{}", terminal.screen());
    });
}

#[test]
fn all_keeps_one_of_each_bot() {
    alone(|test| {
        for folder in ["a", "b"] {
            test.bot(&format!("{folder}/main.py"));
        }
        let bots = [by_hand(test, "a/main.py", 2, ""), by_hand(test, "b/main.py", 2, "")];
        let [first, second] = [pids(&bots[0]), pids(&bots[1])];
        let answer = test.solobot("kill-duplicates --json --all -m main.py").run().code(0).json();
        let mut gone = vec![first[1], second[1]];
        gone.sort_unstable();
        assert_eq!(with(&answer, "results", "terminated"), gone, "{answer}");
        assert_alive("one of each", &[first[0], second[0]]);
    });
}

#[test]
fn the_token_tells_bots_apart() {
    alone(|test| {
        test.bot("bot.py");
        let start = |name: &str, token: &str| {
            let mut command = test.command("python3 bot.py");
            command.env("BOT_OPTIONS", format!("--pid-file {name}")).env("BOT_TOKEN", token);
            let bot = test.start_command(command);
            test.wait_for_pid(name);
            bot
        };
        let ours = [start("a.pid", &token()), start("b.pid", &token())];
        let theirs = [start("c.pid", &other_token()), start("d.pid", &other_token())];
        // The same program with two tokens: two bots.
        test.solobot("kill-duplicates -m bot.py").run().code(2).stderr_has(&["several bots"]);
        let answer = test.solobot("kill-duplicates --json -m bot.py").env("BOT_TOKEN", &token()).run().code(0);
        let answer = answer.nowhere(&token()).nowhere(&other_token()).json();
        assert_eq!(by_pid(&answer, "plan").len(), 2, "another token is never in the plan: {answer}");
        assert_eq!(with(&answer, "results", "terminated"), pids(&ours)[1..], "{answer}");
        assert_alive("the other bot", &pids(&theirs));
        test.write("token", other_token());
        let answer = test.solobot("stop --json --token-file token -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), pids(&theirs), "{answer}");
        assert_alive("ours", &[ours[0].pid()]);
    });
}

#[test]
fn other_arguments_are_another_bot_perhaps() {
    alone(|test| {
        let manage =
            "import signal, sys, os\nopen(sys.argv[1] + '.pid', 'w').write(str(os.getpid()))\nsignal.pause()\n";
        test.write("manage.py", manage);
        let mut started = Vec::new();
        for (name, args) in [("runbot", "runbot"), ("again", "runbot"), ("server", "runserver")] {
            let _ = fs::remove_file(test.path(&format!("{args}.pid")));
            started.push((name, test.start(&format!("python3 manage.py {args}"))));
            test.wait_for_pid(&format!("{args}.pid"));
        }
        let pid_of = |name: &str| started.iter().find(|(its, _)| *its == name).unwrap().1.pid();
        let answer = test.solobot("kill-duplicates --json -m manage.py").run().code(0).json();
        assert_eq!(with(&answer, "plan", "blocked"), [pid_of("server")], "{answer}");
        assert_eq!(with(&answer, "results", "terminated"), [pid_of("again")], "{answer}");
        assert_alive("another command of the same script", &[pid_of("server"), pid_of("runbot")]);
        // The file says what belongs to the bot.
        test.write("solobot.toml", "[bots.web]\nscript = \"manage.py\"\nargs = [\"runserver\"]\n");
        let answer = test.solobot("stop --json web").run().code(0).json();
        assert_eq!(by_pid(&answer, "plan"), [(pid_of("server"), "stop".to_owned())].into(), "{answer}");
        assert_alive("the bot", &[pid_of("runbot")]);
    });
}

#[test]
fn a_script_that_was_deleted_meanwhile() {
    alone(|test| {
        test.bot("old/bot.py");
        let bots = by_hand(test, "old/bot.py", 2, "");
        fs::remove_dir_all(test.path("old")).unwrap();
        test.solobot("check -m old/bot.py").run().code(1).stdout_has(&[&bots[0].pid().to_string()]);
        let waiting = test.solobot("check --wait forever -m old/bot.py").start();
        let answer = test.solobot("kill-duplicates --json -m old/bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bots[1].pid()], "{answer}");
        test.solobot("stop -m old/bot.py").run().code(0).stdout_has(&["terminated"]);
        waiting.finish().code(0).stdout_has(&["safe to start"]);
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
        test.solobot("stop -l held.lock").run().code(0).stdout_is("no instance runs\n");
    });
}

#[test]
fn two_hundred_at_once() {
    alone(|test| {
        sleeper(test, "mybot");
        script(test, "start", "#!/bin/sh\ni=0\nwhile [ $i -lt 200 ]; do\n  ./mybot &\n  i=$((i+1))\ndone\n");
        test.run("./start").code(0);
        wait_until("all run", || instances(test, "-m ./mybot").len() == 200);
        let begin = Instant::now();
        let answer = test.solobot("kill-duplicates --json -m ./mybot").run().code(0).json();
        let taken = begin.elapsed();
        assert_eq!(with(&answer, "results", "terminated").len(), 199);
        assert_eq!(roots(test, "-m ./mybot"), with(&answer, "plan", "keep"));
        assert!(taken < Duration::from_secs(20), "200 that end at once took {taken:?}");
    });
}

#[test]
fn twenty_that_ignore_term_take_one_grace() {
    alone(|test| {
        sleeper(test, "mybot");
        script(
            test,
            "start",
            "#!/bin/sh\ni=0\nwhile [ $i -lt 20 ]; do\n  ./mybot --ignore-term &\n  i=$((i+1))\ndone\n",
        );
        test.run("./start").code(0);
        let ignores_term = |pid: i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
            u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << (Signal::TERM.as_raw() - 1)) != 0)
        };
        wait_until("all ignore TERM", || {
            instances(test, "-m ./mybot").iter().filter(|one| ignores_term(pid(one))).count() == 20
        });
        let begin = Instant::now();
        let answer = test.solobot("stop --json --grace 2 -m ./mybot").run().code(0).json();
        let taken = begin.elapsed();
        assert_eq!(with(&answer, "results", "killed").len(), 20, "{answer}");
        assert!(taken > Duration::from_secs(2), "the grace was not given: {taken:?}");
        assert!(taken < Duration::from_secs(20), "one after the other: {taken:?}");
        assert!(roots(test, "-m ./mybot").is_empty());
    });
}

#[test]
fn a_loop_of_short_lived_bots_is_reported_and_solobot_ends() {
    alone(|test| {
        sleeper(test, "mybot");
        let looping = "#!/bin/sh\nwhile :; do\n  i=0\n  while [ $i -lt 50 ]; do\n    ./mybot --for 300 &\n    i=$((i+1))\n  \
                       done\n  wait\ndone\n";
        script(test, "bomb", looping);
        let bomb = test.start("./bomb");
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        test.solobot("kill-duplicates -m ./mybot").run().code(1).stdout_has(&[
            "blocked",
            "loop",
            &format!("kill {}", bomb.pid()),
        ]);
        assert!(alive(bomb.pid()));
        // Told to, it stops the loop first; what the loop has started meanwhile goes with it.
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        let output = test.solobot("stop --include-managed -m ./mybot").run();
        let _ = output.stdout();
        output.code(0);
        wait_for_end_of(&[bomb.pid()]);
        assert!(roots(test, "-m ./mybot").is_empty());
    });
}

#[test]
fn bots_that_somebody_keeps_starting_are_reported_and_solobot_ends() {
    alone(|test| {
        sleeper(test, "mybot");
        // Each is an orphan at once: nothing links it to the one that starts it.
        script(test, "launch", "#!/bin/sh\n./mybot --for 500 &\n");
        script(test, "bomb", "#!/bin/sh\nwhile :; do\n  ./launch\ndone\n");
        let bomb = test.start("timeout 60 ./bomb");
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        let answer = test.solobot("kill-duplicates --json -m ./mybot").run().code(1).json();
        assert!(!with(&answer, "results", "respawned").is_empty(), "{answer}");
        assert!(alive(bomb.pid()));
    });
}

#[test]
fn several_solobots_at_once_keep_the_same_one() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 6, "");
        let running: Vec<Background> = (0..4).map(|_| test.solobot("kill-duplicates -y -m bot.py").start()).collect();
        for one in running {
            let output = one.finish().code(0);
            let _ = output.stdout_has(&["keep"]).nowhere("survived");
        }
        assert_eq!(roots(test, "-m bot.py"), [bots[0].pid()]);
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
        test.solobot("check --running -m bot.py").run().code(1).stdout_has(&["no instance runs"]);
        let (_shell, bot) = launch(test, "sh -c 'python3 bot.py; exit 0'", "");
        test.solobot("check --running -m bot.py").run().code(0).stdout_has(&["one runs, and well"]);
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
        waiting.finish().code(0).stdout_has(&["one runs"]);
    });
}

#[test]
fn with_nothing_configured_status_shows_every_likely_bot() {
    alone(|test| {
        test.bot("one/bot.py");
        test.bot("two/bot.py");
        let mut started = Vec::new();
        for (folder, token) in [("one", token()), ("two", other_token())] {
            let mut command = test.command("sh -c 'python3 bot.py; exit 0'");
            command
                .current_dir(test.path(folder))
                .env("TELEGRAM_BOT_TOKEN", token)
                .env("BOT_OPTIONS", "--pid-file pid");
            started.push((test.start_command(command), test.wait_for_pid(&format!("{folder}/pid"))));
        }
        let mut carrier = test.command("tail -f /dev/null");
        carrier.env("TELEGRAM_BOT_TOKEN", token());
        let carrier = test.start_command(carrier);
        let json = test.solobot("status --json").run().code(0).nowhere(&token()).nowhere(&other_token()).json();
        let bots = json["bots"].as_array().unwrap();
        let seen: Vec<i32> = bots.iter().flat_map(|bot| bot["instances"].as_array().unwrap()).map(pid).collect();
        assert_eq!(seen, started.iter().map(|(_, pid)| *pid).collect::<Vec<_>>(), "{json}");
        assert!(bots.iter().all(|bot| bot["token"]["bot_id"].is_string()), "{json}");
        // What acts does not guess.
        for line in ["kill-duplicates", "stop", "check"] {
            test.solobot(line).run().code(2).stderr_has(&["hint"]);
        }
        holds_for(Duration::from_millis(50), "looked at only", || alive(carrier.pid()));
    });
}
