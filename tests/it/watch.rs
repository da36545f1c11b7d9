//! `status --watch`: what shows, when, and in which form.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{
    Background, Screen, Signal, Terminal, Test, alone, cpu_time, holds_for, send, wait_until, wait_within,
};
use crate::holding::{Holding, holding};
use crate::scenes::sleeper;

/// Far more than an event takes, far less than an interval of ten minutes.
const AT_ONCE: Duration = Duration::from_secs(30);

fn lines(watching: &Background) -> Vec<Value> {
    watching.stdout().lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

fn instances(line: &Value) -> usize {
    line["bots"][0]["instances"].as_array().unwrap().len()
}

fn state(line: &Value) -> &str {
    line["bots"][0]["lock"]["state"].as_str().unwrap()
}

/// Waits until the last of the lines is like that.
#[track_caller]
fn wait_for_line(watching: &Background, what: &str, is_it: impl Fn(&Value) -> bool) {
    wait_within(AT_ONCE, what, || {
        let text = watching.stdout();
        // A line that is being written is none yet.
        text.ends_with('\n') && lines(watching).last().is_some_and(&is_it)
    });
}

fn end(watching: Background) {
    watching.signal(Signal::INT);
    watching.finish().signal(Signal::INT).stdout_has(&[]);
}

#[test]
fn a_death_shows_at_once() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        let hand = test.by_hand("bot.py", "--pid-file hand.pid");
        test.wait_for_pid("hand.pid");
        let watching = test.solobot("status --json --watch=600 -m bot.py -l bot.lock").start();
        wait_for_line(&watching, "both are seen", |line| instances(line) == 2);
        hand.kill();
        wait_for_line(&watching, "one is seen", |line| instances(line) == 1);
        send(bot, Signal::KILL);
        // A failure with a lock that was looked at meanwhile: it may say what that can mean.
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        wait_for_line(&watching, "none is seen, and no process holds the lock", |line| {
            instances(line) == 0 && state(line) == "free"
        });
        end(watching);
    });
}

#[test]
fn whatever_happens_to_the_lock_shows_at_once() {
    alone(|test| {
        let watching = test.solobot("status --json --watch=600 -l bot.lock").start();
        wait_for_line(&watching, "there is none", |line| state(line) == "absent");
        test.write("bot.lock", "");
        wait_for_line(&watching, "there is a file", |line| state(line) == "free");
        let mut held = holding(test);
        wait_for_line(&watching, "held by PID", |line| {
            state(line) == "held" && line["bots"][0]["lock"]["since"].is_string()
        });
        // Another one has the new inode before solobot can.
        test.write("new.lock", "");
        let squatter = test.start("flock new.lock tail -f /dev/null");
        wait_until("the squatter holds", || test.is_locked("new.lock"));
        std::fs::rename(test.path("new.lock"), test.path("bot.lock")).unwrap();
        wait_for_line(&watching, "it is replaced", |line| state(line) == "replaced");
        held.solobot.wait_for_stderr("bot.lock");
        drop(squatter);
        end(watching);
    });
}

#[test]
fn a_start_shows_within_the_interval() {
    alone(|test| {
        test.bot("bot.py");
        let watching = test.solobot("status --json --watch=0.2 -m bot.py -l bot.lock").start();
        wait_for_line(&watching, "none runs", |line| instances(line) == 0);
        let hand = test.by_hand("bot.py", "--pid-file hand.pid");
        wait_for_line(&watching, "one runs", |line| instances(line) == 1);
        drop(hand);
        end(watching);
    });
}

#[test]
fn one_line_a_change_and_none_without() {
    alone(|test| {
        let watching = test.solobot("status --json --watch=0.1 -l bot.lock").start();
        wait_until("the first line", || lines(&watching).len() == 1);
        let mut number = 0;
        holds_for(Duration::from_secs(1), "one line", || {
            // Others have their files in the folder, too, and processes come and go.
            number += 1;
            test.write(&format!("other{}", number % 3), "x");
            lines(&watching).len() == 1
        });
        test.write("bot.lock", "");
        wait_for_line(&watching, "the change", |line| state(line) == "free");
        holds_for(Duration::from_secs(1), "two lines", || lines(&watching).len() == 2);
        end(watching);
    });
}

#[test]
fn off_a_terminal_a_block_a_change() {
    alone(|test| {
        let watching = test.solobot("status --watch=0.1 -l bot.lock").start();
        let blocks = || watching.stdout().matches("host ").count();
        wait_until("the first block", || blocks() == 1);
        holds_for(Duration::from_millis(700), "one block", || blocks() == 1);
        test.write("bot.lock", "");
        wait_until("the second one", || blocks() == 2 && watching.stdout().contains("free"));
        assert!(!watching.stdout().contains('\x1b'));
        end(watching);
    });
}

/// Loose, for a busy machine and an unoptimised build: it is not to poll without a pause, or to read all of `/proc` at each turn
/// of a short one.
#[test]
fn among_a_thousand_it_is_idle() {
    alone(|test| {
        sleeper(test, "crowd");
        let mut crowd = test.start("./crowd --crowd 1000");
        wait_until("the crowd is there", || crowd.stdout().contains("ready") || crowd.has_ended());
        let watching = test.solobot("status --json --watch -l bot.lock -m bot.py").start();
        wait_until("the first line", || lines(&watching).len() == 1);
        let (begin, before) = (Instant::now(), cpu_time(watching.pid()));
        holds_for(Duration::from_secs(6), "one line", || lines(&watching).len() == 1);
        let share = cpu_time(watching.pid()).saturating_sub(before).as_secs_f64() / begin.elapsed().as_secs_f64();
        assert!(share < 0.05, "{:.1} % of a processor", share * 100.0);
        end(watching);
        test.solobot("stop -q -m ./crowd").run().code(0);
    });
}

#[test]
fn it_ends_when_nobody_reads_it() {
    alone(|test| {
        let line = format!("{} status --json --watch=0.1 -l bot.lock | head -n 1", env!("CARGO_BIN_EXE_solobot"));
        let mut command = test.command("sh -c");
        command.arg(line);
        test.start_command(command).finish_within(AT_ONCE).code(0).stdout_has(&["absent"]);
    });
}

const SIZE: [u16; 2] = [100, 30];

/// What the terminal shows now; the wait for it ends when it is like that.
#[track_caller]
fn wait_for_picture(terminal: &Terminal, size: [u16; 2], what: &str, is_it: impl Fn(&Screen) -> bool) -> Screen {
    wait_until(what, || is_it(&Screen::after(&whole(terminal), size)));
    Screen::after(&whole(terminal), size)
}

/// Without a sequence at the end that is being written.
fn whole(terminal: &Terminal) -> String {
    let text = terminal.screen();
    match text.rfind('\x1b') {
        Some(at) if !text[at..].contains(|c: char| c.is_ascii_alphabetic()) => text[..at].to_owned(),
        _ => text,
    }
}

#[test]
fn a_terminal_is_redrawn_in_place_and_given_back() {
    alone(|test| {
        let mut terminal = Terminal::start(test, "solobot status --watch=0.1 -l bot.lock");
        let first = wait_for_picture(&terminal, SIZE, "absent", |screen| screen.text().contains("absent"));
        assert!(first.is_alternate && first.is_cursor_hidden, "{first:?}");
        test.write("bot.lock", "");
        let second = wait_for_picture(&terminal, SIZE, "free", |screen| screen.text().contains("free"));
        assert_eq!((second.scrolled, second.text().matches("host ").count()), (0, 1), "{}", second.text());
        // Nothing is wiped before it is drawn again: that would flicker.
        assert!(!terminal.screen().contains("\x1b[2J") && !terminal.screen().contains("\x1b[1H\x1b[J"));
        terminal.keys("\x03");
        let status = terminal.ended();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::INT.as_raw()));
        // The screen is given back first, and then written to: the terminal may be read in between.
        let is_last = |screen: &Screen| !screen.is_alternate && screen.text().contains("free");
        let last = wait_for_picture(&terminal, SIZE, "the usual screen", is_last);
        assert!(!last.is_cursor_hidden, "{last:?}");
        assert!(last.text().contains("free"), "what was seen last stays: {}", last.text());
    });
}

#[test]
fn a_stop_gives_the_terminal_back_for_a_while() {
    alone(|test| {
        let mut terminal = Terminal::start(test, "bash --norc --noprofile -i");
        terminal.keys(&format!("{} status --watch=0.1 -l bot.lock\n", env!("CARGO_BIN_EXE_solobot")));
        terminal.wait_for("\x1b[?1049h");
        terminal.wait_for("absent");
        terminal.keys("\x1a");
        terminal.wait_for("\x1b[?25h\x1b[?1049l");
        terminal.wait_for("Stopped");
        let before = terminal.screen().matches("\x1b[?1049h").count();
        terminal.keys("fg\n");
        wait_until("it is drawn again", || terminal.screen().matches("\x1b[?1049h").count() > before);
        terminal.keys("\x03");
        wait_until("given back again", || terminal.screen().matches("\x1b[?1049l").count() > before);
        terminal.keys("exit\n");
        terminal.ended();
    });
}

#[test]
fn another_size_is_another_picture() {
    alone(|test| {
        let _held = holding(test);
        let mut terminal = Terminal::start_on(test, "solobot status --watch=600 -m bot.py -l bot.lock", "xterm", SIZE);
        wait_for_picture(&terminal, SIZE, "a table", |screen| screen.text().contains("COMMAND"));
        let narrow = [40, 30];
        let before = terminal.screen().len();
        terminal.resize(narrow);
        let since = || whole(&terminal)[before..].to_owned();
        wait_until("a picture for 40 columns", || {
            let screen = Screen::after(&since(), narrow).text();
            screen.contains("PID") && !screen.contains("COMMAND")
        });
        let low = [40, 5];
        let before = terminal.screen().len();
        terminal.resize(low);
        wait_until("as much as fits", || {
            whole(&terminal)[before..].contains("more lines")
                && Screen::after(&whole(&terminal)[before..], low).text().contains("more lines")
        });
        // The screen is ours since the first picture: what came since then is drawn on it.
        let screen = Screen::after(&format!("\x1b[?1049h{}", &whole(&terminal)[before..]), low);
        assert_eq!(screen.scrolled, 0, "{}", screen.text());
        terminal.keys("\x03");
        terminal.ended();
    });
}

#[test]
fn a_dumb_terminal_gets_blocks() {
    alone(|test: &Test| {
        let mut terminal = Terminal::start_on(test, "solobot status --watch=0.1 -l bot.lock", "dumb", SIZE);
        terminal.wait_for("absent");
        test.write("bot.lock", "");
        terminal.wait_for("free");
        assert!(!terminal.screen().contains('\x1b'), "{}", terminal.screen());
        assert_eq!(terminal.screen().matches("host ").count(), 2);
        terminal.keys("\x03");
        terminal.ended();
    });
}
