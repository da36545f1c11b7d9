//! `acquire --restart`: COMMAND again and again, the lock held all the while.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::harness::{Signal, alone, holds_for, wait_until};

#[test]
fn restart_on_failure_keeps_the_lock_between() {
    alone(|test| {
        test.write("run.sh", "echo run >>runs\n[ $(wc -l <runs) -ge 2 ]\n");
        let mut solobot = test.solobot("acquire --restart on-failure -l bot.lock -- sh run.sh").start();
        wait_until("the first run has ended", || test.has("runs") && solobot.descendants().is_empty());
        wait_until("the text is solobot's own", || test.read("bot.lock") == solobot.pid().to_string());
        holds_for(Duration::from_secs(2), "the lock stays held, the first restart comes after 10 s", || {
            test.is_locked("bot.lock") && test.read("runs") == "run\n" && !solobot.has_ended()
        });
        solobot.finish().code(0).stderr_has(&[]);
        assert_eq!(test.read("runs"), "run\nrun\n");
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn term_ends_a_restarting_solobot_while_it_waits() {
    alone(|test| {
        let mut solobot = test.solobot("acquire --restart always -l bot.lock -- sh -c 'echo run >>runs'").start();
        wait_until("the first run has ended", || test.has("runs") && solobot.descendants().is_empty());
        wait_until("the text is solobot's own", || test.read("bot.lock") == solobot.pid().to_string());
        assert!(!solobot.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
        assert_eq!(test.read("runs"), "run\n");
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_command_that_is_gone_at_a_restart_is_a_failure_like_any_other() {
    alone(|test| {
        // As in the midst of a deploy.
        test.write("run.sh", "#!/bin/sh\nrm \"$0\"\n");
        fs::set_permissions(test.path("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut solobot = test.solobot("acquire --restart always -l bot.lock -- ./run.sh").start();
        solobot.wait_for_stderr("command `./run.sh` was not found");
        solobot.wait_for_stderr("exit code 127");
        assert!(!solobot.has_ended() && test.is_locked("bot.lock"), "it tries again, and holds the lock meanwhile");
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
    });
}

#[test]
fn a_hangup_that_ends_the_bot_ends_its_solobot() {
    alone(|test| {
        let solobot = test.solobot("acquire --restart always -l bot.lock -- sleep 600").start();
        wait_until("COMMAND runs", || !solobot.descendants().is_empty());
        solobot.signal(Signal::HUP);
        solobot.finish().signal(Signal::HUP);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_hangup_that_the_bot_lives_through_ends_nothing() {
    alone(|test| {
        // It reads its files again, and fails some time later: then it is started again.
        test.write(
            "run.sh",
            "trap 'echo again >>seen' HUP\necho >>runs\nuntil [ -e fail ]; do sleep 0.05; done\nexit 3\n",
        );
        let mut solobot = test.solobot("acquire --restart always -l bot.lock -- sh run.sh").start();
        wait_until("it runs", || test.has("runs"));
        solobot.signal(Signal::HUP);
        wait_until("it was told", || test.has("seen"));
        test.write("fail", "");
        solobot.wait_for_stderr("exit code 3");
        assert!(!solobot.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
    });
}

#[test]
fn stop_ends_a_solobot_that_waits_before_a_restart() {
    alone(|test| {
        test.bot("bot.py");
        let config =
            "[bots.main]\nscript = \"bot.py\"\nlock = \"bot.lock\"\ncommand = [\"sh\", \"-c\", \"echo run >>runs\"]\n";
        test.write("solobot.toml", config);
        for stop in ["stop main", "stop -l bot.lock"] {
            let _ = fs::remove_file(test.path("runs"));
            let mut solobot = test.solobot("acquire main --restart always").start();
            wait_until("the first run has ended", || test.has("runs") && solobot.descendants().is_empty());
            wait_until("the text is solobot's own", || test.read("bot.lock") == solobot.pid().to_string());
            let _ = test.solobot(stop).run().code(0).stdout_has(&[&solobot.pid().to_string()]);
            wait_until("it has ended", || solobot.has_ended());
            solobot.finish().signal(Signal::TERM).stderr_has(&[]);
            assert!(!test.is_locked("bot.lock"));
        }
    });
}
