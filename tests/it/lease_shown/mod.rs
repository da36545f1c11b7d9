//! A lease as everybody sees it who looks: with what an `acquire` on this host says of itself, and with a real engine.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use solobot::journal::leases::{LeaseStage, LeaseStatus, WaitsFor};
use solobot::lease::engine::{self, EngineUrl};
use solobot::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};
use solobot::platform::clock::uptime;

use crate::harness::{Background, Test, alone, wait_until};

const NAME: &str = "123456";
const TTL: Duration = Duration::from_mins(1);

/// A bot with a lease on that engine.
pub fn bot(test: &Test, engine: &str) {
    test.bot("bot.py");
    test.write(
        "solobot.toml",
        format!(
            "[bots.main]\ndir = \".\"\nscript = \"bot.py\"\nlock = \"main.lock\"\nlease = \"{engine}\"\nlease_name = \"{NAME}\"\n"
        ),
    );
}

/// What an `acquire` here would say of itself: this process stands for it.
pub fn says(test: &Test, change: impl FnOnce(&mut LeaseStatus)) {
    let mut status = LeaseStatus::waiting(NAME, "redis://10.0.0.5/0", &test.path("main.lock"), TTL).unwrap();
    change(&mut status);
    status.save_in(&test.path("../home/.local/state/solobot/leases")).unwrap();
}

/// It holds it.
pub fn held(status: &mut LeaseStatus) {
    let now = uptime().whole;
    status.state = LeaseStage::Held;
    status.generation = 7;
    status.deadline = Some(now + Duration::from_secs(50));
    status.renewed = Some(now);
    (status.renewals, status.failures) = (12, 2);
    status.longest_gap = Duration::from_millis(10_300);
}

/// It waits for another host.
pub fn waiting(status: &mut LeaseStatus) {
    status.waits_for = Some(WaitsFor::Holder {
        host: "vps".into(),
        pid: 77,
        command: "python3 bot.py".into(),
        since: "2026-01-10T15:27:14Z".into(),
        unchanged: Duration::from_secs(4),
    });
}

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A redis-server of the test's own.
struct Redis {
    url: String,
    _process: Background,
}

impl Redis {
    fn start(test: &Test) -> Self {
        let port = free_port();
        let process = test.start(&format!("redis-server --port {port} --bind 127.0.0.1 --dir . --save ''"));
        let answers = || {
            let output = test.command(&format!("redis-cli -p {port} ping")).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains("PONG")
        };
        wait_until("redis-server answers", answers);
        Self { url: format!("redis://127.0.0.1:{port}/0"), _process: process }
    }

    /// Writes a record as another host would.
    fn write(&self, content: &[u8]) {
        let mut register = engine::open(&EngineUrl::parse(&self.url).unwrap(), NAME).unwrap();
        let look = register.read(Duration::from_secs(3)).unwrap();
        register.set_if(&look.version, content, Duration::from_secs(3)).unwrap();
    }
}

/// The record of another host.
fn record(state: GrantState) -> Vec<u8> {
    let grant = Grant { holder: "h".into(), generation: 7, renewal: 3, ttl_ms: 30_000, state, server: None };
    let by = LeaseHolder {
        name: NAME.into(),
        bot_id: None,
        host: "vps".into(),
        boot_id: "another".into(),
        lock: (1, 2),
        pid: 77,
        command: "python3 bot.py".into(),
        since: "2026-01-10T15:27:14Z".into(),
        origin: None,
    };
    LeaseRecord::new(grant, Arc::new(by)).encode()
}

#[test]
fn what_holds_its_lease_here_is_shown_without_the_engine() {
    alone(|test| {
        // Nobody could connect to it.
        bot(test, "redis://127.0.0.1:1/0");
        says(test, held);
        let label = "lease 123456 on redis://10.0.0.5/0: held here, generation 7, ";
        test.solobot("status").run().code(0).stdout_has(&[label, "s left, renewed "]);
        test.solobot("lease").run().code(0).stdout_has(&[&format!("main: {label}")]);
        let json = test.solobot("status --json").run().code(0).json();
        let lease = &json["bots"][0]["lease"];
        assert_eq!((&lease["state"], &lease["generation"]), (&"held-here".into(), &7.into()), "{json}");
        assert!(lease["here"]["left"].as_f64().is_some_and(|left| left > 0.0 && left <= 50.0), "{json}");
        test.solobot("metrics").run().code(0).stdout_has(&[
            "solobot_lease_held{bot=\"main\"} 1\n",
            "solobot_lease_left_seconds{bot=\"main\"} ",
            "solobot_lease_generation{bot=\"main\"} 7\n",
            "solobot_lease_renewals{bot=\"main\"} 12\n",
            "solobot_lease_failures{bot=\"main\"} 2\n",
            "solobot_lease_longest_gap_seconds{bot=\"main\"} 10.3\n",
        ]);
        // Where nothing is configured, what runs here is shown all the same.
        std::fs::remove_file(test.path("solobot.toml")).unwrap();
        test.solobot("lease").run().code(0).stdout_has(&[label]);
        says(test, |status| {
            held(status);
            status.state = LeaseStage::Stopping;
        });
        test.solobot("lease").run().code(0).stdout_has(&["its bot is being stopped"]);
    });
}

#[test]
fn a_host_that_waits_is_no_running_bot() {
    alone(|test| {
        bot(test, "redis://127.0.0.1:1/0");
        says(test, waiting);
        let sentence = "vps, PID 77 (python3 bot.py) holds it, since 2026-01-10T15:27:14Z; not renewed for 4s";
        test.solobot("status").run().code(0).stdout_has(&["no instance", ", waiting for its lease", sentence]);
        test.solobot("check").run().code(1).stdout_has(&["main: not safe to start", "waiting here", sentence]);
        test.solobot("check --running").run().code(1).stdout_has(&["no instance is running", sentence]);
        let output = test.solobot("lease").run().code(0).stdout_has(&[sentence]);
        assert!(output.stdout().contains("ssh vps solobot stop main"), "{}", output.stdout());
        test.solobot("metrics").run().code(0).stdout_has(&["solobot_lease_held{bot=\"main\"} 0\n"]);
    });
}

#[test]
fn a_status_whose_process_has_ended_counts_as_none() {
    alone(|test| {
        bot(test, "redis://127.0.0.1:1/0");
        says(test, held);
        let folder = test.path("../home/.local/state/solobot/leases");
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let start = text.find("\"start_ticks\":").unwrap() + "\"start_ticks\":".len();
        std::fs::write(&file, format!("{}9{}", &text[..start], &text[start..])).unwrap();
        test.solobot("lease").run().code(69).stdout_has(&["unknown: "]);
    });
}

#[test]
fn an_engine_that_does_not_answer_is_no_yes() {
    alone(|test| {
        bot(test, "redis://127.0.0.1:1/0");
        test.solobot("check").run().code(69).stdout_has(&["cannot tell about lease 123456 on redis://127.0.0.1:1/0: "]);
        test.solobot("lease").run().code(69).stdout_has(&["lease 123456 on redis://127.0.0.1:1/0: unknown: "]);
        assert_eq!(test.solobot("lease --json").run().code(69).json()["bots"][0]["lease"]["state"], "unreachable");
        test.solobot("status").run().code(0).stdout_has(&["unknown: "]);
        let found = test.solobot("doctor --json").run().code(1).json();
        assert_eq!(found["findings"][0]["code"], "engine-unreachable", "{found}");
        test.solobot("release").run().code(0).stderr_has(&["cannot tell about lease", "nothing to release"]);
        // A health check does not depend on it.
        test.solobot("check --running").run().code(1).stdout_has(&["no instance is running"]);
    });
}

#[test]
fn the_lease_of_another_host_is_shown_and_never_taken() {
    alone(|test| {
        let redis = Redis::start(test);
        bot(test, &redis.url);
        test.solobot("check").run().code(0).stdout_has(&["safe to start"]);
        test.solobot("lease").run().code(0).stdout_has(&["free: there is no record; the first start waits 1m"]);
        let held = record(GrantState::Held);
        redis.write(&held);
        let by = "held by vps, PID 77 (python3 bot.py), since 2026-01-10T15:27:14Z, generation 7";
        test.solobot("status").run().code(0).stdout_has(&[by, "within 30s of its last renewal"]);
        test.solobot("lease").run().code(0).stdout_has(&[by, "renewal 3", "ssh vps solobot stop main"]);
        test.solobot("check").run().code(1).stdout_has(&["not safe to start", by]);
        test.solobot("release").run().code(1).stderr_has(&[by, "ssh vps solobot stop main"]);
        let json = test.solobot("release --json").run().code(1).json();
        assert_eq!((&json["released"], &json["lease"]["holder"]["host"]), (&false.into(), &"vps".into()), "{json}");
        let found = test.solobot("doctor --json").run().settled().json();
        let codes: Vec<&str> =
            found["findings"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
        for code in ["lease-elsewhere", "engine-forgets", "lease-ttl-differs"] {
            assert!(codes.contains(&code), "{found}");
        }
        redis.write(b"not ours");
        test.solobot("check").run().code(1).stdout_has(&["something that is no lease of solobot's stands there"]);
        redis.write(&record(GrantState::Released));
        test.solobot("check").run().code(0).stdout_has(&["safe to start"]);
        test.solobot("lease").run().code(0).stdout_has(&["free: vps, PID 77 (python3 bot.py)"]);
    });
}

#[test]
fn without_a_lease_nothing_is_said_of_one() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", "[bots.main]\nscript = \"bot.py\"\n");
        test.solobot("lease").run().code(0).stdout_has(&["main: no lease", "solobot acquire --lease redis://HOST/0"]);
        for line in ["status", "check", "status --json", "check --json"] {
            let output = test.solobot(line).run().code(0);
            assert!(!output.stdout().contains("lease"), "{line}: {}", output.stdout());
        }
    });
}
