//! solobot dies, the bot lives on: nobody else may start, and there is a way out.

use crate::harness::{Signal, alive, alone, send, wait_until};
use crate::holding::orphan;

#[test]
fn a_second_start_is_refused_names_the_bot_and_says_orphaned() {
    alone(|test| {
        let bot = orphan(test);
        test.solobot("acquire -n -l bot.lock -- python3 bot.py").run().code(75).stderr_has(&[
            &bot.to_string(),
            "orphaned",
            "--wait forever",
            "--takeover=orphan",
        ]);
        test.solobot("check -l bot.lock").run().code(1).stdout_has(&[&bot.to_string()]);
        assert!(alive(bot));
    });
}

#[test]
fn takeover_orphan_fixes_it() {
    alone(|test| {
        let bot = orphan(test);
        let second = "acquire --takeover=orphan -l bot.lock -- python3 bot.py --pid-file second.pid";
        let second = test.solobot(second).start();
        let other = test.wait_for_pid("second.pid");
        assert!(!alive(bot), "the orphan was stopped");
        assert_eq!(test.read("bot.lock"), other.to_string());
        second.signal(Signal::TERM);
        second.finish().code(0).stderr_has(&[&bot.to_string()]);
    });
}

#[test]
fn a_solobot_killed_as_soon_as_its_bot_runs() {
    alone(|test| {
        // By then COMMAND's PID is in the text and not yet in the record, which names solobot twice.
        let bot = orphan(test);
        let mut record = test.record("bot.lock");
        record["pid"] = record["holder_pid"].clone();
        record["start_ticks"] = record["holder_start_ticks"].clone();
        test.write("bot.lock.info", record.to_string());
        let taking = test.solobot("acquire --takeover=orphan -l bot.lock -- echo mine");
        taking.run().code(0).stdout_is("mine\n").stderr_has(&["taking over", &bot.to_string()]);
    });
}

#[test]
fn the_bots_death_frees_it_and_the_waiters_command_starts() {
    alone(|test| {
        let bot = orphan(test);
        let mut waiting = test.solobot("acquire -w forever -l bot.lock -- echo mine").start();
        waiting.wait_for_stderr(&bot.to_string());
        send(bot, Signal::KILL);
        waiting.finish().code(0).stdout_is("mine\n").stderr_has(&[]);
    });
}

#[test]
fn the_orphans_own_start_over_is_seen_through() {
    alone(|test| {
        // The orphan's environment says that the lock is held for it, by a holder that is dead.
        let bot = orphan(test);
        let env = std::fs::read(format!("/proc/{bot}/environ")).unwrap();
        assert!(String::from_utf8_lossy(&env).contains("SKIP_TELEGRAM_LOCK=1"));
        test.solobot("acquire -n -l bot.lock -- true")
            .env("SKIP_TELEGRAM_LOCK", "1")
            .run()
            .code(75)
            .stderr_has(&[&bot.to_string()]);
    });
}

#[test]
fn a_killed_waiter_takes_nothing_with_it() {
    alone(|test| {
        let holder = crate::holding::holding(test);
        let mut waiting = test.solobot("acquire -w forever -l bot.lock -- touch ran").start();
        waiting.wait_for_stderr("bot.lock");
        waiting.kill_alone();
        drop(holder);
        wait_until("free", || !test.is_locked("bot.lock"));
        assert!(!test.has("ran"));
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn solobot_and_the_bot_both_killed_leave_a_stale_lock_that_the_next_start_takes() {
    alone(|test| {
        crate::holding::stale(test);
        test.solobot("acquire -n -l bot.lock -- cat bot.lock").run().code(0).stdout_has(&[]);
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"));
    });
}

#[test]
fn a_bot_that_took_the_lock_itself_is_an_orphan_too_when_its_solobot_is_dead() {
    alone(|test| {
        let solobot = test.solobot("acquire --handover -l bot.lock -- flock -F bot.lock sleep 600").start();
        let name = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let sleeps = || solobot.descendants().into_iter().find(|&pid| name(pid) == "sleep\n");
        wait_until("the bot holds it", || sleeps().is_some() && test.is_locked("bot.lock"));
        let bot = sleeps().unwrap();
        let second = || test.solobot("acquire --takeover=orphan -w 1 -l bot.lock -- echo mine").run();
        let _ = second().code(75).stderr_has(&["not an orphan"]);
        solobot.kill_alone();
        let _ = test.solobot("status -l bot.lock").run().code(0).stdout_has(&["orphaned"]);
        let _ = second().code(0).stdout_is("mine\n").stderr_has(&["taking over", &bot.to_string()]);
        assert!(!alive(bot));
    });
}
