//! Rules of the lock that show only in an instant, or on a file system that is not here: strace holds system calls up, or
//! changes what the kernel answers.

use std::fs;
use std::path::Path;

use crate::harness::{Background, Signal, Test, alive, alone, holds_descriptor, send, wait_until, words};

/// solobot under strace, which writes to `trace`.
#[track_caller]
fn traced(test: &Test, options: &str, line: &str) -> Background {
    let mut command = test.command(&format!("strace -qq -o trace {options}"));
    command.arg(env!("CARGO_BIN_EXE_solobot")).args(words(line));
    test.start_command(command)
}

/// How many owner records were begun before COMMAND was; then its PID is written into another one.
fn records(test: &Test) -> usize {
    let trace = test.read("trace");
    let before = trace.split("[\"cp\"").next().unwrap_or_default();
    before.lines().filter(|line| line.contains("bot.lock.info.") && line.contains("O_CREAT")).count()
}

/// Between the look at the holder and the list of all who share its lock, another may come to hold it.
#[test]
fn takeover_stops_the_holder_that_it_saw_and_no_newer_one() {
    alone(|test| {
        let first = test.start("flock -F bot.lock sleep 600");
        wait_until("the first holds it", || test.is_locked("bot.lock"));
        let newer = test.start("flock -F bot.lock sleep 600");
        let hold_up = "-f -P /proc -e trace=getdents64 -e inject=getdents64:delay_enter=3000000:when=1";
        let solobot = traced(test, hold_up, "acquire --takeover -w 0 -l bot.lock -- true");
        wait_until("it is about to list all processes", || {
            solobot.descendants().iter().any(|&pid| holds_descriptor(pid, Path::new("/proc")))
        });
        first.kill();
        solobot.finish().code(75).stderr_has(&["by PID", &newer.pid().to_string()]);
        assert!(alive(newer.pid()), "the newer holder was not judged");
        newer.kill();
    });
}

#[test]
fn a_file_replaced_before_the_lock_is_granted_is_never_written() {
    alone(|test| {
        test.write("bot.lock", "");
        let hold_up = "-f -e trace=flock,openat,execve -e inject=flock:delay_enter=3000000:when=1";
        let mut solobot = traced(test, hold_up, "acquire -n -l bot.lock -- cp bot.lock text");
        let path = test.path("bot.lock");
        wait_until("it has opened the file", || {
            solobot.descendants().iter().any(|&pid| holds_descriptor(pid, &path)) || solobot.has_ended()
        });
        fs::rename(&path, test.path("old.lock")).unwrap();
        solobot.finish().code(0);
        assert_ne!(test.read("text"), "", "COMMAND ran under the new file");
        assert_eq!(records(test), 1, "a record for the lock that counts alone:\n{}", test.read("trace"));
    });
}

#[test]
fn a_file_replaced_while_it_was_waited_for_is_never_written() {
    alone(|test| {
        test.write("bot.lock", "");
        let holder = test.start("flock -F bot.lock sleep 600");
        wait_until("it is held", || test.is_locked("bot.lock"));
        let mut waiter =
            traced(test, "-f -e trace=openat,execve", "acquire -w forever -l bot.lock -- cp bot.lock text");
        waiter.wait_for_stderr(&holder.pid().to_string());
        wait_until("it waits in the kernel", || fs::read_to_string("/proc/locks").unwrap().contains("->"));
        fs::rename(test.path("bot.lock"), test.path("old.lock")).unwrap();
        send(holder.pid(), Signal::KILL);
        waiter.finish().code(0).stderr_has(&[]);
        assert_ne!(test.read("text"), "", "COMMAND ran under the new file");
        assert_eq!(records(test), 1, "a record for the lock that counts alone:\n{}", test.read("trace"));
    });
}

#[test]
fn a_network_file_system_is_refused() {
    alone(|test| {
        // The first field of what fstatfs(2) gives is the magic number: that of NFS.
        let nfs = "-e trace=fstatfs -e inject=fstatfs:poke_exit=@arg2=6969000000000000";
        let refused = traced(test, nfs, "acquire -n -l bot.lock -- touch ran").finish().code(78);
        let _ = refused.stderr_has(&["network file system (NFS)", &test.name("bot.lock"), "--allow-network-fs"]);
        assert!(!test.has("ran"));
        traced(test, nfs, "acquire -n --allow-network-fs -l bot.lock -- touch ran").finish().code(0);
        assert!(test.has("ran"));
    });
}

#[test]
fn a_holder_on_an_overlay_is_named() {
    alone(|test| {
        // There st_dev is another number than the one in /proc/locks and fdinfo.
        test.mount("tmpfs", "size=16m", "layers");
        for folder in ["lower", "layers/upper", "layers/work"] {
            fs::create_dir(test.path(folder)).unwrap();
        }
        let [lower, upper, work] = ["lower", "layers/upper", "layers/work"].map(|folder| test.name(folder));
        test.mount("overlay", &format!("lowerdir={lower},upperdir={upper},workdir={work}"), "merged");
        let holder = test.solobot("acquire -l merged/bot.lock -- sleep 600").start();
        wait_until("it is held", || holder.descendants().len() == 1 && test.is_locked("merged/bot.lock"));
        let json = test.solobot("status --json -l merged/bot.lock").run().code(0).json();
        let lock = &json["bots"][0]["lock"];
        assert_eq!(lock["state"], "held", "{json}");
        assert!(lock["holders"].as_array().unwrap().iter().any(|one| one["pid"] == holder.pid()), "{json}");
    });
}

#[test]
fn a_death_by_the_commands_signal_leaves_no_core_to_a_handler_either() {
    alone(|test| {
        // Where core_pattern names a program, RLIMIT_CORE is not asked: solobot says that it must not be dumped.
        traced(test, "-e trace=prctl", "acquire -n -l bot.lock -- sh -c 'kill -SEGV $$'").finish().code_is_not(0);
        assert!(test.read("trace").contains("PR_SET_DUMPABLE, SUID_DUMP_DISABLE"), "{}", test.read("trace"));
    });
}
