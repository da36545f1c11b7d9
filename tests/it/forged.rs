//! What others write proves nothing about a process: a record, a text, a command line, a lock that they may only read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::harness::{Background, PUBLIC, Test, alive, alone, start_ticks, wait_until};
use crate::holding::{Holding, holding};
use crate::odd_processes::{NOBODY, public, start_as};

/// A record of nobody's about root's process, in a folder where both may write, beside a lock that no process holds: it says that
/// the process was started by a solobot that is dead.
fn forged(test: &Test, mode: u32, victim: &Background) {
    let Holding { solobot, .. } = holding(test);
    let mut record = test.record("bot.lock");
    drop(solobot);
    wait_until("the lock is free", || !test.is_locked("bot.lock"));
    fs::create_dir_all(test.path("shared")).unwrap();
    fs::set_permissions(test.path("shared"), fs::Permissions::from_mode(mode)).unwrap();
    let lock = test.path("shared/bot.lock");
    record["pid"] = victim.pid().into();
    record["start_ticks"] = start_ticks(victim.pid()).unwrap().into();
    record["holder_pid"] = 2_147_483_646.into();
    record["lock"] = lock.to_str().unwrap().into();
    test.write("shared/bot.lock", victim.pid().to_string());
    test.write("shared/bot.lock.info", record.to_string());
    for name in ["shared/bot.lock", "shared/bot.lock.info"] {
        chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

#[test]
fn a_forged_record_stops_nobody_and_holds_nobody_up() {
    alone(|test| {
        let victim = test.start("tail -f /dev/null");
        let pid = victim.pid().to_string();
        for mode in [0o1777, 0o775] {
            for line in ["acquire -n", "acquire --takeover -w 1", "acquire --takeover=orphan -w 1"] {
                forged(test, mode, &victim);
                let said = test.solobot(&format!("{line} -l shared/bot.lock -- echo ran")).run();
                said.code(0).stdout_is("ran\n").stderr_has(&[]);
                assert!(alive(victim.pid()), "{line} stopped whom a forged record names");
            }
            forged(test, mode, &victim);
            let seen = test.solobot("status -l shared/bot.lock").run().code(0);
            seen.stdout_has(&[&format!("names PID {pid}"), "another user may have written that"]).nowhere("kill");
            for line in ["stop -y", "kill-duplicates -y", "release -y", "clean-stale"] {
                let _ = test.solobot(&format!("{line} -l shared/bot.lock")).run().settled();
                assert!(alive(victim.pid()), "{line} stopped whom a forged record names");
            }
        }
    });
}

/// Root's lock, which everybody may read, held by nobody under the command line of a keeper of the victim: by a program that
/// may be read, and by one that may not.
fn pretends_to_keep(test: &Test, mode: u32, victim: &Background) -> Background {
    let _ = public(test);
    test.write("root.lock", "");
    let ticks = start_ticks(victim.pid()).unwrap();
    let said = format!("keeper --pid {} --start-ticks {ticks}", victim.pid());
    let _ = fs::remove_file(test.path("pretender"));
    fs::copy(crate::harness::sleeper(), test.path("pretender")).unwrap();
    fs::set_permissions(test.path("pretender"), fs::Permissions::from_mode(mode)).unwrap();
    let holder = start_as(test, NOBODY, &format!("flock -w 60 {PUBLIC}/work/root.lock {PUBLIC}/work/pretender {said}"));
    wait_until("it is held", || test.is_locked("root.lock"));
    holder
}

#[test]
fn a_strangers_keeper_is_a_stranger_who_holds_it() {
    alone(|test| {
        let victim = test.start("tail -f /dev/null");
        for mode in [0o755, 0o111] {
            let holder = pretends_to_keep(test, mode, &victim);
            let refused = test.solobot("acquire --takeover -w 1 -l root.lock -- true").run().code(75);
            refused.stderr_has(&["cannot prove", "nobody"]);
            let refused = test.solobot("acquire -n -l root.lock -- true").run().code(75);
            refused.stderr_has(&["nobody"]).nowhere("kill").nowhere("to stop it");
            let stop = test.solobot("stop -y -l root.lock").run().code(1);
            let _ = stop.stdout_has(&["blocked", "nobody"]).nowhere(&format!("PID {} ", victim.pid()));
            let _ = test.solobot("kill-duplicates -y -l root.lock").run().settled();
            test.solobot("release -y -l root.lock").run().code(1).stderr_has(&["nobody"]);
            assert!(alive(victim.pid()), "a command line has stopped somebody else's process");
            drop(holder);
            wait_until("it is free", || !test.is_locked("root.lock"));
        }
    });
}

/// solobot's own file makes a keeper of somebody else's process no keeper either, and root's user no other program.
#[test]
fn a_keeper_is_of_root_or_of_the_kept_ones_user_and_runs_solobot() {
    alone(|test| {
        let victim = test.start("tail -f /dev/null");
        let ticks = start_ticks(victim.pid()).unwrap();
        let words = format!("keeper --pid {} --start-ticks {ticks}", victim.pid());
        let _ = public(test);
        test.write("root.lock", "");
        let line =
            format!("exec 9<root.lock; flock -n 9; exec 8>/dev/null; exec {PUBLIC}/solobot {words} --fd 9 --ready 8");
        let mut command = test.command(&format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups sh -c"));
        command.arg(line).current_dir(format!("{PUBLIC}/work"));
        command.env("SOLOBOT_KEEPER_LOCK", format!("{PUBLIC}/work/root.lock")).env("SOLOBOT_KEEPER_NAME", "x");
        let theirs = test.start_command(command);
        wait_until("it is held", || test.is_locked("root.lock"));
        wait_until("it keeps", || {
            fs::read(format!("/proc/{}/cmdline", theirs.pid())).is_ok_and(|it| it.starts_with(b"/mnt/solobot"))
        });
        let refused = test.solobot_as(0, "acquire --takeover -w 1 -l root.lock -- true").code(75);
        refused.stderr_has(&["cannot prove", "nobody"]);
        let _ = test.solobot_as(0, "stop -y -l root.lock").code(1).stdout_has(&["blocked"]);
        assert!(alive(victim.pid()) && alive(theirs.pid()));
        drop(theirs);
        // Root's own process that calls itself so is the holder, and stands for nobody.
        fs::copy(crate::harness::sleeper(), test.path("pretender")).unwrap();
        let own = test.start(&format!("flock -w 60 root.lock ./pretender {words}"));
        wait_until("it is held", || test.is_locked("root.lock"));
        test.solobot("stop -y -l root.lock").run().code(0).stdout_has(&[&format!("PID {}", own.pid())]);
        assert!(alive(victim.pid()), "a command line has stopped somebody else's process");
    });
}

/// A process to which a locked descriptor was passed has not taken the lock.
#[test]
fn who_was_passed_a_locked_descriptor_is_no_holder() {
    alone(|test| {
        test.write(
            "daemon.py",
            "import os, signal, socket\nserver = socket.socket(socket.AF_UNIX)\nserver.bind('s')\nserver.listen()\n\
             open('up', 'w')\npeer, _ = server.accept()\nkept = socket.recv_fds(peer, 1, 1)\nopen('has', 'w')\nsignal.pause()\n",
        );
        test.write(
            "sender.py",
            "import fcntl, os, signal, socket\nlock = os.open('bot.lock', os.O_RDWR | os.O_CREAT)\n\
             fcntl.flock(lock, fcntl.LOCK_EX)\npeer = socket.socket(socket.AF_UNIX)\npeer.connect('s')\n\
             socket.send_fds(peer, [b'x'], [lock])\nsignal.pause()\n",
        );
        let daemon = test.start("python3 daemon.py");
        wait_until("it listens", || test.has("up"));
        let sender = test.start("python3 sender.py");
        wait_until("it has the descriptor", || test.has("has"));
        let stop = test.solobot("stop -y --json -l bot.lock").run().settled().json();
        assert!(alive(daemon.pid()), "{stop}");
        assert!(!alive(sender.pid()), "who called for it is its holder: {stop}");
        // Whoever called for it has ended: nothing says any more that the daemon is the bot.
        let refused = test.solobot("acquire --takeover -w 1 -l bot.lock -- true").run().code(75);
        refused.stderr_has(&["cannot prove", &daemon.pid().to_string()]);
        assert!(alive(daemon.pid()));
    });
}

/// One of root's records under another name says what somebody else chose.
#[test]
fn a_record_that_is_a_hard_link_is_not_believed() {
    alone(|test| {
        let victim = test.start("tail -f /dev/null");
        forged(test, 0o755, &victim);
        let record = test.read("shared/bot.lock.info");
        fs::remove_file(test.path("shared/bot.lock.info")).unwrap();
        test.write("roots", record);
        fs::hard_link(test.path("roots"), test.path("shared/bot.lock.info")).unwrap();
        let said = test.solobot("acquire -n -l shared/bot.lock -- echo ran").run();
        said.code(0).stdout_is("ran\n").stderr_has(&[]);
        assert!(alive(victim.pid()));
    });
}

/// Root who names somebody's own lock means that one's bot.
#[test]
fn the_owner_of_a_lock_that_is_named_alone_is_the_bots_user() {
    alone(|test| {
        let program = public(test);
        for (owner, code) in [(0, 1), (NOBODY, 0)] {
            test.write("their.lock", "");
            chown(test.path("their.lock"), Some(owner), Some(owner)).unwrap();
            let holder = start_as(test, NOBODY, &format!("flock -w 60 {PUBLIC}/work/their.lock {program}"));
            wait_until("it is held", || test.is_locked("their.lock"));
            let _ = test.solobot("stop -y -l their.lock").run().code(code).stdout_has(&[&holder.pid().to_string()]);
            assert_eq!(alive(holder.pid()), code == 1, "a lock of user {owner}");
            drop(holder);
            wait_until("it is free", || !test.is_locked("their.lock"));
        }
    });
}
