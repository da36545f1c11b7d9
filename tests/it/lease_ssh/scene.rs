//! The home host: an sshd of the test's own on a loopback port, with its own keys, for the user who runs the test.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use solobot::lease::engine::ssh::SshRegister;
use solobot::lease::engine::{Register, RegisterLook, SetResult};
use solobot::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};

use crate::harness::{Background, Signal, Test, alive, descendants, send_to, wait_until};

/// Enough for a login on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The lease's TTL, in seconds.
pub const TTL: u64 = 5;

/// An sshd and what its client needs.
pub struct HomeHost<'a> {
    test: &'a Test,
    sshd: Option<Background>,
    pub port: u16,
}

impl<'a> HomeHost<'a> {
    /// Up and known to the client, with solobot in its PATH.
    #[track_caller]
    pub fn start(test: &'a Test) -> Self {
        let solobot = Path::new(env!("CARGO_BIN_EXE_solobot")).parent().unwrap();
        Self::with_path(test, solobot.to_str().unwrap())
    }

    /// The same; `programs` is where a login finds solobot, or does not.
    #[track_caller]
    pub fn with_path(test: &'a Test, programs: &str) -> Self {
        fs::create_dir_all(test.path("ssh")).unwrap();
        for key in ["host", "client", "other"] {
            let line = format!("ssh-keygen -q -t ed25519 -N '' -f ssh/{key}");
            let _ = test.run(&line).code(0);
        }
        // sshd wants its empty folder there.
        test.mount("tmpfs", "mode=755", "/run");
        fs::create_dir_all("/run/sshd").unwrap();
        fs::copy(test.path("ssh/client.pub"), test.path("ssh/authorized")).unwrap();
        // The port may be taken by another test before sshd has it: then another one.
        let mut host = Self { test, sshd: None, port: 0 };
        while host.sshd.is_none() {
            host.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            test.write(
                "ssh/sshd_config",
                format!(
                    "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
                     UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv PATH={programs}:/usr/bin:/bin\n",
                    host.port,
                    test.name("ssh/host"),
                    test.name("ssh/authorized"),
                ),
            );
            host.run_sshd();
        }
        let key = fs::read_to_string(test.path("ssh/host.pub")).unwrap();
        test.write("ssh/known", format!("[127.0.0.1]:{} {key}", host.port));
        host.configure_client("client", "known");
        host
    }

    /// The user's own configuration, as far as a test may say what it is.
    #[track_caller]
    pub fn configure_client(&self, key: &str, known: &str) {
        let (key, known) = (self.test.name(&format!("ssh/{key}")), self.test.name(&format!("ssh/{known}")));
        let first = !self.test.has("ssh/config");
        let text = format!(
            "IdentityFile {key}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {known}\n\
             GlobalKnownHostsFile /dev/null\n"
        );
        self.test.write("ssh/config", text);
        if first {
            self.test.mount_bind("ssh/config", "/etc/ssh/ssh_config");
        }
    }

    /// Starts sshd, unless its port is taken.
    #[track_caller]
    pub fn run_sshd(&mut self) {
        let config = self.test.name("ssh/sshd_config");
        let mut sshd = self.test.start(&format!("/usr/sbin/sshd -D -e -f {config}"));
        wait_until("sshd listens or has ended", || sshd.stderr().contains("Server listening") || sshd.has_ended());
        if !sshd.has_ended() {
            self.sshd = Some(sshd);
        }
    }

    /// Ends sshd and its sessions, as a crash would; what they run goes on.
    #[track_caller]
    pub fn kill_sshd(&mut self) {
        let sshd = self.sshd.take().unwrap();
        let below = sshd.descendants();
        sshd.kill_alone();
        for pid in below.into_iter().filter(|&pid| command(pid).contains("sshd")) {
            send_to(pid, Signal::KILL);
        }
    }

    /// What a candidate on another host calls.
    pub fn register(&self, lock: &str) -> SshRegister {
        SshRegister::new(None, "127.0.0.1".into(), Some(self.port), self.test.name(lock))
    }
}

/// Every `solobot hold` that runs.
pub fn holds() -> Vec<i32> {
    let all = descendants(1).into_iter().filter(|&pid| alive(pid));
    all.filter(|&pid| command(pid).split('\0').nth(1) == Some("hold")).collect()
}

/// Kills every `solobot hold`, which the test's sshd started.
#[track_caller]
pub fn kill_holds() {
    for pid in holds() {
        send_to(pid, Signal::KILL);
    }
    wait_until("no hold runs", || holds().is_empty());
}

fn command(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// A record of a candidate on `host`.
pub fn record(host: &str, generation: u64, renewal: u64, state: GrantState) -> Vec<u8> {
    let by = LeaseHolder {
        name: "bot".into(),
        bot_id: None,
        host: host.into(),
        boot_id: "another".into(),
        lock: (1, 2),
        pid: 4242,
        command: "python3 bot.py".into(),
        since: "2026-01-01T00:00:00Z".into(),
        origin: None,
    };
    let (holder, ttl_ms) = (format!("{host}-{generation}"), TTL * 1000);
    LeaseRecord::new(Grant { holder, generation, renewal, ttl_ms, state, server: None }, Arc::new(by)).encode()
}

/// Writes over whatever stands there.
#[track_caller]
pub fn write(register: &mut dyn Register, record: &[u8]) -> RegisterLook {
    let look = register.read(LIMIT).unwrap();
    match register.set_if(&look.version, record, LIMIT).unwrap() {
        SetResult::Written(look) => look,
        SetResult::Refused(look) => panic!("refused: {look:?}"),
    }
}

/// A lease that `laptop` holds.
#[track_caller]
pub fn held_by_laptop(host: &HomeHost<'_>) -> SshRegister {
    let mut register = host.register("bot.lock");
    write(&mut register, &record("laptop", 1, 1, GrantState::Held));
    register
}

/// `flock(1)` and Python's `fcntl.flock` on the lock.
#[track_caller]
pub fn others_can_take_it(test: &Test) -> [bool; 2] {
    let run = |mut command: Command| command.status().unwrap().success();
    let python = "import fcntl, sys; fcntl.flock(open('bot.lock', 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)";
    let mut command = test.command("python3 -c");
    command.arg(python).stderr(std::process::Stdio::null());
    [run(test.command("flock -n bot.lock true")), run(command)]
}
