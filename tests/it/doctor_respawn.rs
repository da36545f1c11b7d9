//! `doctor` on a bot that ends because its lock is held, and is started again all the time: between two starts there is no
//! process of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::harness::{Background, Output, Test, alive, alone, token, wait_until};
use crate::origins::{pm2, supervisord, typed};
use crate::scenes::script;

/// A bot that takes its lock itself, and ends with a word where another one has it.
const LOCKING: &str = "import fcntl, os, sys, time\n\
    file = open('bot.lock', 'a+')\n\
    try:\n    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n\
    except OSError:\n    file.seek(0)\n    print('already held by PID', file.read(), flush=True)\n    sys.exit(1)\n\
    file.truncate(0)\nfile.write(str(os.getpid()))\nfile.flush()\n\
    while True: time.sleep(60)  # the bot's work\n";

/// That bot, at work.
#[track_caller]
fn at_work(test: &Test) -> Background {
    test.write("bot.py", LOCKING);
    let bot = test.start("python3 bot.py");
    holds_its_lock(test);
    bot
}

#[track_caller]
fn holds_its_lock(test: &Test) {
    wait_until("it holds its lock", || {
        std::fs::read_to_string(test.path("bot.lock")).is_ok_and(|text| !text.is_empty())
    });
}

/// What doctor says; that it watches is said on stderr.
#[track_caller]
fn doctor(test: &Test, options: &str) -> Value {
    said(test.solobot(&format!("doctor --json {options}")).run())
}

#[track_caller]
fn said(output: Output) -> Value {
    output.stderr_has(&["watching for up to ", "s whether bot is started again and again: "]).code(1).json()
}

/// The loop is named, its holder is left alone.
#[track_caller]
fn loop_of(seen: &Value, holder: i32) -> &Value {
    let found = finding(seen, "respawn-loop");
    let (level, pids) = level_and_pids(found);
    assert_eq!(level, "error", "{seen:#}");
    assert!(!pids.contains(&holder), "{found:#}");
    let evidence = found["evidence"].to_string();
    assert!(evidence.contains(&format!("PID {holder} has the lock ")), "{found:#}");
    let words: Vec<&str> = found["command"].as_str().unwrap().split(' ').collect();
    assert!(!words.contains(&holder.to_string().as_str()), "{found:#}");
    assert!(!codes(seen).contains(&"duplicate-instances"), "its lives are over: {seen:#}");
    found
}

/// Types the command, after which nothing is started any more.
#[track_caller]
fn ends_by_its_command(test: &Test, found: &Value, holder: i32) {
    let output = test.start_command(typed(test, found["command"].as_str().unwrap())).finish();
    let _ = output.stdout();
    assert!(output.stderr().is_empty(), "{}: {found:#}", output.stderr());
    output.code(0);
    wait_until("nothing starts it any more", || {
        let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
        let _ = output.stderr();
        !codes(&output.settled().json()).contains(&"respawn-loop")
    });
    assert!(alive(holder));
}

/// Waits until a manager's log has told of several starts.
#[track_caller]
fn wait_for_starts(test: &Test, log: &str, word: &str) {
    wait_until("it was started several times", || {
        std::fs::read_to_string(test.path(log)).is_ok_and(|log| log.matches(word).count() > 3)
    });
}

#[test]
fn shell_loops() {
    alone(|test| {
        let bot = at_work(test);
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        test.write(
            "loop.sh",
            format!("cd \"$(dirname \"$0\")\"\nwhile true; do\n  {python} bot.py\n  sleep 0.3\ndone\n"),
        );
        test.write("start.sh", "exec python3 bot.py\n");
        for line in [
            "sh -c 'while true; do python3 bot.py; sleep 0.3; done'".to_owned(),
            "bash loop.sh".to_owned(),
            "sh -c 'until bash start.sh; do sleep 0.3; done'".to_owned(),
            format!("sh -c 'while :; do {solobot} acquire -q -n -l bot.lock -- python3 bot.py; sleep 0.3; done'"),
            "sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29; do python3 bot.py; sleep 0.3; done'".to_owned(),
        ] {
            let mut shell = test.start(&line);
            let seen = doctor(test, "-m bot.py -l bot.lock");
            let found = loop_of(&seen, bot.pid());
            assert_eq!(found["command"], format!("kill {}", shell.pid()), "{line}: {found:#}");
            test.run(found["command"].as_str().unwrap()).code(0);
            wait_until("the loop has ended", || shell.has_ended());
        }
        // The end of a shell is not yet the end of the bot that it has just started.
        wait_until("doctor finds nothing any more", || {
            let seen = test.solobot("doctor --json -m bot.py -l bot.lock").run().settled().json();
            codes(&seen).is_empty()
        });
        test.solobot("doctor --json -m bot.py -l bot.lock").run().code(0).stdout_has(&["\"findings\":[]"]);
    });
}

#[test]
fn watch_is_a_loop() {
    alone(|test| {
        let bot = at_work(test);
        let mut command = test.command("script -qec");
        command.arg("watch -n 0.5 python3 bot.py").arg("/dev/null").env("TERM", "xterm");
        let terminal = test.start_command(command);
        let is_watch =
            |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"watch\0"));
        wait_until("watch runs", || terminal.descendants().iter().any(is_watch));
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let found = loop_of(&seen, bot.pid());
        assert!(found["evidence"].to_string().contains(": watch -n 0.5 python3 bot.py"), "{found:#}");
        ends_by_its_command(test, found, bot.pid());
    });
}

#[test]
fn a_lock_that_refuses_before_the_bot_begins() {
    alone(|test| {
        test.bot("bot.py");
        let bot = test.start("flock bot.lock python3 bot.py --pid-file bot.pid");
        let pid = test.wait_for_pid("bot.pid");
        // flock(1) lives for a millisecond.
        let shell = test.start("sh -c 'while sleep 0.1; do flock -n bot.lock python3 bot.py --pid-file bot.pid; done'");
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let found = loop_of(&seen, pid);
        assert_eq!(found["command"], format!("kill {}", shell.pid()), "{found:#}");
        drop(bot);
    });
}

#[test]
fn supervisord_starts_it_again() {
    alone(|test| {
        let bot = at_work(test);
        let manager = supervisord(test, "command=python3 bot.py");
        wait_for_starts(test, "s.log", "spawned: ");
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let found = loop_of(&seen, bot.pid());
        assert!(
            found["summary"].as_str().unwrap().starts_with("supervisord tgbot:tgbot keeps starting bot: "),
            "{found:#}"
        );
        let stop = format!("supervisorctl -s unix://{} stop tgbot:tgbot", test.name("s.sock"));
        assert_eq!(found["command"], stop, "{found:#}");
        // Its children write to files that it opens.
        let say_so = |file: &std::path::Path| {
            std::fs::read_to_string(file).is_ok_and(|text| text.matches("already held").count() > 3)
        };
        wait_until("the children's log repeats it", || {
            let mut files = std::fs::read_dir(test.dir()).unwrap().map(|entry| entry.unwrap().path());
            files.any(|file| file.to_string_lossy().contains("tgbot-stdout") && say_so(&file))
        });
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let evidence = finding(&seen, "respawn-loop")["evidence"].to_string();
        assert!(evidence.contains("starts in the last minute, by its log"), "{evidence}");
        assert!(evidence.contains("it ended last with exit status 1"), "{evidence}");
        assert!(evidence.contains("says ") && evidence.contains("already held by PID"), "{evidence}");
        ends_by_its_command(test, found, bot.pid());
        assert!(alive(manager.pid()));
    });
}

#[test]
fn a_supervisord_whose_command_locks_first() {
    alone(|test| {
        test.bot("bot.py");
        let _bot = test.start("flock bot.lock python3 bot.py --pid-file bot.pid");
        let pid = test.wait_for_pid("bot.pid");
        test.write("start.sh", "#!/bin/sh\nflock -n bot.lock python3 bot.py --pid-file bot.pid || exit 75\n");
        let _manager = supervisord(test, "command=bash start.sh");
        // By then its own log shows a loop, whatever is caught of lives this short.
        wait_for_starts(test, "s.log", "spawned: ");
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let found = loop_of(&seen, pid);
        assert!(found["command"].as_str().unwrap().ends_with("stop tgbot:tgbot"), "{found:#}");
        assert!(found["evidence"].to_string().contains("exit status 75"), "{found:#}");
    });
}

#[test]
fn pm2_starts_it_again() {
    alone(|test| {
        let bot = at_work(test);
        pm2(test, "start bot.py --name tgbot --interpreter python3 --restart-delay 300");
        wait_for_starts(test, "pm2home/pm2.log", "exited with code");
        let seen = doctor(test, "-m bot.py -l bot.lock");
        let found = loop_of(&seen, bot.pid());
        assert_eq!(found["command"], format!("PM2_HOME={} pm2 stop 0", test.name("pm2home")), "{found:#}");
        assert!(found["evidence"].to_string().contains(" by its own count"), "{found:#}");
        ends_by_its_command(test, found, bot.pid());
    });
}

#[test]
fn runit_starts_it_again() {
    alone(|test| {
        let bot = at_work(test);
        std::fs::create_dir_all(test.path("service/tgbot")).unwrap();
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let run = format!("#!/bin/sh\ncd {}\nexec {python} bot.py\n", test.dir().display());
        script(test, "service/tgbot/run", &run);
        let _manager = test.start("runsv service/tgbot");
        wait_until("it supervises", || test.has("service/tgbot/supervise/ok"));
        let seen = doctor_of_a_moment(test);
        let found = loop_of(&seen, bot.pid());
        assert_eq!(found["command"], format!("sv stop {}", test.name("service/tgbot")), "{found:#}");
        ends_by_its_command(test, found, bot.pid());
    });
}

#[test]
fn a_supervisor_of_ones_own_starts_it_again() {
    alone(|test| {
        let bot = at_work(test);
        test.write(
            "keep.py",
            "import subprocess, sys, time\nwhile True:\n    subprocess.call([sys.executable, 'bot.py'])\n    \
             time.sleep(0.5)  # the pause of a real one\n",
        );
        let keep = test.start("python3 keep.py");
        let seen = doctor_of_a_moment(test);
        let found = loop_of(&seen, bot.pid());
        assert_eq!(found["command"], format!("kill {}", keep.pid()), "{found:#}");
        ends_by_its_command(test, found, bot.pid());
    });
}

/// It was watched for a moment first, or a hint was there from the beginning.
#[track_caller]
fn doctor_of_a_moment(test: &Test) -> Value {
    test.solobot("doctor --json -m bot.py -l bot.lock").run().stderr_has(&["watching for up to 12s"]).code(1).json()
}

/// A systemctl(1) that shows one unit, restarted once more at each question.
fn pretend_systemctl(test: &Test, unit: &str, state: &str) -> String {
    test.write("restarts", "34");
    script(
        test,
        "systemctl",
        &format!(
            "#!/bin/sh\n[ \"$1\" = show ] || exit 1\ncase \"$*\" in *--user*) exit 1;; esac\n\
             read -r count < {restarts}\necho $((count + 1)) > {restarts}\n\
             printf 'Id=%s\\nExecStart={{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 {bot} ; code=exited ; status=75 }}\\n\
             WorkingDirectory=/\\nRestart=always\\nNRestarts=%s\\n{state}' {unit} \"$count\"\n",
            restarts = test.name("restarts"),
            bot = test.name("bot.py"),
        ),
    );
    format!("{}:{}", test.dir().display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_unit_that_systemd_starts_again() {
    alone(|test| {
        let bot = at_work(test);
        let path = pretend_systemctl(test, "tgbot.service", "ActiveState=activating\\nSubState=auto-restart\\n");
        let output = test.solobot("doctor --json -m bot.py -l bot.lock").env("PATH", &path).run();
        let seen = said(output);
        let found = loop_of(&seen, bot.pid());
        assert_eq!(found["command"], "systemctl stop tgbot.service", "{found:#}");
        let evidence = found["evidence"].to_string();
        assert!(
            evidence.contains("is about to be started again (auto-restart); it ended last with status 75"),
            "{evidence}"
        );
        assert!(evidence.contains("by systemd's count (NRestarts)"), "{evidence}");
        // One that is down is nobody's loop.
        let path = pretend_systemctl(test, "tgbot.service", "ActiveState=failed\\nSubState=failed\\n");
        let seen = test.solobot("doctor --json -m bot.py -l bot.lock").env("PATH", &path).run().code(0).json();
        assert_eq!(codes(&seen), [""; 0], "{seen:#}");
    });
}

#[test]
fn nothing_is_named_and_the_bot_is_known_by_its_holder() {
    alone(|test| {
        test.write("bot.py", LOCKING);
        let mut command = test.command("python3 bot.py");
        command.env("BOT_TOKEN", token());
        let bot = test.start_command(command);
        holds_its_lock(test);
        let shell = test.start("sh -c 'while true; do python3 bot.py; sleep 0.3; done'");
        std::fs::create_dir(test.path("elsewhere")).unwrap();
        for folder in [test.dir().to_owned(), test.path("elsewhere")] {
            let mut command = test.command("solobot doctor --json");
            command.current_dir(&folder);
            let seen = said(test.start_command(command).finish());
            let found = finding(&seen, "respawn-loop");
            assert_eq!(
                (&found["level"], &found["command"]),
                (&"error".into(), &format!("kill {}", shell.pid()).into())
            );
            assert!(!level_and_pids(found).1.contains(&bot.pid()), "{found:#}");
        }
    });
}

#[test]
fn the_refrain_of_a_log_whose_loop_cannot_be_seen() {
    alone(|test| {
        let bot = at_work(test);
        test.write("solobot.toml", "[bots.main]\nscript = \"bot.py\"\nlock = \"bot.lock\"\nlogs = [\"bot.log\"]\n");
        let line = |ago: i32| {
            let time = jiff::Timestamp::now() - Duration::from_secs(u64::from(ago.unsigned_abs()));
            format!("{} ERROR already running as PID {}, exiting\n", time.strftime("%Y-%m-%dT%H:%M:%SZ"), bot.pid())
        };
        test.write("bot.log", (1..20).rev().map(line).collect::<String>());
        let output = test.solobot("doctor --json main").run();
        let seen = output.stderr_has(&["watching for up to 12s", "bot.log repeats a refusal"]).code(0).json();
        let found = finding(&seen, "respawn-loop");
        assert_eq!(level_and_pids(found), ("warning", vec![]));
        let evidence = found["evidence"].to_string();
        assert!(evidence.contains("says 19 times, one every 1s: "), "{evidence}");
    });
}

#[test]
fn what_only_looks_like_a_loop() {
    alone(|test| {
        let bot = at_work(test);
        // It starts the bot only where none runs; and this one starts something else.
        let _watchdog = test.start("sh -c 'while sleep 0.2; do pgrep -f bot.py > pids || python3 bot.py; done'");
        let _other = test.start("sh -c 'while true; do python3 -c pass bot.py; sleep 0.2; done'");
        let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
        let _ = output.stderr();
        let seen = output.code(0).json();
        assert_eq!(codes(&seen), [""; 0], "{seen:#}");
        assert!(alive(bot.pid()));
    });
}

/// doctor on a healthy bot, right after its start: it is watched for a moment and no longer.
#[track_caller]
fn soon_done(test: &Test) {
    let begin = Instant::now();
    let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
    let took = begin.elapsed();
    let words = output.stderr().to_owned();
    let seen = output.code(0).json();
    assert!(!codes(&seen).contains(&"respawn-loop"), "{seen:#}");
    assert!(!words.contains("12s"), "{words}");
    // Twice the moment, on a machine that does much else.
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn healthy_bots_take_no_time() {
    alone(|test| {
        let bot = at_work(test);
        soon_done(test);
        bot.kill();
        // Another start of it would disturb the one that is looked at: each begins without a trace of the one before.
        let forget = || std::fs::remove_file(test.path("bot.lock")).unwrap();
        let wait = || holds_its_lock(test);
        forget();
        let manager = supervisord(test, "command=python3 bot.py");
        wait();
        soon_done(test);
        manager.kill();
        test.write("keep.py", "import subprocess, sys\nwhile True:\n    subprocess.call([sys.executable, 'bot.py'])\n");
        forget();
        let keep = test.start("python3 keep.py");
        wait();
        soon_done(test);
        keep.kill();
        forget();
        let shell = test.start("sh -c 'while :; do python3 bot.py; done'");
        wait();
        soon_done(test);
        shell.kill();
        forget();
        pm2(test, "start bot.py --name tgbot --interpreter python3");
        wait();
        soon_done(test);
    });
}

#[test]
fn a_young_bot_whose_supervisor_has_lost_others_is_watched() {
    alone(|test| {
        // Each lives for some seconds: none would be seen to end in a moment.
        test.write("bot.py", "import time\nopen('up', 'a').write('x')\ntime.sleep(2.5)  # its short life\n");
        test.write("keep.py", "import subprocess, sys\nwhile True:\n    subprocess.call([sys.executable, 'bot.py'])\n");
        let keep = test.start("python3 keep.py");
        wait_until("the second one runs", || std::fs::read_to_string(test.path("up")).is_ok_and(|text| text.len() > 1));
        let seen = doctor(test, "-m bot.py");
        let found = finding(&seen, "respawn-loop");
        assert_eq!(found["level"], "error", "{seen:#}");
        assert!(found["command"].as_str().unwrap().starts_with(&format!("kill {}", keep.pid())), "{found:#}");
    });
}
