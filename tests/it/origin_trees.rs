//! Origins and instances in trees: loops, supervisors, wrappers, workers, reloaders, titles.

use crate::harness::{alive, alone, installed, wait_until};
use crate::origins::origin;
use crate::scenes::{by_pid, only, roots, script, with};

#[test]
fn a_shell_loop_is_stopped_first() {
    alone(|test| {
        test.bot("bot.py");
        script(test, "loop.sh", "#!/bin/sh\nuntil false; do\n  python3 bot.py --pid-file loop.pid\ndone\n");
        for line in ["sh -c 'while :; do python3 bot.py --pid-file loop.pid; done'", "./loop.sh", "bash loop.sh"] {
            let _ = std::fs::remove_file(test.path("loop.pid"));
            let mut launcher = test.start(line);
            let bot = test.wait_for_pid("loop.pid");
            let seen = origin(test, "-m bot.py", bot);
            assert_eq!((&seen["kind"], &seen["respawns"]), (&"loop".into(), &"yes".into()), "{line}: {seen}");
            test.solobot("stop -m bot.py")
                .run()
                .code(1)
                .stdout_has(&["blocked", &format!("kill {} {bot}\n", launcher.pid())]);
            assert!(alive(bot));
            let answer = test.solobot("stop --json --include-managed -m bot.py").run().code(0).json();
            assert_eq!(with(&answer, "results", "terminated"), [launcher.pid(), bot], "{line}: {answer}");
            assert!(launcher.has_ended(), "{line}: the loop goes on");
        }
    });
}

#[test]
fn a_home_made_supervisor_is_stopped_first() {
    alone(|test| {
        test.bot("bot.py");
        // The pause is the supervisor's, as real ones have it; the test waits for nothing by it.
        test.write(
            "supervisor.py",
            "import subprocess, sys, time\nwhile True:\n    \
             subprocess.call([sys.executable, 'bot.py', '--pid-file', 'child.pid'])\n    time.sleep(0.1)  # the pause of a real one\n",
        );
        let mut supervisor = test.start("python3 supervisor.py");
        let bot = test.wait_for_pid("child.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"]), (&"parent".into(), &"supervisor.py".into()), "{seen}");
        assert_eq!(seen["stop"], format!("kill {} {bot}", supervisor.pid()));
        let answer = test.solobot("stop --json -m bot.py").run().code(1).json();
        assert_eq!(by_pid(&answer, "plan"), [(bot, "blocked".to_owned())].into(), "{answer}");
        test.solobot("stop --include-managed -m bot.py").run().code(0).stdout_has(&["terminated"]);
        assert!(!alive(bot) && supervisor.has_ended());
    });
}

#[test]
fn solobot_is_judged_by_its_own_origin() {
    alone(|test| {
        test.bot("bot.py");
        let held = test.solobot("acquire -- python3 bot.py --pid-file held.pid").start();
        let bot = test.wait_for_pid("held.pid");
        let seen = only(test, "-m bot.py", bot);
        assert_eq!(
            (&seen["origin"]["kind"], &seen["origin"]["respawns"]),
            (&"detached".into(), &"no".into()),
            "{seen}"
        );
        assert!(matches!(seen["lock"].as_str(), Some("holder" | "covered")), "{seen}");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bot], "{answer}");
        assert!(!test.is_locked(".solobot.lock"));
        // It ended its bot in order, as after a TERM of its own, and said who asked for it.
        held.finish()
            .code(0)
            .stderr_has(&["python3 bot.py --pid-file held.pid is being stopped by PID ", "solobot stop"]);

        let loop_line = format!(
            "sh -c 'while :; do {} acquire -- python3 bot.py --pid-file held.pid; done'",
            env!("CARGO_BIN_EXE_solobot")
        );
        std::fs::remove_file(test.path("held.pid")).unwrap();
        let looping = test.start(&loop_line);
        let bot = test.wait_for_pid("held.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["respawns"]), (&"loop".into(), &"yes".into()), "{seen}");
        test.solobot("stop -m bot.py").run().code(1).stdout_has(&["blocked", &format!("kill {}", looping.pid())]);
        assert!(alive(bot));
    });
}

#[test]
fn wrappers_are_no_instances_and_end_with_their_bot() {
    alone(|test| {
        test.bot("bot.py");
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let uv = installed("venv/bin/uv");
        let lines = [
            "timeout 600 python3 bot.py",
            "nohup python3 bot.py",
            "setsid python3 bot.py",
            "nice -n 5 python3 -u bot.py",
            "stdbuf -oL python3 ./bot.py",
            "env A=b python3 bot.py",
            "flock other.lock python3 bot.py",
            "sh -c 'python3 bot.py; exit 0'",
            "sh -c 'cd .. && cd work && python3 bot.py; exit 0'",
            "bash -c 'exec python3 bot.py'",
            "sudo -n BOT_ENV PYTHON bot.py",
            "UV run --quiet --offline --no-project --no-config --python PYTHON bot.py",
            "setpriv --no-new-privs python3 -m bot",
            "timeout 600 nohup sh -c 'python3 bot.py; exit 0'",
        ];
        let mut launchers = Vec::new();
        let mut bots = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let file = format!("wrapped.{number}.pid");
            let line = line
                .replace("PYTHON", &python)
                .replace("UV", &uv)
                .replace("BOT_ENV", &format!("BOT_OPTIONS='--pid-file {file}'"));
            let mut command = test.command(&line);
            command.env("BOT_OPTIONS", format!("--pid-file {file}"));
            launchers.push(test.start_command(command));
            bots.push(test.wait_for_pid(&file));
        }
        bots.sort_unstable();
        assert_eq!(roots(test, "-m bot.py"), bots, "one instance a launcher, and it is the bot");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), bots, "{answer}");
        for (line, launcher) in lines.iter().zip(&mut launchers) {
            wait_until(&format!("`{line}` ends with its bot"), || launcher.has_ended());
        }
    });
}

/// A bot with workers of `multiprocessing`, by start method.
const POOL: &str = "
import multiprocessing, os, signal, sys, threading
def work(ready):
    ready.set()
    threading.Event().wait()
if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    events = [context.Event() for _ in range(2)]
    for event in events:
        context.Process(target=work, args=(event,), daemon=True).start()
    for event in events:
        event.wait()
    with open('pool.tmp', 'w') as file:
        file.write(str(os.getpid()))
    os.rename('pool.tmp', 'pool.pid')
    signal.pause()
";

#[test]
fn workers_of_multiprocessing_are_one_instance() {
    alone(|test| {
        test.write("pool.py", POOL);
        for (method, least) in [("fork", 3), ("spawn", 4), ("forkserver", 5)] {
            let _ = std::fs::remove_file(test.path("pool.pid"));
            let bot = test.start(&format!("python3 pool.py {method}"));
            let root = test.wait_for_pid("pool.pid");
            assert_eq!(root, bot.pid());
            let seen = only(test, "-m pool.py", root);
            let pids: Vec<i32> =
                seen["pids"].as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap().try_into().unwrap()).collect();
            assert!(pids.len() >= least && pids[0] == root, "{method}: {seen}");
            test.solobot("check --running -m pool.py").run().code(0).stdout_has(&["exactly one instance"]);
            test.solobot("stop --grace 1 -m pool.py").run().code(0).stdout_has(&["terminated"]);
            assert!(!pids.iter().any(|&pid| alive(pid)), "{method}: workers are left");
        }
    });
}

#[test]
fn a_reloader_and_its_server_are_one_instance() {
    alone(|test| {
        let app = "import os\nasync def app(scope, receive, send):\n    pass\n\
                   open('app.tmp', 'w').write(str(os.getpid()))\nos.rename('app.tmp', 'app.pid')\n";
        test.write("app.py", app);
        let reloader = test.start(&format!("{} app:app --reload --port 0", installed("venv/bin/uvicorn")));
        let server = test.wait_for_pid("app.pid");
        assert_ne!(server, reloader.pid());
        let seen = only(test, "-m app.py", reloader.pid());
        assert!(seen["pids"].as_array().unwrap().contains(&server.into()), "{seen}");
        test.solobot("stop -m app.py").run().code(0).stdout_has(&["terminated"]);
        assert!(!alive(server) && !alive(reloader.pid()));
    });
}

/// A bot that calls itself what its first argument says.
const TITLED: &str = "import os, setproctitle, signal, sys\nsetproctitle.setproctitle(sys.argv[1])\n\
                      open('t.tmp', 'w').write(str(os.getpid()))\nos.rename('t.tmp', 'titled.pid')\nsignal.pause()\n";

#[test]
fn a_title_of_its_own() {
    alone(|test| {
        test.write("bot.py", TITLED);
        for (title, confidence) in [("python3 bot.py", "file"), ("bot: polling", "probable")] {
            let _ = std::fs::remove_file(test.path("titled.pid"));
            let bot = test.start(&format!("{} bot.py '{title}'", installed("venv/bin/python3")));
            test.wait_for_pid("titled.pid");
            let seen = only(test, "-m bot.py", bot.pid());
            assert_eq!(seen["confidence"], confidence, "{title}: {seen}");
            let answer = test.solobot("stop --json -m bot.py").run();
            let (code, action) = if confidence == "file" { (0, "stop") } else { (1, "blocked") };
            let answer = answer.code(code).json();
            assert_eq!(by_pid(&answer, "plan"), [(bot.pid(), action.to_owned())].into(), "{answer}");
            if action == "blocked" {
                assert!(alive(bot.pid()), "a probable one is never stopped by default");
                test.solobot("stop --include-probable -m bot.py").run().code(0).stdout_has(&["terminated"]);
            }
            assert!(!alive(bot.pid()));
        }
    });
}

/// Whatever title a bot gives itself, the record of its lock says which process it is: a health check that said "no
/// instance runs" would have a healthy bot restarted.
#[test]
fn a_title_that_tells_nothing_under_its_own_lock() {
    alone(|test| {
        test.write("main.py", TITLED);
        for title in ["my own words", "chatter", "chatter: polling"] {
            let _ = std::fs::remove_file(test.path("titled.pid"));
            let python = installed("venv/bin/python3");
            let solobot = test.solobot(&format!("acquire -l bot.lock -- {python} main.py '{title}'")).start();
            let bot = test.wait_for_pid("titled.pid");
            wait_until("the record names it", || test.record("bot.lock")["pid"] == bot);
            let seen = only(test, "-m main.py -l bot.lock", bot);
            assert_eq!((&seen["confidence"], &seen["lock"]), (&"file".into(), &"holder".into()), "{title}: {seen}");
            test.solobot("check --running -m main.py -l bot.lock").run().code(0).stdout_has(&["healthy"]);
            // Another program's record says nothing of this one.
            test.write("other.py", "");
            test.solobot("check --running -m other.py -l bot.lock")
                .run()
                .code(1)
                .stdout_has(&["no instance is running"]);
            test.solobot("stop -m main.py -l bot.lock").run().code(0).stdout_has(&["terminated"]);
            assert!(!alive(bot), "{title}");
            drop(solobot);
        }
    });
}

#[test]
fn a_shell_that_became_this_solobot_is_no_starter() {
    alone(|test| {
        test.bot("bot.py");
        let exe = env!("CARGO_BIN_EXE_solobot");
        let until = "while [ ! -s bot.pid ]; do sleep 0.02; done";
        let line = format!("python3 bot.py --pid-file bot.pid & {until}; exec {exe} stop --json -m bot.py");
        let mut command = test.command("sh -c");
        command.arg(line);
        let answer = test.start_command(command).finish().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [test.wait_for_pid("bot.pid")], "{answer}");
    });
}
