//! Holders that an old record or an inherited environment calls orphans, and that are none: `--takeover=orphan` leaves
//! them alone.

use crate::harness::{Background, Signal, Test, Venv, alive, alone, wait_until};
use crate::holding::stale;

/// Somebody holds the lock and is left alone; whoever is shown must not be called an orphan.
#[track_caller]
fn left_alone(test: &Test, holder: i32) {
    wait_until("it holds it", || test.is_locked("bot.lock"));
    let taking = test.solobot("acquire --takeover=orphan -n --lock-only -l bot.lock -- touch ran").run();
    let _ = taking.code(75).stderr_has(&["is not an orphan"]).nowhere("solobot: taking over");
    let json = test.solobot("status --json -l bot.lock").run().code(0).json();
    assert_eq!(json["bots"][0]["lock"]["orphaned"], false, "{json}");
    assert!(alive(holder) && !test.has("ran"));
}

/// Starts a line with the environment of a COMMAND whose solobot is dead, as a shell or a manager passes it on that COMMAND
/// has started.
#[track_caller]
fn start_leaked(test: &Test, line: &str) -> Background {
    let mut dead = test.start("true");
    wait_until("it has ended", || dead.has_ended());
    let mut command = test.command(line);
    command.env("SOLOBOT_LOCK", test.path("bot.lock")).env("SOLOBOT_HOLDER_PID", dead.pid().to_string());
    test.start_command(command)
}

#[test]
fn a_bot_that_took_the_lock_itself_after_the_record_went_stale() {
    alone(|test| {
        let _ = stale(test);
        // It writes its own PID into the text and knows no record.
        let by_hand = test.start_command(test.python(Venv::None, "layout_a.py", "hold bot.lock 5 a.pid"));
        assert_eq!(test.wait_for_pid("a.pid"), by_hand.pid());
        left_alone(test, by_hand.pid());
    });
}

#[test]
fn a_shell_that_took_the_lock_by_a_program_that_has_ended() {
    alone(|test| {
        // The kernel shows the lock's caller as it shows a dead solobot: it is nobody here.
        let _ = stale(test);
        let script = "exec 9<>bot.lock; flock 9; printf %s $$ >&9; tail -f /dev/null & wait";
        let shell = test.start(&format!("sh -c '{script}'"));
        wait_until("it wrote itself down", || test.read("bot.lock").starts_with(&shell.pid().to_string()));
        left_alone(test, shell.pid());
    });
}

#[test]
fn a_solobot_that_lives_whatever_its_environment() {
    alone(|test| {
        let solobot = start_leaked(test, "solobot acquire -o -l bot.lock -- tail -f /dev/null");
        wait_until("its bot is recorded", || !solobot.descendants().is_empty() && test.has("bot.lock.info"));
        left_alone(test, solobot.pid());
        // Nor where its record is missing.
        std::fs::remove_file(test.path("bot.lock.info")).unwrap();
        left_alone(test, solobot.pid());
    });
}

#[test]
fn a_script_for_which_the_lock_is_held() {
    alone(|test| {
        for take in ["solobot acquire --pid $$ -l bot.lock", "exec 9<>bot.lock; solobot acquire --fd 9"] {
            let take = take.replace("solobot", env!("CARGO_BIN_EXE_solobot"));
            let script = start_leaked(test, &format!("setsid sh -c '{take} && touch taken; tail -f /dev/null'"));
            wait_until("it is taken", || test.has("taken"));
            left_alone(test, script.pid());
            script.kill();
            std::fs::remove_file(test.path("taken")).unwrap();
            wait_until("it is free", || !test.is_locked("bot.lock"));
        }
    });
}

#[test]
fn a_job_of_a_shell_that_a_dead_solobots_command_started() {
    alone(|test| {
        let shell = start_leaked(test, "bash -c 'set -m; flock -F bot.lock tail -f /dev/null & wait'");
        wait_until("it holds it", || test.has("bot.lock") && test.is_locked("bot.lock"));
        left_alone(test, shell.pid());
    });
}

#[test]
fn a_bot_in_a_sandbox_whose_solobot_lives_outside() {
    alone(|test| {
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let inside = format!("mv bot.lock.info away; {solobot} acquire --takeover=orphan -n -l bot.lock -- touch ran");
        let sandbox = format!("unshare -pf --mount-proc env -u SKIP_TELEGRAM_LOCK sh -c '{inside}; echo $?'");
        let run = test.solobot(&format!("acquire -l bot.lock -- {sandbox}")).run();
        let _ = run.code(0).stdout_is("75\n").stderr_has(&["is not an orphan"]).nowhere("solobot: taking over");
        assert!(!test.has("ran"));
    });
}

#[test]
fn whoever_is_none_is_waited_for_as_long_as_was_asked() {
    alone(|test| {
        // As the recipes for services have it: ended with 75, it would only be started again and again.
        let holder = crate::holding::holding(test);
        let mut waiting = test.solobot("acquire --takeover=orphan -w forever -l bot.lock -- echo mine").start();
        waiting.wait_for_stderr("is not an orphan");
        waiting.wait_for_stderr("waiting");
        assert!(alive(holder.bot) && !waiting.has_ended());
        holder.solobot.signal(Signal::TERM);
        waiting.finish().code(0).stdout_is("mine\n").stderr_has(&[]);
        let holder = crate::holding::holding(test);
        let beside = "acquire --takeover=orphan -n --if-held run -l bot.lock -- echo beside";
        let _ = test.solobot(beside).run().code(0).stdout_is("beside\n").stderr_has(&["polling is disabled"]);
        assert!(alive(holder.bot));
    });
}
