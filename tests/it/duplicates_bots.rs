//! `kill-duplicates`: which bot is meant, and what tells bots apart.

use std::fs;
use std::time::Duration;

use crate::duplicates::{other_token, pids};
use crate::harness::{Signal, Terminal, alive, alone, holds_for, send, token, wait_until};
use crate::scenes::{assert_alive, by_hand, by_pid, pid, with, with_token};

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
        terminal.wait_for("Stop it?");
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
        let start = |name: &str, token: &str| with_token(test, name, Some(token));
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

/// Every bot's default lock lies in its own folder, not in the one from which somebody asks.
#[test]
fn a_bare_name_from_another_folder_means_each_bot_with_its_own_lock() {
    alone(|test| {
        for folder in ["a", "b"] {
            test.bot(&format!("{folder}/main.py"));
        }
        fs::create_dir(test.path("elsewhere")).unwrap();
        let ask = |line: &str| test.solobot(line).in_dir("elsewhere").run();
        let bot_of = |folder: &str| test.path(folder).join("main.py").display().to_string();
        let older = by_hand(test, "a/main.py", 1, "");
        let acquire = |folder: &str| {
            let (script, pid_file) = (bot_of(folder), test.name(&format!("{folder}.pid")));
            let solobot = test.solobot(&format!("acquire --lock-only -- python3 {script}"));
            let solobot = solobot.env("BOT_OPTIONS", &format!("--pid-file {pid_file}")).start();
            (solobot, test.wait_for_pid(&pid_file))
        };
        let (_first, held) = acquire("a");
        // One bot: its holder is the one to keep, although it is the younger one.
        let plan = ask("kill-duplicates --json --dry-run -m main.py").code(1).json();
        assert_eq!(with(&plan, "plan", "keep"), [held], "{plan}");
        drop(older);
        let (_second, other) = acquire("b");
        // Two: each is listed and judged apart.
        let seen = ask("status --json -m main.py").code(0).json();
        let bots: Vec<_> = seen["bots"].as_array().unwrap().iter().collect();
        for (bot, (folder, pid)) in bots.iter().zip([("a", held), ("b", other)]) {
            assert_eq!(bot["name"], "main", "{seen}");
            assert_eq!(bot["lock"]["path"], test.path(folder).join(".solobot.lock").to_str().unwrap(), "{seen}");
            assert_eq!(bot["lock"]["state"], "held", "{seen}");
            let all = bot["instances"].as_array().unwrap();
            assert_eq!((all.len(), self::pid(&all[0]), &all[0]["lock"]), (1, pid, &"holder".into()), "{seen}");
        }
        assert_eq!(bots.len(), 2, "{seen}");
        let well =
            ["a", "b"].map(|folder| format!("main ({}): healthy: exactly one instance is running\n", bot_of(folder)));
        ask("check --running -m main.py").code(0).stdout_is(&well.concat());
        let refused = ask("stop -m main.py").code(2);
        refused.stderr_has(&["several bots", &format!("as in -m {}\n", bot_of("a"))]);
    });
}

#[test]
fn one_instance_of_each_of_two_bots_is_said_to_stay() {
    alone(|test| {
        test.bot("bot.py");
        let start = |name: &str, token: &str| with_token(test, name, Some(token));
        let bots = [start("a.pid", &token()), start("b.pid", &other_token())];
        let plan = test.solobot("kill-duplicates --json -m bot.py").run().code(0).json();
        assert_eq!(with(&plan, "plan", "keep"), pids(&bots), "{plan}");
        // Both have one name: the ids of their tokens tell which is which.
        let refused = test.solobot("stop -m bot.py").run().code(2).nowhere(&token()).nowhere(&other_token());
        refused.stderr_has(&["bot (bot id ", "--token-env"]);
    });
}

/// Nothing is stopped that the plan does not show.
#[test]
fn whoever_would_start_it_again_is_in_the_plan() {
    alone(|test| {
        test.bot("bot.py");
        let line = "sh -c 'while :; do python3 bot.py; sleep 1; done'";
        let (around, bot) = crate::scenes::launch(test, line, "");
        let plan = test.solobot("stop --dry-run --json --include-managed -m bot.py").run().code(1).json();
        let mut both = vec![around.pid(), bot];
        both.sort_unstable();
        assert_eq!(with(&plan, "plan", "stop"), both, "{plan}");
        assert!(plan["plan"][0]["reason"].as_str().unwrap().contains(&format!("start PID {bot} again")), "{plan}");
        let done = test.solobot("stop -y --json --include-managed -m bot.py").run().code(0).json();
        assert_eq!(with(&done, "results", "terminated"), both, "{done}");
        assert!(!alive(bot) && !alive(around.pid()));
    });
}

/// What shows no token may be the second of either bot that was started alike: nothing is started beside it, and it is not
/// stopped for one of them.
#[test]
fn one_without_a_visible_token_between_two_bots() {
    alone(|test| {
        test.bot("bot.py");
        let ours = with_token(test, "a.pid", Some(&token()));
        let theirs = with_token(test, "b.pid", Some(&other_token()));
        let unseen = with_token(test, "c.pid", None);
        let asked = |line: &str| test.solobot(line).env("BOT_TOKEN", &token()).run();
        let plan = asked("kill-duplicates --json --dry-run -m bot.py").code(0).json();
        assert_eq!(with(&plan, "plan", "keep"), [ours.pid()], "{plan}");
        assert_eq!(with(&plan, "plan", "blocked"), [unseen.pid()], "{plan}");
        drop(ours);
        asked("check -m bot.py").code(1).stdout_has(&["may be the bot", &unseen.pid().to_string()]);
        asked("acquire -n -- python3 bot.py").code(75).stderr_has(&[&unseen.pid().to_string()]);
        assert_alive("theirs", &[theirs.pid(), unseen.pid()]);
    });
}

/// What its manager starts in place of the kept one is no duplicate.
#[test]
fn the_successor_of_the_kept_one_is_no_respawn() {
    alone(|test| {
        test.bot("bot.py");
        test.write(
            "supervisor.py",
            "import os, subprocess, sys\nos.environ['BOT_OPTIONS'] = '--pid-file kept.pid'\nwhile True:\n    \
             subprocess.call([sys.executable, 'bot.py'])\n",
        );
        let supervisor = test.start("python3 supervisor.py");
        let kept = test.wait_for_pid("kept.pid");
        let surplus = by_hand(test, "bot.py", 1, "");
        let stop = test.solobot(&format!("kill-duplicates -y --json --keep {kept} -m bot.py")).start();
        wait_until("the surplus one has gone", || !alive(surplus[0].pid()));
        send(kept, Signal::KILL);
        let done = stop.finish().code(0).json();
        assert_eq!(with(&done, "results", "respawned"), [] as [i32; 0], "{done}");
        drop(supervisor);
    });
}
