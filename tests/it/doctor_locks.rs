//! `doctor` on locks: instances without one, and locks that exclude nobody.

use std::fs;

use crate::doctor::{at_work, by_hand, codes, diagnose, finding, fix, level_and_pids};
use crate::harness::{alive, alone, wait_until};
use crate::holding::stale;

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
        fix(test, found).code(0).stdout_has(&["locks/other.lock: held by PID", &pid.to_string()]);
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
fn a_stale_lock_is_fixed_by_the_command_it_prints() {
    alone(|test| {
        let pid = stale(test);
        let seen = diagnose(test, "-l bot.lock", 0);
        assert_eq!(codes(&seen), ["stale-lock"]);
        let found = finding(&seen, "stale-lock");
        assert!(found["summary"].as_str().unwrap().contains(&pid.to_string()), "{found}");
        fix(test, found).code(0).stdout_has(&["cleaned"]);
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
        let found = finding(&seen, "pidfile-only");
        assert!(found["summary"].as_str().unwrap().contains("another program"), "{seen:#}");
        let remove = format!("if that is not your bot, remove the file: rm {}", test.name("bot.lock"));
        assert!(found["evidence"].as_array().unwrap().contains(&remove.into()), "{found}");
        fix(test, found).code(0).stdout_has(&["tail -f /dev/null"]);
    });
}

#[test]
fn an_fcntl_lock_excludes_no_flock() {
    alone(|test| {
        let script = "import fcntl, os, signal\nfile = open('bot.lock', 'a+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
                      print('up', flush=True)\nsignal.pause()\n";
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
        // A shell in the moment before, which holds a lock on purpose.
        let is_tail = || std::fs::read_to_string(format!("/proc/{helper}/comm")).is_ok_and(|name| name == "tail\n");
        wait_until("the helper runs", is_tail);
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
