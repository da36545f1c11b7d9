//! `acquire --detach`: the bot in the background, its log, and what the caller is told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Signal, Terminal, Test, alive, alone, children, holds_for, send, under_test, wait_until};

/// The solobot in the background, which started in `--json`.
fn started(test: &Test, line: &str) -> i32 {
    let told = test.solobot(&format!("acquire --detach --json {line}")).run().code(0).json();
    assert_eq!(told["acquired"], Value::Bool(true), "{told}");
    told["background"]["pid"].as_i64().unwrap().try_into().unwrap()
}

fn session(pid: i32) -> (i32, i32) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[3].parse().unwrap(), fields[4].parse().unwrap())
}

#[test]
fn the_bot_runs_on_in_the_background() {
    alone(|test| {
        let script = "pwd; env | grep SOLOBOT_BACKGROUND; echo err >&2; read line || echo no input; exec sleep 600";
        test.write("run.sh", script);
        let output = test.solobot("acquire --detach --log bot.log -l bot.lock -- sh run.sh").run().code(0);
        let log = test.name("bot.log");
        let output = output.stdout_has(&["is running in the background", &log, "solobot stop -m"]);
        let pid: i32 = output.stdout().split("PID is ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(test.is_locked("bot.lock"));
        assert_eq!(session(pid), (pid, 0), "a session of its own, and no terminal");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), test.dir());
        assert_eq!(test.read("bot.log"), format!("{}\nerr\nno input\n", test.dir().display()));
        let _ = test.solobot("stop -l bot.lock -y").run().code(0).stdout_has(&["  solobot  ", &pid.to_string()]);
        wait_until("both have ended", || !alive(pid) && !test.is_locked("bot.lock"));
    });
}

#[test]
fn a_command_that_ends_at_once_is_told_with_its_code_and_its_last_lines() {
    alone(|test| {
        test.write("run.sh", "echo run >>runs; for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i; done; exit 3");
        test.write("bot.log", "of yesterday\n");
        for restart in ["", "--restart always"] {
            let line = format!("acquire --detach {restart} --log bot.log -l bot.lock -- sh run.sh");
            let output = test.solobot(&line).run().code(3).stdout_is("");
            let output = output.stderr_has(&["sh run.sh ended with exit code 3", "  | line 2\n", "  | line 11\n"]);
            assert!(!output.stderr().contains("line 1\n") && !output.stderr().contains("yesterday"));
            assert!(!test.is_locked("bot.lock"));
        }
        assert_eq!(test.read("runs"), "run\nrun\n");
        let output = test.solobot("acquire --detach --log bot.log -l bot.lock -- ./nothing").run().code(127);
        let _ = output.stderr_has(&["  | solobot: error: command `./nothing` was not found"]);
        let killed = test.solobot("acquire --detach --log bot.log -l bot.lock -- sh -c 'kill -KILL $$'").run();
        let _ = killed.signal(Signal::KILL).stderr_has(&["ended with signal 9"]);
        let over = test.solobot("acquire --detach --log bot.log -l bot.lock -- true").run().code(0);
        let _ = over.stderr_has(&["true ended with exit code 0, too soon"]);
    });
}

#[test]
fn a_wait_is_in_the_foreground() {
    alone(|test| {
        let holder = test.solobot("acquire -l bot.lock -- sleep 600").start();
        wait_until("it holds", || test.is_locked("bot.lock"));
        let line = "acquire --detach --log bot.log -l bot.lock";
        let _ = test.solobot(&format!("{line} -n -- sleep 600")).run().code(75).stderr_has(&["is held by PID"]);
        let mut waiting = test.solobot(&format!("{line} --wait forever -- sh -c 'echo >ran'")).start();
        waiting.wait_for_stderr("waiting");
        waiting.signal(Signal::TERM);
        waiting.finish().signal(Signal::TERM).stderr_has(&[]);
        let mut waiting = test.solobot(&format!("{line} --wait forever -- sleep 601")).start();
        waiting.wait_for_stderr("waiting");
        assert!(!waiting.has_ended());
        holder.signal(Signal::TERM);
        let _ = waiting.finish().code(0).stdout_has(&["in the background"]).stderr_has(&[]);
        holder.finish().signal(Signal::TERM);
        assert!(test.is_locked("bot.lock") && !test.has("ran"));
    });
}

#[test]
fn nothing_is_started_for_a_caller_that_was_killed() {
    alone(|test| {
        let holder = test.solobot("acquire -l bot.lock -- sleep 600").start();
        wait_until("it holds", || test.is_locked("bot.lock"));
        let line = "acquire --detach --log bot.log -l bot.lock --wait forever -- sh -c 'echo >ran; sleep 600'";
        let mut waiting = test.solobot(line).start();
        waiting.wait_for_stderr("waiting");
        let other = children(waiting.pid());
        assert_eq!(other.len(), 1);
        waiting.kill_alone();
        holder.signal(Signal::TERM);
        holder.finish().signal(Signal::TERM);
        wait_until("the other one gave up", || !alive(other[0]));
        assert!(!test.is_locked("bot.lock") && !test.has("ran"));
    });
}

#[test]
fn the_log_is_kept_short_for_its_owner_alone() {
    alone(|test| {
        // 12 MB, then a word to wait for.
        let script = "python3 -c 'import sys\nfor i in range(1200000): print(f\"{i:09}\")'; \
                      echo end >>done; exec sleep 600";
        test.write("run.sh", script);
        test.write("victim", "mine");
        symlink("victim", test.path("bot.log.1")).unwrap();
        symlink("victim", test.path("bot.log.new")).unwrap();
        let mut shell =
            test.command("sh -c 'umask 077; exec \"$0\" acquire --detach --log bot.log -l bot.lock -- sh run.sh'");
        shell.arg(under_test());
        let _ = test.start_command(shell).finish().code(0).stdout_has(&["in the background"]);
        let is_short = || fs::metadata(test.path("bot.log")).unwrap().len() < 10 * 1024 * 1024;
        let mode = |name: &str| test.path(name).symlink_metadata().unwrap().permissions().mode();
        wait_until("it was shortened", || test.has("done") && is_short());
        let older = test.path("bot.log.1");
        assert_eq!((mode("bot.log"), mode("bot.log.1")), (0o100_600, 0o100_600));
        assert_eq!((test.read("victim").as_str(), test.has("bot.log.new")), ("mine", false));
        // All of it, in its order; of what comes in the very moment of the shortening, a few lines may be lost.
        let all = fs::read_to_string(older).unwrap() + &test.read("bot.log");
        let count = all.lines().count();
        assert!(count > 1_190_000, "{count} lines");
        let _ = test.solobot("stop -l bot.lock -y").run().code(0).stdout_has(&[]);
    });
}

#[test]
fn what_another_may_have_planted_is_no_log() {
    alone(|test| {
        test.write("victim", "mine");
        symlink("victim", test.path("link.log")).unwrap();
        fs::hard_link(test.path("victim"), test.path("hard.log")).unwrap();
        let refused = |log: &str, code, why: &str| {
            let line = format!("acquire --detach --log {log} -l bot.lock -- sleep 600");
            let _ = test.solobot(&line).run().code(code).stderr_has(&[why, "to name another log"]);
        };
        refused("link.log", 78, "it is a symbolic link");
        refused("hard.log", 78, "more than one name");
        refused("/dev/null", 78, "not a regular file");
        refused(".", 73, "is a directory");
        refused("none/bot.log", 73, "no such file");
        fs::create_dir(test.path("open")).unwrap();
        fs::set_permissions(test.path("open"), fs::Permissions::from_mode(0o1777)).unwrap();
        test.write("open/bot.log", "");
        std::os::unix::fs::chown(test.path("open/bot.log"), Some(4242), Some(4242)).unwrap();
        refused("open/bot.log", 78, "another user");
        assert_eq!(test.read("victim"), "mine");
        assert!(!test.is_locked("bot.lock"));
        // Two bots would shorten each other's.
        let pid = started(test, "--log bot.log -l bot.lock -- sleep 600");
        let line = "acquire --detach --log bot.log -l second.lock -- sleep 600";
        let _ = test.solobot(line).run().code(78).stderr_has(&["is in use by another bot"]);
        send(pid, Signal::TERM);
        wait_until("it has ended", || !test.is_locked("bot.lock"));
        let _ = started(test, "--log bot.log -l second.lock -- sleep 600");
    });
}

#[test]
fn what_a_script_has_open_is_not_kept() {
    alone(|test| {
        let script = "exec 9<>script.lock; flock 9 || exit 9; said=$(\"$0\" acquire --detach --log bot.log -l bot.lock -- \
                      sleep 600) || exit; echo \"$said\""; // it only has to be there
        test.write("deploy.sh", script);
        let mut shell = test.command("sh -c '. ./deploy.sh'");
        shell.arg(under_test());
        let _ = test.start_command(shell).finish().code(0).stdout_has(&["in the background"]);
        assert!(test.is_locked("bot.lock") && !test.is_locked("script.lock"));
    });
}

#[test]
fn status_shows_solobot_and_the_log() {
    alone(|test| {
        test.bot("bot.py");
        test.write(
            "solobot.toml",
            "[bots.main]\nscript = \"bot.py\"\nlock = \"bot.lock\"\ncommand = [\"python3\", \"bot.py\"]\n",
        );
        let told = test.solobot("acquire main --detach --json").run().code(0).json();
        let log = PathBuf::from(told["background"]["log"].as_str().unwrap());
        assert!(log.ends_with(".local/state/solobot/main.log") && log.is_file(), "{log:?}");
        assert_eq!(told["background"]["stop"], "solobot stop main");
        let seen = test.solobot("status main --json").run().code(0).json();
        let origin = &seen["bots"][0]["instances"][0]["origin"];
        assert_eq!((&origin["kind"], &origin["name"]), (&"solobot".into(), &Value::Null));
        assert_eq!((origin["log"].as_str(), &origin["respawns"]), (log.to_str(), &"no".into()));
        let text = test.solobot("status main").run().code(0);
        let _ = text.stdout_has(&[
            "  solobot  ",
            &format!("log of PID {}: {}", seen["bots"][0]["instances"][0]["pid"], log.display()),
        ]);
        // Another bot of that name has another log.
        test.bot("other.py");
        let other =
            "[bots.main]\nscript = \"other.py\"\nlock = \"other.lock\"\ncommand = [\"python3\", \"other.py\"]\n";
        test.write("other.toml", other);
        let told = test.solobot("-c other.toml acquire main --detach --json").run().code(0).json();
        assert_eq!(told["background"]["log"].as_str(), log.with_file_name("main-2.log").to_str());
        let _ = test
            .solobot("acquire main --detach --takeover")
            .run()
            .code(0)
            .stdout_has(&["/main.log"])
            .stderr_has(&["taking over"]);
        let _ = test.solobot("stop main -y").run().code(0).stdout_has(&["terminated"]);
        wait_until("it is over", || !test.is_locked("bot.lock"));
    });
}

#[test]
fn with_restart_it_goes_on_once_it_has_started() {
    alone(|test| {
        test.write("run.sh", "echo run >>runs\nuntil [ -e fail ]; do sleep 0.05; done\nexit 3\n");
        let pid = started(test, "--restart on-failure --log bot.log -l bot.lock -- sh run.sh");
        test.write("fail", "");
        wait_until("its end is in the log", || test.read("bot.log").contains("starting it again in 10s"));
        holds_for(Duration::from_millis(300), "it waits, with the lock", || alive(pid) && test.is_locked("bot.lock"));
    });
}

#[test]
fn what_it_cannot_be_used_with() {
    alone(|test| {
        for option in ["-F", "--pid 4", "--fd 4"] {
            let output = test.solobot(&format!("acquire --detach {option} -l bot.lock -- sleep 600")).run().code(2);
            let _ = output.stderr_has(&["cannot be used with"]);
        }
        let output = test.solobot("acquire --detach --if-held run -l bot.lock -- sleep 600").run().code(2);
        let _ = output.stderr_has(&["`--if-held run`"]);
        let _ = test.solobot("acquire --log x -l bot.lock -- sleep 600").run().code(2).stderr_has(&["--detach"]);
        let output = test.solobot("acquire --detach -l bot.lock -- sleep 600").env("NOTIFY_SOCKET", "/run/x").run();
        let _ = output.code(2).stderr_has(&["systemd unit", "NOTIFY_SOCKET", "without --detach"]);
        let solobot = under_test().into_string().unwrap();
        let output =
            test.solobot(&format!("acquire -l bot.lock -- {solobot} acquire --detach -l bot.lock -- sleep 600")).run();
        let _ = output.code(2).stderr_has(&["would outlive the lock"]);
    });
}

#[test]
fn ctrl_c_ends_the_wait_and_a_closed_terminal_ends_no_bot() {
    alone(|test| {
        let holder = test.solobot("acquire -l bot.lock -- sleep 600").start();
        wait_until("it holds", || test.is_locked("bot.lock"));
        let line = "solobot acquire --detach --log bot.log --wait forever -l bot.lock -- sh -c 'printf %s $$ >pid; exec sleep 601'";
        let mut terminal = Terminal::start(test, line);
        terminal.wait_for("waiting");
        let other = children(terminal.pid());
        terminal.keys("\x03");
        assert_eq!(terminal.ended().signal(), Some(Signal::INT.as_raw()));
        wait_until("the other one has ended too", || other.iter().all(|&pid| !alive(pid)));
        holder.signal(Signal::TERM);
        let _ = holder.finish().signal(Signal::TERM);
        assert!(!test.has("pid"));
        let mut terminal = Terminal::start(test, line);
        terminal.wait_for("in the background");
        assert_eq!(terminal.ended().code(), Some(0));
        terminal.hang_up();
        let bot = test.wait_for_pid("pid");
        holds_for(Duration::from_millis(500), "the bot runs on", || alive(bot) && test.is_locked("bot.lock"));
    });
}
