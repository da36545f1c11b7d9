//! The register on a home host, and what it means for the processes there.

use std::fs;
use std::time::{Duration, Instant};

use solobot::lease::engine::{EngineErrorKind, Register, SetResult};
use solobot::lease::record::GrantState::{Held, Released};

use super::scene::{HomeHost, LIMIT, TTL, held_by_laptop, holds, kill_holds, others_can_take_it, record, write};
use crate::harness::{Signal, alone, children, holds_for, send, wait_until, wait_within};

const HALF_TTL: Duration = Duration::from_millis(TTL * 500);

#[test]
fn a_record_is_read_compared_and_set() {
    alone(|test| {
        let host = HomeHost::start(test);
        let (mut one, mut two) = (host.register("bot.lock"), host.register("bot.lock"));
        let nothing = one.read(LIMIT).unwrap();
        assert_eq!(nothing.content, None);
        assert!(nothing.server.contains(fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim()));
        let note = record("laptop", 0, 1, Released);
        let SetResult::Written(written) = one.set_if(&nothing.version, &note, LIMIT).unwrap() else { panic!() };
        assert_eq!(two.read(LIMIT).unwrap(), written);
        assert_eq!(written.content.as_deref(), Some(note.as_slice()));
        assert!(!test.is_locked("bot.lock"), "a note grants nothing");
        let other = record("vps", 0, 1, Released);
        let SetResult::Refused(stands) = two.set_if(&nothing.version, &other, LIMIT).unwrap() else { panic!() };
        assert_eq!(stands, written, "what was compared stands no longer");
        let SetResult::Written(held) = two.set_if(&written.version, &record("vps", 1, 2, Held), LIMIT).unwrap() else {
            panic!()
        };
        assert!(test.is_locked("bot.lock"));
        assert_eq!(one.read(LIMIT).unwrap(), held);
        let by = test.record("bot.lock");
        assert_eq!((by["app_name"].as_str(), by["argv"][0].as_str()), (Some("bot on vps"), Some("python3 bot.py")));
        let released = record("vps", 1, 3, Released);
        let SetResult::Written(_) = two.set_if(&held.version, &released, LIMIT).unwrap() else { panic!() };
        assert_eq!(others_can_take_it(test), [true, true], "released at once");
        assert_eq!(test.read("bot.lock"), "");
        drop((one, two));
        wait_until("every hold has ended with its connection", || holds().is_empty());
    });
}

/// A hold of the claimant's old connection has the lock, and one of the new connection passes the claim on.
#[test]
fn a_hand_over_needs_no_pause() {
    alone(|test| {
        let host = HomeHost::start(test);
        let mut laptop = held_by_laptop(&host);
        let mut vps = host.register("bot.lock");
        vps.read(LIMIT).unwrap();
        write(&mut laptop, &record("laptop", 1, 2, Released));
        let claim = Instant::now();
        write(&mut vps, &record("vps", 2, 3, Held));
        assert!(claim.elapsed() < Duration::from_secs(1));
        assert_eq!(others_can_take_it(test), [false, false]);
        drop(laptop);
        holds_for(HALF_TTL, "the lock is held", || test.is_locked("bot.lock"));
    });
}

#[test]
fn the_lock_is_held_whoever_is_at_stdin_until_the_record_is_old() {
    alone(|test| {
        let host = HomeHost::start(test);
        let written = Instant::now();
        let register = held_by_laptop(&host);
        assert_eq!(others_can_take_it(test), [false, false]);
        let [hold] = holds()[..] else { panic!("{:?}", holds()) };
        drop(register);
        for signal in [Signal::HUP, Signal::PIPE, Signal::HUP] {
            send(hold, signal);
        }
        while written.elapsed() < HALF_TTL {
            assert_eq!(others_can_take_it(test), [false, false]);
        }
        wait_within(Duration::from_secs(TTL * 4), "the lock is free", || !test.is_locked("bot.lock"));
        assert!(written.elapsed() >= Duration::from_secs(TTL), "{:?}", written.elapsed());
        wait_until("the hold has ended", || holds().is_empty());
        assert!(test.read("bot.lock.lease").contains("held"), "nobody has released the lease");
    });
}

#[test]
fn a_bot_of_the_home_host_comes_first_if_it_came_first() {
    alone(|test| {
        let host = HomeHost::start(test);
        test.bot("bot.py");
        let local = test.solobot("acquire -l bot.lock -- python3 bot.py --pid-file pid").start();
        let bot = test.wait_for_pid("pid");
        let mut register = host.register("bot.lock");
        let look = register.read(LIMIT).unwrap();
        let error = register.set_if(&look.version, &record("laptop", 1, 1, Held), LIMIT).unwrap_err();
        assert_eq!(error.kind, EngineErrorKind::Unreachable);
        assert!(error.message.contains("bot.py") && error.message.contains("is held on that host by PID"), "{error}");
        assert_eq!(register.read(LIMIT).unwrap(), look, "nothing was written");
        send(bot, Signal::TERM);
        let _ = local.finish().settled();
        write(&mut register, &record("laptop", 1, 1, Held));
        assert!(test.is_locked("bot.lock"));
    });
}

#[test]
fn an_acquire_of_the_home_host_waits_also_where_no_hold_lives() {
    alone(|test| {
        let host = HomeHost::start(test);
        let written = Instant::now();
        let _register = held_by_laptop(&host);
        let status = test.solobot("status -l bot.lock").run().code(0);
        let _ = status.stdout_has(&["held by PID", "leased to a bot on host laptop (PID 4242 there"]);
        let refused = test.solobot("acquire -n -l bot.lock -- touch ran").run().code(75);
        let _ = refused.stderr_has(&["a bot on host laptop (PID 4242 there: python3 bot.py"]);
        kill_holds();
        wait_until("the lock is free again", || !test.is_locked("bot.lock"));
        let refused = test.solobot("acquire -n -l bot.lock -- touch ran").run().code(75);
        let _ = refused.stderr_has(&["a bot on host laptop", "ssh laptop solobot stop"]);
        assert!(!test.has("ran"));
        let waiter = test.solobot("acquire -w 60 -l bot.lock -- touch ran").start();
        let _ = waiter.finish().code(0).stderr_has(&["a bot on host laptop", "waiting up to 1m"]);
        assert!(test.has("ran") && written.elapsed() >= Duration::from_secs(TTL), "{:?}", written.elapsed());
        // It was the time of writing that counted, so the next one does not wait.
        let _ = test.solobot("acquire -n -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn a_signal_ends_the_wait_for_another_host() {
    alone(|test| {
        let host = HomeHost::start(test);
        let _register = held_by_laptop(&host);
        kill_holds();
        let mut waiter = test.solobot("acquire -w forever -l bot.lock -- touch ran").start();
        waiter.wait_for_stderr("a bot on host laptop");
        waiter.signal(Signal::TERM);
        let _ = waiter.finish().signal(Signal::TERM).stderr_has(&["laptop"]);
        assert!(!test.has("ran") && !test.is_locked("bot.lock"));
    });
}

#[test]
fn a_killed_hold_loses_no_record_and_the_next_one_takes_the_lock() {
    alone(|test| {
        let host = HomeHost::start(test);
        let mut register = held_by_laptop(&host);
        kill_holds();
        wait_until("the next connection works", || register.read(LIMIT).is_ok());
        let look = register.read(LIMIT).unwrap();
        assert_eq!(look.content.as_deref(), Some(record("laptop", 1, 1, Held).as_slice()));
        let renewal = register.set_if(&look.version, &record("laptop", 1, 2, Held), LIMIT).unwrap();
        assert!(matches!(renewal, SetResult::Written(_)), "the server has not changed");
        wait_until("the lock is held again", || test.is_locked("bot.lock"));
    });
}

#[test]
fn an_sshd_that_was_away_is_found_again() {
    alone(|test| {
        let mut host = HomeHost::start(test);
        let mut register = held_by_laptop(&host);
        host.kill_sshd();
        let error = register.read(LIMIT).unwrap_err();
        assert_eq!(error.kind, EngineErrorKind::Unreachable, "{error}");
        let error = register.read(LIMIT).unwrap_err();
        assert!(error.message.contains("refused"), "{error}");
        assert!(test.is_locked("bot.lock"), "the hold goes on");
        host.run_sshd();
        wait_until("it is there again", || register.read(LIMIT).is_ok());
        write(&mut register, &record("laptop", 1, 2, Held));
        assert_eq!(others_can_take_it(test), [false, false]);
    });
}

#[test]
fn a_call_ends_in_time_whatever_hold_does() {
    alone(|test| {
        let host = HomeHost::start(test);
        let mut register = held_by_laptop(&host);
        let [hold] = holds()[..] else { panic!("{:?}", holds()) };
        send(hold, Signal::STOP);
        let limit = Duration::from_millis(300);
        let mut late = || register.read(limit).err().map(|error| error.kind);
        wait_until("it is stopped", || late() == Some(EngineErrorKind::Unreachable));
        for _ in 0..5 {
            let start = Instant::now();
            let _ = register.read(limit);
            assert!(start.elapsed() < limit + Duration::from_secs(2), "{:?}", start.elapsed());
        }
        // A new connection: the stopped one has the lock, and excludes everybody as it should.
        wait_until("another hold answers", || register.read(LIMIT).is_ok());
        write(&mut register, &record("laptop", 1, 2, Held));
        assert_eq!(others_can_take_it(test), [false, false]);
        send(hold, Signal::CONT);
        holds_for(HALF_TTL, "the lock is held", || test.is_locked("bot.lock"));
    });
}

#[test]
fn ssh_has_a_session_of_its_own_shares_nothing_and_ends_with_its_register() {
    alone(|test| {
        let host = HomeHost::start(test);
        // What the test itself has inherited aside.
        let pipes = || test.run("ls -l /proc/self/fd").code(0).stdout().matches("pipe:").count();
        let before = pipes();
        let register = held_by_laptop(&host);
        let own = i32::try_from(std::process::id()).unwrap();
        let sshs = || -> Vec<i32> {
            let is_ssh = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "ssh\n");
            children(own).into_iter().filter(is_ssh).collect()
        };
        let [ssh] = sshs()[..] else { panic!("{:?}", sshs()) };
        let stat = fs::read_to_string(format!("/proc/{ssh}/stat")).unwrap();
        let session = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(3).unwrap().to_owned();
        assert_eq!(session, ssh.to_string(), "Ctrl-C in our terminal is not for it");
        assert_eq!(pipes(), before);
        drop(register);
        assert_eq!(sshs(), [0; 0], "and none is left, not even to be reaped");
    });
}

#[test]
fn a_rebooted_home_host_is_another_server() {
    alone(|test| {
        let mut host = HomeHost::start(test);
        let mut register = host.register("bot.lock");
        let before = write(&mut register, &record("laptop", 1, 1, Released));
        host.kill_sshd();
        kill_holds();
        test.write("boot_id", "01234567-89ab-cdef-0123-456789abcdef\n");
        test.mount_bind("boot_id", "/proc/sys/kernel/random/boot_id");
        host.run_sshd();
        wait_until("it is there again", || register.read(LIMIT).is_ok());
        let after = register.read(LIMIT).unwrap();
        assert_eq!(after.content, before.content, "it is on a disk");
        assert_ne!((&after.server, &after.version), (&before.server, &before.version));
        let claim = record("vps", 2, 2, Held);
        let SetResult::Refused(look) = register.set_if(&before.version, &claim, LIMIT).unwrap() else { panic!() };
        assert_eq!(look, after);
        // A record of another boot has no time that counts: it is watched from the first look on.
        write(&mut register, &record("laptop", 1, 2, Held));
        assert!(test.is_locked("bot.lock"));
    });
}
