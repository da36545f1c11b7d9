//! `acquire -- COMMAND`: the lock, COMMAND, and what becomes of both.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::harness::{Signal, alive, alone, holds_descriptor, token, wait_until};
use crate::holding::{Holding, holding, holding_with};

/// What a start needs of the program's code, a wait does not: for COMMAND's end, for the lock, or as a keeper.
#[test]
fn whoever_only_waits_has_given_back_most_of_what_the_start_took() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        let holder = test.solobot("acquire -l bot.lock -- tail -f /dev/null").start();
        wait_until("solobot holds", || test.is_locked("bot.lock"));
        let mut waiter = test.solobot("acquire -w forever -l bot.lock -- true").start();
        test.solobot(&format!("acquire --pid {} -l kept.lock", kept.pid())).run().code(0);
        let keeper: i32 = test.read("kept.lock").parse().unwrap();
        let memory = |pid: i32, which: &str| -> u64 {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        // What it says from time to time takes memory each time.
        waiter.wait_for_stderr("still waiting for the lock, 5s");
        for (who, pid) in [("the holder", holder.pid()), ("the waiter", waiter.pid()), ("the keeper", keeper)] {
            wait_until(who, || memory(pid, "VmRSS:") * 2 < memory(pid, "VmHWM:"));
        }
    });
}

#[test]
fn passes_output_and_exit_code_on() {
    alone(|test| {
        test.solobot("acquire -l bot.lock -- sh -c 'echo out; echo err >&2; exit 7'")
            .run()
            .code(7)
            .stdout_is("out\n")
            .stderr_has(&["err\n"]);
        test.solobot("acquire -l bot.lock -- true").run().code(0);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn dies_of_the_signal_that_its_command_died_of() {
    alone(|test| {
        for (name, signal) in [("TERM", Signal::TERM), ("KILL", Signal::KILL), ("SEGV", Signal::SEGV)] {
            test.solobot(&format!("acquire -l bot.lock -- sh -c 'kill -{name} $$'")).run().signal(signal);
        }
    });
}

#[test]
fn command_missing_or_not_executable() {
    alone(|test| {
        test.write("no-program.txt", "not a program");
        for mode in ["", "-F"] {
            let line = format!("acquire {mode} -l bot.lock -- no-such-command");
            test.solobot(&line).run().code(127).stderr_has(&["no-such-command"]);
            let line = format!("acquire {mode} -l bot.lock -- ./no-program.txt");
            test.solobot(&line).run().code(126).stderr_has(&["no-program.txt"]);
            assert!(!test.is_locked("bot.lock"), "the lock is given back ({mode})");
            assert_eq!(test.read("bot.lock"), "", "and its text cleared ({mode})");
            assert!(!test.has("bot.lock.info"), "and its record removed ({mode})");
        }
    });
}

#[test]
fn a_second_start_is_refused_and_told_by_whom() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        test.solobot("acquire -n -l bot.lock -- python3 bot.py").run().code(75).stderr_has(&[
            &test.name("bot.lock"),
            &bot.to_string(),
            "bot.py",
        ]);
        assert!(alive(bot), "a refusal harms nobody");
        drop(solobot);
    });
}

#[test]
fn a_holder_whose_lock_was_taken_by_a_program_that_has_ended_is_named() {
    alone(|test| {
        // /proc/locks names flock(1), which is dead; only its fdinfo shows who shares the descriptor.
        let script = "exec 9>bot.lock; flock 9; touch up; exec tail -f /dev/null";
        let holder = test.start(&format!("sh -c '{script}'"));
        wait_until("it holds", || test.has("up"));
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&format!("PID {}", holder.pid())]);
    });
}

#[test]
fn the_code_of_a_refusal_can_be_chosen_and_its_words_left_out() {
    alone(|test| {
        let _holding = holding(test);
        test.solobot("acquire -q -n -E 9 -l bot.lock -- true").run().code(9);
        test.solobot("acquire -q -n -l bot.lock -- true").run().code(75);
        test.solobot("acquire -q -w 0.2 -l bot.lock -- true").run().code(75);
    });
}

#[test]
fn a_wait_ends_at_its_deadline() {
    alone(|test| {
        let _holding = holding(test);
        let start = Instant::now();
        let refused = test.solobot("acquire -w 1.5 -l bot.lock -- true").run().code(75).stderr_has(&["bot.lock"]);
        for hint in ["to stop it: ", "to wait until it ends: solobot acquire --wait forever -l bot.lock -- true\n"] {
            assert_eq!(refused.stderr().matches(hint).count(), 1, "each hint once: {}", refused.stderr());
        }
        assert!(start.elapsed() >= Duration::from_millis(1500), "it waited {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(20), "it waited {:?}", start.elapsed());
    });
}

#[test]
fn a_wait_ends_with_the_lock() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        let mut second = test.solobot("acquire -w forever -l bot.lock -- python3 bot.py --pid-file second.pid").start();
        second.wait_for_stderr(&bot.to_string());
        assert!(!test.has("second.pid"), "two bots ran");
        solobot.signal(Signal::TERM);
        let second_bot = test.wait_for_pid("second.pid");
        assert!(!alive(bot));
        assert_eq!(test.read("bot.lock"), second_bot.to_string());
        solobot.finish().code(0);
        second.signal(Signal::TERM);
        second.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn waiting_says_after_a_second_that_it_still_waits() {
    alone(|test| {
        let _holding = holding(test);
        let mut second = test.solobot("acquire -w forever -l bot.lock -- true").start();
        second.wait_for_stderr("bot.lock");
        let first = second.stderr().lines().count();
        wait_until("a line of progress", || second.stderr().lines().count() > first);
        second.signal(Signal::TERM);
        second.finish().signal(Signal::TERM).stderr_has(&[]);
        assert!(test.is_locked("bot.lock"));
    });
}

#[test]
fn text_and_record_while_held_and_after() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        assert_eq!(test.read("bot.lock"), bot.to_string(), "the PID of COMMAND, no newline");
        let record = test.record("bot.lock");
        let text = test.read("bot.lock.info");
        let position = |key: &str| text.find(&format!("\"{key}\"")).unwrap_or_else(|| panic!("no {key} in {text}"));
        assert!(position("pid") < position("timestamp") && position("timestamp") < position("app_name"));
        for key in ["schema", "generation", "acquired_at", "host", "boot_id", "pid_namespace", "uid", "holder_pid"] {
            assert!(position("app_name") < position(key), "{key}: layout B's fields come first");
        }
        assert_eq!(record["pid"], bot);
        assert_eq!(record["holder_pid"], solobot.pid());
        assert_eq!(record["start_ticks"], crate::harness::start_ticks(bot).unwrap());
        assert_eq!(record["holder_start_ticks"], crate::harness::start_ticks(solobot.pid()).unwrap());
        assert_eq!(record["app_name"], "bot.py");
        assert_eq!(record["inode"], test.inode("bot.lock"));
        assert!(record["timestamp"].is_f64(), "{record}");
        assert_eq!(record["boot_id"], fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim_end());
        assert_eq!(test.path("bot.lock").metadata().unwrap().mode() & 0o777, 0o644);

        let inode = test.inode("bot.lock");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        assert_eq!(test.read("bot.lock"), "", "released: the text is truncated");
        assert!(!test.has("bot.lock.info"), "released: the record is removed");
        assert_eq!(test.inode("bot.lock"), inode, "released: never unlinked");
    });
}

#[test]
fn a_token_in_the_command_line_is_masked_everywhere() {
    alone(|test| {
        let token = token();
        let Holding { solobot, .. } = holding_with(test, "", &format!("--until {token}"));
        assert!(!test.read("bot.lock.info").contains(&token), "masked in the owner record");
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&["bot.py"]).nowhere(&token);
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["bot.lock"]).nowhere(&token);
        test.solobot("status --json -l bot.lock").run().code(0).stdout_has(&["bot.lock"]).nowhere(&token);
        drop(solobot);
    });
}

#[test]
fn a_text_that_was_emptied_comes_back() {
    alone(|test| {
        let Holding { bot, .. } = &holding(test);
        test.write("bot.lock", "");
        wait_until("the text is back", || test.read("bot.lock") == bot.to_string());
    });
}

#[test]
fn a_lock_that_was_unlinked_is_made_and_held_anew() {
    alone(|test| {
        let Holding { bot, .. } = &holding(test);
        let inode = test.inode("bot.lock");
        fs::remove_file(test.path("bot.lock")).unwrap();
        wait_until("the lock exists again and is held", || test.has("bot.lock") && test.is_locked("bot.lock"));
        wait_until("the text is there", || test.read("bot.lock") == bot.to_string());
        assert_ne!(test.inode("bot.lock"), inode);
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&["bot.py"]);
    });
}

#[test]
fn what_the_child_gets() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "", "--env-file env.json");
        let env: serde_json::Value = serde_json::from_str(&test.read("env.json")).unwrap();
        assert_eq!(env["SKIP_TELEGRAM_LOCK"], "1");
        assert_eq!(env["SOLOBOT_LOCK"], test.name("bot.lock"));
        assert_eq!(env["SOLOBOT_HOLDER_PID"], solobot.pid().to_string());
        let fd: i32 = env["SOLOBOT_LOCK_FD"].as_str().unwrap().parse().unwrap();
        assert!(fd >= 64, "descriptor {fd}");
        assert_eq!(fs::read_link(format!("/proc/{bot}/fd/{fd}")).unwrap(), test.path("bot.lock"));
        // What the caller had open is passed on, nothing else leaks into the bot.
        let open = |pid: i32| -> Vec<i32> {
            let listing = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            let mut open: Vec<i32> =
                listing.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
            open.sort_unstable();
            open
        };
        let plain = test.by_hand("bot.py", "--pid-file plain.pid");
        test.wait_for_pid("plain.pid");
        let with_lock: Vec<i32> = open(bot).into_iter().filter(|&open| open != fd).collect();
        assert_eq!(with_lock, open(plain.pid()));
        let status = fs::read_to_string(format!("/proc/{bot}/status")).unwrap();
        let blocked = status.lines().find(|line| line.starts_with("SigBlk:")).unwrap();
        assert!(blocked.ends_with("0000000000000000"), "the signal mask is restored: {blocked}");
    });
}

#[test]
fn sigpipe_ends_command_as_it_would_without_solobot() {
    alone(|test| {
        for mode in ["", "-F"] {
            let line = format!("acquire {mode} -l bot.lock -- grep SigIgn /proc/self/status");
            let output = test.solobot(&line).run().code(0);
            let mask = u64::from_str_radix(output.stdout().split_whitespace().last().unwrap(), 16).unwrap();
            assert_eq!(mask & (1 << 12), 0, "SIGPIPE is ignored in COMMAND ({mode})");
        }
    });
}

#[test]
fn limits_are_the_callers() {
    alone(|test| {
        let line = format!(
            "sh -c 'ulimit -Sn 200; exec {} acquire -l bot.lock -- sh -c \"ulimit -Sn\"'",
            env!("CARGO_BIN_EXE_solobot")
        );
        test.run(&line).code(0).stdout_is("200\n");
    });
}

#[test]
fn no_skip_env_leaves_the_variable_out() {
    alone(|test| {
        test.solobot("acquire --no-skip-env -l bot.lock -- sh -c 'echo \"[$SKIP_TELEGRAM_LOCK]\"'")
            .run()
            .code(0)
            .stdout_is("[]\n");
    });
}

#[test]
fn a_nested_acquire_of_the_same_lock_takes_none_and_runs() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        test.solobot(&format!("acquire -l bot.lock -- {exe} acquire -n -l bot.lock -- echo ran"))
            .run()
            .code(0)
            .stdout_is("ran\n");
        // Through a shell, so that the variable and not the parent tells.
        test.solobot(&format!("acquire -l bot.lock -- sh -c '{exe} acquire -n -l bot.lock -- echo ran; true'"))
            .run()
            .code(0)
            .stdout_is("ran\n");
    });
}

#[test]
fn a_leaked_skip_variable_is_seen_through() {
    alone(|test| {
        test.solobot("acquire -l bot.lock -- cat bot.lock")
            .env("SKIP_TELEGRAM_LOCK", "1")
            .run()
            .code(0)
            .stdout_has(&[])
            .stderr_has(&["SKIP_TELEGRAM_LOCK"]);
        let Holding { bot, .. } = &holding(test);
        test.solobot("acquire -n -l bot.lock -- true")
            .env("SKIP_TELEGRAM_LOCK", "1")
            .run()
            .code(75)
            .stderr_has(&["SKIP_TELEGRAM_LOCK", &bot.to_string()]);
        // Anything but exactly 1 means nothing.
        test.solobot("acquire -n -l other.lock -- true").env("SKIP_TELEGRAM_LOCK", "true").run().code(0);
    });
}

#[test]
fn no_fork_becomes_the_command() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "-F", "--env-file env.json");
        assert_eq!(bot, solobot.pid());
        assert!(test.is_locked("bot.lock"));
        assert_eq!(test.read("bot.lock"), bot.to_string());
        assert_eq!(test.record("bot.lock")["holder_pid"], bot);
        let env: serde_json::Value = serde_json::from_str(&test.read("env.json")).unwrap();
        assert_eq!(env["SOLOBOT_HOLDER_PID"], bot.to_string());
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&bot.to_string()]);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        assert!(!test.is_locked("bot.lock"));
        // Nobody was left to tidy up: the record is stale, and the next start does not mind.
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        assert!(!test.has("bot.lock.info"));
    });
}

#[test]
fn close_keeps_the_descriptor_from_the_command() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "-o", "");
        assert!(!holds_descriptor(bot, &test.path("bot.lock")));
        assert!(test.is_locked("bot.lock"));
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn modes_that_exclude_each_other() {
    alone(|test| {
        for modes in ["-F -o", "-F --restart always", "-F --pid 1", "--fd 9 --pid 7", "-n -w 3", "-F --handover"] {
            test.solobot(&format!("acquire {modes} -l bot.lock -- true")).run().code(2).stderr_has(&["cannot be used"]);
        }
        assert!(!test.has("bot.lock"));
    });
}

#[test]
fn no_command_is_told_the_four_forms() {
    alone(|test| {
        test.solobot("acquire -l bot.lock").run().code(2).stderr_has(&["-- COMMAND", "-F", "--fd", "--pid"]);
        assert!(!test.has("bot.lock"));
    });
}

#[test]
fn a_forgotten_separator_and_flocks_c_are_explained() {
    alone(|test| {
        test.bot("main.py");
        test.solobot("acquire python main.py").run().code(2).stderr_has(&["--"]);
        test.solobot("acquire -l bot.lock -c 'echo hi'").run().code(2).stderr_has(&["-- "]);
        test.solobot("acquire main.py").run().code(2).stderr_has(&["-m"]);
        assert!(!test.has("bot.lock"));
    });
}

#[test]
fn optional_values_need_an_equals_sign() {
    alone(|test| {
        test.solobot("status --watch 5").run().code(2).stderr_has(&["--watch=5"]);
        test.solobot("acquire --takeover orphan -l bot.lock -- true").run().code(2).stderr_has(&["--takeover=orphan"]);
    });
}

#[test]
fn a_number_after_the_wait_that_is_none() {
    alone(|test| {
        test.solobot("acquire -w soon -l bot.lock -- true").run().code(2).stderr_has(&["soon", "forever"]);
    });
}

#[test]
fn the_default_lock_is_the_scripts_not_the_callers() {
    alone(|test| {
        test.bot("app/main.py");
        fs::create_dir(test.path("elsewhere")).unwrap();
        let script = test.name("app/main.py");
        let first = test.solobot(&format!("acquire -- python3 {script} --pid-file bot.pid")).in_dir("elsewhere");
        let first = first.start();
        wait_until("the bot runs", || test.has("elsewhere/bot.pid"));
        assert!(test.is_locked("app/.solobot.lock"));
        test.solobot("acquire -n -- python3 main.py").in_dir("app").run().code(75).stderr_has(&["main.py"]);
        test.solobot("acquire -n -- python3 -m main").in_dir("app").run().code(75).stderr_has(&["main.py"]);
        drop(first);
    });
}

#[test]
fn another_program_on_the_shared_default_lock_is_offered_its_own() {
    alone(|test| {
        test.bot("main.py");
        test.bot("other.py");
        let first = test.solobot("acquire -- python3 main.py --pid-file bot.pid").start();
        test.wait_for_pid("bot.pid");
        test.solobot("acquire -n -- python3 other.py").run().code(75).stderr_has(&["main.py", "--lock .solobot-"]);
        drop(first);
    });
}
