//! The examples that take the lock themselves, against the command: each refuses while the other holds, and names it.
//! And what the crate costs a bot that takes only the lock of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Background, Signal, Test, alone, example, wait_until};
use crate::holding::holding;
use crate::packages::{builder, said};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/embed.py");

/// The two programs, as command lines in the test's folder.
fn programs(test: &Test) -> [Command; 2] {
    let mut python = test.command("python3");
    python.arg(PYTHON).arg("bot.lock");
    let mut rust = test.command(example("embed").to_str().unwrap());
    rust.arg("bot.lock");
    [rust, python]
}

/// Starts one that holds the lock until it is killed.
#[track_caller]
fn start(test: &Test, mut command: Command) -> Background {
    let started = test.start_command({
        command.stdin(Stdio::piped());
        command
    });
    wait_until("it polls", || started.stdout().contains("polling"));
    started
}

#[test]
fn solobot_is_refused_and_told_the_pid() {
    alone(|test| {
        for program in programs(test) {
            let bot = start(test, program);
            let pid = bot.pid().to_string();
            test.solobot("acquire -n -l bot.lock -- true").run().code(75).stderr_has(&[&format!("PID {pid}"), "embed"]);
            assert_eq!(test.read("bot.lock"), pid);
            let json = test.solobot("status --json -l bot.lock").run().code(0).json();
            assert_eq!(json["bots"][0]["lock"]["holders"][0]["pid"], bot.pid(), "{json}");
            bot.signal(Signal::TERM);
            bot.finish().signal(Signal::TERM).stdout_has(&["polling"]);
            test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        }
    });
}

#[test]
fn they_are_refused_and_tell_the_pid() {
    alone(|test| {
        let held = holding(test);
        let pids = [held.solobot.pid(), held.bot].map(|pid| format!("PID {pid}"));
        let [rust, python] = programs(test);
        let refused = test.start_command(rust).finish().code(75);
        assert!(pids.iter().any(|pid| refused.stderr().contains(pid)), "{}", refused.stderr());
        let refused = test.start_command(python).finish().code(1);
        assert!(refused.stderr().contains(&pids[1]), "{}", refused.stderr());
        assert_eq!(test.read("bot.lock"), held.bot.to_string(), "a refusal leaves the text");
    });
}

#[test]
fn the_rust_one_waits_and_cleans_up() {
    alone(|test| {
        let held = holding(test);
        let [mut rust, _] = programs(test);
        rust.stdin(Stdio::null());
        let waiting = test.start_command(rust);
        wait_until("the kernel lists it as a waiter", || {
            let json = test.solobot("status --json -l bot.lock").run().code(0).json();
            json["bots"][0]["lock"]["waiters"].as_array().is_some_and(|all| !all.is_empty())
        });
        held.solobot.signal(Signal::TERM);
        waiting.finish().code(0).stdout_has(&["bot.lock is mine"]);
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"), "its record is gone with it");
        held.solobot.finish().settled();
    });
}

#[test]
fn under_solobot_the_python_one_takes_none() {
    alone(|test| {
        let line = format!("acquire -l bot.lock -- python3 {PYTHON} bot.lock");
        test.solobot(&line).run().code(0).stdout_has(&["polling"]);
    });
}

#[test]
fn two_of_them_exclude_each_other() {
    alone(|test| {
        let [rust, python] = programs(test);
        let first = start(test, rust);
        let refused = test.start_command(python).finish().code(1);
        refused.stderr_has(&[&format!("PID {}", first.pid())]);
    });
}

fn cargo(line: &str) -> Command {
    let mut cargo = builder(env!("CARGO"));
    cargo.args(line.split(' ')).args(["--locked", "--offline", "--no-default-features"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

/// Crates that a Rust bot builds for the lock.
const MOST: usize = 27;

#[test]
fn without_the_command_it_needs_few_crates() {
    let (done, text) = said(&mut cargo("tree --edges normal --prefix none"));
    assert!(done, "{text}");
    // What cargo itself has to say, as that it waits for another cargo, is indented.
    let names = text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    let crates: BTreeSet<&str> = names.collect();
    assert!(
        crates.contains("solobot") && !crates.contains("clap") && crates.len() <= MOST,
        "{}: {crates:#?}",
        crates.len()
    );
}

#[test]
fn without_the_command_the_rust_one_builds_and_runs() {
    alone(|test| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("embedded");
        let (done, text) = said(cargo("build --quiet --example embed").arg("--target-dir").arg(&folder));
        assert!(done, "{text}");
        let mut bot = test.command(folder.join("debug/examples/embed").to_str().unwrap());
        bot.arg("bot.lock").stdin(Stdio::null());
        test.start_command(bot).finish().code(0).stdout_has(&["bot.lock is mine"]);
    });
}
