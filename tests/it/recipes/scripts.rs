//! The scripts for deploys, for moving over from home-made starts, and from one host to another.

use std::fs;
use std::path::Path;

use super::{HOME, path_of, settle, text_of, typed};
use crate::harness::{Output, Test, Venv, alive, alone, holds_descriptor, peer, wait_until};
use crate::scenes::{instances, pid, script};

/// Starts the bot as a manager would, and comes back.
const START: &str = "setsid -f solobot acquire main >>log 2>&1";

#[track_caller]
fn run(test: &Test, line: &str) -> Output {
    test.start_command(typed(test, line)).finish()
}

/// The instances of `main`, by PID.
#[track_caller]
fn running(test: &Test) -> Vec<i32> {
    instances(test, "main").iter().map(pid).collect()
}

/// The one instance, which holds the lock.
#[track_caller]
fn one_holder(test: &Test) -> i32 {
    // A bot that is just being started is covered by its solobot for a moment.
    wait_until("one holds the lock", || {
        let all = instances(test, "main");
        all.len() == 1 && all[0]["lock"] == "holder"
    });
    running(test)[0]
}

/// `deploy.sh` with what a test has for a manager.
#[track_caller]
fn deploy(test: &Test, stop: &str, release: &str) -> Output {
    let script = path_of("deploy/deploy.sh");
    let settings = format!("START='{START}' STOP='{stop}' SETTLE=1 START_WAIT=10s STOP_WAIT=2s");
    run(test, &format!("{settings} bash {} {release}", script.display()))
}

#[test]
fn deploy_stops_waits_starts_verifies_and_goes_back() {
    alone(|test| {
        settle(test);
        test.write("solobot.toml", text_of("deploy/solobot.toml"));
        test.bot("releases/1/main.py");
        test.bot("releases/2/main.py");
        fs::create_dir(test.path("releases/bad")).unwrap();
        test.write("releases/bad/main.py", "import sys\nsys.exit(3)\n");
        let current = || fs::read_link(test.path("current")).unwrap();
        let stop = "solobot stop -y main";

        deploy(test, stop, "1").code(0).stdout_has(&["deploy: releases/1 is running"]).stderr();
        let first = running(test);
        deploy(test, stop, "2").code(0).stdout_has(&["deploy: releases/2 is running"]).stderr();
        let second = running(test);
        assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
        assert!(!alive(first[0]) && current().ends_with("2"));

        let output =
            deploy(test, stop, "bad").code(1).stdout_has(&["releases/bad is not healthy: going back to releases/2"]);
        assert!(output.stderr().contains("releases/2 is running again"), "{}", output.stderr());
        drop(output);
        assert!(running(test).len() == 1 && current().ends_with("2"));

        // A stop that stops nothing: the link stays, and there is no second bot.
        let before = running(test);
        deploy(test, "true", "1").code(75).stdout_has(&["already running as PID"]).stderr_has(&[
            "releases/2 was told to stop, but did not end within 2s",
            "current still points to it",
            "nothing was started",
        ]);
        assert!(running(test) == before && current().ends_with("2"));
        deploy(test, stop, "none").code(2).stderr_has(&["no release"]);
    });
}

#[test]
fn moving_over_from_layout_a() {
    alone(|test| {
        settle(test);
        test.mount("tmpfs", "mode=1777,size=1m", "/tmp");
        test.bot("tg_bot/bot.py");
        test.write("tg_bot/__init__.py", "");
        test.write("solobot.toml", text_of("moving/layout-a.toml"));
        test.write(
            "supervisor.py",
            "import fcntl, os, signal, subprocess, sys\n\
             file = open('/tmp/telegram_polling.lock', 'a+')\n\
             fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n\
             file.truncate(0); file.write(str(os.getpid())); file.flush()\n\
             child = subprocess.Popen([sys.executable, '-m', 'tg_bot.bot', '--pid-file', 'old.pid'],\n\
             \x20                        env={**os.environ, 'SKIP_TELEGRAM_LOCK': '1'})\n\
             signal.signal(signal.SIGTERM, lambda *_: child.terminate())\n\
             child.wait()\n",
        );
        let supervisor = test.start_command(typed(test, "exec python3 supervisor.py"));
        let old = test.wait_for_pid("old.pid");
        let line =
            format!("SETTLE=1 bash {} 'kill {}' '{START}'", path_of("moving/move.sh").display(), supervisor.pid());

        // A lock that the old one does not hold: nothing is done.
        let right = test.read("solobot.toml");
        test.write("solobot.toml", right.replace("/tmp/telegram_polling.lock", "other.lock"));
        run(test, &line).code(78).stdout_has(&["main: one instance"]).stderr_has(&["Correct `lock` in solobot.toml"]);
        assert!(alive(old), "nothing was done");

        test.write("solobot.toml", right);
        let said = ["move:    yes", "main: healthy: exactly one instance is running", "move: done"];
        run(test, &line).code(0).stdout_has(&said);
        let now = one_holder(test);
        assert!(!alive(old) && now != old);
        assert_eq!(fs::read_to_string("/tmp/telegram_polling.lock").unwrap(), now.to_string());
    });
}

#[test]
fn moving_over_from_layout_b() {
    alone(|test| {
        settle(test);
        // python3 is the venv with filelock; the bot takes its lock itself.
        let venv = Venv::OldFilelock.interpreter();
        fs::create_dir(test.path("bin")).unwrap();
        script(test, "bin/python3", &format!("#!/bin/sh\nexec {} \"$@\"\n", venv.display()));
        test.write("layout_b.py", peer("layout_b.py"));
        test.write(
            "main.py",
            "import sys\nsys.argv[1:] = ['.', '5', 'b.pid']\nexec(open('layout_b.py', encoding='utf-8').read())\n",
        );
        test.write("solobot.toml", text_of("moving/layout-b.toml"));
        let path = format!("PATH={HOME}/bin:$PATH");
        let old = test.start_command(typed(test, &format!("{path} exec python3 main.py")));
        let before = test.wait_for_pid("b.pid");
        let script = path_of("moving/move.sh");
        let line = format!("{path} SETTLE=1 bash {} 'kill {}' '{START}'", script.display(), old.pid());
        let said = ["move:    yes", "main: healthy: exactly one instance is running", "move: done"];
        run(test, &line).code(0).stdout_has(&said);
        wait_until("the old one has ended", || !alive(before));
        let bot = one_holder(test);
        wait_until("the bot has taken its own lock", || test.read("b.pid") == bot.to_string());
        assert!(holds_descriptor(bot, &Path::new(HOME).join(".bot_instance.lock")), "the bot holds its own lock");
        assert!(test.is_locked(".bot_instance.lock"));
        drop(old);
    });
}

#[test]
fn switching_hosts_never_runs_two() {
    alone(|test| {
        settle(test);
        // A host is a folder here, which is the home folder there and has the bot below it.
        for host in ["one", "two"] {
            test.bot(&format!("{host}/bot/main.py"));
            test.write(
                &format!("{host}/bot/solobot.toml"),
                "[bots.main]\nscript = \"main.py\"\ncommand = [\"python3\", \"main.py\"]\n",
            );
        }
        fs::create_dir(test.path("bin")).unwrap();
        script(test, "bin/ssh", "#!/bin/sh\nexport HOME=/srv/bot/\"$1\"\ncd || exit 255\nshift\nexec sh -c \"$*\"\n");
        let switch_in = |is_folder_there: bool, old: &str, new: &str| {
            let script = path_of("two-hosts/switch.sh");
            let settings = format!("SSH={HOME}/bin/ssh START='{START}' STOP='solobot stop -y main' WAIT=5s SETTLE=1");
            let folder = if is_folder_there { "bot" } else { "bots" };
            run(test, &format!("{settings} FOLDER={folder} bash {} {old} {new}", script.display()))
        };
        let switch = |old: &str, new: &str| switch_in(true, old, new);
        let count = |host: &str| {
            let json = test.solobot("status --json main").in_dir(&format!("{host}/bot")).run().code(0).json();
            json["bots"][0]["instances"].as_array().unwrap().len()
        };
        run(test, &format!("cd one/bot && {START}")).code(0);
        wait_until("it runs on the first host", || count("one") == 1);

        // A host without the folder: nothing is stopped.
        switch_in(false, "one", "two")
            .code(75)
            .stdout_has(&["what runs on one?"])
            .stderr_has(&["bots", "cannot look at one; nothing was changed"]);
        assert_eq!(count("one"), 1);

        switch("one", "two").code(0).stdout_has(&["switch: it runs on two"]);
        assert_eq!((count("one"), count("two")), (0, 1));
        // Busy already: nothing is changed.
        switch("one", "two").code(75).stdout_has(&["already running as PID"]).stderr_has(&["nothing was changed"]);
        assert_eq!((count("one"), count("two")), (0, 1));
        // Not well on the new one: it runs on the old one again.
        test.write("one/bot/main.py", "import sys\nsys.exit(3)\n");
        switch("two", "one")
            .code(1)
            .stdout_has(&["it is not healthy on one: going back to two"])
            .stderr_has(&["it runs on two again"]);
        assert_eq!((count("one"), count("two")), (0, 1));
    });
}
