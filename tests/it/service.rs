//! `acquire` as a service of `Type=notify`: what systemd is told, by a socket that stands in for it. tests/systemd.sh has a
//! real one.

use std::cell::RefCell;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use crate::harness::{Signal, Test, alive, alone, holds_for, send, wait_until};
use crate::holding::{Holding, holding};

/// A COMMAND that says that it runs, and what it has of systemd's variables.
const BOT: &str = "sh -c 'env | grep -E NOTIFY\\|WATCHDOG >seen; printf %s $$ >up; exec sleep 600'";

/// Where systemd would listen.
pub struct Manager {
    socket: UnixDatagram,
    heard: RefCell<String>,
}

impl Manager {
    pub fn new(test: &Test) -> Self {
        Self::at(UnixDatagram::bind(test.path("notify")).unwrap())
    }

    fn at(socket: UnixDatagram) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket, heard: RefCell::default() }
    }

    /// Everything so far, each word a line.
    pub fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.borrow_mut().push_str(str::from_utf8(&buffer[..length]).unwrap());
            self.heard.borrow_mut().push('\n');
        }
        self.heard.borrow().clone()
    }

    pub fn has(&self, word: &str) -> bool {
        self.count(word) > 0
    }

    pub fn count(&self, word: &str) -> usize {
        self.heard().lines().filter(|line| line.starts_with(word)).count()
    }

    pub fn forget(&self) {
        self.heard();
        self.heard.borrow_mut().clear();
    }
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end().to_owned()
}

#[test]
fn a_unit_is_ready_once_its_bot_runs_and_stops_when_asked() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", &test.name("notify"));
        let solobot = solobot.env("WATCHDOG_USEC", "60000000").start();
        let bot = test.wait_for_pid("up");
        wait_until("ready", || manager.has("READY=1"));
        assert!(manager.heard().contains(&format!("STATUS=running: PID {bot}\n")), "{}", manager.heard());
        assert_eq!(test.read("seen"), "", "COMMAND has none of the variables");
        wait_until("the watchdog is told", || manager.has("WATCHDOG=1"));
        assert!(!manager.has("STOPPING=1") && !manager.has("EXTEND") && !manager.has("MAINPID"), "{}", manager.heard());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert_eq!((manager.count("STOPPING=1"), manager.count("READY=1")), (1, 1), "{}", manager.heard());
    });
}

#[test]
fn a_command_that_cannot_be_started_is_no_ready_unit() {
    alone(|test| {
        let manager = Manager::new(test);
        let line = "acquire -l bot.lock -- ./missing";
        test.solobot(line).env("NOTIFY_SOCKET", &test.name("notify")).run().code(127).stderr_has(&["missing"]);
        assert_eq!(manager.heard(), "");
    });
}

#[test]
fn a_unit_that_waits_says_for_whom_and_asks_for_time() {
    alone(|test| {
        let manager = Manager::new(test);
        let Holding { solobot: first, bot } = holding(test);
        let line = format!("acquire -q -w forever -l bot.lock -- {BOT}");
        let second = test.solobot(&line).env("NOTIFY_SOCKET", &test.name("notify")).start();
        let waiting = format!("STATUS=waiting: held by PID {bot} on {} since 20", host());
        wait_until("it says who holds the lock", || manager.has(&waiting));
        assert!(manager.has("EXTEND_TIMEOUT_USEC=60000000"), "{}", manager.heard());
        assert!(!manager.has("READY=1"), "{}", manager.heard());
        wait_until("it asks again", || manager.count("EXTEND_TIMEOUT_USEC=60000000") > 1);
        first.signal(Signal::TERM);
        first.finish().code(0);
        test.wait_for_pid("up");
        wait_until("ready", || manager.has("READY=1"));
        let words = manager.heard();
        assert!(words.rfind("STATUS=running") > words.rfind("STATUS=waiting"), "{words}");
        manager.forget();
        second.signal(Signal::TERM);
        second.finish().signal(Signal::TERM);
        assert!(!manager.has("EXTEND"), "a unit that is ready needs no time to start: {}", manager.heard());
    });
}

#[test]
fn an_instance_without_the_lock_is_waited_for_with_patience() {
    alone(|test| {
        let manager = Manager::new(test);
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid");
        let second = test.solobot("acquire -q -w forever -l bot.lock -- python3 bot.py");
        let second = second.env("BOT_OPTIONS", "--pid-file bot.pid").env("NOTIFY_SOCKET", &test.name("notify")).start();
        let waiting = format!("STATUS=waiting: already running without the lock, PID {pid} on {} since 20", host());
        wait_until("it says who runs", || manager.has(&waiting));
        wait_until("it asks again", || manager.count("EXTEND_TIMEOUT_USEC=60000000") > 1);
        assert!(!manager.has("READY=1"));
        by_hand.kill();
        test.wait_for_pid("bot.pid");
        wait_until("ready", || manager.has("READY=1"));
        second.signal(Signal::TERM);
        second.finish().code(0);
    });
}

#[test]
fn the_watchdog_is_told_at_half_its_time_and_nothing_by_a_solobot_that_is_stopped() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", &test.name("notify"));
        let solobot = solobot.env("WATCHDOG_USEC", "1000000").start();
        test.wait_for_pid("up");
        wait_until("the first word", || manager.has("WATCHDOG=1"));
        let start = Instant::now();
        wait_until("more of them", || manager.count("WATCHDOG=1") >= 5);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(1500), "four halves of a second took {took:?}");
        send(solobot.pid(), Signal::STOP);
        wait_until("it is stopped", || crate::harness::is_stopped(solobot.pid()));
        manager.forget();
        holds_for(Duration::from_secs(2), "nothing is said", || manager.heard().is_empty());
        send(solobot.pid(), Signal::CONT);
        wait_until("it goes on", || manager.has("WATCHDOG=1"));
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
    });
}

#[test]
fn a_lost_lock_is_not_called_well() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", &test.name("notify"));
        let mut solobot = solobot.env("WATCHDOG_USEC", "1000000").start();
        test.wait_for_pid("up");
        wait_until("the first word", || manager.has("WATCHDOG=1"));
        test.write("new.lock", "");
        let other = test.start("flock new.lock sh -c 'printf %s $$ >other; exec sleep 600'");
        test.wait_for_pid("other");
        fs::rename(test.path("new.lock"), test.path("bot.lock")).unwrap();
        wait_until("it says so", || manager.has("STATUS=the lock or the lease is lost"));
        manager.forget();
        holds_for(Duration::from_secs(2), "the watchdog is told nothing", || !manager.has("WATCHDOG=1"));
        other.kill();
        wait_until("all is well again", || manager.has("WATCHDOG=1") && manager.has("STATUS=running: PID"));
        solobot.wait_for_stderr("is lost");
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&[]);
    });
}

#[test]
fn a_restart_is_no_news_for_the_watchdog() {
    alone(|test| {
        let manager = Manager::new(test);
        let line = "acquire -q --restart always -l bot.lock -- sh -c 'echo >>runs; exit 3'";
        let solobot = test.solobot(line).env("NOTIFY_SOCKET", &test.name("notify"));
        let solobot = solobot.env("WATCHDOG_USEC", "1000000").start();
        wait_until("it says what it waits for", || {
            manager.has("STATUS=ended with exit code 3; starting it again in 10s")
        });
        manager.forget();
        wait_until("all is well meanwhile", || manager.count("WATCHDOG=1") > 2);
        wait_until("it has started again", || test.read("runs") == "\n\n");
        wait_until("that is said", || manager.has("STATUS=running: PID"));
        assert!(!manager.has("READY=1") && !manager.has("STOPPING=1"), "{}", manager.heard());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(manager.has("STOPPING=1"));
    });
}

#[test]
fn what_replaces_solobot_speaks_for_itself() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -F -l bot.lock -- {BOT}"));
        let solobot = solobot.env("NOTIFY_SOCKET", &test.name("notify")).env("WATCHDOG_USEC", "1000000").start();
        assert_eq!(test.wait_for_pid("up"), solobot.pid());
        assert_eq!(test.read("seen").lines().count(), 2, "{}", test.read("seen"));
        assert_eq!(manager.heard(), "");
    });
}

#[test]
fn without_the_lock_the_unit_is_ready_and_not_watched() {
    alone(|test| {
        let manager = Manager::new(test);
        let _holding = holding(test);
        let second = test.solobot(&format!("acquire -q -n --if-held run -l bot.lock -- {BOT}"));
        let second = second.env("NOTIFY_SOCKET", &test.name("notify")).env("WATCHDOG_USEC", "1000000").start();
        assert_eq!(test.wait_for_pid("up"), second.pid());
        assert_eq!(test.read("seen"), "");
        let words = manager.heard();
        assert!(words.ends_with("READY=1\nWATCHDOG_USEC=0\nSTATUS=running without the lock\n"), "{words}");
    });
}

#[test]
fn a_script_that_holds_the_lock_is_its_own_service() {
    alone(|test| {
        let manager = Manager::new(test);
        let socket = test.name("notify");
        let kept = test.start("tail -f /dev/null");
        let line = format!("acquire --pid {} -l bot.lock", kept.pid());
        test.solobot(&line).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1000000").run().code(0);
        test.solobot("release -y -l bot.lock").run().code(0).settled();
        assert_eq!(manager.heard(), "");
        // Only the wait is told.
        let Holding { solobot: _first, bot } = holding(test);
        let line = format!("acquire -q -w 1 --pid {} -l bot.lock", kept.pid());
        test.solobot(&line).env("NOTIFY_SOCKET", &socket).run().code(75);
        assert!(manager.has(&format!("STATUS=waiting: held by PID {bot} on ")) && manager.has("EXTEND"));
        assert!(!manager.has("READY=1"));
    });
}

#[test]
fn who_is_not_the_process_that_systemd_started_says_nothing() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", &test.name("notify"));
        let solobot = solobot.env("SYSTEMD_EXEC_PID", "1").start();
        test.wait_for_pid("up");
        assert!(test.read("seen").starts_with("NOTIFY_SOCKET="), "and leaves the variable to whose it may be");
        assert_eq!(manager.heard(), "");
        drop(solobot);
        // A shell that execs is the same process.
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!("sh -c 'SYSTEMD_EXEC_PID=$$ exec {exe} acquire -l other.lock -- true'");
        let mut command = test.command(&line);
        command.env("NOTIFY_SOCKET", test.name("notify"));
        test.start_command(command).finish().code(0);
        assert!(manager.has("READY=1"));
    });
}

#[test]
fn the_watchdog_of_another_process_is_not_ours() {
    alone(|test| {
        let manager = Manager::new(test);
        let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", &test.name("notify"));
        let solobot = solobot.env("WATCHDOG_USEC", "100000").env("WATCHDOG_PID", "1").start();
        test.wait_for_pid("up");
        wait_until("ready", || manager.has("READY=1"));
        holds_for(Duration::from_secs(1), "nothing more is said", || !manager.has("WATCHDOG"));
        drop(solobot);
    });
}

#[test]
fn nobody_at_the_socket_or_one_who_does_not_read_keeps_no_bot_from_running() {
    alone(|test| {
        let started = |socket: &str| {
            let _ = fs::remove_file(test.path("up"));
            let solobot = test.solobot(&format!("acquire -l bot.lock -- {BOT}")).env("NOTIFY_SOCKET", socket);
            let mut solobot = solobot.env("WATCHDOG_USEC", "200000").start();
            let bot = test.wait_for_pid("up");
            solobot.wait_for_stderr("cannot tell systemd (NOTIFY_SOCKET) that the bot is running");
            let start = Instant::now();
            solobot.signal(Signal::TERM);
            wait_until("the bot has ended", || !alive(bot));
            assert!(start.elapsed() < Duration::from_secs(5), "a signal waited {:?}", start.elapsed());
            solobot.finish().signal(Signal::TERM).stderr_has(&[]);
        };
        for socket in [test.name("nowhere"), "@nowhere-at-all".into(), "vsock:2:1".into(), "x".repeat(200)] {
            started(&socket);
        }
        let _unread = UnixDatagram::bind(test.path("full")).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"X=1", test.path("full")).is_ok() {}
        started(&test.name("full"));
    });
}

#[test]
fn a_socket_without_a_file_is_heard_too() {
    alone(|test| {
        // A name of its own: such sockets are the network namespace's, not the folder's.
        let name = format!("solobot-test-{}", test.inode("."));
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = Manager::at(UnixDatagram::bind_addr(&address).unwrap());
        test.solobot("acquire -l bot.lock -- true").env("NOTIFY_SOCKET", &format!("@{name}")).run().code(0);
        assert!(manager.has("READY=1"));
    });
}
