//! `acquire --fd`: the lock belongs to the calling shell's descriptor.

use crate::harness::{Signal, alone, send_to, wait_until};
use crate::holding::holding;

const EXE: &str = env!("CARGO_BIN_EXE_solobot");

#[test]
fn the_shell_holds_until_it_closes_the_descriptor() {
    alone(|test| {
        let script = format!(
            "exec 9<>bot.lock; {EXE} acquire -n --fd 9; echo code $?; flock -n bot.lock true; echo held $?; \
             cat bot.lock; echo; echo $$; exec 9<&-; flock -n bot.lock true; echo free $?"
        );
        let output = test.run(&format!("sh -c '{script}'")).code(0);
        let lines: Vec<&str> = output.stdout().lines().collect();
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert_eq!((lines[0], lines[1], lines[4]), ("code 0", "held 1", "free 0"));
        assert_eq!(lines[2], lines[3], "the text is the PID of the parent, which has the descriptor");
    });
}

#[test]
fn the_shells_end_is_the_locks_end() {
    alone(|test| {
        test.run(&format!("sh -c 'exec 9<>bot.lock; {EXE} acquire -q -n --fd 9'")).code(0);
        assert!(!test.is_locked("bot.lock"));
        // Nobody could tidy up: stale, and the next one does not mind.
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn a_held_lock_is_refused_and_the_shell_has_nothing() {
    alone(|test| {
        let holder = holding(test);
        let script = format!("exec 9<>bot.lock; {EXE} acquire -n --fd 9; echo code $?");
        test.run(&format!("sh -c '{script}'"))
            .code(0)
            .stdout_is("code 75\n")
            .stderr_has(&[&holder.bot.to_string(), &test.name("bot.lock")]);
        assert_eq!(test.read("bot.lock"), holder.bot.to_string(), "untouched");
    });
}

#[test]
fn a_timeout_that_meets_a_late_grant_gives_it_back() {
    alone(|test| {
        // The holder lets go around the very moment at which the wait ends. Whatever solobot says must be true: with
        // 75 the shell, which keeps the descriptor open, must not hold the lock; with 0 it must.
        late_grants(test);
    });
}

/// Sixty rounds, each: somebody holds, a shell waits 50 ms with `--fd`, the holder lets go about then: sooner than in the round
/// before if that was too late, and later if it was too soon. As many more as it takes until both have been seen.
fn late_grants(test: &crate::harness::Test) {
    use rustix::fs::{FlockOperation, flock};
    use std::time::{Duration, Instant};
    const STEP: Duration = Duration::from_micros(1500);
    const MOST: u32 = 600;
    test.write("bot.lock", "");
    let holder = std::fs::File::open(test.path("bot.lock")).unwrap();
    let script = format!("exec 9<>bot.lock; {EXE} acquire -q -w 0.05 --fd 9; echo $? >code; read -r end <gate");
    let (mut refused, mut granted) = (0, 0);
    let mut later = Duration::from_millis(45);
    for round in 0..MOST {
        if round >= 60 && refused > 0 && granted > 0 {
            return;
        }
        let _ = std::fs::remove_file(test.path("code"));
        let _ = std::fs::remove_file(test.path("gate"));
        test.run("mkfifo gate").code(0);
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        // A shell that had the lock leaves its text, as nobody can tidy up for it.
        test.write("bot.lock", "");
        let shell = test.start(&format!("sh -c '{script}'"));
        // From "waits" (visible as `->` in /proc/locks) on, the deadline is 50 ms away: release around it.
        wait_until("it waits, or has given up", || {
            test.has("code") || std::fs::read_to_string("/proc/locks").unwrap().contains("->")
        });
        let release = Instant::now() + later;
        while Instant::now() < release {
            std::hint::spin_loop();
        }
        flock(&holder, FlockOperation::Unlock).unwrap();
        wait_until("solobot ended", || test.has("code") && test.read("code").ends_with('\n'));
        // The shell lives and has descriptor 9 open still.
        match test.read("code").trim() {
            "0" => {
                granted += 1;
                later += STEP;
                assert!(test.is_locked("bot.lock"), "round {round}: 0, but the shell does not hold the lock");
            }
            "75" => {
                refused += 1;
                later = later.saturating_sub(STEP);
                assert!(!test.is_locked("bot.lock"), "round {round}: 75, but the shell holds the lock");
                assert_eq!(test.read("bot.lock"), "", "round {round}: 75, but a text");
            }
            other => panic!("round {round}: code {other}"),
        }
        test.write("gate", "\n");
        shell.finish().code(0);
    }
    panic!("the moment was never met: {refused} refused, {granted} granted");
}

#[test]
fn descriptors_that_are_none_or_no_file() {
    alone(|test| {
        test.solobot("acquire --fd 99").run().code(2).stderr_has(&["99", "exec 99<>"]);
        test.solobot("acquire --fd=-1").run().code(2).stderr_has(&["-1"]);
        test.run(&format!("sh -c '{EXE} acquire -n --fd 9 9</dev/null'")).code(78).stderr_has(&["/dev/null"]);
        test.run(&format!("sh -c '{EXE} acquire -n --fd 9 9<.'")).code(78).stderr_has(&["folder"]);
        test.write("main.py", "print()\n");
        test.run(&format!("sh -c '{EXE} acquire -n --fd 9 9<>main.py'")).code(78).stderr_has(&["main.py"]);
        assert_eq!(test.read("main.py"), "print()\n");
        test.solobot("release --fd 99").run().settled().code_is_not(0);
    });
}

#[test]
fn a_descriptor_on_a_file_that_was_replaced() {
    alone(|test| {
        let script = format!("exec 9<>bot.lock; rm bot.lock; {EXE} acquire -n --fd 9 -l bot.lock");
        let output = test.run(&format!("sh -c '{script}'"));
        output.stderr_has(&["bot.lock"]).code_is_not(0);
    });
}

#[test]
fn two_shells_one_lock() {
    alone(|test| {
        let first = test
            .start(&format!("sh -c 'exec 9<>bot.lock; {EXE} acquire -n --fd 9 && touch up && exec tail -f /dev/null'"));
        wait_until("the first one holds", || test.has("up"));
        let script = format!("exec 9<>bot.lock; {EXE} acquire -w 30 --fd 9 && echo mine");
        let mut second = test.start(&format!("sh -c '{script}'"));
        second.wait_for_stderr(&first.pid().to_string());
        first.signal(Signal::TERM);
        second.finish().code(0).stdout_is("mine\n").stderr_has(&[]);
    });
}

#[test]
fn however_the_shell_opened_it() {
    alone(|test| {
        for open in ["9>", "9>>", "9<", "9<>"] {
            test.write("bot.lock", "99999999");
            let script = format!(
                "exec {open}bot.lock; {EXE} acquire -n --fd 9; echo code $?; flock -n bot.lock true; echo held $?; \
                 [ $(cat bot.lock) = $$ ]; echo text $?; {EXE} release -q --fd 9; echo code $?; \
                 flock -n bot.lock true; echo free $?; cat bot.lock"
            );
            let output = test.run(&format!("sh -c '{script}'"));
            output.code(0).stdout_is("code 0\nheld 1\ntext 0\ncode 0\nfree 0\n");
        }
    });
}

#[test]
fn a_file_that_may_only_be_read_is_unlocked_all_the_same() {
    alone(|test| {
        test.write("bot.lock", "");
        // solobot as nobody, on a descriptor of root's shell.
        let nobody = format!("setpriv --reuid=65534 --regid=65534 --clear-groups {}", "/mnt/solobot");
        test.solobot_as(65534, "--version").code(0).stdout_has(&["solobot"]);
        let script = format!(
            "exec 9<bot.lock; {nobody} acquire -q -n --fd 9; echo $?; flock -n bot.lock true; echo $?; \
             {nobody} release -q --fd 9; echo $?; flock -n bot.lock true; echo $?"
        );
        let output = test.run(&format!("sh -c 'cd /mnt/work; {script}'"));
        output.code(0).stdout_is("0\n1\n0\n0\n").stderr_has(&["its PID was not recorded"]);
    });
}

#[test]
fn a_file_whose_path_leads_elsewhere() {
    alone(|test| {
        std::fs::create_dir(test.path("folder")).unwrap();
        // Mounted over: the file has a name still, and the name means another one, for ever.
        let script = format!(
            "exec 9<>folder/bot.lock; mount -t tmpfs none folder; touch folder/bot.lock; {EXE} acquire -w 1 --fd 9"
        );
        let shell = test.start(&format!("sh -c '{script}'"));
        shell.finish_within(std::time::Duration::from_secs(20)).code(2).stderr_has(&["no longer at its path"]);
    });
}

#[test]
fn a_signal_after_the_grant_does_not_contradict_the_answer() {
    alone(|test| {
        // strace holds solobot up behind each write, the last of which goes to the journal; by then the shell has the lock.
        let script = format!(
            "exec 9<>bot.lock; strace -qq -o trace -e trace=write -e inject=write:delay_exit=2000000 {EXE} acquire --fd 9 & \
             wait $!; echo $? >code; sleep 600"
        );
        let mut shell = test.command("sh -c");
        shell.arg(script);
        let shell = test.start_command(shell);
        let journal = test.dir().parent().unwrap().join("home/.local/state/solobot/journal.jsonl");
        wait_until("it was granted", || std::fs::metadata(&journal).is_ok_and(|file| file.len() > 0));
        let is_solobot =
            |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "solobot\n");
        let solobot = shell.descendants().into_iter().find(is_solobot).expect("it is held up");
        send_to(solobot, Signal::TERM);
        // The shell makes the file before it writes to it.
        wait_until("the shell has its answer", || test.has("code") && test.read("code").ends_with('\n'));
        assert_eq!(test.read("code"), "0\n");
        assert!(test.is_locked("bot.lock"));
    });
}

#[test]
fn a_descriptor_of_another_file_than_the_lock_is_wrong_usage() {
    alone(|test| {
        let script = format!("exec 9<>a.lock; {EXE} acquire --fd 9 -l b.lock");
        let mut shell = test.command("sh -c");
        shell.arg(script);
        let output = test.start_command(shell).finish().code(2);
        let _ = output.stderr_has(&[&test.name("a.lock"), &test.name("b.lock"), "exec 9<>"]);
        assert!(!test.is_locked("a.lock") && !test.has("a.lock.info"));
    });
}
