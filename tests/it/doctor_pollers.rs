//! `doctor` on who polls: several processes, nobody, somebody elsewhere; in the logs and on the wire.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::harness::{
    Background, Test, Venv, alone, holds_for, installed, peer, start_ticks, token, wait_until, wait_within,
};
use crate::standin::Standin;
use crate::telegram_polling::{TELEGRAM, elsewhere};
use crate::telegram_webhook::asking;

/// How long a real bot takes to import its library and start on a loaded machine.
const START: Duration = Duration::from_mins(1);

/// `connected.py` as `bot.py`, connected to the server.
#[track_caller]
fn connected(test: &Test, server: &Standin, options: &str, variables: &[(&str, &str)]) -> (Background, i32) {
    test.write("bot.py", peer("connected.py"));
    let mut command = test.command(&format!("python3 bot.py 127.0.0.1 {} --pid-file pid {options}", server.port()));
    command.envs(variables.iter().copied());
    let bot = test.start_command(command);
    let pid = test.wait_for_pid("pid");
    (bot, pid)
}

#[track_caller]
fn diagnose(test: &Test, server: &Standin, line: &str, code: i32) -> Value {
    let solobot = test.solobot(&format!("doctor --json {line}")).env("SOLOBOT_API_URL", &server.url());
    solobot.run().code(code).json()
}

/// aiogram's line for a conflict, so many seconds ago.
pub fn conflict(ago: i64) -> String {
    let time = Timestamp::from_second(Timestamp::now().as_second() - ago).unwrap();
    let time = time.strftime("%Y-%m-%d %H:%M:%S,000");
    format!(
        "{time} aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramConflictError: Telegram server says - \
         Conflict: terminated by other getUpdates request; make sure that only one bot instance is running\n"
    )
}

/// Waits until the process is so old, without asking solobot all the while.
#[track_caller]
pub fn wait_for_age(pid: i32, age: Duration) {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let seconds =
        || std::fs::read_to_string("/proc/uptime").unwrap().split('.').next().unwrap().parse::<u64>().unwrap();
    let start = start_ticks(pid).unwrap() / ticks_per_second;
    wait_until("the process is old enough", || seconds() > start + age.as_secs());
}

/// A bot of the file, whose log has a conflict so many seconds ago.
fn logged(test: &Test, ago: &[i64]) {
    test.write("bot.log", ago.iter().map(|&ago| conflict(ago)).collect::<String>());
    test.write("solobot.toml", "[bots.main]\nscript = \"bot.py\"\nlogs = [\"bot.log\"]\n");
}

#[test]
fn several_processes_of_one_instance_are_connected() {
    alone(|test| {
        let server = Standin::start();
        let (bot, pid) = connected(test, &server, "--workers 2", &[]);
        wait_until("both are connected", || server.connections() == 2);
        let mut workers = bot.descendants();
        workers.sort_unstable();
        let seen = diagnose(test, &server, "-m bot.py", 0);
        assert_eq!(level_and_pids(finding(&seen, "several-pollers")), ("warning", workers));
        assert!(!codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
        assert_eq!(level_and_pids(finding(&seen, "folded-instance")).1[0], pid);
    });
}

#[test]
fn one_connection_that_a_fork_shares_is_one_poller() {
    alone(|test| {
        let server = Standin::start();
        let _bot = connected(test, &server, "--fork", &[]);
        assert!(!codes(&diagnose(test, &server, "-m bot.py", 0)).contains(&"several-pollers"));
    });
}

/// The field's most frequent form of it: the application starts the bot, and uvicorn starts the application twice.
#[test]
fn uvicorns_workers_that_each_start_the_bot() {
    alone(|test| {
        let server = Standin::start();
        test.write(
            "app.py",
            "import os, socket\n\
             connection = socket.create_connection(('127.0.0.1', int(os.environ['BOT_PORT'])))\n\
             async def app(scope, receive, send):\n    pass\n",
        );
        let mut command = test.command(&format!("{} app:app --workers 2 --port 0", installed("venv/bin/uvicorn")));
        command.env("BOT_PORT", server.port().to_string());
        let uvicorn = test.start_command(command);
        wait_until("both workers are connected", || server.connections() == 2);
        let seen = diagnose(test, &server, "-m app.py", 0);
        let (level, pids) = level_and_pids(finding(&seen, "several-pollers"));
        let below = uvicorn.descendants();
        assert_eq!((level, pids.len()), ("warning", 2));
        assert!(pids.iter().all(|pid| below.contains(pid)), "{pids:?} of {below:?}");
        assert!(!codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
    });
}

#[test]
fn the_workers_of_a_pool_that_each_start_the_bot() {
    alone(|test| {
        let server = Standin::start();
        test.write(
            "bot.py",
            "import multiprocessing, signal, socket, sys\n\
             def bot():\n    connection = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n    \
                 signal.pause()\n\
             if __name__ == '__main__':\n    context = multiprocessing.get_context('spawn')\n    \
                 [context.Process(target=bot).start() for _ in range(2)]\n    signal.pause()\n",
        );
        let bot = test.start(&format!("python3 bot.py {}", server.port()));
        wait_until("both are connected", || server.connections() == 2);
        let seen = diagnose(test, &server, "-m bot.py", 0);
        let (level, pids) = level_and_pids(finding(&seen, "several-pollers"));
        let below = bot.descendants();
        assert_eq!((level, pids.len()), ("warning", 2));
        assert!(pids.iter().all(|pid| below.contains(pid)), "{pids:?} of {below:?}");
    });
}

#[test]
fn one_that_lost_its_connection_is_half_dead() {
    alone(|test| {
        let server = Standin::start();
        test.bot("web.py");
        let mut command = test.command("python3 web.py");
        command.env("BOT_TOKEN", token());
        let web = test.start_command(command);
        let (_bot, pid) = connected(test, &server, "--close-at close", &[]);
        let not_polling = |seen: &Value| codes(seen).contains(&"not-polling");
        assert!(!not_polling(&diagnose(test, &server, "-m bot.py", 0)), "it is connected");
        test.write("close", "");
        wait_for_age(pid, Duration::from_secs(30));
        wait_until("it is old enough to judge", || not_polling(&diagnose(test, &server, "-m bot.py", 0)));
        let seen = diagnose(test, &server, "-m bot.py", 0);
        assert_eq!(level_and_pids(finding(&seen, "not-polling")), ("warning", vec![pid]));
        // Of what only has a token nobody said that it is to poll.
        let seen = diagnose(test, &server, "", 0);
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([web.pid()]), "{seen:#}");
        assert!(!not_polling(&seen), "{seen:#}");
    });
}

#[test]
fn one_that_polls_telegram_where_a_server_of_its_own_is_named() {
    alone(|test| {
        test.write("bot.py", peer("connected.py"));
        let line = format!("{} python3 bot.py {TELEGRAM} 443 --listen --pid-file pid", elsewhere());
        let _bot = test.start(&line);
        let pid = test.wait_for_pid("pid");
        let ask = |line: &str, url: &str| test.solobot(line).env("SOLOBOT_API_URL", url).run().code(0).json();
        let seen = ask("doctor --json -m bot.py", "http://127.0.0.1:8081");
        assert_eq!(level_and_pids(finding(&seen, "local-api-server")), ("warning", vec![pid]));
        assert!(!codes(&ask("doctor --json -m bot.py", "https://api.telegram.org")).contains(&"local-api-server"));
        // Its connection gives it away where nothing says that it is a bot.
        let seen = test.solobot("doctor --json").run().code(0).json();
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([pid]), "{seen:#}");
        let seen = test.solobot("status --json").run().code(0).json();
        assert_eq!(seen["bots"][0]["instances"][0]["pid"], pid, "{seen:#}");
        assert_eq!(seen["bots"][0]["instances"][0]["polling"], "yes", "{seen:#}");
    });
}

#[test]
fn conflicts_without_an_instance_come_from_elsewhere() {
    alone(|test| {
        let server = Standin::start();
        logged(test, &[40, 35, 30, 25, 20, 15, 10, 5]);
        let seen = diagnose(test, &server, "main", 1);
        assert_eq!(codes(&seen)[0], "remote-poller");
        let found = finding(&seen, "remote-poller");
        assert_eq!(found["level"], "error");
        let text = found["evidence"].to_string();
        for word in [
            "8 conflicts",
            "two pollers end each other's polls",
            "@BotFather",
            "/revoke",
            "no instance is running here",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        // The same, some minutes ago: perhaps it is over.
        logged(test, &[240, 235, 230, 225, 220, 215]);
        assert_eq!(finding(&diagnose(test, &server, "main", 0), "remote-poller")["level"], "warning");
        logged(test, &[4000, 3995, 3990, 3985]);
        assert!(!codes(&diagnose(test, &server, "main", 0)).contains(&"remote-poller"));
        // Lines without a time tell nothing of now.
        test.write("bot.log", conflict(5).split_once(" aiogram").unwrap().1);
        let solobot = test.solobot("doctor main").env("SOLOBOT_API_URL", &server.url());
        solobot.run().code(0).stdout_has(&["not checked: no time is known for 1 conflict in the logs of main"]);
    });
}

#[test]
fn logs_that_are_none() {
    alone(|test| {
        let server = Standin::start();
        test.run("mkfifo fifo").code(0);
        std::fs::create_dir(test.path("folder")).unwrap();
        test.write("garbage", [0xff, 0x00, b'\n'].repeat(100_000));
        test.write("bot.log", conflict(5).repeat(3));
        let list = "logs = [\"fifo\", \"folder\", \"garbage\", \"missing\", \"/dev/zero\", \"bot.log\"]";
        test.write("solobot.toml", format!("[bots.main]\nscript = \"bot.py\"\n{list}\n"));
        let solobot = test.solobot("doctor --json main").env("SOLOBOT_API_URL", &server.url());
        let seen = solobot.start().finish_within(Duration::from_secs(20)).code(1).json();
        assert_eq!(codes(&seen)[0], "remote-poller", "the good one is read: {seen:#}");
        let unseen = seen["unseen"].to_string();
        for name in ["/fifo", "/folder", "/dev/zero"] {
            assert!(unseen.contains(&format!("{name}: it is not a regular file")), "{name}: {unseen}");
        }
    });
}

#[test]
fn a_second_instance_here_explains_the_conflicts() {
    alone(|test| {
        let server = Standin::start();
        let bots = [connected(test, &server, "", &[]), connected(test, &server, "", &[])];
        logged(test, &[40, 30, 20, 10, 5]);
        let seen = diagnose(test, &server, "main", 1);
        assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
        let text = finding(&seen, "duplicate-instances")["evidence"].to_string();
        assert!(text.contains("5 conflicts"), "{text}");
        drop(bots);
    });
}

#[test]
fn network_trouble_in_the_logs_is_no_conflict() {
    alone(|test| {
        let server = Standin::start();
        let time = |ago: i64| {
            let time = Timestamp::from_second(Timestamp::now().as_second() - ago).unwrap();
            time.strftime("%Y-%m-%d %H:%M:%S,000").to_string()
        };
        let line =
            |ago, what: &str| format!("{} aiogram.dispatcher - ERROR - Failed to fetch updates - {what}\n", time(ago));
        logged(test, &[]);
        let network = "TelegramNetworkError: HTTP Client says - ClientConnectorError: Cannot connect to host \
                       api.telegram.org:443 ssl:default [Temporary failure in name resolution]";
        let lines = (1..5).map(|number| line(number * 10, network)).collect::<String>()
            + &line(5, "TelegramRetryAfter: Telegram server says - Flood control exceeded. Retry in 5 seconds.")
            + &line(4, "TelegramServerError: Telegram server says - Bad Gateway");
        test.write("bot.log", lines);
        let seen = diagnose(test, &server, "main", 0);
        assert!(codes(&seen).contains(&"tcp") && !codes(&seen).contains(&"remote-poller"), "{seen:#}");
        for word in ["tcp", "rate-limited", "telegram-down"] {
            let found = finding(&seen, word);
            assert_eq!(found["level"], "warning");
            assert_eq!(found["command"], format!("solobot conflicts --since 1h {}", test.name("bot.log")));
        }
    });
}

#[test]
fn a_takeover_that_the_journal_knows_explains_its_conflicts() {
    alone(|test| {
        let server = Standin::start();
        // The journal's moment is now: the conflicts before it are over, those after it are normal.
        test.bot("bot.py");
        test.write("solobot.toml", "journal = \"j\"\n[bots.main]\nscript = \"bot.py\"\nlogs = [\"bot.log\"]\n");
        let held = test.solobot("acquire main -- python3 bot.py --say up").start();
        wait_until("the bot runs", || held.stdout().contains("up"));
        let conflicts: String = [20, 15, 10].map(conflict).concat() + &conflict(-1) + &conflict(0);
        test.write("bot.log", conflicts);
        let seen = diagnose(test, &server, "main", 0);
        let found = finding(&seen, "recent-takeover");
        assert_eq!(found["level"], "info");
        assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
        held.kill();
    });
}

#[test]
fn a_proxy_on_the_way_may_repeat_requests() {
    alone(|test| {
        let server = Standin::start();
        without_takeover(test, &server, &[("HTTPS_PROXY", "http://127.0.0.1:1")], |seen| {
            assert_eq!(finding(seen, "repeating-proxy")["level"], "warning");
            assert_eq!(finding(seen, "remote-poller")["level"], "error");
        });
    });
}

/// A bot that has run for longer than a takeover explains, and is in conflict now.
#[track_caller]
fn without_takeover(test: &Test, server: &Standin, variables: &[(&str, &str)], check: impl Fn(&Value)) {
    let (_bot, pid) = connected(test, server, "", variables);
    // The conflicts are to be more than a minute younger than the start.
    wait_for_age(pid, Duration::from_secs(63));
    logged(test, &[1, 1, 0]);
    check(&diagnose(test, server, "main", 1));
}

/// What it has open tells of it only if it writes there.
#[test]
fn a_bot_that_only_reads_a_log_has_none_of_its_conflicts() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.log", "");
        for (name, mode) in [("reader.py", "r"), ("writer.py", "a")] {
            test.write(name, format!("import signal\nlog = open('bot.log', '{mode}')\nsignal.pause()\n"));
        }
        let _reader = test.start("python3 reader.py");
        let writer = test.start("python3 writer.py");
        // The conflicts are to be more than a minute younger than the start.
        wait_for_age(writer.pid(), Duration::from_secs(63));
        test.write("bot.log", [1, 1, 0].map(conflict).concat());
        let seen = diagnose(test, &server, "-m writer.py", 1);
        assert_eq!(finding(&seen, "remote-poller")["level"], "error");
        let seen = diagnose(test, &server, "-m reader.py", 0);
        assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
    });
}

/// A poller that solobot cannot see: a thread of the test, which knows the token and shows it nowhere.
struct Stranger(Arc<AtomicBool>);

impl Stranger {
    fn polls(server: &Standin) -> Self {
        let (port, ends) = (server.port(), Arc::new(AtomicBool::new(false)));
        let end = Arc::clone(&ends);
        thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                // Whatever comes of it: it polls again, as bots do.
                let _ = poll(port);
                thread::sleep(Duration::from_millis(500)); // the pause of a bot that was refused
            }
        });
        Self(ends)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn poll(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let body = "timeout=10";
    write!(
        stream,
        "POST /bot{}/getUpdates HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token(),
        body.len()
    )?;
    let mut answer = [0; 512];
    stream.read(&mut answer).map(drop)
}

/// The whole story with a real bot: conflicts at its start are normal, and if they go on, somebody else polls.
#[test]
fn a_real_bot_that_somebody_elsewhere_fights() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", peer("aiogram_bot.py"));
        let mut command = test.command(&format!("{} bot.py", Venv::Bots.interpreter().display()));
        command.env("BOT_TOKEN", token()).env("API_BASE", server.url());
        let bot = test.start_command(command);
        wait_within(START, "it polls", || server.rules().is_polled());
        let stranger = Stranger::polls(&server);
        wait_until("it says so", || bot.stderr().matches("TelegramConflictError").count() >= 2);
        let ask = || asking(test, &server, "doctor --json -m bot.py -l bot.lock").run().settled().json();
        let seen = ask();
        assert_eq!(finding(&seen, "recent-takeover")["level"], "info", "{seen:#}");
        assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
        // The log is the one that it writes to: nobody has named it.
        let logs = seen["bots"][0]["logs"].as_array().unwrap().iter().map(|log| log.as_str().unwrap());
        let text = logs.map(|log| std::fs::read_to_string(log).unwrap()).collect::<String>();
        assert!(text.contains("TelegramConflictError"), "{seen:#}");
        wait_for_age(bot.pid(), Duration::from_mins(1));
        wait_until("they go on", || {
            let seen = ask();
            codes(&seen).contains(&"remote-poller") && finding(&seen, "remote-poller")["level"] == "error"
        });
        let seen = ask();
        let found = finding(&seen, "remote-poller");
        assert_eq!(level_and_pids(found), ("error", vec![bot.pid()]));
        assert_eq!(codes(&seen)[0], "remote-poller", "{seen:#}");
        drop(stranger);
        holds_for(Duration::from_millis(100), "the bot lives", || crate::harness::alive(bot.pid()));
    });
}
