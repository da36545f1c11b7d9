//! `acquire --pid`: a keeper holds the lock for another process.

use std::time::{Duration, Instant};

use crate::harness::{Signal, alive, alone, holds_for, send, wait_until, words};
use crate::holding::holding;
use crate::scenes::instances;

#[test]
fn the_lock_is_free_at_once_when_the_process_ends() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
        assert!(test.is_locked("bot.lock"), "acquire returns once the keeper is ready");
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        assert!(alive(keeper) && keeper != kept.pid(), "the text is the keeper's PID");
        let record = test.record("bot.lock");
        assert_eq!(record["holder_pid"], keeper);
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&kept.pid().to_string()]);
        test.solobot("status -l bot.lock").run().code(0).stdout_has(&["held", &kept.pid().to_string()]);
        kept.kill();
        let start = Instant::now();
        wait_until("free", || !test.is_locked("bot.lock"));
        assert!(start.elapsed() < Duration::from_secs(1), "at once, not after {:?}", start.elapsed());
        wait_until("the keeper has ended", || !alive(keeper));
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"));
    });
}

#[test]
fn who_it_keeps_for_runs_under_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let older = test.by_hand("bot.py", "--pid-file older.pid");
        test.wait_for_pid("older.pid");
        let kept = test.by_hand("bot.py", "--pid-file kept.pid");
        let pid = test.wait_for_pid("kept.pid");
        test.solobot(&format!("acquire --pid {pid} --lock-only -l bot.lock")).run().code(0);
        let bot = "-m bot.py -l bot.lock";
        let seen = instances(test, bot);
        let lock_of = |pid| &seen.iter().find(|one| one["pid"] == pid).unwrap()["lock"];
        assert_eq!((lock_of(pid), lock_of(older.pid())), (&"covered".into(), &"unlocked".into()));
        let plan = test.solobot(&format!("kill-duplicates --dry-run --json {bot}")).run().code(1).json();
        assert_eq!((&plan["plan"][0]["pid"], &plan["plan"][0]["action"]), (&pid.into(), &"keep".into()), "{plan}");
        older.kill();
        wait_until("one is left", || instances(test, bot).len() == 1);
        test.solobot(&format!("check --running {bot}")).run().code(0).stdout_has(&["healthy"]);
        let likely = test.solobot("status --json").run().code(0).json();
        let seen: Vec<_> = likely["bots"].as_array().unwrap().iter().map(|bot| &bot["instances"][0]).collect();
        assert!(seen.iter().any(|one| one["pid"] == pid && one["lock"] == "covered"), "{likely}");
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        let stopped = test.solobot("stop -l bot.lock").run().code(0);
        let _ = stopped.stdout_has(&[&format!("PID {pid} terminated")]).nowhere("keeper");
        wait_until("the keeper has ended", || !alive(keeper) && !test.is_locked("bot.lock"));
        drop(kept);
    });
}

#[test]
fn a_killed_keeper_frees_the_lock_and_leaves_it_stale() {
    alone(|test| {
        let mut kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        send(keeper, Signal::KILL);
        // The lock goes before the process does: for a moment it still lives, without the lock.
        wait_until("dead and free", || !alive(keeper) && !test.is_locked("bot.lock"));
        assert!(!kept.has_ended());
        let json = test.solobot("status --json -l bot.lock").run().code(0).json();
        assert_eq!(json["bots"][0]["lock"]["state"], "stale", "{json}");
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn a_keeper_killed_before_it_holds_the_lock_is_no_bug() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        // It leaves the session first of all.
        for (options, code) in [("", 75), ("-E 9", 9)] {
            let mut command = test.command("strace -f -qq -o trace -e trace=setsid -e inject=setsid:signal=KILL");
            command.arg(env!("CARGO_BIN_EXE_solobot"));
            command.args(words(&format!("acquire {options} --pid {} -l bot.lock", kept.pid())));
            let output = test.start_command(command).finish().code(code);
            let _ =
                output.stderr_has(&["keeper was stopped before it held lock", &test.name("bot.lock")]).nowhere("bug");
            assert!(!test.is_locked("bot.lock"));
        }
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
    });
}

#[test]
fn a_process_that_is_gone_already() {
    alone(|test| {
        let gone = test.start("true");
        let pid = gone.pid();
        gone.finish().code(0);
        test.solobot(&format!("acquire --pid {pid} -l bot.lock")).run().code(2).stderr_has(&[&pid.to_string()]);
        assert!(!test.is_locked("bot.lock"));
        assert!(!test.has("bot.lock.info"));
    });
}

#[test]
fn pids_that_cannot_be_kept() {
    alone(|test| {
        for pid in ["0", "-1", "1", "2147483647", "99999999999"] {
            test.solobot(&format!("acquire --pid={pid} -l bot.lock")).run().code(2).stderr_has(&[pid]);
        }
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_held_lock_is_not_kept_for_a_second_one() {
    alone(|test| {
        let holder = holding(test);
        let other = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire -n --pid {} -l bot.lock", other.pid()))
            .run()
            .code(75)
            .stderr_has(&[&holder.bot.to_string()]);
        assert!(crate::harness::children(1).iter().all(|&pid| pid != other.pid()));
    });
}

#[test]
fn a_command_substitution_does_not_hang() {
    alone(|test| {
        // A keeper that kept the pipe open would hang the shell until its own end, which it waits for.
        let exe = env!("CARGO_BIN_EXE_solobot");
        let script = format!(
            "out=$({exe} acquire --pid $$ -l bot.lock); echo \"code $? [$out]\"; \
                              flock -n bot.lock true; echo $?"
        );
        test.start(&format!("sh -c '{script}'"))
            .finish_within(Duration::from_secs(20))
            .code(0)
            .stdout_is("code 0 []\n1\n");
        wait_until("free once the shell has ended", || !test.is_locked("bot.lock"));
    });
}

#[test]
fn the_keeper_is_out_of_the_sessions_way() {
    alone(|test| {
        // A hang-up and Ctrl-C of the caller's terminal concern the kept process, not the keeper.
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{keeper}/stat")).unwrap();
        let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
        assert_eq!(session, keeper.to_string(), "a session of its own");
        let folder = std::fs::read_link(format!("/proc/{keeper}/cwd")).unwrap();
        assert_eq!(folder, std::path::Path::new("/"), "it keeps no folder busy");
        for stream in 0..3 {
            let target = std::fs::read_link(format!("/proc/{keeper}/fd/{stream}")).unwrap();
            assert_eq!(target, std::path::Path::new("/dev/null"));
        }
    });
}

#[test]
fn the_keeper_sleeps() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        let switches = || crate::harness::thread_stat(keeper, "voluntary_ctxt_switches");
        let before = switches();
        let start = Instant::now();
        holds_for(Duration::from_secs(3), "the keeper keeps", || alive(keeper));
        let (woken, seconds) = (switches() - before, start.elapsed().as_secs_f64());
        // Once a second, and a wake-up is a switch or two; the limit only tells sleeping from polling.
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let rate = woken as f64 / seconds;
        assert!(rate < 5.0, "{woken} wake-ups in {seconds} s");
    });
}

#[test]
fn the_keeper_keeps_nothing_else_of_its_caller() {
    alone(|test| {
        // A pipe under another number, as `3>&1` makes one, and the descriptor of another lock.
        let kept = test.start("tail -f /dev/null");
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!("{exe} acquire --pid {} -l bot.lock 3>&1 8<>other.lock", kept.pid());
        test.start(&format!("sh -c 'out=$({line}); echo \"[$out]\"'"))
            .finish_within(Duration::from_secs(20))
            .code(0)
            .stdout_is("[]\n");
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        let open = std::fs::read_dir(format!("/proc/{keeper}/fd")).unwrap();
        let open: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect();
        assert!(!open.contains(&test.path("other.lock")), "{open:?}");
    });
}

#[test]
fn a_keeper_that_took_over_is_not_taken_over_from() {
    alone(|test| {
        let [first, second, third] = [(); 3].map(|()| test.start("tail -f /dev/null"));
        let line = |kept: i32, options: &str| format!("acquire {options} --pid {kept} -l bot.lock");
        test.solobot(&line(first.pid(), "")).run().code(0);
        let token = crate::harness::token();
        let taking = test.solobot(&line(second.pid(), "--takeover --token-env T")).env("T", &token);
        taking.run().code(0).stderr_has(&[&first.pid().to_string()]);
        let record = test.record("bot.lock");
        assert_eq!(record["took_over"], true, "{record}");
        assert!(record["token_fingerprint"].is_string(), "{record}");
        test.solobot(&line(third.pid(), "--takeover")).run().code(75).stderr_has(&[
            "itself took over the lock",
            "solobot stop --lock",
            "solobot status",
        ]);
        assert!(alive(second.pid()));
    });
}

#[test]
fn a_lock_that_may_only_be_read_is_kept_too() {
    alone(|test| {
        test.write("bot.lock", "");
        let kept = test.start("setpriv --reuid=65534 --regid=65534 --clear-groups tail -f /dev/null");
        let output = test.solobot_as(65534, &format!("acquire -n --pid {} -l bot.lock", kept.pid()));
        output.code(0).stderr_has(&["its PID was not recorded"]);
        assert!(test.is_locked("bot.lock"));
    });
}

#[test]
fn a_thread_cannot_be_kept() {
    alone(|test| {
        let script = "import threading; t = threading.Thread(target=threading.Event().wait); t.start(); \
                      open('tid', 'w').write(str(t.native_id))";
        let mut command = test.command("python3 -c");
        command.arg(script);
        let _process = test.start_command(command);
        let thread = test.wait_for_pid("tid");
        test.solobot(&format!("acquire --pid {thread} -l bot.lock")).run().code(2).stderr_has(&[&thread.to_string()]);
    });
}
