//! What a guardian looks like to others, and what it is deaf to.

use std::fs;
use std::time::Duration;

use super::{FAR, Supervisor, supervisor};
use crate::harness::{Signal, alive, alone, holds_for, send, token};

fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}

#[test]
fn nothing_that_ends_solobot_by_name_ends_its_guardian() {
    alone(|test| {
        let (supervisor, guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        let cmdline = String::from_utf8(fs::read(format!("/proc/{guardian}/cmdline")).unwrap()).unwrap();
        let comm = fs::read_to_string(format!("/proc/{guardian}/comm")).unwrap();
        assert_eq!(comm, "lease-guardian\n");
        assert!(cmdline.starts_with("lease-guardian\0guardian\0") && !cmdline.contains("solobot"), "{cmdline}");
        supervisor.process.kill();
    });
}

#[test]
fn it_has_nothing_of_whoever_started_solobot() {
    alone(|test| {
        let mut command = supervisor(test);
        command.env("BOT_TOKEN", token()).env("SOLOBOT_HOLDER_PID", "77").env("SOLOBOT_GENERATION", "7");
        let mut supervisor = Supervisor::of(test, command);
        let guardian = supervisor.guard(100, FAR, FAR);
        assert_eq!(fs::read(format!("/proc/{guardian}/environ")).unwrap(), b"");
        assert_eq!(fs::read_link(format!("/proc/{guardian}/cwd")).unwrap().to_str(), Some("/"));
        let stat = fs::read_to_string(format!("/proc/{guardian}/stat")).unwrap();
        let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
        assert_eq!(session, guardian.to_string());
        let mut open: Vec<String> = fs::read_dir(format!("/proc/{guardian}/fd"))
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().to_str().unwrap().to_owned())
            .map(|target| target.split(':').next().unwrap().to_owned())
            .collect();
        open.sort();
        assert_eq!(open, ["/dev/null", "/dev/null", "/dev/null", "anon_inode", "socket"]);
        supervisor.process.kill();
    });
}

#[test]
fn it_is_deaf_to_all_but_kill() {
    alone(|test| {
        let (supervisor, guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        for signal in [
            Signal::TERM,
            Signal::INT,
            Signal::HUP,
            Signal::QUIT,
            Signal::USR1,
            Signal::USR2,
            Signal::PIPE,
            Signal::ALARM,
            Signal::TSTP,
            Signal::TTIN,
            Signal::ABORT,
        ] {
            send(guardian, signal);
        }
        holds_for(Duration::from_millis(200), "it lives", || alive(guardian));
        // Every signal but KILL (9), STOP (19), and 32 and 33, which the C library keeps for itself.
        let blocked = u64::from_str_radix(&status(guardian, "SigBlk:"), 16).unwrap();
        let never = (1 << 8) | (1 << 18) | (1 << 31) | (1 << 32);
        assert_eq!(blocked | never, u64::MAX, "{blocked:x}");
        supervisor.process.kill();
    });
}
