//! `doctor`: causes made for real, named, and mended by the very command that it prints.

use std::fs;

use serde_json::Value;

use crate::harness::{Background, Output, Test, alive, alone, send, token, wait_until};
use crate::holding::{Holding, holding, orphan, stale};

/// `solobot doctor --json OPTIONS`, which must end with that code.
#[track_caller]
fn diagnose(test: &Test, options: &str, code: i32) -> Value {
    test.solobot(&format!("doctor --json {options}")).run().code(code).json()
}

/// The codes that were found, the worst first.
fn codes(diagnosis: &Value) -> Vec<&str> {
    diagnosis["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The finding of that code; panics without one, or if it lacks anything.
#[track_caller]
fn finding<'a>(diagnosis: &'a Value, code: &str) -> &'a Value {
    let found = diagnosis["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code);
    let found = found.unwrap_or_else(|| panic!("no {code}: {diagnosis:#}"));
    assert!(found["evidence"].as_array().is_some_and(|evidence| !evidence.is_empty()), "{found}");
    assert!(found["command"].is_string() && found["summary"].is_string(), "{found}");
    found
}

#[track_caller]
fn level_and_pids(finding: &Value) -> (&str, Vec<i32>) {
    let pids = finding["pids"].as_array().unwrap().iter().map(|pid| i32::try_from(pid.as_i64().unwrap()).unwrap());
    (finding["level"].as_str().unwrap(), pids.collect())
}

/// Types the command that mends a finding.
#[track_caller]
fn mend(test: &Test, finding: &Value) -> Output {
    test.run(finding["command"].as_str().unwrap())
}

/// A bot started by hand, at work.
#[track_caller]
fn by_hand(test: &Test, number: u32) -> (Background, i32) {
    // Options count as arguments: those of two instances of one bot are the same.
    let mut command = test.command("sh -c 'exec python3 bot.py --say up'");
    command.env("NUMBER", number.to_string());
    at_work(test.start_command(command))
}

/// Waits until a bot that was told to `--say up` has said so.
#[track_caller]
fn at_work(bot: Background) -> (Background, i32) {
    wait_until("the bot runs", || bot.stdout().contains("up"));
    let pid = bot.pid();
    (bot, pid)
}

#[test]
fn nothing_to_find_is_said_with_what_was_looked_at() {
    alone(|test| {
        test.bot("bot.py");
        let lock = test.name("bot.lock");
        test.solobot("doctor -m bot.py -l bot.lock").run().code(0).stdout_has(&[
            "looked at bot.py: no instance",
            &lock,
            "no findings",
        ]);
        let Holding { bot, .. } = &holding(test);
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(codes(&seen), [""; 0], "{seen:#}");
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([bot]));
        assert_eq!(seen["bots"][0]["locks"][0], serde_json::json!({ "path": lock, "state": "held" }));
        assert!(!test.has(".solobot.lock"), "looking creates nothing");
    });
}

#[test]
fn an_orphan_that_holds_its_lock_is_well() {
    alone(|test| {
        orphan(test);
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 0)), [""; 0]);
    });
}

#[test]
fn duplicates_are_mended_by_the_command_it_prints() {
    alone(|test| {
        test.bot("bot.py");
        let (_one, first) = by_hand(test, 1);
        let (_two, second) = by_hand(test, 2);
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(codes(&seen)[0], "duplicate-instances");
        let found = finding(&seen, "duplicate-instances");
        assert_eq!(level_and_pids(found), ("error", vec![first, second]));
        test.solobot("doctor -m bot.py -l bot.lock").run().code(1).stdout_has(&[
            "error duplicate-instances: ",
            &format!("PID {second}, user root, "),
            "mend: solobot kill-duplicates -m ",
            "--explain duplicate-instances",
        ]);
        mend(test, found).code(0).stdout_has(&[&second.to_string()]).stderr_has(&[]);
        assert!(alive(first) && !alive(second));
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert!(!codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
    });
}

#[test]
fn an_instance_without_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let (_bot, pid) = by_hand(test, 1);
        // No lock is configured anywhere: worth a note.
        assert_eq!(level_and_pids(finding(&diagnose(test, "-m bot.py", 0), "unlocked-instance")), ("info", vec![pid]));
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(level_and_pids(finding(&seen, "unlocked-instance")), ("warning", vec![pid]));
        assert_eq!(codes(&seen), ["unlocked-instance"]);
    });
}

#[test]
fn a_lock_that_the_bot_holds_elsewhere_is_found() {
    alone(|test| {
        test.bot("bot.py");
        fs::create_dir(test.path("locks")).unwrap();
        let (_bot, pid) = at_work(test.start("flock locks/other.lock python3 bot.py --say up"));
        let seen = diagnose(test, "-m bot.py", 0);
        assert_eq!(codes(&seen), [""; 0], "{seen:#}");
        assert_eq!(seen["bots"][0]["locks"][0]["path"], test.name("locks/other.lock"));
        // Where another one is configured, that is the fault.
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        let found = finding(&seen, "unlocked-instance");
        mend(test, found).code(0).stdout_has(&["locks/other.lock: held by PID", &pid.to_string()]);
    });
}

#[test]
fn a_leaked_skip_variable() {
    alone(|test| {
        test.bot("bot.py");
        let skipping = |line: &str| {
            let mut command = test.command(line);
            command.env("SKIP_TELEGRAM_LOCK", "1");
            at_work(test.start_command(command))
        };
        let (bot, pid) = skipping("python3 bot.py --say up");
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(level_and_pids(finding(&seen, "leaked-skip-variable")), ("error", vec![pid]));
        assert_eq!(codes(&seen), ["leaked-skip-variable"]);
        drop(bot);
        // An ancestor does hold the lock for it.
        let _held = skipping("flock bot.lock python3 bot.py --say up");
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 0)), [""; 0]);
    });
}

#[test]
fn a_lock_that_was_removed_under_its_holder() {
    alone(|test| {
        test.bot("bot.py");
        let (flock, pid) = at_work(test.start("flock bot.lock python3 bot.py --say up"));
        fs::remove_file(test.path("bot.lock")).unwrap();
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(codes(&seen), ["replaced-lock"]);
        assert!(level_and_pids(finding(&seen, "replaced-lock")).1.contains(&pid));
        test.write("bot.lock", "");
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 1)), ["replaced-lock"]);
        drop(flock);
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 0)), [""; 0]);
    });
}

#[test]
fn a_stale_lock_is_mended_by_the_command_it_prints() {
    alone(|test| {
        let pid = stale(test);
        let seen = diagnose(test, "-l bot.lock", 0);
        assert_eq!(codes(&seen), ["stale-lock"]);
        let found = finding(&seen, "stale-lock");
        assert!(found["summary"].as_str().unwrap().contains(&pid.to_string()), "{found}");
        mend(test, found).code(0).stdout_has(&["cleaned"]);
        assert_eq!(codes(&diagnose(test, "-l bot.lock", 0)), [""; 0]);
    });
}

#[test]
fn a_pid_file_without_a_flock() {
    alone(|test| {
        test.bot("bot.py");
        let (_bot, pid) = by_hand(test, 1);
        test.write("bot.lock", pid.to_string());
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(codes(&seen), ["pidfile-only"]);
        let found = finding(&seen, "pidfile-only");
        assert_eq!(level_and_pids(found), ("warning", vec![pid]));
        assert!(found["command"].as_str().unwrap().contains("solobot acquire -m "), "{found}");
        // A stranger that has the PID now.
        let stranger = test.start("tail -f /dev/null");
        test.write("bot.lock", stranger.pid().to_string());
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert!(finding(&seen, "pidfile-only")["summary"].as_str().unwrap().contains("another program"), "{seen:#}");
    });
}

#[test]
fn an_fcntl_lock_excludes_no_flock() {
    alone(|test| {
        let script = "import fcntl, os, time\nfile = open('bot.lock', 'a+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
                      print('up', flush=True)\ntime.sleep(60)\n";
        test.write("bot.py", script);
        let (_bot, pid) = at_work(test.start("python3 bot.py"));
        let seen = diagnose(test, "-m bot.py -l bot.lock", 0);
        assert_eq!(codes(&seen), ["fcntl-lock"]);
        assert_eq!(level_and_pids(finding(&seen, "fcntl-lock")), ("warning", vec![pid]));
        // Both at once: proof that they do not exclude each other.
        let _flock = test.start("flock -n bot.lock tail -f /dev/null");
        wait_until("the flock is granted", || test.is_locked("bot.lock"));
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(level_and_pids(finding(&seen, "fcntl-lock")), ("error", vec![pid]));
    });
}

#[test]
fn a_lock_that_a_helper_inherited() {
    alone(|test| {
        test.bot("bot.py");
        test.run("sh -c 'exec 9>bot.lock; flock 9; tail -f /dev/null & echo $! >helper.pid'").code(0);
        let helper: i32 = test.read("helper.pid").trim().parse().unwrap();
        let seen = diagnose(test, "-m bot.py -l bot.lock", 1);
        assert_eq!(codes(&seen), ["inherited-lock"]);
        let found = finding(&seen, "inherited-lock");
        assert_eq!(level_and_pids(found), ("error", vec![helper]));
        test.solobot("acquire -n -m bot.py -l bot.lock -- true").run().code(75).stderr_has(&[]);
        assert_eq!(found["command"], format!("kill {helper}"));
        test.run(&format!("sh -c 'kill {helper}'")).code(0);
        wait_until("the helper has gone", || !alive(helper));
        test.solobot("acquire -n -m bot.py -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn whoever_holds_a_lock_on_purpose_is_no_heir() {
    alone(|test| {
        test.bot("bot.py");
        // flock(1) locked the shell's descriptor and has ended; the bot has not been started yet.
        let shell = test.start("sh -c 'exec 9>bot.lock; flock 9; echo up; while read -r _; do :; done <pipe; true'");
        let _ = at_work(shell);
        assert_eq!(codes(&diagnose(test, "-m bot.py -l bot.lock", 0)), [""; 0]);
    });
}

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
        assert_eq!(found["command"], format!("kill {}", shell.pid()));
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
        assert_eq!(found["command"], format!("kill {pid}"));
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
        let script = "import multiprocessing, time\n\
                      if __name__ == '__main__':\n    \
                          context = multiprocessing.get_context('spawn')\n    \
                          workers = [context.Process(target=time.sleep, args=(60,)) for _ in range(2)]\n    \
                          for worker in workers: worker.start()\n    \
                          print('up', flush=True)\n    time.sleep(60)\n";
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
fn a_tmp_of_its_own_hides_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        fs::create_dir(test.path("locks")).unwrap();
        let line = "unshare -m sh -c 'mount -t tmpfs none locks && exec flock locks/bot.lock python3 bot.py --say up'";
        let (_bot, _) = at_work(test.start(line));
        let seen = diagnose(test, "-m bot.py -l locks/bot.lock", 0);
        assert_eq!(codes(&seen), ["private-tmp"], "{seen:#}");
        let found = finding(&seen, "private-tmp");
        assert_eq!(level_and_pids(found).0, "warning");
        assert!(found["evidence"][0].as_str().unwrap().ends_with("a mount of tmpfs"), "{found}");
        // A second one outside gets the lock as well.
        let (_two, _) = at_work(test.start("flock -n locks/bot.lock python3 bot.py --say up"));
        let seen = diagnose(test, "-m bot.py -l locks/bot.lock", 1);
        assert_eq!(level_and_pids(finding(&seen, "private-tmp")).0, "error");
        finding(&seen, "duplicate-instances");
    });
}

#[test]
fn a_temp_cleaner_is_named_with_its_line() {
    alone(|test| {
        test.write("bot.lock", "");
        test.mount("tmpfs", "mode=755", "/run");
        fs::create_dir_all("/run/tmpfiles.d").unwrap();
        let line = format!("q {} 1777 root root 10d", test.dir().display());
        fs::write("/run/tmpfiles.d/solobot-test.conf", format!("{line}\n")).unwrap();
        // Without systemd nobody runs it.
        assert_eq!(codes(&diagnose(test, "-l bot.lock", 0)), [""; 0]);
        fs::create_dir_all("/run/systemd/system").unwrap();
        let seen = diagnose(test, "-l bot.lock", 0);
        assert_eq!(codes(&seen), ["tmp-cleaner"]);
        let evidence = finding(&seen, "tmp-cleaner")["evidence"][0].as_str().unwrap();
        assert_eq!(evidence, format!("/run/tmpfiles.d/solobot-test.conf: {line}"));
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
        let output = test.solobot("doctor --json main").env("BOT_TOKEN", &secret).run().code(1).nowhere(&secret);
        let seen = output.json();
        let found = finding(&seen, "deploy-overlap");
        assert_eq!(level_and_pids(found), ("error", vec![old, new]));
        assert_eq!(found["command"], "solobot kill-duplicates --keep newest main");
        mend(test, found).code(0).stdout_has(&[]).stderr_has(&[]);
        assert!(alive(new) && !alive(old));
    });
}

#[test]
fn nothing_configured_means_every_likely_bot() {
    alone(|test| {
        test.solobot("doctor").run().code(0).stdout_has(&["looked for processes with a bot's token", "no findings"]);
        test.bot("app/bot.py");
        let secret = token();
        let start = || {
            let mut command = test.command("python3 app/bot.py --say up");
            command.env("BOT_TOKEN", &secret);
            at_work(test.start_command(command))
        };
        let (_one, first) = start();
        let (_two, second) = start();
        let output = test.solobot("doctor --json").run().code(1).nowhere(&secret);
        let seen = output.json();
        let found = finding(&seen, "duplicate-instances");
        assert_eq!(level_and_pids(found), ("error", vec![first, second]));
        mend(test, found).code(0).stdout_has(&[]).stderr_has(&[]);
        assert!(alive(first) && !alive(second));
    });
}

#[test]
fn the_fields_locks_are_looked_at_without_being_named() {
    alone(|test| {
        test.mount("tmpfs", "mode=1777", "/tmp");
        fs::write("/tmp/telegram_polling.lock", "2147483646").unwrap();
        test.write(".bot_instance.lock", "");
        let seen = diagnose(test, "", 0);
        assert_eq!(codes(&seen), ["stale-lock"]);
        assert_eq!(finding(&seen, "stale-lock")["command"], "solobot clean-stale /tmp/telegram_polling.lock");
        let looked: Vec<&str> =
            seen["bots"].as_array().unwrap().iter().map(|bot| bot["locks"][0]["path"].as_str().unwrap()).collect();
        assert_eq!(looked, [&test.name(".bot_instance.lock"), "/tmp/telegram_polling.lock"]);
    });
}

#[test]
fn what_cannot_be_seen_is_said() {
    alone(|test| {
        test.bot("bot.py");
        let mut command = test.command("python3 bot.py --say up");
        command.env("BOT_TOKEN", token());
        let (_bot, _) = at_work(test.start_command(command));
        // Another user cannot read whose token it is.
        test.solobot_as(65534, "doctor").stdout_has(&["not seen: ", "sudo would show more"]).settled();
        fs::create_dir(test.path("bot.lock")).unwrap();
        test.solobot("doctor -l bot.lock")
            .run()
            .code(0)
            .stdout_has(&["not seen: the state of lock", "no findings in what could be seen"]);
    });
}

#[test]
fn a_vanishing_bot_does_no_harm() {
    alone(|test| {
        test.bot("bot.py");
        let (mut bot, pid) = by_hand(test, 1);
        let doctor = test.solobot("doctor --json -m bot.py").start();
        send(pid, crate::harness::Signal::KILL);
        wait_until("it has ended", || bot.has_ended());
        doctor.finish().settled();
    });
}

#[test]
fn every_code_is_explained() {
    alone(|test| {
        // A broken file is when an explanation is wanted.
        test.write("solobot.toml", "broken");
        for code in solobot::doctor::Code::ALL {
            let word = code.word();
            test.solobot(&format!("doctor --explain {word}")).run().code(0).stdout_has(&[
                word,
                "cause",
                "to be sure",
                "to mend",
            ]);
        }
        let json = test.solobot("doctor --json --explain stale-lock").run().code(0).json();
        assert_eq!(json["code"], "stale-lock");
        assert!(json["cause"].is_string() && json["check"].is_string() && json["mend"].is_string(), "{json}");
        test.solobot("doctor --explain stale-lok").run().code(2).stderr_has(&["`stale-lock`"]);
        test.solobot("doctor main").run().code(78).stderr_has(&["solobot.toml"]);
    });
}

#[test]
fn an_unknown_bot_is_wrong_usage() {
    alone(|test| {
        test.solobot("doctor nobody").run().code(2).stderr_has(&["nobody"]);
    });
}
