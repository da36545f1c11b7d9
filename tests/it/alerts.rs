//! `[on]` and `ping`: what is run when something happens to a bot, by `acquire` and by `status --watch -q`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Background, Signal, Test, alive, alone, holds_for, send, token, wait_until};
use crate::standin::Standin;

/// A bot `main` of `bot.py`, and these lines before its table.
fn configured(test: &Test, lines: &str) {
    test.bot("bot.py");
    // One line an event: what it was, of which bot, and more.
    test.write("alert.sh", "#!/bin/sh\necho \"$SOLOBOT_EVENT $SOLOBOT_BOT $SOLOBOT_DETAIL $*\" >>alerts\n");
    fs::set_permissions(test.path("alert.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let bot = "[bots.main]\nscript = \"bot.py\"\nlock = \"bot.lock\"\n\
               command = [\"python3\", \"bot.py\", \"--pid-file\", \"bot.pid\"]\n";
    test.write("solobot.toml", format!("journal = \"journal.jsonl\"\n{lines}\n{bot}"));
}

const ALL: &str = "[on]\nup = [\"./alert.sh\", \"x\"]\ndown = [\"./alert.sh\"]\nlost = [\"./alert.sh\"]\n\
                   duplicate = [\"./alert.sh\"]\nconflict = [\"./alert.sh\"]\n";

/// An alert that says what it has been given.
const LOOK: &str = "
import os, sys

def opened():
    for fd in os.listdir('/proc/self/fd'):
        try:
            yield os.readlink('/proc/self/fd/' + fd)
        except FileNotFoundError:
            pass  # that of the listing itself

with open('seen.new', 'w') as file:
    print(dict(os.environ), sys.argv, list(opened()), os.getcwd(), os.readlink('/proc/self/fd/0'), file=file, end='')
os.rename('seen.new', 'seen')
";

fn alerts(test: &Test) -> Vec<String> {
    fs::read_to_string(test.path("alerts")).unwrap_or_default().lines().map(|line| line.trim_end().to_owned()).collect()
}

#[track_caller]
fn acquired(test: &Test) -> (Background, i32) {
    let _ = fs::remove_file(test.path("bot.pid"));
    let solobot = test.solobot("acquire main").env("BOT_TOKEN", &token()).start();
    let bot = test.wait_for_pid("bot.pid");
    (solobot, bot)
}

#[test]
fn acquire_tells_that_the_bot_is_up_and_down() {
    alone(|test| {
        configured(test, ALL);
        let (solobot, bot) = acquired(test);
        wait_until("up", || alerts(test) == [format!("up main PID {bot} x")]);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        assert_eq!(alerts(test)[1..], ["down main it was asked to end"], "it is told before solobot ends");
        // A crash loop: the next `up` within ten minutes is no news, nor is the `down` after it.
        let (solobot, bot) = acquired(test);
        send(bot, Signal::KILL);
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        assert_eq!(alerts(test).len(), 2, "{:?}", alerts(test));
        // Ten minutes later both are.
        test.write("alerts.json", format!("{{\"{}\":{{\"up\":1000,\"down\":1001}}}}", test.name("bot.lock")));
        let (solobot, bot) = acquired(test);
        wait_until("up", || alerts(test).len() == 3);
        send(bot, Signal::KILL);
        solobot.finish().signal(Signal::KILL).stderr_has(&[]);
        assert_eq!(alerts(test)[3..], ["down main it ended with signal 9"]);
    });
}

#[test]
fn a_command_gets_no_token_no_descriptor_and_no_input() {
    alone(|test| {
        configured(test, "[on]\nup = [\"python3\", \"look.py\"]\n");
        test.write("look.py", LOOK);
        let (solobot, _) = acquired(test);
        wait_until("it has looked", || test.has("seen"));
        let seen = test.read("seen");
        let secret = token().split_once(':').unwrap().1.to_owned();
        assert!(!seen.contains(&secret) && !seen.contains("bot.lock"), "{seen}");
        assert!(seen.contains("'SOLOBOT_EVENT': 'up'") && seen.ends_with("/dev/null"), "{seen}");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
    });
}

#[test]
fn a_command_that_hangs_is_killed_and_keeps_nobody() {
    alone(|test| {
        configured(test, "[on]\nup = [\"sh\", \"hang.sh\"]\n");
        test.write("hang.sh", "sleep 601 & printf %s $! >below; printf %s $$ >hangs; wait\n");
        let (mut solobot, bot) = acquired(test);
        let hangs = test.wait_for_pid("hangs");
        let start = Instant::now();
        assert!(test.is_locked("bot.lock") && alive(bot));
        solobot.wait_for_stderr("the alert `up` of main took longer than 10s, and was killed");
        assert!(start.elapsed() > Duration::from_secs(8), "{:?}", start.elapsed());
        assert!(!alive(hangs) && !alive(test.wait_for_pid("below")) && alive(bot));
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn the_lock_does_not_wait_for_a_command() {
    alone(|test| {
        configured(test, "[on]\nup = [\"sh\", \"hang.sh\"]\n");
        test.write("hang.sh", "printf %s $$ >hangs; exec sleep 601\n");
        let (solobot, bot) = acquired(test);
        test.wait_for_pid("hangs");
        solobot.signal(Signal::TERM);
        wait_until("the bot has ended", || !alive(bot));
        let start = Instant::now();
        wait_until("the lock is free", || !test.is_locked("bot.lock"));
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        let ended = solobot.finish().code(0);
        assert!(!ended.stderr().contains("still running"), "{}", ended.stderr());
    });
}

#[test]
fn a_command_that_fails_is_said_once() {
    alone(|test| {
        configured(test, "[on]\nup = [\"sh\", \"-c\", \"exit 3\"]\n");
        let (mut solobot, _) = acquired(test);
        solobot.wait_for_stderr("the alert `up` of main failed: exit");
        solobot.signal(Signal::TERM);
        let ended = solobot.finish().code(0);
        assert_eq!(ended.stderr().matches("failed").count(), 1, "{}", ended.stderr());
    });
}

#[test]
fn what_is_wrong_with_the_file_is_78() {
    alone(|test| {
        for (lines, said) in [
            ("[on]\nup = [\"./missing\"]", "the command of `up` in [on] was not found"),
            ("[on]\nup = [\"no-such-command\"]", "no-such-command"),
            ("[on]\nup = []", "`up` has no command"),
            ("[on]\nup = \"notify up\"", "expected an array"),
            ("[on]\nupp = [\"true\"]", "did you mean `up`?"),
            ("ping = \"hc-ping.com/x\"\n", "`ping` is not an http or https URL"),
            ("ping = \"https://user:secret@host/\"\n", "`ping` is not an http or https URL"),
        ] {
            configured(test, lines);
            let refused = test.solobot("acquire main").run().code(78).stderr_has(&[said]);
            let _ = refused.nowhere("secret");
            assert!(!test.is_locked("bot.lock") && !test.has("bot.pid"), "{lines}");
        }
        configured(test, "[on]\nup = [\"./missing\"]");
        test.solobot("status --watch -q").run().code(78).stderr_has(&["was not found"]);
        // Looking does not need it.
        test.solobot("status").run().code(0).stdout_has(&["main"]);
        configured(test, "");
        test.solobot("status --watch -q").run().code(2).stderr_has(&["neither [on] nor `ping`"]);
    });
}

#[test]
fn a_lost_lock_is_told() {
    alone(|test| {
        configured(test, ALL);
        let (mut solobot, _) = acquired(test);
        wait_until("up", || alerts(test).len() == 1);
        test.write("new.lock", "");
        let other = test.start("flock new.lock sh -c 'printf %s $$ >other; exec sleep 600'");
        test.wait_for_pid("other");
        fs::rename(test.path("new.lock"), test.path("bot.lock")).unwrap();
        wait_until("lost", || {
            alerts(test).iter().any(|line| line.starts_with("lost main the lock or the lease is lost"))
        });
        solobot.wait_for_stderr("is lost");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]);
        drop(other);
    });
}

#[test]
fn a_watcher_tells_each_change_once() {
    alone(|test| {
        configured(test, ALL);
        let watcher = test.solobot("status --watch=0.2 -q").start();
        wait_until("down", || alerts(test) == ["down main no instance is running"]);
        let first = test.start("python3 bot.py --pid-file bot.pid");
        let pid = test.wait_for_pid("bot.pid");
        wait_until("up", || alerts(test)[1..] == [format!("up main PID {pid} x")]);
        fs::remove_file(test.path("bot.pid")).unwrap();
        let second = test.start("python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        let several = || alerts(test).iter().filter(|line| line.starts_with("duplicate main 2 instances")).count();
        wait_until("duplicate", || several() == 1);
        second.kill();
        holds_for(Duration::from_millis(600), "the watcher sees one for a while", || several() == 1);
        fs::remove_file(test.path("bot.pid")).unwrap();
        let third = test.start("python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        holds_for(Duration::from_secs(1), "it is told once in ten minutes", || several() == 1);
        third.kill();
        first.kill();
        wait_until("down", || alerts(test).iter().filter(|line| line.starts_with("down")).count() == 2);
        watcher.signal(Signal::TERM);
        watcher.finish().signal(Signal::TERM);
        assert_eq!(alerts(test).len(), 4, "{:?}", alerts(test));
    });
}

#[test]
fn a_watcher_and_acquire_do_not_tell_the_same_twice() {
    alone(|test| {
        configured(test, ALL);
        let (solobot, _) = acquired(test);
        wait_until("up", || alerts(test).len() == 1);
        let watcher = test.solobot("status --watch=0.2 -q").start();
        holds_for(Duration::from_secs(1), "nothing is new", || alerts(test).len() == 1);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        holds_for(Duration::from_secs(1), "it is told once", || alerts(test).len() == 2);
        watcher.signal(Signal::TERM);
        watcher.finish().signal(Signal::TERM);
    });
}

#[test]
fn a_conflict_in_the_logs_is_told() {
    alone(|test| {
        configured(test, ALL);
        let text = test.read("solobot.toml");
        test.write("solobot.toml", format!("{text}logs = [\"bot.log\"]\n"));
        test.write("bot.log", "");
        let bot = test.start("python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        // A second one that may be it: so a young bot's conflicts count at once.
        let _other = test.start("python3 bot.py --other");
        let watcher = test.solobot("status --watch=0.2 -q").start();
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let line = format!("{now},000 ERROR Conflict: terminated by other getUpdates request\n");
        test.write("bot.log", line);
        wait_until("conflict", || alerts(test).iter().any(|line| line.starts_with("conflict main 1 conflict with")));
        watcher.signal(Signal::TERM);
        watcher.finish().signal(Signal::TERM).stderr_has(&[]);
        drop(bot);
    });
}

/// A monitor that says what it is asked for, and answers so.
fn monitor(status: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            while reader.read_line(&mut String::new()).is_ok_and(|length| length > 2) {}
            let _ = write!(socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if asked.send(line).is_err() {
                return;
            }
        }
    });
    (port, heard)
}

#[test]
fn a_monitor_is_asked_while_all_is_well() {
    alone(|test| {
        let (port, heard) = monitor("200 OK");
        configured(test, &format!("ping = \"http://127.0.0.1:{port}/key/{{bot}}?status=up\"\n"));
        let watcher = test.solobot("status --watch=0.2 -q").start();
        assert!(heard.recv_timeout(Duration::from_secs(2)).is_err(), "nothing runs");
        let (solobot, _) = acquired(test);
        let limit = Duration::from_secs(30);
        for who in ["acquire", "the watcher"] {
            let line = heard.recv_timeout(limit).unwrap_or_else(|_| panic!("{who} does not ask"));
            assert!(line.starts_with("GET /key/main?status=up HTTP/1.1"), "{line}");
        }
        watcher.signal(Signal::TERM);
        watcher.finish().signal(Signal::TERM);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
    });
}

#[test]
fn a_monitor_that_is_away_is_said_once() {
    alone(|test| {
        let (port, heard) = monitor("404 Not Found");
        configured(test, &format!("ping = \"http://127.0.0.1:{port}/secret-key\"\n"));
        let (mut solobot, bot) = acquired(test);
        heard.recv_timeout(Duration::from_secs(30)).expect("it asks");
        solobot.wait_for_stderr("`ping`: 127.0.0.1 did not take it: HTTP 404; trying again every minute");
        assert!(alive(bot));
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]).nowhere("secret-key");
        drop(heard);

        configured(test, "ping = \"http://127.0.0.1:1/secret-key\"\n");
        let (mut solobot, bot) = acquired(test);
        solobot.wait_for_stderr("`ping`: 127.0.0.1 did not take it: TCP connection failed: connection refused");
        assert!(alive(bot));
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&[]).nowhere("secret-key");
    });
}

#[test]
fn telegram_is_asked_for_the_deaf_alone() {
    alone(|test| {
        let server = Standin::start();
        let asked = || server.methods().iter().filter(|method| *method == "getWebhookInfo").count();
        for (lines, count) in [(ALL.to_owned(), 0), (format!("{ALL}deaf = [\"./alert.sh\"]\n"), 1)] {
            configured(test, &lines);
            let _ = fs::remove_file(test.path("bot.pid"));
            let bot = test.start("python3 bot.py --pid-file bot.pid");
            test.wait_for_pid("bot.pid");
            let watcher = test.solobot("status --watch=0.2 -q").env("SOLOBOT_API_URL", &server.url());
            let watcher = watcher.env("BOT_TOKEN", &token()).start();
            wait_until("it asks", || asked() == count);
            holds_for(Duration::from_secs(1), "and no more often", || asked() == count);
            watcher.signal(Signal::TERM);
            watcher.finish().signal(Signal::TERM).stderr_has(&[]);
            bot.kill();
        }
        assert!(!alerts(test).iter().any(|line| line.starts_with("deaf")), "{:?}", alerts(test));
    });
}
