//! Odd surroundings: no home, no streams, no descriptors, no `/proc`, no current folder.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Signal, alone, holds_for, send, wait_until};
use crate::holding::holding;

#[test]
fn few_descriptors() {
    alone(|test| {
        // However few there are: COMMAND runs under the lock to its end, or solobot fails and leaves nothing running.
        let exe = env!("CARGO_BIN_EXE_solobot");
        let late = |limit| test.has(&format!("late.{limit}"));
        let limits = 3..20;
        for limit in limits.clone() {
            let command = format!("sleep 0.2; touch late.{limit}");
            let line = format!("sh -c 'ulimit -n {limit}; exec {exe} acquire -l bot.lock -- sh -c \"{command}\"'");
            let output = test.run(&line);
            let _ = output.stderr();
            if late(limit) {
                drop(output.code(0));
            } else {
                output.code_is_not(0);
            }
            assert!(!test.is_locked("bot.lock"), "{limit}");
        }
        let ran = limits.clone().filter(|&limit| late(limit)).count();
        assert!(ran > 8, "a dozen descriptors are enough: {ran}");
        holds_for(Duration::from_millis(500), "no COMMAND goes on by itself", || {
            limits.clone().filter(|&limit| late(limit)).count() == ran
        });
    });
}

#[test]
fn a_proc_of_another_pid_namespace_is_refused() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let output = test.run(&format!("unshare -pf {exe} acquire -n -l bot.lock -- echo ran"));
        output.stderr_has(&["/proc shows another PID namespace"]).code_is_not(0);
    });
}

#[test]
fn no_home_no_streams_no_room() {
    alone(|test| {
        test.solobot("acquire -l bot.lock -- true").without_env("HOME").run().code(0);
        test.solobot("acquire -l bot.lock -- true").without_env("PATH").run().code(0);
        let exe = env!("CARGO_BIN_EXE_solobot");
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let line = format!("sh -c '{exe} acquire -l bot.lock -- sh -c \"echo ran >>ran\" {closed}'");
            test.run(&line).code(0);
        }
        assert_eq!(test.read("ran"), "ran\n".repeat(4));
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let _holding = holding(test);
            test.run(&format!("sh -c '{exe} acquire -n -q -l bot.lock -- true {closed}'")).code(75);
            test.run(&format!("sh -c '{exe} check -q -l bot.lock {closed}'")).code(1);
        }
        // The lock must not end on descriptor 0, 1 or 2 because these were closed.
        let line = format!("sh -c '{exe} acquire -l bot.lock -- sh -c \"ls -l /proc/self/fd >fds\" <&- >&- 2>&-'");
        test.run(&line).code(0);
        for stream in 0..3 {
            assert!(!test.read("fds").contains(&format!(" {stream} -> {}", test.name("bot.lock"))));
        }
    });
}

#[test]
fn a_full_stdout_pipe_blocks_nobody_but_its_writer() {
    alone(|test| {
        let _holding = holding(test);
        // Nobody reads, then the reader goes away: a broken pipe is no error.
        let exe = env!("CARGO_BIN_EXE_solobot");
        test.run(&format!("bash -c 'set -o pipefail; {exe} status -l bot.lock | true'")).code(0);
        test.run(&format!("bash -c 'set -o pipefail; {exe} status --json -l bot.lock | true'")).code(0);
        // /dev/full: there it is an error, but no panic.
        let output = test.run(&format!("sh -c '{exe} status -l bot.lock >/dev/full'"));
        let output = output.stderr_has(&[]).nowhere("panicked");
        output.code(73);
        for line in ["--help", "-h", "--version", "acquire --help", "help status"] {
            let output = test.run(&format!("sh -c '{exe} {line} >/dev/full'")).code(73);
            let _ = output.stderr_has(&["cannot write to stdout: no space left on device"]).nowhere("panicked");
            test.run(&format!("bash -c 'set -o pipefail; {exe} {line} | head -n 0'")).code(0);
        }
    });
}

#[test]
fn a_running_bot_does_not_block_on_solobots_output() {
    alone(|test| {
        // stdout and stderr are pipes that nobody reads and that are full: COMMAND still gets its signals and ends.
        test.bot("bot.py");
        let (reader, writer) = std::io::pipe().unwrap();
        let filler = writer.try_clone().unwrap();
        fill(filler);
        let mut command = test.solobot("acquire -l bot.lock -- python3 bot.py --pid-file bot.pid").into_command();
        command.stdout(Stdio::from(writer.try_clone().unwrap())).stderr(Stdio::from(writer));
        let mut child = command.spawn().unwrap();
        test.wait_for_pid("bot.pid");
        send(i32::try_from(child.id()).unwrap(), Signal::TERM);
        wait_until("solobot ends", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        drop(reader);
    });
}

#[test]
fn a_hint_larger_than_the_pipe_does_not_block() {
    alone(|test| {
        let held = crate::holding::holding(test);
        // The hints repeat what was typed.
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = test.solobot("acquire -n -l bot.lock -- python3 bot.py").into_command();
        command.arg("x".repeat(100_000)).stderr(Stdio::from(writer));
        let mut child = command.spawn().unwrap();
        wait_until("solobot ends", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(75));
        drop((held, reader));
    });
}

/// Writes to a pipe until it is full.
fn fill(pipe: std::io::PipeWriter) {
    use std::io::Write;
    let mut file = fs::File::from(std::os::fd::OwnedFd::from(pipe));
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::NONBLOCK).unwrap();
    while file.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty()).unwrap();
}

#[test]
fn the_current_folder_is_gone() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let gone =
            |line: &str| test.run(&format!("sh -c 'mkdir gone && cd gone && rmdir ../gone && exec {exe} {line}'"));
        // As flock(1) does, with everything named by absolute paths.
        gone(&format!("acquire -n -l {} -- echo ran", test.name("bot.lock"))).code(0).stdout_is("ran\n");
        gone("acquire -n -- echo ran").code(73).stderr_has(&["gone (deleted)", "no longer exists", "cd"]);
        gone(&format!("status -l {}", test.name("bot.lock"))).code(0).stdout_has(&["free"]);
    });
}

#[test]
fn too_few_descriptors_are_no_bug() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let output = test.run(&format!("sh -c 'ulimit -n 4; exec {exe} acquire -n -l bot.lock -- echo ran'"));
        output.code(73).stderr_has(&["too many open files", "ulimit -n"]);
    });
}

#[test]
fn without_proc_nothing_is_taken() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let line = |line: &str| test.run(&format!("unshare -m sh -c 'mount -t tmpfs none /proc && exec {exe} {line}'"));
        line("acquire -n -l bot.lock -- echo ran").code(73).stderr_has(&["mount -t proc proc /proc"]);
        let could_not_tell = line("check -l bot.lock").stdout_has(&[]).stderr_has(&[]);
        could_not_tell.code_is_not(0);
    });
}

/// What keeps a start short: no thousands of addresses to correct, and no library but libc to map.
#[test]
fn a_start_is_linked_at_its_address_and_maps_one_library() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        // `e_type` in elf(5): 2 is an executable, 3 what can be loaded anywhere.
        assert_eq!(fs::read(exe).unwrap()[16], 2);
        test.run(&format!("strace -qq -e trace=openat -o trace {exe} check -l bot.lock")).code(0).stdout_has(&[]);
        let trace = test.read("trace");
        let libraries: Vec<&str> =
            trace.lines().filter(|line| line.contains(".so.") && !line.contains("/ld.so.")).collect();
        assert!(matches!(libraries[..], [only] if only.contains("libc.so.6")), "{libraries:#?}");
    });
}
