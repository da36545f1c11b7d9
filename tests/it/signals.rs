//! Signals and terminals: what reaches COMMAND, what ends whom, and that nothing keeps the lock.

use std::fs;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use crate::harness::{Signal, Terminal, alive, alone, holds_for, is_stopped, parent, send, wait_until};
use crate::holding::{Holding, holding, holding_with};

#[test]
fn term_and_int_from_a_process_are_forwarded() {
    alone(|test| {
        for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGINT", Signal::INT), ("SIGHUP", Signal::HUP)] {
            let _ = fs::remove_file(test.path("signals"));
            let Holding { solobot, bot } = holding_with(test, "", "--signals-file signals --code 0");
            solobot.signal(signal);
            solobot.finish().code(0);
            assert!(!alive(bot));
            assert_eq!(test.read("signals"), format!("{name}\n"), "once, and nothing else");
            assert!(!test.is_locked("bot.lock"));
            assert_eq!(test.read("bot.lock"), "");
        }
    });
}

#[test]
fn the_others_are_forwarded_too() {
    alone(|test| {
        let Holding { solobot, .. } = holding_with(test, "", "--signals-file signals");
        for (name, signal) in [("SIGUSR1", Signal::USR1), ("SIGUSR2", Signal::USR2), ("SIGWINCH", Signal::WINCH)] {
            solobot.signal(signal);
            wait_until(name, || test.has("signals") && test.read("signals").ends_with(&format!("{name}\n")));
        }
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        assert_eq!(test.read("signals"), "SIGUSR1\nSIGUSR2\nSIGWINCH\nSIGTERM\n");
    });
}

#[test]
fn command_that_dies_of_a_forwarded_signal() {
    alone(|test| {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
            let solobot = test.solobot("acquire -l bot.lock -- tail -f /dev/null").start();
            wait_until("COMMAND runs", || !solobot.descendants().is_empty() && !test.read("bot.lock").is_empty());
            let command = solobot.descendants()[0];
            wait_until("it is tail(1) by now", || {
                fs::read_to_string(format!("/proc/{command}/comm")).is_ok_and(|name| name == "tail\n")
            });
            solobot.signal(signal);
            solobot.finish().signal(signal);
            assert!(!test.is_locked("bot.lock"));
        }
    });
}

#[test]
fn term_is_not_escalated_but_a_second_one_after_the_grace_kills() {
    alone(|test| {
        let Holding { mut solobot, bot } = holding_with(test, "--grace 300ms", "--ignore-term --signals-file signals");
        solobot.signal(Signal::TERM);
        wait_until("the bot got it", || test.has("signals"));
        holds_for(Duration::from_secs(1), "ignored: the bot runs and holds", || {
            alive(bot) && !solobot.has_ended() && test.is_locked("bot.lock")
        });
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        assert!(!alive(bot));
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn signals_while_waiting_end_solobot_at_once() {
    alone(|test| {
        let _holding = holding(test);
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let mut waiting = test.solobot("acquire -w forever -l bot.lock -- touch ran").start();
            waiting.wait_for_stderr("bot.lock");
            let start = Instant::now();
            waiting.signal(signal);
            waiting.finish().signal(signal).stderr_has(&[]);
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        }
        assert!(!test.has("ran"));
    });
}

#[test]
fn ctrl_c_in_a_terminal_reaches_the_bot_once() {
    alone(|test| {
        test.bot("bot.py");
        let line = "solobot acquire -l bot.lock -- python3 bot.py --pid-file bot.pid --signals-file signals";
        let mut terminal = Terminal::start(test, line);
        let bot = test.wait_for_pid("bot.pid");
        terminal.keys("\u{3}");
        assert_eq!(terminal.ended().code(), Some(0));
        assert!(!alive(bot));
        assert_eq!(test.read("signals"), "SIGINT\n", "the terminal sent it; solobot must not send it again");
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn ctrl_c_ends_a_restarting_solobot() {
    alone(|test| {
        test.bot("bot.py");
        let line = "solobot acquire --restart always -l bot.lock -- python3 bot.py --pid-file bot.pid";
        let mut terminal = Terminal::start(test, line);
        let bot = test.wait_for_pid("bot.pid");
        terminal.keys("\u{3}");
        assert_eq!(terminal.ended().code(), Some(0));
        assert!(!alive(bot));
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn ctrl_c_reaches_a_bot_that_left_the_process_group() {
    alone(|test| {
        test.bot("bot.py");
        let line = "solobot acquire -l bot.lock -- setsid python3 bot.py --pid-file bot.pid --signals-file signals";
        let mut terminal = Terminal::start(test, line);
        test.wait_for_pid("bot.pid");
        terminal.keys("\u{3}");
        assert_eq!(terminal.ended().code(), Some(0));
        assert_eq!(test.read("signals"), "SIGINT\n");
    });
}

#[test]
fn ctrl_c_while_waiting_in_a_terminal() {
    alone(|test| {
        use std::os::unix::process::ExitStatusExt;
        let holder = holding(test);
        let mut terminal = Terminal::start(test, "solobot acquire -w forever -l bot.lock -- touch ran");
        terminal.wait_for(&holder.bot.to_string());
        terminal.keys("\u{3}");
        assert_eq!(terminal.ended().signal(), Some(Signal::INT.as_raw()));
        assert!(!test.has("ran"));
    });
}

#[test]
fn ctrl_z_and_fg_in_a_shell() {
    alone(|test| {
        test.bot("bot.py");
        let exe = env!("CARGO_BIN_EXE_solobot");
        let mut terminal = Terminal::start(test, "bash --norc --noprofile -i");
        terminal.keys(&format!("{exe} acquire -l bot.lock -- python3 bot.py --pid-file bot.pid --heartbeat beats\n"));
        let bot = test.wait_for_pid("bot.pid");
        let solobot = parent(bot).unwrap();
        wait_until("it beats", || test.has("beats"));
        terminal.keys("\u{1a}");
        wait_until("both are stopped", || is_stopped(bot) && is_stopped(solobot));
        assert!(test.is_locked("bot.lock"), "a stopped bot holds its lock");
        terminal.keys("echo prompt-$((40+2))\n");
        terminal.wait_for("prompt-42");
        terminal.keys("fg\n");
        let beats = test.read("beats");
        wait_until("the bot goes on", || !is_stopped(solobot) && test.read("beats") != beats);
        terminal.keys("\u{3}");
        wait_until("it ends", || !alive(bot) && !alive(solobot));
        terminal.keys("exit\n");
        terminal.ended();
    });
}

#[test]
fn tstp_and_cont_from_a_process() {
    alone(|test| {
        test.bot("bot.py");
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!("{exe} acquire -l bot.lock -- python3 bot.py --pid-file bot.pid --heartbeat beats");
        // In an orphaned process group, as the test's own may be, SIGTSTP stops nobody.
        let mut command = test.command(&line);
        command.process_group(0);
        let solobot = test.start_command(command);
        let bot = test.wait_for_pid("bot.pid");
        wait_until("it beats", || test.has("beats"));
        solobot.signal(Signal::TSTP);
        wait_until("the bot is stopped", || is_stopped(bot));
        assert!(test.is_locked("bot.lock"));
        solobot.signal(Signal::CONT);
        let beats = test.read("beats");
        wait_until("the bot goes on", || !is_stopped(bot) && test.read("beats") != beats);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
    });
}

#[test]
fn a_stopped_solobot_is_no_hole() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        solobot.signal(Signal::STOP);
        test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&bot.to_string()]);
        solobot.signal(Signal::CONT);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
    });
}

#[test]
fn nohup_keeps_both_alive() {
    alone(|test| {
        test.bot("bot.py");
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!("nohup {exe} acquire -l bot.lock -- python3 bot.py --pid-file bot.pid");
        let mut solobot = test.start(&line);
        let bot = test.wait_for_pid("bot.pid");
        solobot.signal(Signal::HUP);
        send(bot, Signal::HUP);
        holds_for(Duration::from_millis(500), "HUP is ignored by both", || alive(bot) && !solobot.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn losing_the_terminal_ends_the_bot_and_frees_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let line = "solobot acquire -l bot.lock -- python3 bot.py --pid-file bot.pid --signals-file signals";
        let mut terminal = Terminal::start(test, line);
        let bot = test.wait_for_pid("bot.pid");
        terminal.hang_up();
        wait_until("the bot ended", || !alive(bot));
        terminal.ended();
        assert!(test.read("signals").starts_with("SIGHUP\n"));
        assert!(!test.is_locked("bot.lock"));
        assert_eq!(test.read("bot.lock"), "", "tidied up, although nobody could read its words");
    });
}

#[test]
fn losing_the_terminal_while_waiting_ends_solobot() {
    alone(|test| {
        let holder = holding(test);
        let mut terminal = Terminal::start(test, "solobot acquire -w forever -l bot.lock -- touch ran");
        terminal.wait_for(&holder.bot.to_string());
        terminal.hang_up();
        terminal.ended();
        drop(holder);
        wait_until("free", || !test.is_locked("bot.lock"));
        assert!(!test.has("ran"));
    });
}

#[test]
fn the_wait_in_a_terminal_is_one_line_that_redraws() {
    alone(|test| {
        let holder = holding(test);
        let mut terminal = Terminal::start(test, "solobot acquire -w forever -l bot.lock -- true");
        terminal.wait_for(&holder.bot.to_string());
        let carriage_returns = |screen: &str| screen.matches('\r').count() - screen.matches("\r\n").count();
        wait_until("the line is redrawn", || {
            carriage_returns(&terminal.screen()) > 0 || terminal.screen().contains("\u{1b}[")
        });
        terminal.keys("\u{3}");
        terminal.ended();
    });
}

#[test]
fn sigchld_ignored_by_the_parent() {
    alone(|test| {
        // With SIGCHLD ignored the kernel reaps children by itself, and their exit code would be lost.
        let exe = env!("CARGO_BIN_EXE_solobot");
        test.run(&format!("sh -c 'trap \"\" CHLD; exec {exe} acquire -l bot.lock -- sh -c \"exit 7\"'")).code(7);
        let ignored = "python3 -c 'import signal, os, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); \
                       os.execv(sys.argv[1], sys.argv[1:])'";
        test.run(&format!("{ignored} {exe} acquire -l bot.lock -- sh -c 'exit 7'")).code(7);
        // COMMAND does not inherit it either.
        let line = format!("{ignored} {exe} acquire -l bot.lock -- grep SigIgn /proc/self/status");
        let output = test.run(&line).code(0);
        let mask = u64::from_str_radix(output.stdout().split_whitespace().last().unwrap(), 16).unwrap();
        assert_eq!(mask & (1 << 16), 0, "SIGCHLD is ignored in COMMAND");
    });
}

#[test]
fn a_blocked_signal_mask_is_no_hindrance() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        test.bot("bot.py");
        let line = format!(
            "python3 -c 'import signal, os, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15, 17]); \
             os.execv(sys.argv[1], sys.argv[1:])' {exe} acquire -l bot.lock -- sh -c 'exit 7'"
        );
        test.run(&line).code(7);
    });
}

#[test]
fn pid_1_of_a_namespace_passes_codes_and_signals_on() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let namespace = "unshare -pf --mount-proc --kill-child=KILL";
        test.run(&format!("{namespace} {exe} acquire -l bot.lock -- sh -c 'exit 5'")).code(5);
        test.run(&format!("{namespace} {exe} acquire -l bot.lock -- sh -c 'kill -TERM $$'")).code(143);
        // TERM from outside ends the bot although PID 1 has no default actions, and orphans are reaped.
        test.bot("bot.py");
        let line = format!(
            "{namespace} {exe} acquire -l bot.lock -- sh -c 'true & exec python3 bot.py --pid-file bot.pid --daemonise'"
        );
        let mut outer = test.start(&line);
        test.wait_for_pid("bot.pid");
        // Until COMMAND has ended, TERM would end it: it handles none.
        outer.wait_for_stderr("still holding the lock");
        let solobot = outer.descendants()[0];
        assert_eq!(fs::read_link(format!("/proc/{solobot}/exe")).unwrap(), fs::canonicalize(exe).unwrap());
        assert!(test.is_locked("bot.lock"));
        let zombies = || {
            let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
                .filter(|stat| stat.contains(&format!(") Z {solobot} ")))
                .count()
        };
        wait_until("orphans are reaped", || zombies() == 0);
        send(solobot, Signal::TERM);
        outer.finish().code(0).stderr_has(&[]);
        assert!(!test.is_locked("bot.lock"));
    });
}

#[test]
fn a_holder_outside_the_pid_namespace_is_said_to_be_there() {
    alone(|test| {
        let holder = holding(test);
        let exe = env!("CARGO_BIN_EXE_solobot");
        test.run(&format!("unshare -pf --mount-proc {exe} acquire -n -l bot.lock -- true"))
            .code(75)
            .stderr_has(&["outside this PID namespace"]);
        test.run(&format!("unshare -pf --mount-proc {exe} check -l bot.lock")).code(1).stdout_has(&["bot.lock"]);
        test.run(&format!("unshare -pf --mount-proc {exe} clean-stale bot.lock")).code(0).stdout_has(&["bot.lock"]);
        assert_eq!(test.read("bot.lock"), holder.bot.to_string(), "cleaned under a holder in another namespace");
    });
}
