//! A PID that is reused: forced through `ns_last_pid`, which is per PID namespace, so it is ours alone to set.

use std::fs;

use serde_json::Value;

use crate::harness::{Background, Signal, Test, alive, alone, send, start_ticks, wait_until};
use crate::holding::stale;

/// Starts `tail -f /dev/null` as process `pid`, which must be free. Panics loudly if the kernel does not let us: these
/// tests would show nothing then.
#[track_caller]
pub fn reuse(test: &Test, pid: i32) -> Background {
    const NEXT: &str = "/proc/sys/kernel/ns_last_pid";
    for _ in 0..200 {
        fs::write(NEXT, (pid - 1).to_string())
            .unwrap_or_else(|error| panic!("{NEXT} cannot be written ({error}): PID reuse cannot be forced here"));
        let process = test.start("tail -f /dev/null");
        if process.pid() == pid {
            return process;
        }
    }
    panic!("PID {pid} was never given again");
}

#[track_caller]
fn state(test: &Test) -> Value {
    let json = test.solobot("status --json -l bot.lock").run().code(0).json();
    json["bots"][0]["lock"]["state"].clone()
}

/// Waits until nobody has the PID any more, not even as a zombie.
#[track_caller]
fn wait_for_release_of(pid: i32) {
    wait_until("the PID is free", || start_ticks(pid).is_none());
}

#[test]
fn a_stale_record_never_looks_held() {
    alone(|test| {
        let pid = stale(test);
        wait_for_release_of(pid);
        let mut stranger = reuse(test, pid);
        assert_eq!(state(test), "stale", "the stranger was taken for the holder");
        test.solobot("check -l bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        assert_eq!(test.read("bot.lock"), "");
        assert!(!stranger.has_ended());
    });
}

#[test]
fn no_stranger_is_stopped_by_a_takeover() {
    alone(|test| {
        let pid = stale(test);
        wait_for_release_of(pid);
        let mut stranger = reuse(test, pid);
        for whom in ["--takeover", "--takeover=orphan"] {
            let line = format!("acquire -n {whom} -l bot.lock -- true");
            test.solobot(&line).run().settled().code(0);
            assert!(!stranger.has_ended(), "{whom} signalled a stranger");
        }
    });
}

#[test]
fn no_stranger_is_stopped_by_release() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", kept.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        send(keeper, Signal::KILL);
        wait_for_release_of(keeper);
        let mut stranger = reuse(test, keeper);
        test.solobot("release -y -l bot.lock").run().settled().code(0);
        assert!(!stranger.has_ended(), "release ended a stranger for the keeper that was");
    });
}

#[test]
fn a_keeper_lets_go_although_the_pid_lives_on() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        let pid = kept.pid();
        test.solobot(&format!("acquire --pid {pid} -l bot.lock")).run().code(0);
        kept.kill();
        wait_for_release_of(pid);
        let stranger = reuse(test, pid);
        wait_until("free: the stranger is not the one it was kept for", || !test.is_locked("bot.lock"));
        assert!(alive(stranger.pid()));
    });
}

#[test]
fn a_holders_solobot_that_died_is_not_the_stranger_with_its_pid() {
    alone(|test| {
        // The orphan's record names a dead solobot; somebody else has its PID now.
        let holder = crate::holding::holding(test);
        let (solobot, bot) = (holder.solobot.pid(), holder.bot);
        holder.solobot.kill_alone();
        wait_for_release_of(solobot);
        let mut stranger = reuse(test, solobot);
        let json = test.solobot("status --json -l bot.lock").run().code(0).json();
        let lock = &json["bots"][0]["lock"];
        assert_eq!((&lock["state"], &lock["orphaned"]), (&"held".into(), &true.into()), "{json}");
        test.solobot("acquire --takeover=orphan -l bot.lock -- true").run().code(0).stderr_has(&[&bot.to_string()]);
        assert!(!stranger.has_ended() && !alive(bot));
    });
}
