//! Instances that run without the lock: they count as holders.

use std::fs;
use std::time::Duration;

use crate::harness::{Signal, alive, alone, holds_for, send, wait_until};

#[test]
fn a_bot_started_by_hand_is_a_holder_too() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid");
        test.solobot("acquire -n -l bot.lock -- python3 bot.py")
            .run()
            .code(75)
            .stderr_has(&[&pid.to_string(), "bot.py"]);
        assert!(!test.is_locked("bot.lock"), "refused: the lock is given back");
        assert_eq!(test.read("bot.lock"), "");
        // The same with a wait that is too short, and without the scan.
        test.solobot("acquire -w 0.3 -l bot.lock -- python3 bot.py").run().code(75).stderr_has(&[&pid.to_string()]);
        let until = |line: &str| test.solobot(line).env("BOT_OPTIONS", "--until hand.pid");
        until("acquire -n --lock-only -l bot.lock -- python3 bot.py").run().code(0);
        // A program that is no script is not looked for.
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);

        let mut second = until("acquire -l bot.lock -- python3 bot.py").start();
        second.wait_for_stderr(&pid.to_string());
        holds_for(Duration::from_millis(300), "it waits for the one started by hand", || !second.has_ended());
        by_hand.signal(Signal::TERM);
        by_hand.finish().code(0);
        second.finish().code(0).stderr_has(&[]);
    });
}

/// Of layout B's lock only the flock counts: its record may be left over, and its PID another program's by now.
#[test]
fn whom_the_record_of_layout_b_names_is_no_holder_without_the_flock() {
    alone(|test| {
        test.bot("bot.py");
        let other = test.start("tail -f /dev/null");
        test.write(".bot_instance.lock", "");
        let now = jiff::Timestamp::now().as_second();
        let record = format!("{{\"pid\": {}, \"timestamp\": {now}.5, \"app_name\": \"bot\"}}", other.pid());
        test.write(".bot_instance.lock.info", record);
        test.solobot("acquire -n -m bot.py -- touch ran").run().code(0);
        assert!(test.has("ran"));
    });
}

#[test]
fn one_started_by_hand_during_the_wait_is_found_after_it() {
    alone(|test| {
        test.bot("bot.py");
        let locker = test.start("flock bot.lock tail -f /dev/null");
        wait_until("flock(1) holds", || test.is_locked("bot.lock"));
        // A process that was there when solobot looked ahead, and becomes the bot afterwards.
        fs::write(test.path("late.sh"), "read line < go\nBOT_OPTIONS=\"--pid-file hand.pid\" exec python3 bot.py\n")
            .unwrap();
        test.run("mkfifo go").code(0);
        let late = test.start("sh late.sh");
        let mut waiting = test.solobot("acquire -w 60 -l bot.lock -- python3 bot.py").start();
        // It looks ahead before it says this for the first time.
        waiting.wait_for_stderr("still waiting for the lock");
        fs::write(test.path("go"), "\n").unwrap();
        let pid = test.wait_for_pid("hand.pid");
        assert_eq!(pid, late.pid());
        locker.kill();
        waiting.wait_for_stderr(&format!("PID {pid}: python3 bot.py"));
        holds_for(Duration::from_millis(300), "it waits for the one started by hand", || {
            waiting.descendants().is_empty()
        });
        late.signal(Signal::TERM);
        wait_until("the bot runs", || !waiting.descendants().is_empty());
    });
}

/// For the kernel's list of locks all lockers stop. A waiter asks for it once, to say who holds the lock; and whoever got the lock
/// need not ask who holds it.
#[test]
fn the_kernel_is_not_asked_for_all_locks_again_and_again() {
    alone(|test| {
        test.bot("bot.py");
        test.write("bot.lock", "");
        let line = "strace -f -qq -o trace -e trace=openat,open";
        let asked = || test.read("trace").matches("\"/proc/locks\"").count();
        let acquire = |options: &str| format!("{line} {} acquire {options} -l bot.lock", env!("CARGO_BIN_EXE_solobot"));
        test.run(&format!("{} -m bot.py -- true", acquire("-n"))).code(0);
        assert!(test.read("trace").contains("\"bot.lock\"") && asked() == 0, "{}", test.read("trace"));

        // The one that waits finds the bot that holds the lock.
        let holder = test.start("flock bot.lock python3 bot.py");
        wait_until("flock(1) holds", || test.is_locked("bot.lock"));
        let mut waiting = test.start(&format!("{} -- python3 bot.py", acquire("-w 60")));
        waiting.wait_for_stderr("still waiting for the lock, 1s");
        let before = asked();
        waiting.wait_for_stderr("still waiting for the lock, 5s");
        assert!(before > 0 && asked() == before, "{before} times, then {} times", asked());
        drop(waiting);
        drop(holder);
    });
}

#[test]
fn a_lock_removed_while_a_bot_started_by_hand_is_waited_for() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid").to_string();
        let start = |names: &str| {
            let mut solobot = test.solobot("acquire -w forever -- python3 bot.py").start();
            solobot.wait_for_stderr(&format!("PID {names}"));
            solobot
        };
        let first = start(&pid);
        fs::remove_file(test.path(".solobot.lock")).unwrap();
        // The first one holds the deleted file, and was there before.
        let second = start(&first.pid().to_string());
        by_hand.signal(Signal::TERM);
        by_hand.finish().code(0);
        let bots = || first.descendants().len() + second.descendants().len();
        wait_until("one of them runs the bot", || bots() > 0);
        holds_for(Duration::from_secs(2), "one bot alone", || bots() == 1);
    });
}

#[test]
fn another_folders_bot_of_that_name_is_another_bot() {
    alone(|test| {
        test.bot("one/main.py");
        test.bot("two/main.py");
        let one = test.start("python3 one/main.py --pid-file one.pid");
        test.wait_for_pid("one.pid");
        test.solobot("acquire -n -- python3 two/main.py --until one.pid").run().code(0);
        drop(one);
    });
}

#[test]
fn decoys_are_no_bots() {
    alone(|test| {
        test.bot("bot.py");
        test.write("domain.py", "");
        let _tail = test.start("tail -f domain.py bot.py");
        let _shell = test.start("sh -c 'tail -f /dev/null; :' bot.py");
        test.write("up", "");
        test.solobot("acquire -n -- python3 bot.py --until up").run().code(0);
    });
}

#[test]
fn the_holder_of_a_removed_file_is_a_holder_still() {
    alone(|test| {
        // Nobody tends the file for a bot that solobot has become.
        let holder = test.solobot("acquire -F -l bot.lock -- sleep 600").start();
        wait_until("it is COMMAND", || test.has("bot.lock.info") && command_of(holder.pid()).starts_with("sleep"));
        fs::remove_file(test.path("bot.lock")).unwrap();
        for option in ["", "--lock-only"] {
            let second = test.solobot(&format!("acquire -n {option} -l bot.lock -- touch ran")).run().code(75);
            let _ = second.stderr_has(&[&holder.pid().to_string()]);
        }
        assert!(!test.has("ran"));
        assert_eq!(test.read("bot.lock"), holder.pid().to_string(), "the next one is told whom to ask about");
        let waiting = test.solobot("acquire -w forever -l bot.lock -- touch ran").start();
        wait_until("it waits", || waiting.stderr().contains(&holder.pid().to_string()));
        holder.kill();
        waiting.finish().code(0).stderr_has(&[]);
        assert!(test.has("ran"));
    });
}

#[test]
fn a_contender_in_the_place_of_a_removed_file_is_not_thrown_out() {
    alone(|test| {
        // A bot of layout A opens the file once and tries again every second: a file that acquire made and removed again
        // would leave it with one that nobody else can find.
        test.write("bot.lock", "");
        let holder = test.start("flock -F bot.lock sleep 600");
        wait_until("it is held", || test.is_locked("bot.lock"));
        fs::remove_file(test.path("bot.lock")).unwrap();
        let mut solobot = test.solobot("acquire --wait 2 --lock-only -l bot.lock -- touch ran").start();
        solobot.wait_for_stderr(&holder.pid().to_string());
        let inode = test.inode("bot.lock");
        solobot.finish().code(75).stderr_has(&[]);
        assert_eq!(test.inode("bot.lock"), inode);
        let again = test.solobot("acquire -n --lock-only -l bot.lock -- touch ran").run().code(75);
        let _ = again.stderr_has(&[&holder.pid().to_string()]);
        holder.kill();
        test.solobot("acquire -n --lock-only -l bot.lock -- touch ran").run().code(0);
        assert!(test.has("ran"));
    });
}

#[test]
fn a_bot_without_the_descriptor_outlives_its_solobot_as_a_holder() {
    alone(|test| {
        let solobot = test.solobot("acquire -o -l bot.lock -- sleep 600").start();
        let is_recorded = || solobot.descendants().first().is_some_and(|&bot| test.record("bot.lock")["pid"] == bot);
        wait_until("its record names the bot", || test.has("bot.lock.info") && is_recorded());
        let bot = solobot.descendants()[0];
        solobot.kill_alone();
        let second = test.solobot("acquire -n -l bot.lock -- touch ran").run().code(75);
        let _ = second.stderr_has(&[&bot.to_string()]);
        let again = test.solobot("acquire -n --if-held run -l bot.lock -- sh -c 'echo $SOLOBOT_POLLING'").run();
        again.code(0).stdout_is("0\n").stderr_has(&["polling is disabled"]);
        test.solobot("acquire --takeover -l bot.lock -- touch ran").run().code(0).stderr_has(&[&bot.to_string()]);
        assert!(test.has("ran") && !alive(bot));
    });
}

fn command_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

#[test]
fn what_starts_it_again_is_to_be_stopped_rather_than_a_pid() {
    alone(|test| {
        test.bot("bot.py");
        let looping = test.start("sh -c 'export BOT_OPTIONS=\"--pid-file bot.pid\"; while :; do python3 bot.py; done'");
        let bot = test.wait_for_pid("bot.pid");
        let refused = test.solobot("acquire -n -- python3 bot.py").run().code(75);
        let refused = refused.stderr_has(&["loop sh would start it again; to stop it for good: kill "]);
        let _ = refused.nowhere("to stop it: kill").nowhere("--takeover");
        // The bot has the loop's output: it ends first, and is not started again.
        looping.signal(Signal::STOP);
        send(bot, Signal::KILL);
        looping.kill();
    });
}
