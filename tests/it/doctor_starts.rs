//! `doctor` on starts: loops, supervisors, hooks, releases; and what only looks like several instances.

use std::fs;

use crate::doctor::{at_work, by_hand, codes, diagnose, finding, fix, level_and_pids};
use crate::harness::{alive, alone, peer, token, wait_until};
use crate::standin::Standin;
use crate::telegram_webhook::asking;

#[test]
fn a_shell_loop_around_a_bot_that_ends_at_once() {
    alone(|test| {
        test.bot("bot.py");
        test.write("go", "");
        let line = "sh -c 'while :; do python3 bot.py --until go --code 1; sleep 0.3; done'";
        let shell = test.start(line);
        let output = test.solobot("doctor --json -m bot.py -l bot.lock").run().code(1);
        let output = output.stderr_has(&["watching"]);
        let seen = output.json();
        let found = finding(&seen, "respawn-loop");
        let (level, pids) = level_and_pids(found);
        assert_eq!(level, "error");
        assert!(pids.len() >= 3, "{found}");
        // The bot of that moment ends by itself.
        assert_eq!(found["command"], format!("kill {}", shell.pid()), "{found}");
    });
}

#[test]
fn a_supervisor_of_ones_own_would_start_it_again() {
    alone(|test| {
        test.bot("bot.py");
        let (_held, holder) = at_work(test.start("flock bot.lock python3 bot.py --say up"));
        test.write(
            "supervisor.py",
            "import subprocess, sys\nwhile True:\n    subprocess.run([sys.executable, 'bot.py', '--say', 'up'])\n",
        );
        let (supervisor, pid) = at_work(test.start("python3 supervisor.py"));
        let seen = test.solobot("doctor --json -m bot.py -l bot.lock").run().code(1).stderr_has(&["watching"]).json();
        let found = finding(&seen, "respawner");
        let (level, pids) = level_and_pids(found);
        assert_eq!((level, pids.len()), ("warning", 1));
        assert_eq!(found["command"], format!("kill {pid} {}", pids[0]));
        // A surplus instance is always a duplicate too; one steady start is no loop.
        finding(&seen, "duplicate-instances");
        assert!(!codes(&seen).contains(&"respawn-loop"), "{seen:#}");
        assert!(supervisor.descendants().contains(&pids[0]) && alive(holder));
    });
}

#[test]
fn workers_are_one_instance() {
    alone(|test| {
        test.bot("bot.py");
        let fork = test.start("flock bot.lock python3 bot.py --worker --say up");
        wait_until("both run", || fork.descendants().len() == 2);
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(codes(&seen), ["folded-instance"]);
        let (level, pids) = level_and_pids(finding(&seen, "folded-instance"));
        assert_eq!((level, pids), ("info", fork.descendants()));
    });
}

#[test]
fn spawned_workers_of_multiprocessing_are_one_instance() {
    alone(|test| {
        let script = "import multiprocessing, signal\n\
                      if __name__ == '__main__':\n    \
                          context = multiprocessing.get_context('spawn')\n    \
                          workers = [context.Process(target=signal.pause) for _ in range(2)]\n    \
                          for worker in workers: worker.start()\n    \
                          print('up', flush=True)\n    signal.pause()\n";
        test.write("bot.py", script);
        let (bot, pid) = at_work(test.start("python3 bot.py"));
        wait_until("root, two workers, resource tracker", || bot.descendants().len() == 3);
        let seen = diagnose(test, "-m bot.py", 0);
        let (_, pids) = level_and_pids(finding(&seen, "folded-instance"));
        assert_eq!((pids[0], pids.len()), (pid, 4));
        assert!(!codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
    });
}

#[test]
fn a_git_hook_beside_the_running_bot() {
    alone(|test| {
        test.bot("bot.py");
        fs::create_dir(test.path("hooks")).unwrap();
        test.write("hooks/post-receive", "python3 bot.py --say up\ntrue\n");
        let (_one, _) = by_hand(test, 1);
        assert!(!codes(&diagnose(test, "-m bot.py", 1 - 1)).contains(&"ci-overlap"));
        let (hook, _) = at_work(test.start("sh hooks/post-receive"));
        let seen = diagnose(test, "-m bot.py", 1);
        assert_eq!(level_and_pids(finding(&seen, "ci-overlap")), ("error", hook.descendants()));
        finding(&seen, "duplicate-instances");
    });
}

#[test]
fn a_new_release_beside_the_old_one() {
    alone(|test| {
        test.write("solobot.toml", "[bots.main]\nscript = \"releases/*/bot.py\"\nlock = \"bot.lock\"\n");
        let secret = token();
        let start = |release: &str| {
            test.bot(&format!("releases/{release}/bot.py"));
            let mut command = test.command(&format!("python3 releases/{release}/bot.py --say up"));
            command.env("BOT_TOKEN", &secret);
            at_work(test.start_command(command))
        };
        let (_old, old) = start("1");
        let (_new, new) = start("2");
        let server = Standin::start();
        let output = asking(test, &server, "doctor --json main").run().code(1).nowhere(&secret);
        let seen = output.json();
        let found = finding(&seen, "deploy-overlap");
        assert_eq!(level_and_pids(found), ("error", vec![old, new]));
        assert_eq!(found["command"], "solobot kill-duplicates --keep newest main");
        fix(test, found).code(0).stdout_has(&[]).stderr_has(&[]);
        assert!(alive(new) && !alive(old));
    });
}

#[test]
fn a_server_of_ones_own_is_the_same_to_status_and_doctor() {
    alone(|test| {
        let server = Standin::start();
        fs::create_dir(test.path("app")).unwrap();
        test.write("app/bot.py", peer("connected.py"));
        let bot = test.start(&format!("python3 app/bot.py 127.0.0.1 {} --pid-file pid", server.port()));
        wait_until("it is connected", || server.connections() == 1);
        let ask = |line: &str| test.solobot(line).env("SOLOBOT_API_URL", &server.url()).run().code(0).json();
        let (status, doctor) = (ask("status --json"), ask("doctor --json"));
        assert_eq!(status["bots"][0]["instances"][0]["pid"], bot.pid(), "{status:#}");
        assert_eq!(doctor["bots"][0]["instances"], serde_json::json!([bot.pid()]), "{doctor:#}");
        assert_eq!(status["bots"][0]["name"], doctor["bots"][0]["name"]);
    });
}
