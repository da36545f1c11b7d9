//! `acquire --lease etcd://…` from the first start to the hand-over.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::KEY;
use super::server::{cluster, url_of};
use crate::harness::{Signal, alive, alone, wait_until};

/// A COMMAND that says that it runs.
const BOT: &str = "sh -c 'printf %s $$ >pid; exec sleep 600'";

#[test]
fn a_bot_starts_another_waits_and_a_release_hands_over() {
    alone(|test| {
        let mut members = cluster(test, &["a", "b", "c"]);
        let lease = format!("--lease {} --lease-name bot --lease-ttl 5s --grace 1s", url_of(&members));
        for host in ["one", "two"] {
            std::fs::create_dir_all(test.path(host).join("state")).unwrap();
        }
        // A host of its own, as far as solobot can tell.
        let acquire = |host: &str, how: &str| {
            let exe = env!("CARGO_BIN_EXE_solobot");
            let line =
                format!("unshare -u sh -c 'hostname {host} && exec \"$@\"' sh {exe} acquire -l {host}.lock {lease}");
            let mut command = test.command(&format!("{line} {how}"));
            command.current_dir(test.path(host)).env("XDG_STATE_HOME", test.path(host).join("state"));
            test.start_command(command)
        };
        let record = |member: usize| -> Value { serde_json::from_str(&members[member].value(KEY)).unwrap_or_default() };
        let mut first = acquire("one", &format!("-- {BOT}"));
        let bot = test.wait_for_pid("one/pid");
        first.wait_for_stderr("got lease bot on");
        assert_eq!((&record(0)["state"], &record(1)["host"]), (&Value::from("held"), &Value::from("one")));

        let refused = acquire("two", "-n -- touch ran").finish().code(75);
        refused.stderr_has(&["one (PID "]);
        let mut second = acquire("two", &format!("-w 60 -- {BOT}"));
        second.wait_for_stderr("is held by one (PID ");
        assert!(!test.has("two/ran") && !test.has("two/pid"));
        // It outlives a member, and a renewal shows that.
        members[0].kill();
        let renewal = |member: usize| -> u64 {
            let record: Value = serde_json::from_str(&members[member].value(KEY)).unwrap_or_default();
            record["renewal"].as_u64().unwrap_or_default()
        };
        let before = renewal(1);
        wait_until("it is renewed twice", || renewal(1) > before + 1);
        assert!(alive(bot));

        let start = Instant::now();
        first.signal(Signal::TERM);
        let next = test.wait_for_pid("two/pid");
        assert!(start.elapsed() < Duration::from_secs(4), "no TTL is waited for: {:?}", start.elapsed());
        assert!(!alive(bot) && alive(next));
        let _ = first.finish().signal(Signal::TERM).stderr_has(&["has no record yet", "got lease bot on"]);
        second.signal(Signal::TERM);
        let _ = second.finish().signal(Signal::TERM).stderr_has(&["got lease bot on"]);
        let record: Value = serde_json::from_str(&members[1].value(KEY)).unwrap();
        assert_eq!((&record["state"], &record["host"]), (&Value::from("released"), &Value::from("two")));
    });
}
