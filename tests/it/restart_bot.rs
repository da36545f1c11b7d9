//! `restart`: by the bot's own manager, else stopped and started again as it was; and what is left alone.

use std::fs;

use serde_json::Value;

use crate::harness::{Background, Signal, Terminal, Test, alive, alone, parent, token, under_test, wait_until};
use crate::origins::{supervisord, typed};
use crate::scenes::{instances, only};

/// The environment, or the command line, of a process.
fn words(pid: i32, of: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{of}")).unwrap();
    bytes.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn restarted(test: &Test, line: &str) -> Value {
    let told = test.solobot(&format!("restart --json {line}")).run().code(0).json();
    assert!(told["result"]["pid"].as_i64().is_some(), "{told}");
    told
}

fn new_pid(told: &Value) -> i32 {
    told["result"]["pid"].as_i64().unwrap().try_into().unwrap()
}

/// A bot by hand, in a folder of its own, with a token and arguments.
fn by_hand(test: &Test, line: &str) -> Background {
    test.bot("app/bot.py");
    let mut command = test.command(line);
    command.current_dir(test.path("app")).env("TELEGRAM_BOT_TOKEN", token()).env("MARK", "as it was");
    command.env("BOT_OPTIONS", "--pid-file bot.pid").env("SOLOBOT_POLLING", "0");
    let bot = test.start_command(command);
    test.wait_for_pid("app/bot.pid");
    bot
}

#[test]
fn a_bot_by_hand_is_started_again_as_it_was_but_under_its_lock() {
    alone(|test| {
        let mut bot = by_hand(test, "python3 bot.py --say 'two words' --say ''");
        let plan = test.solobot("restart --dry-run --json -m app/bot.py").run().code(0).json();
        let how = &plan["how"];
        assert_eq!((how["by"].as_str(), how["stops"].as_i64()), (Some("solobot"), Some(bot.pid().into())), "{plan}");
        assert_eq!(how["folder"], test.name("app"));
        assert!(how["run"].as_str().unwrap().ends_with("bot.py --say 'two words' --say ''"), "{plan}");
        assert!(plan.get("result").is_none() && !bot.has_ended());
        let told = restarted(test, "-m app/bot.py");
        wait_until("the old one has ended", || bot.has_ended());
        let now = new_pid(&told);
        assert_eq!(words(now, "cmdline")[1..], ["bot.py", "--say", "two words", "--say", "", ""]);
        assert_eq!(fs::read_link(format!("/proc/{now}/cwd")).unwrap(), test.path("app"));
        let environment = words(now, "environ");
        for variable in ["MARK=as it was", "BOT_OPTIONS=--pid-file bot.pid"] {
            assert!(environment.iter().any(|one| one == variable), "{environment:?}");
        }
        assert!(environment.contains(&format!("TELEGRAM_BOT_TOKEN={}", token())));
        assert!(
            !environment.iter().any(|one| one.starts_with("SOLOBOT_POLLING") || one.starts_with("SOLOBOT_BACKGROUND"))
        );
        assert!(test.is_locked("app/.solobot.lock"));
        let solobot = parent(now).unwrap();
        assert!(!words(solobot, "cmdline").join(" ").contains(&token()), "the token stays where it was");
        let seen = test.solobot("status --json -m app/bot.py").run().code(0).json();
        assert_eq!(seen["bots"][0]["instances"][0]["origin"]["kind"], "solobot", "{seen}");
        // And once more, now that solobot runs it: by the same line, to the same log.
        let again = restarted(test, "-m app/bot.py");
        assert_ne!(new_pid(&again), now);
        assert_eq!(again["result"]["log"], told["result"]["log"]);
        assert_eq!(again["how"]["stops"], solobot);
        assert_eq!(words(new_pid(&again), "cmdline")[1..], ["bot.py", "--say", "two words", "--say", "", ""]);
        bot.finish().code(0);
    });
}

#[test]
fn a_solobot_in_a_terminal_goes_on_in_the_background() {
    alone(|test| {
        test.bot("bot.py");
        let mut solobot = test
            .solobot("acquire --takeover -l bot.lock --restart on-failure -- python3 bot.py")
            .env("MARK", "7")
            .start();
        wait_until("it runs", || instances(test, "-m bot.py -l bot.lock").len() == 1);
        let told = restarted(test, "-m bot.py -l bot.lock");
        assert_eq!(told["how"]["stops"], solobot.pid());
        let run = told["how"]["run"].as_str().unwrap();
        assert_eq!(run, "solobot acquire --detach -l bot.lock --restart on-failure -- python3 bot.py");
        wait_until("the old one has ended", || solobot.has_ended());
        let _ = solobot.finish().code(0).stderr_has(&["is being stopped by"]);
        assert!(words(new_pid(&told), "environ").iter().any(|one| one == "MARK=7") && test.is_locked("bot.lock"));
    });
}

#[test]
fn a_lock_alone_says_which_bot() {
    alone(|test| {
        test.bot("bot.py");
        let solobot = test.solobot("acquire -l bot.lock -- python3 bot.py --pid-file one.pid").start();
        // Another bot of that program, which has another lock.
        let other = test.solobot("acquire -l other.lock --lock-only -- python3 bot.py --pid-file two.pid").start();
        let (one, two) = (test.wait_for_pid("one.pid"), test.wait_for_pid("two.pid"));
        wait_until("it is recorded", || test.has("bot.lock.info") && test.record("bot.lock")["pid"] == one);
        let output = test.solobot("restart --json -l bot.lock").run().code(0);
        let told = output.stderr_has(&["two.pid) may be the same bot"]).json();
        assert_eq!(
            (told["pid"].as_i64(), told["how"]["stops"].as_i64()),
            (Some(one.into()), Some(solobot.pid().into()))
        );
        let _ = solobot.finish().code(0).stderr_has(&["is being stopped by"]);
        assert!(alive(two));
        other.kill();
    });
}

#[test]
fn its_manager_restarts_it() {
    alone(|test| {
        test.bot("bot.py");
        let manager = supervisord(test, "command=python3 bot.py --pid-file sv.pid");
        let before = test.wait_for_pid("sv.pid");
        let line = format!("{} restart -m bot.py", under_test().to_str().unwrap());
        let run = format!("supervisorctl -s unix://{} restart tgbot:tgbot", test.name("s.sock"));
        let output = test.start_command(typed(test, &format!("{line} --dry-run"))).finish().code(0);
        let _ = output.stdout_has(&["would be restarted", &run]);
        assert!(alive(before));
        let output = test.start_command(typed(test, &format!("{line} --json"))).finish().code(0);
        let _ = output.stderr();
        let told = output.json();
        assert_eq!((&told["how"]["by"], &told["how"]["run"]), (&"manager".into(), &run.into()), "{told}");
        assert!(!alive(before) && alive(new_pid(&told)));
        // Where its command is missing, nothing has happened.
        let now = new_pid(&told);
        let output = test.solobot("restart -m bot.py").env("PATH", "/bin:/usr/bin").run().code(1);
        let _ = output.stderr_has(&["supervisorctl", "ended with"]);
        assert!(alive(now));
        drop(manager);
    });
}

#[test]
fn a_loop_starts_it_again() {
    alone(|test| {
        test.bot("bot.py");
        test.write("loop.sh", "while true; do python3 bot.py --pid-file bot.pid; sleep 0.2; done");
        let shell = test.start("sh loop.sh");
        let before = test.wait_for_pid("bot.pid");
        let told = restarted(test, "-m bot.py");
        assert_eq!((&told["how"]["by"], told["how"]["stops"].as_i64()), (&"loop".into(), Some(before.into())));
        assert!(!alive(before) && alive(new_pid(&told)) && alive(shell.pid()));
        shell.kill();
    });
}

/// It is refused with `why`, and the bot runs on.
#[track_caller]
fn refused(test: &Test, selection: &str, bot: i32, why: &str) {
    for line in ["restart --dry-run", "restart -y"] {
        let output = test.solobot(&format!("{line} {selection}")).run().code(1).stdout_is("");
        let _ = output.stderr_has(&["cannot be restarted, and was not stopped", why, "hint: "]);
    }
    assert!(alive(bot), "it was not touched");
}

#[test]
fn what_nobody_can_start_again_is_not_stopped() {
    alone(|test| {
        let bot = by_hand(test, &format!("python3 bot.py --until {}", token()));
        refused(test, "-m app/bot.py", bot.pid(), "there is a token in its command line");
        bot.kill();
        fs::remove_file(test.path("app/bot.pid")).unwrap();

        test.bot("bot.py");
        let bot = by_hand(test, &format!("python3 {}", test.name("bot.py")));
        fs::remove_dir_all(test.path("app")).unwrap();
        refused(test, "-m bot.py", bot.pid(), "its folder");
        bot.kill();

        // A supervisor of one's own: nobody knows whether it starts it again.
        test.write(
            "super.py",
            "import subprocess, sys\nsubprocess.run([sys.executable, 'bot.py', '--pid-file', 'sub.pid'])\n",
        );
        let supervisor = test.start("setsid python3 super.py");
        let bot = test.wait_for_pid("sub.pid");
        assert_eq!(only(test, "-m bot.py", bot)["origin"]["kind"], "parent");
        refused(test, "-m bot.py", bot, "it is not known whether super.py would start it again");
        supervisor.kill();
    });
}

#[test]
fn another_users_bot_is_restarted_as_that_user() {
    alone(|test| {
        let sleep = fs::canonicalize("/bin/sleep").unwrap();
        let config = "[bots.main]\nexe = \"EXE\"\nargs = [\"600\"]\nuser = \"nobody\"\nlock = \"bot.lock\"\n";
        test.write("solobot.toml", config.replace("EXE", sleep.to_str().unwrap()));
        let bot = test.start(&format!("setpriv --reuid=nobody --clear-groups {} 600", sleep.display()));
        wait_until("it runs", || {
            words(bot.pid(), "cmdline").contains(&"600".to_owned()) && instances(test, "main").len() == 1
        });
        refused(test, "main", bot.pid(), "it belongs to nobody");
        let output = test.solobot("restart main -y").run().code(1);
        let _ = output.stderr_has(&["sudo -u nobody solobot restart main"]);
        bot.kill();
    });
}

#[test]
fn none_and_several() {
    alone(|test| {
        test.bot("bot.py");
        let none = test.solobot("restart -m bot.py").run().code(1);
        let _ = none.stderr_has(&["no instance of bot is running", "solobot acquire -m"]);
        let one = test.by_hand("bot.py", "--pid-file 1.pid");
        let two = test.by_hand("bot.py", "--pid-file 2.pid");
        let _ = (test.wait_for_pid("1.pid"), test.wait_for_pid("2.pid"));
        let several = test.solobot("restart -m bot.py").run().code(2);
        let _ = several.stderr_has(&["2 instances match", "solobot kill-duplicates -m"]);
        assert!(alive(one.pid()) && alive(two.pid()));
    });
}

#[test]
fn a_terminal_is_asked() {
    alone(|test| {
        let bot = by_hand(test, "python3 bot.py");
        let mut terminal = Terminal::start(test, "solobot restart -m app/bot.py");
        terminal.wait_for("Restart bot");
        terminal.keys("n");
        assert_eq!(terminal.ended().code(), Some(1));
        assert!(alive(bot.pid()));
    });
}

#[test]
fn a_bot_that_does_not_start_again_is_said() {
    alone(|test| {
        test.write("bot.py", "import os, time\nif os.path.exists('ran'): raise SystemExit('no second time')\nopen('ran', 'w').close()\ntime.sleep(600)\n");
        let bot = test.start("python3 bot.py");
        wait_until("it runs", || test.has("ran"));
        let output = test.solobot("restart -m bot.py").run().code(1);
        let _ = output.stderr_has(&["  | no second time", "was stopped and is not running again", "to start it, in"]);
        assert!(!test.is_locked(".solobot.lock"));
        bot.finish().signal(Signal::TERM);
    });
}
