//! A stack that may not grow: `ulimit -s 64`, which cron jobs, containers and hardened units set.

use std::collections::BTreeSet;

use crate::harness::{Background, Output, PUBLIC, Signal, Test, alive, alone, parent, token, wait_until};
use crate::scenes::sleeper;
use crate::standin::Standin;

/// Soft and hard: nobody but root may raise it.
const LIMIT: &str = "prlimit --stack=65536:65536";
const NOBODY: u32 = 65534;

#[track_caller]
fn start(test: &Test, line: &str) -> Background {
    let mut command = test.command(LIMIT);
    command.arg(env!("CARGO_BIN_EXE_solobot")).args(crate::harness::words(line));
    test.start_command(command)
}

#[track_caller]
fn run(test: &Test, line: &str) -> Output {
    start(test, line).finish().settled()
}

const LINES: [&str; 21] = [
    "--help",
    "--version",
    "acquire --help",
    "status -v",
    "status --json",
    "check",
    "doctor",
    "doctor --explain stale-lock",
    "conflicts bot.log",
    "metrics",
    "lease",
    "init --dry-run",
    "clean-stale",
    "release",
    "kill-duplicates --dry-run",
    "stop --dry-run",
    "restart --dry-run",
    "completions bash",
    "acquire -n -l other.lock -- true",
    "delete-webhook --dry-run",
    "acquire --no-such-option",
];

#[test]
fn every_subcommand_runs() {
    alone(|test| {
        let mut seen = BTreeSet::new();
        test.write("main.py", "");
        test.write("t", token());
        std::fs::set_permissions(test.path("t"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let server = Standin::start();
        let bot =
            format!("[bots.main]\nscript = \"main.py\"\ntoken = {{ file = \"t\" }}\napi_url = \"{}\"\n", server.url());
        test.write("solobot.toml", bot);
        test.write(
            "bot.log",
            "2026-01-10 15:27:14 409 Conflict: terminated by other getUpdates request\n".repeat(20_000),
        );
        for line in LINES {
            let wanted = test.solobot(line).run().settled();
            let output = run(test, line);
            // What it says of processes and times is of its moment.
            let is_same = [(wanted.stdout(), output.stdout()), (wanted.stderr(), output.stderr())]
                .iter()
                .all(|(wanted, had)| wanted.lines().count() == had.lines().count());
            assert!(is_same, "{line}:\n{}{}", output.stdout(), output.stderr());
            seen.extend(line.split(' ').next().filter(|word| !word.starts_with('-')));
        }
        let command = solobot::cli::command();
        let all: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(
            seen,
            all.into_iter().filter(|name| !["guardian", "help", "hold", "keeper"].contains(name)).collect()
        );
        // With the least that a kernel gives.
        let output = test.start_command(test.command(&format!(
            "prlimit --stack=16384:16384 {} acquire -n -l other.lock -- true",
            env!("CARGO_BIN_EXE_solobot")
        )));
        output.finish().code(0);
    });
}

#[test]
fn as_another_user_too() {
    alone(|test| {
        test.solobot_as(NOBODY, "--version").code(0).stdout_has(&["solobot"]);
        std::fs::create_dir(test.path("own")).unwrap();
        std::os::unix::fs::chown(test.path("own"), Some(NOBODY), Some(NOBODY)).unwrap();
        for (line, code) in [("acquire -n -l own/x.lock -- true", 0), ("status", 0), ("doctor --explain stale-lock", 0)]
        {
            let user =
                format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {LIMIT} {PUBLIC}/solobot {line}");
            let mut command = test.command(&user);
            command.current_dir(format!("{PUBLIC}/work"));
            drop(test.start_command(command).finish().settled().code(code));
        }
    });
}

/// On another stack it is the same first thread: parent of its bot, and whom signals reach.
#[test]
fn a_bot_is_held_and_its_signals_are_passed_on() {
    alone(|test| {
        sleeper(test, "bot");
        run(test, "acquire -n -l bot.lock -- sh -c 'ulimit -s; ulimit -Hs'").code(0).stdout_is("64\n64\n");
        run(test, "acquire -n -F -l bot.lock -- sh -c 'ulimit -s'").code(0).stdout_is("64\n");
        let held = start(test, "acquire -n -l bot.lock -- ./bot");
        wait_until("its bot runs", || held.descendants().len() == 1);
        let bot = held.descendants()[0];
        assert_eq!(parent(bot), Some(held.pid()));
        assert!(test.is_locked("bot.lock"));
        run(test, "acquire -n -l bot.lock -- true").code(75);
        let waiting = start(test, "acquire -w forever -l bot.lock -- true");
        wait_until("it waits", || waiting.stderr().contains("waiting"));
        held.signal(Signal::TERM);
        held.finish().signal(Signal::TERM);
        assert!(!alive(bot));
        waiting.finish().code(0).stderr_has(&["got the lock"]);
        let sleeping = test.start("tail -f /dev/null");
        run(test, &format!("acquire -l kept.lock --pid {}", sleeping.pid())).code(0);
        assert!(test.is_locked("kept.lock"));
        run(test, "release --yes -l kept.lock").code(0);
        assert!(!test.is_locked("kept.lock"));
    });
}

/// Where there is no memory for another stack either, that is said.
#[test]
fn without_memory_for_another_it_says_so() {
    alone(|test| {
        let ends = (8..256).step_by(2).find_map(|size| {
            let limit = format!("{LIMIT} --as={}", size * 1024 * 1024);
            let output = test.run(&format!("{limit} {} --version", env!("CARGO_BIN_EXE_solobot")));
            // With less the loader gives up.
            let says = output.stderr().contains("the stack is limited to 64 KiB");
            let is_enough = output.stdout().contains("solobot");
            if says {
                output.code(73).stderr_has(&["cannot allocate memory", "hint: raise its limit: ulimit -s 8192"]);
                return Some(true);
            }
            output.code_is_not(73);
            is_enough.then_some(false)
        });
        assert_eq!(ends, Some(true));
    });
}
