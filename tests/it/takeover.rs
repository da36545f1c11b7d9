//! `acquire --takeover` and `--if-held`: in a holder's place, or without the lock.

use crate::harness::{Signal, alive, alone, wait_until};
use crate::holding::{Holding, holding, holding_with};

#[test]
fn takeover_stops_the_holder() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        let mut second = test.solobot("acquire --takeover -l bot.lock -- python3 bot.py --pid-file second.pid").start();
        let second_bot = test.wait_for_pid("second.pid");
        assert!(!alive(bot), "the first bot was stopped");
        let said = format!("is being stopped by PID {}: ", second.pid());
        solobot.finish().code(0).stderr_has(&[&said, "acquire --takeover -l bot.lock"]);
        assert_eq!(test.read("bot.lock"), second_bot.to_string());
        assert!(!test.record("bot.lock")["took_over"].is_null());
        assert!(!second.has_ended());
        // Bots that take over from each other for ever are the field's worst case: the second one is refused.
        test.solobot("acquire --takeover -w 1 -l bot.lock -- true").run().code(75).stderr_has(&[
            "took over the lock",
            "to go on anyway: solobot stop --lock ",
            " && solobot acquire --takeover -w 1 -l bot.lock -- true\n",
        ]);
        assert!(alive(second_bot));
        second.signal(Signal::TERM);
        second.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn takeover_kills_a_holder_that_ignores_term_after_the_grace() {
    alone(|test| {
        let Holding { solobot, bot } = holding_with(test, "", "--ignore-term");
        test.solobot("acquire --takeover --grace 500ms -l bot.lock -- echo ran")
            .run()
            .code(0)
            .stdout_is("ran\n")
            .stderr_has(&[&solobot.pid().to_string(), "bot.py"]);
        assert!(!alive(bot));
        drop(solobot);
    });
}

#[test]
fn takeover_stops_a_bot_started_by_hand() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid");
        test.solobot("acquire --takeover -l bot.lock -- python3 bot.py")
            .env("BOT_OPTIONS", "--until hand.pid")
            .run()
            .code(0)
            .stderr_has(&[&pid.to_string()]);
        by_hand.finish().code(0);
    });
}

#[test]
fn takeover_refuses_its_own_ancestor() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!(
            "acquire -l bot.lock -- sh -c 'unset SKIP_TELEGRAM_LOCK; exec 3>&-; \
             {exe} acquire --takeover -w 1 -l bot.lock -- true; echo code $?'"
        );
        test.solobot(&line).run().code(0).stdout_is("code 75\n").stderr_has(&["ancestor"]);
    });
}

#[test]
fn takeover_orphan_leaves_a_healthy_holder_alone() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        test.solobot("acquire --takeover=orphan -w 1 -l bot.lock -- true")
            .run()
            .code(75)
            .stderr_has(&["not an orphan", "--takeover"]);
        assert!(alive(bot) && alive(solobot.pid()));
    });
}

#[test]
fn if_held_run_goes_on_without_polling() {
    alone(|test| {
        let line = "acquire -n --if-held run -l bot.lock -- sh -c 'echo [$SOLOBOT_POLLING] $SOLOBOT_LOCK_FD; exit 3'";
        let holder = holding(test);
        test.solobot(line).run().code(3).stdout_is("[0]\n").stderr_has(&["polling is disabled"]);
        assert!(alive(holder.bot));
        drop(holder);
        wait_until("the lock is free", || !test.is_locked("bot.lock"));
        // With the lock it is an acquire like any other.
        test.solobot(line).run().code(3).stdout_has(&["[]"]);
    });
}

#[test]
fn if_held_run_passes_no_leaked_claim_on() {
    alone(|test| {
        let holder = holding(test);
        let line = "acquire -n --if-held run -l bot.lock -- sh -c 'echo [$SKIP_TELEGRAM_LOCK] [$SOLOBOT_LOCK]'";
        let solobot = test.solobot(line).env("SKIP_TELEGRAM_LOCK", "1").env("SOLOBOT_LOCK", "other");
        solobot.run().code(0).stdout_is("[] []\n").stderr_has(&["taking it anyway"]);
        // Without a COMMAND there is nothing to go on with: that of the file is not meant.
        let target = test.start("tail -f /dev/null");
        let lock = test.name("bot.lock");
        test.write(
            "solobot.toml",
            format!("[bots.main]\nexe = \"/bin/echo\"\ncommand = [\"/bin/echo\"]\nlock = \"{lock}\"\n"),
        );
        let line = format!("acquire -n --if-held run --pid {} main", target.pid());
        test.solobot(&line).run().code(2).stderr_has(&["--if-held"]);
        drop(holder);
    });
}

#[test]
fn a_lock_that_is_held_for_us_is_not_kept_again() {
    alone(|test| {
        test.write(
            "solobot.toml",
            "[bots.main]\nexe = \"/bin/echo\"\ncommand = [\"/bin/echo\", \"ran\"]\nlock = \"bot.lock\"\n",
        );
        let nested = format!("{} acquire main --pid $$", env!("CARGO_BIN_EXE_solobot"));
        test.solobot("acquire main -- sh -c").arg(nested).run().code(0);
    });
}
