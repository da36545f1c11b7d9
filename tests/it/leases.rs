//! Another process has a kernel file lease on the lock: the kernel keeps back whoever opens it, for up to 45 s.

use std::time::Duration;

use crate::harness::{Background, Signal, Test, alone, peer, wait_until};

/// Much less than the kernel's 45 s, and enough for a loaded machine.
const SOON: Duration = Duration::from_secs(10);

const LEASE: &str = "kernel file lease";

/// A process that has this lease on `bot.lock`; asked for it, it gives it back after `after` milliseconds, or never.
fn leased(test: &Test, lease: &str, after: &str) -> Background {
    test.write("leases.py", peer("leases.py"));
    test.write("bot.lock", "");
    let _ = std::fs::remove_file(test.path("ready"));
    let peer = test.start(&format!("python3 leases.py {lease} bot.lock ready {after}"));
    test.wait_for_pid("ready");
    peer
}

#[test]
fn who_looks_answers() {
    alone(|test| {
        let _peer = leased(test, "F_WRLCK", "");
        for (line, code) in [
            ("check -l bot.lock", 75),
            ("check --running -l bot.lock", 75),
            ("release -y -l bot.lock", 75),
            ("clean-stale bot.lock", 75),
            ("clean-stale --remove bot.lock", 75),
            ("status -l bot.lock", 0),
            ("doctor -l bot.lock", 0),
            ("acquire -n -l bot.lock -- touch ran", 75),
            ("acquire -w 0.5 -l bot.lock -- touch ran", 75),
            ("acquire -n -E 9 -l bot.lock -- touch ran", 9),
        ] {
            let output = test.solobot(line).start().finish_within(SOON).code(code);
            let said = format!("{}{}", output.stdout(), output.stderr());
            assert!(said.contains(LEASE), "{line}: {said}");
        }
        let json = test.solobot("status --json -l bot.lock").run().code(0).json();
        assert_eq!(json["bots"][0]["lock"]["state"], "unreadable", "{json}");
        assert!(!test.has("ran"));
    });
}

/// It lets readers in: a look sees a lock that no process holds.
#[test]
fn a_lease_that_keeps_lockers_out_alone() {
    alone(|test| {
        let _peer = leased(test, "F_RDLCK", "");
        test.solobot("status -l bot.lock").start().finish_within(SOON).code(0).stdout_has(&["free"]);
        let refused = test.solobot("acquire -n -l bot.lock -- touch ran").start().finish_within(SOON);
        let _ = refused.code(75).stderr_has(&[LEASE, "grep LEASE /proc/locks"]);
        assert!(!test.has("ran"));
    });
}

#[test]
fn who_waits_goes_on_and_ends_by_a_signal() {
    alone(|test| {
        for lease in ["F_WRLCK", "F_RDLCK"] {
            let peer = leased(test, lease, "");
            for signal in [Signal::TERM, Signal::INT] {
                let mut waiter = test.solobot("acquire -w 60 -l bot.lock -- touch ran").start();
                waiter.wait_for_stderr(LEASE);
                waiter.signal(signal);
                let _ = waiter.finish_within(SOON).signal(signal).stderr_has(&[]);
            }
            assert!(!test.has("ran"));
            let mut waiter = test.solobot("acquire -w forever -l bot.lock -- touch ran").start();
            waiter.wait_for_stderr(LEASE);
            peer.signal(Signal::USR1);
            let _ = waiter.finish_within(SOON).code(0).stderr_has(&[]);
            assert!(test.has("ran"));
            peer.kill();
            std::fs::remove_file(test.path("ran")).unwrap();
        }
    });
}

/// solobot's own leases last an instant.
#[test]
fn a_lease_of_an_instant_is_waited_out() {
    alone(|test| {
        for line in ["acquire -n -l bot.lock -- touch ran", "check -l bot.lock", "clean-stale bot.lock"] {
            let peer = leased(test, "F_WRLCK", "20");
            let output = test.solobot(line).run().settled().code(0);
            assert!(!format!("{}{}", output.stdout(), output.stderr()).contains(LEASE), "{line}");
            wait_until("it was asked for its lease", || {
                !std::fs::read_to_string("/proc/locks").unwrap().contains("LEASE")
            });
            peer.kill();
        }
        assert!(test.has("ran"));
    });
}
