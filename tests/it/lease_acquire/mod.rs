//! `acquire --lease` as its users meet it: against a real redis-server, with hosts that are told apart by their names, folders
//! and state folders.

mod beginning;
mod dying;
mod holding;
mod modes;
mod refusals;
mod service;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use solobot::lease::engine::{self, EngineUrl};
use solobot::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};

use crate::harness::{Background, Test, children, wait_within};
use crate::lease_redis::server::Server;

/// The shortest one, except where something has to happen within 40% of it.
const TTL: Duration = Duration::from_secs(5);
/// By how much a loaded machine may be late.
const SLACK: Duration = Duration::from_secs(2);
/// Where the record stands.
const KEY: &str = "solobot:lease:bot";
/// A COMMAND that says that it runs.
const BOT: &str = "sh -c 'echo $$ >up; exec sleep 600'";

/// A host of its own, as far as solobot can tell.
struct Host<'a> {
    test: &'a Test,
    name: &'static str,
    url: String,
}

impl<'a> Host<'a> {
    fn new(test: &'a Test, name: &'static str, url: String) -> Self {
        std::fs::create_dir_all(test.path(name).join("state")).unwrap();
        test.bot(&format!("{name}/bot.py"));
        Self { test, name, url }
    }

    /// `acquire` on this host; `how`: options, `--` and COMMAND.
    #[track_caller]
    fn command(&self, how: &str) -> Command {
        self.command_at(&format!("--lease {} --lease-name bot --lease-ttl 5s --grace 1s {how}", self.url))
    }

    /// The same without the lease's options.
    #[track_caller]
    fn command_at(&self, how: &str) -> Command {
        let Self { test, name, .. } = self;
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = format!("unshare -u sh -c 'hostname {name} && exec \"$@\"' sh {exe} acquire -l bot.lock {how}");
        let mut command = test.command(&line);
        command.current_dir(test.path(name)).env("XDG_STATE_HOME", test.path(name).join("state"));
        command
    }

    #[track_caller]
    fn acquire(&self, how: &str) -> Background {
        self.test.start_command(self.command(how))
    }

    /// A path on this host, as a name in the test's folder.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// Whether COMMAND has said that it runs.
    fn is_up(&self) -> bool {
        self.test.has(&self.at("up"))
    }

    /// Waits for COMMAND, and says which process it is; the next one says it again.
    #[track_caller]
    fn up(&self) -> i32 {
        let name = self.at("up");
        wait_within(Duration::from_mins(1), &format!("{name} has a PID"), || {
            std::fs::read_to_string(self.test.path(&name)).is_ok_and(|text| text.ends_with('\n'))
        });
        let pid = self.test.read(&name).trim().parse().unwrap();
        std::fs::remove_file(self.test.path(&name)).unwrap();
        pid
    }

    /// Starts [`BOT`] under the lease, and waits for it.
    #[track_caller]
    fn holds(&self) -> (Background, i32) {
        let solobot = self.acquire(&format!("-- {BOT}"));
        (solobot, self.up())
    }

    #[track_caller]
    fn is_locked(&self) -> bool {
        self.test.is_locked(&self.at("bot.lock"))
    }
}

/// A server on which the lease is free, and was before: nobody has to watch it.
#[track_caller]
fn used_server(test: &Test) -> Server<'_> {
    let server = Server::start(test, "redis", "");
    plant(&server, GrantState::Released, 1, |_| {});
    server
}

/// Writes a record as another host would.
#[track_caller]
fn plant(server: &Server<'_>, state: GrantState, generation: u64, change: impl FnOnce(&mut LeaseHolder)) {
    let mut register = engine::open(&EngineUrl::parse(&server.url()).unwrap(), "bot").unwrap();
    let limit = Duration::from_secs(30);
    let mut by = LeaseHolder {
        name: "bot".into(),
        bot_id: None,
        host: "vps".into(),
        boot_id: "another".into(),
        lock: (1, 2),
        pid: 77,
        command: "python3 bot.py".into(),
        since: "2026-01-10T15:27:14Z".into(),
        origin: Some("systemd".into()),
    };
    change(&mut by);
    let by = Arc::new(by);
    // Who renews may come in between.
    loop {
        let look = register.read(limit).unwrap();
        let ttl_ms = u64::try_from(TTL.as_millis()).unwrap();
        let server = Some(look.server);
        let grant = Grant { holder: "planted".into(), generation, renewal: 1, ttl_ms, state, server };
        let record = LeaseRecord::new(grant, Arc::clone(&by)).encode();
        if let engine::SetResult::Written(_) = register.set_if(&look.version, &record, limit).unwrap() {
            return;
        }
    }
}

/// What stands on the engine.
#[track_caller]
fn record(server: &Server<'_>) -> Value {
    serde_json::from_str(&server.cli(&format!("get {KEY}"))).unwrap_or_default()
}

fn is_released(server: &Server<'_>) -> bool {
    record(server)["state"] == "released"
}

/// The living guardian of a solobot.
fn guardian(solobot: &Background) -> Option<i32> {
    children(solobot.pid()).into_iter().find(|pid| comm(*pid) == "lease-guardian")
}

fn comm(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// A time in seconds, for a failed test's message.
#[track_caller]
fn took(what: &str, since: Instant, at_least: Duration, at_most: Duration) {
    let took = since.elapsed();
    assert!(took >= at_least && took <= at_most, "{what} after {took:?}");
}
