//! What COMMAND starts: the lock is held until the *bot* has gone, neither less nor longer.

use std::time::Duration;

use crate::harness::{Signal, alive, alone, holds_descriptor, holds_for, send, wait_until};
use crate::holding::{Holding, holding_with};

#[test]
fn a_bot_behind_a_shell_that_dies_of_term() {
    alone(|test| {
        test.bot("bot.py");
        // dash does not forward TERM: the shell dies, the bot goes on.
        let line = "acquire -l bot.lock -- sh -c 'python3 bot.py --pid-file bot.pid; true'";
        let mut solobot = test.solobot(line).start();
        let bot = test.wait_for_pid("bot.pid");
        let shell = crate::harness::parent(bot).unwrap();
        assert_ne!(shell, solobot.pid(), "the shell stays as the bot's parent");
        send(shell, Signal::TERM);
        wait_until("the shell is dead", || !alive(shell));
        holds_for(Duration::from_secs(1), "the bot runs and the lock is held", || {
            alive(bot) && test.is_locked("bot.lock") && !solobot.has_ended()
        });
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&bot.to_string()]);
        send(bot, Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn term_to_solobot_reaches_a_bot_behind_a_shell() {
    alone(|test| {
        test.bot("bot.py");
        let line = "acquire -l bot.lock -- sh -c 'python3 bot.py --pid-file bot.pid; true'";
        let solobot = test.solobot(line).start();
        let bot = test.wait_for_pid("bot.pid");
        solobot.signal(Signal::TERM);
        wait_until("the bot ended with its shell", || !alive(bot));
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_bot_behind_a_killed_timeout() {
    alone(|test| {
        test.bot("bot.py");
        let line = "acquire -l bot.lock -- timeout 600 python3 bot.py --pid-file bot.pid";
        let mut solobot = test.solobot(line).start();
        let bot = test.wait_for_pid("bot.pid");
        let timeout = crate::harness::parent(bot).unwrap();
        assert_ne!(timeout, solobot.pid());
        send(timeout, Signal::KILL);
        wait_until("timeout(1) is dead", || !alive(timeout));
        holds_for(Duration::from_secs(1), "the bot runs and the lock is held", || {
            alive(bot) && test.is_locked("bot.lock") && !solobot.has_ended()
        });
        send(bot, Signal::TERM);
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_bot_that_daemonises() {
    alone(|test| {
        let Holding { mut solobot, bot } = holding_with(test, "", "--daemonise");
        holds_for(Duration::from_secs(1), "the daemon runs and the lock is held", || {
            alive(bot) && test.is_locked("bot.lock") && !solobot.has_ended()
        });
        assert_eq!(crate::harness::parent(bot), Some(solobot.pid()), "solobot is its subreaper");
        solobot.signal(Signal::TERM);
        wait_until("TERM reaches the daemon", || !alive(bot));
        solobot.finish().code(0).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_daemon_that_ends_by_itself() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "", "--daemonise --until stop");
        test.write("stop", "");
        solobot.finish().code(0).stderr_has(&[]);
        assert!(!alive(bot));
    });
}

#[test]
fn a_background_grandchild_with_the_descriptor_does_not_keep_the_lock() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "", "--grandchild helper.pid");
        let helper = test.wait_for_pid("helper.pid");
        assert!(holds_descriptor(helper, &test.path("bot.lock")), "it inherited the descriptor");
        send(bot, Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]);
        assert!(alive(helper), "it is no bot: nobody ends it");
        assert!(!test.is_locked("bot.lock"), "and it keeps no lock");
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        send(helper, Signal::KILL);
    });
}

#[test]
fn a_worker_that_outlives_its_root_is_the_bot_still() {
    alone(|test| {
        let Holding { mut solobot, bot } = holding_with(test, "", "--worker");
        let mut workers = Vec::new();
        wait_until("the worker runs", || {
            workers = crate::harness::children(bot);
            workers.len() == 1
        });
        send(bot, Signal::KILL);
        holds_for(Duration::from_secs(1), "the worker polls on, the lock is held", || {
            alive(workers[0]) && test.is_locked("bot.lock") && !solobot.has_ended()
        });
        send(workers[0], Signal::TERM);
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn zombies_of_the_tree_are_reaped() {
    alone(|test| {
        // Orphans that end at once, while COMMAND runs on.
        let line = "acquire -l bot.lock -- sh -c 'for i in 1 2 3 4 5; do (true & true) & done; wait; touch up; \
                    exec tail -f /dev/null'";
        let solobot = test.solobot(line).start();
        wait_until("they have all ended", || test.has("up"));
        let zombies = || {
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
                let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
                let (_, fields) = stat.rsplit_once(") ")?;
                fields.starts_with(&format!("Z {} ", solobot.pid())).then_some(())
            })
        };
        wait_until("no zombie is left", || zombies().count() == 0);
    });
}

#[test]
fn a_daemon_that_is_seldom_the_same_process_for_long() {
    alone(|test| {
        // Each link of the chain forks and ends at once: whoever lists the descendants meets one on its way out.
        let chain = "import os, time\nend = time.monotonic() + 1\nwhile time.monotonic() < end:\n    \
                     if os.fork(): os._exit(0)\nopen('done', 'w').close()\n";
        test.write("chain.py", chain);
        for _ in 0..3 {
            let _ = std::fs::remove_file(test.path("done"));
            test.solobot("acquire -n --lock-only -l bot.lock -- python3 chain.py")
                .run()
                .code(0)
                .stderr_has(&["has ended, but left"]);
            assert!(test.has("done"), "the lock was held to the end");
        }
    });
}
