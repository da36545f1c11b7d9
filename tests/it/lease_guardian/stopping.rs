//! Everything of the bot is dead in time.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::{AFTER_KILL, Ended, FAR, Supervisor, dead};
use crate::harness::{PUBLIC, Signal, Test, alive, alone, holds_for, is_stopped, send, wait_until};

/// Starts a bot with all that it may have left: a child, a daemon in a session of its own that has but the marks, and one
/// that has but the lock. None of them heeds TERM.
#[track_caller]
fn scattered(test: &Test, supervisor: &mut Supervisor) -> Vec<i32> {
    test.write("stubborn", "trap '' TERM; echo $$ > \"$1\"; while :; do sleep 0.2; done");
    test.write(
        "bot",
        "trap '' TERM
         sh stubborn child.pid &
         (for fd in $(ls /proc/self/fd); do [ $fd -gt 2 ] && eval \"exec $fd>&-\"; done; \
          setsid sh stubborn daemon.pid < /dev/null > /dev/null 2>&1 &)
         (setsid env -i PATH=\"$PATH\" sh stubborn sharer.pid < /dev/null > /dev/null 2>&1 &)
         echo $$ > bot.pid
         while :; do sleep 0.2; done",
    );
    let command = supervisor.runs("exec sh bot");
    let pids = ["bot.pid", "child.pid", "daemon.pid", "sharer.pid"].map(|name| number(test, name));
    assert_eq!(pids[0], command);
    pids.to_vec()
}

fn number(test: &Test, name: &str) -> i32 {
    let read = || std::fs::read_to_string(test.path(name)).ok().and_then(|text| text.trim().parse().ok());
    wait_until(name, || read().is_some());
    read().unwrap()
}

#[test]
fn at_the_deadline_everything_of_the_bot_is_dead() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 500, FAR, FAR);
        let pids = scattered(test, &mut supervisor);
        let _ended = Ended(pids.clone());
        supervisor.guard(500, 1500, 2000);
        supervisor.order("adopt");
        let kill_at = Instant::now() + Duration::from_secs(2);
        holds_for(Duration::from_secs(1), "all live", || pids.iter().all(|&pid| alive(pid)));
        let died = dead("the bot", &pids, Duration::from_secs(10));
        assert!(died <= kill_at + AFTER_KILL, "{:?} late", died - kill_at);
        assert!(died + Duration::from_millis(100) >= kill_at, "{:?} early", kill_at - died);
        supervisor.says("Stops");
        supervisor.says("Swept");
        assert!(alive(guardian), "the other guardian has another deadline");
        assert!(alive(supervisor.process.pid()));
        supervisor.process.kill();
    });
}

#[test]
fn a_killed_supervisor_takes_its_bot_with_it() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 700, FAR, FAR);
        test.write("polite", "trap 'echo > termed' TERM; echo $$ > polite.pid; while :; do sleep 0.05; done");
        let mut pids = scattered(test, &mut supervisor);
        supervisor.runs("setsid sh polite < /dev/null > /dev/null 2>&1 & exec sleep 1000");
        pids.push(number(test, "polite.pid"));
        let _ended = Ended(pids.clone());
        let killed = Instant::now();
        supervisor.process.kill_alone();
        wait_until("TERM", || test.has("termed"));
        assert!(killed.elapsed() < Duration::from_millis(500), "TERM came after {:?}", killed.elapsed());
        assert!(pids.iter().all(|&pid| alive(pid)), "KILL comes after the grace");
        let died = dead("the bot", &pids, Duration::from_secs(10));
        let grace = Duration::from_millis(700);
        assert!(died - killed <= grace + AFTER_KILL, "{:?}", died - killed);
        wait_until("the guardian has ended", || !alive(guardian));
    });
}

#[test]
fn term_comes_first_and_the_deadline_moves() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 5000, 800, 5800);
        let bot = supervisor.runs("trap 'echo > termed; exit 0' TERM; while :; do sleep 0.05; done");
        supervisor.order("deadline 2000 7000");
        let told = Instant::now();
        holds_for(Duration::from_millis(1500), "the later deadline stands", || alive(bot) && !test.has("termed"));
        let died = dead("the bot", &[bot], Duration::from_secs(10));
        assert!(test.has("termed"));
        assert!(died - told < Duration::from_secs(3), "it was not waited for KILL: {:?}", died - told);
        supervisor.says("Swept");
        supervisor.order("leave");
        wait_until("the guardian has ended", || !alive(guardian));
    });
}

#[test]
fn a_stopped_bot_is_killed() {
    alone(|test| {
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 300, FAR, FAR);
        let bot = supervisor.runs("trap '' TERM; while :; do sleep 0.05; done");
        send(bot, Signal::STOP);
        wait_until("stopped", || is_stopped(bot));
        supervisor.order("kill");
        dead("the bot", &[bot], Duration::from_secs(5));
        supervisor.says("Swept");
    });
}

#[test]
fn a_bot_that_keeps_forking_is_killed() {
    alone(|test| {
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 0, FAR, FAR);
        // Each starts another one in a session of its own, and ends: none lives long.
        test.write("hop", "echo $$ >> hops; setsid sh hop & sleep 0.02");
        supervisor.runs("trap '' TERM; sh hop & while :; do (sleep 0.3 &); sleep 0.01; done");
        let hops = || test.read("hops").lines().count();
        wait_until("it hops", || test.has("hops") && hops() > 10);
        supervisor.order("kill");
        supervisor.says("Swept");
        let seen = hops();
        holds_for(Duration::from_millis(500), "nobody hops", || hops() == seen);
    });
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    alone(|test| {
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 5000, FAR, FAR);
        supervisor.order(
            "gate setsid sh -c 'echo $$ > left.pid; exec sleep 1000' & until [ -s left.pid ]; do sleep 0.01; done",
        );
        supervisor.says("runs");
        let left = number(test, "left.pid");
        wait_until("COMMAND has ended", || !alive(supervisor.number("waits ")));
        let start = Instant::now();
        supervisor.order("finish");
        dead("what it left", &[left], Duration::from_secs(10));
        supervisor.says("Swept");
        assert!(start.elapsed() < Duration::from_secs(4), "TERM was enough");
    });
}

#[test]
fn another_guardian_takes_over() {
    alone(|test| {
        let (mut supervisor, first) = Supervisor::guarded(test, 300, FAR, FAR);
        let bot = supervisor.runs("trap '' TERM; while :; do sleep 0.05; done");
        send(first, Signal::KILL);
        let killed = Instant::now();
        supervisor.says("Gone");
        assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
        assert!(alive(bot));
        let second = supervisor.guard(300, FAR, FAR);
        assert_ne!(first, second);
        supervisor.order("adopt");
        supervisor.process.kill_alone();
        dead("the bot", &[bot], Duration::from_secs(5));
        wait_until("the guardian has ended", || !alive(second));
    });
}

#[test]
fn a_stopped_guardian_keeps_nobody_waiting_and_solobot_kills_by_itself() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 300, FAR, FAR);
        let pids = scattered(test, &mut supervisor);
        let _ended = Ended(pids.clone());
        send(guardian, Signal::STOP);
        wait_until("stopped", || is_stopped(guardian));
        supervisor.order(&format!("flood {FAR} {FAR}"));
        supervisor.says("flooded: Some(Full) soon");
        let start = Instant::now();
        supervisor.order("sweep");
        supervisor.says("swept: left false untouchable []");
        dead("the bot", &pids, Duration::ZERO);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(alive(guardian) && alive(supervisor.process.pid()));
        send(guardian, Signal::KILL);
        supervisor.says("Gone");
    });
}

#[test]
fn who_has_the_marks_of_another_grant_is_left_alone() {
    alone(|test| {
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 0, FAR, FAR);
        let bot = supervisor.runs("exec sleep 1000");
        let mut command = test.command("sleep 1000");
        command.env("SOLOBOT_HOLDER_PID", supervisor.process.pid().to_string()).env("SOLOBOT_GENERATION", "1");
        let other = test.start_command(command);
        let mut command = test.command("sleep 1000");
        command.env("SOLOBOT_HOLDER_PID", "1").env("SOLOBOT_GENERATION", "1700000000123");
        let another = test.start_command(command);
        supervisor.order("kill");
        supervisor.says("Swept");
        assert!(!alive(bot) && alive(other.pid()) && alive(another.pid()));
    });
}

#[test]
fn whoever_takes_the_lock_afterwards_is_left_alone() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 500, FAR, FAR);
        // It has closed the lock, so the lock is free as soon as its supervisor is dead.
        let bot = supervisor.runs("trap '' TERM; for fd in $(ls /proc/$$/fd); do [ $fd -gt 2 ] && eval \"exec $fd>&-\"; done; echo > closed; while :; do sleep 0.05; done");
        wait_until("closed", || test.has("closed"));
        supervisor.process.kill_alone();
        let next = test.start("flock bot.lock sleep 1000");
        wait_until("the next one has it", || test.is_locked("bot.lock"));
        dead("the bot", &[bot], Duration::from_secs(10));
        wait_until("the guardian has ended", || !alive(guardian));
        assert!(alive(next.pid()));
    });
}

#[test]
fn whoever_may_not_be_signalled_is_named_and_tried_again() {
    alone(|test| {
        test.mount("tmpfs", "mode=777,size=512m", PUBLIC);
        let setpriv = format!("{PUBLIC}/setpriv");
        std::fs::copy(crate::harness::example("guarded"), format!("{PUBLIC}/guarded")).unwrap();
        std::fs::copy("/usr/bin/setpriv", &setpriv).unwrap();
        std::fs::set_permissions(&setpriv, PermissionsExt::from_mode(0o4755)).unwrap();
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        let mut command = test.command(&format!("{nobody} {PUBLIC}/guarded bot.lock"));
        command.current_dir(PUBLIC);
        let mut supervisor = Supervisor::of(test, command);
        supervisor.guard(0, FAR, FAR);
        let bot =
            supervisor.runs(&format!("sleep 1000 & exec {setpriv} --reuid=0 --regid=0 --clear-groups sleep 1000"));
        let is_roots = || std::fs::read_to_string(format!("/proc/{bot}/status")).unwrap().contains("Uid:\t0\t0");
        wait_until("it is root's", is_roots);
        let child = crate::harness::children(bot);
        supervisor.order("kill");
        supervisor.says(&format!("Left {{ pid: {bot}, uid: Some(0) }}"));
        dead("what may be signalled", &child, Duration::from_secs(5));
        holds_for(Duration::from_millis(500), "it is not said to be dead", || supervisor.count("Swept") == 0);
        send(bot, Signal::KILL);
        supervisor.says("Swept");
        assert_eq!(supervisor.count("Left"), 1);
    });
}

#[test]
fn a_command_gets_term_when_its_supervisor_dies_even_if_the_guardian_is_stopped() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, FAR, FAR, FAR);
        let bot = supervisor.runs("trap 'echo > termed; exit 0' TERM; while :; do sleep 0.05; done");
        send(guardian, Signal::STOP);
        wait_until("stopped", || is_stopped(guardian));
        supervisor.process.kill_alone();
        dead("the bot", &[bot], Duration::from_secs(5));
        assert!(test.has("termed"));
        send(guardian, Signal::CONT);
        wait_until("the guardian has ended", || !alive(guardian));
    });
}
