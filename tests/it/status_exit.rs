//! `status --exit-code`: 0 exactly one and well, 3 none, 1 trouble, 77 cannot tell; of several bots the worst.

use std::fs;

use crate::harness::{Signal, Test, alone, send, wait_until};
use crate::holding::{Holding, holding, orphan, stale};

const BOT: &str = "-m bot.py -l bot.lock";

#[track_caller]
fn is(test: &Test, line: &str, code: i32) {
    let shown = test.solobot(&format!("status --exit-code {line}")).run().code(code).stdout_has(&["host"]);
    let _ = shown.stderr();
    // Without the option it is 0, and JSON has the same code.
    test.solobot(&format!("status {line}")).run().code(0).stdout_has(&["host"]);
    test.solobot(&format!("status --json --exit-code {line}")).run().code(code).json();
}

#[test]
fn none_one_and_several() {
    alone(|test| {
        test.bot("bot.py");
        is(test, BOT, 3);
        let Holding { solobot, bot } = holding(test);
        is(test, BOT, 0);
        fs::remove_file(test.path("bot.pid")).unwrap();
        let second = test.start("python3 bot.py --pid-file bot.pid");
        assert_eq!(test.wait_for_pid("bot.pid"), second.pid());
        is(test, BOT, 1);
        second.kill();
        is(test, BOT, 0);
        send(bot, Signal::STOP);
        wait_until("it is stopped", || crate::harness::is_stopped(bot));
        is(test, BOT, 1);
        send(bot, Signal::CONT);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        is(test, BOT, 3);
    });
}

#[test]
fn an_instance_without_its_lock() {
    alone(|test| {
        test.bot("bot.py");
        let _by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        test.wait_for_pid("hand.pid");
        // Nothing says that it has a lock.
        is(test, "-m bot.py", 0);
        is(test, BOT, 1);
    });
}

#[test]
fn what_is_left_of_a_lock() {
    alone(|test| {
        stale(test);
        is(test, BOT, 3);
        fs::remove_file(test.path("bot.lock")).unwrap();
        fs::create_dir(test.path("bot.lock")).unwrap();
        is(test, BOT, 1);
    });
}

#[test]
fn an_orphan_and_a_replaced_lock() {
    alone(|test| {
        orphan(test);
        is(test, BOT, 0);
        fs::rename(test.path("bot.lock"), test.path("old.lock")).unwrap();
        is(test, BOT, 1);
    });
}

#[test]
fn a_lock_alone() {
    alone(|test| {
        is(test, "-l bot.lock", 3);
        let _holder = test.start("flock bot.lock sh -c 'printf %s $$ >up; exec sleep 600'");
        test.wait_for_pid("up");
        is(test, "-l bot.lock", 0);
    });
}

#[test]
fn a_restart_that_is_waited_for_is_no_running_bot() {
    alone(|test| {
        test.bot("bot.py");
        let line = "acquire -q --restart always -l bot.lock -m bot.py -- sh -c 'echo >>runs; exit 3'";
        let solobot = test.solobot(line).start();
        wait_until("the run has ended", || test.has("runs") && solobot.descendants().is_empty());
        wait_until("the text is solobot's own", || test.read("bot.lock") == solobot.pid().to_string());
        is(test, BOT, 3);
    });
}

#[test]
fn of_several_bots_the_worst_counts() {
    alone(|test| {
        for name in ["one.py", "two.py", "three.py"] {
            test.bot(name);
        }
        let config = ["one", "two", "three"]
            .map(|name| format!("[bots.{name}]\nscript = \"{name}.py\"\nlock = \"{name}.lock\"\n"))
            .concat();
        test.write("solobot.toml", config);
        is(test, "", 3);
        let _one = test.solobot("acquire one -- python3 one.py --pid-file one.pid").start();
        test.wait_for_pid("one.pid");
        is(test, "one", 0);
        is(test, "", 3);
        let _two = test.by_hand("two.py", "--pid-file two.pid");
        test.wait_for_pid("two.pid");
        is(test, "one three", 3);
        is(test, "", 1);
    });
}

#[test]
fn nothing_at_all_and_what_does_not_go_together() {
    alone(|test| {
        is(test, "", 3);
        let watched = test.solobot("status --exit-code --watch").run().code(2);
        watched.stderr_has(&["cannot be used with", "--watch"]);
        test.solobot("status --exit-code nobody").run().code(2).stderr_has(&["nobody"]);
    });
}
