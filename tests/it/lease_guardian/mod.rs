//! The guardian of a lease: it opens COMMAND's gate, and every process of the bot is dead when the lease can no longer be
//! proved, whatever has died before.
//!
//! The supervisor is `peers/guarded.rs`, which does what a test tells it.

mod gate;
mod names;
mod stopping;

use std::io::{PipeWriter, Write, pipe};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Background, Signal, Test, alive, example, send_to, wait_until, wait_within};

/// Longer than any test takes, in milliseconds.
const FAR: u64 = 600_000;
/// The longest time that anything of the bot may run after the time at which it was to be killed.
const AFTER_KILL: Duration = Duration::from_millis(300);

/// The program without the harness's environment, so that what it inherits can be told.
fn supervisor(test: &Test) -> Command {
    let mut command = test.command(example("guarded").to_str().unwrap());
    command.arg("bot.lock");
    command
}

/// A supervisor, and its guardians.
struct Supervisor {
    process: Background,
    orders: PipeWriter,
}

impl Supervisor {
    fn start(test: &Test) -> Self {
        Self::of(test, supervisor(test))
    }

    fn of(test: &Test, mut command: Command) -> Self {
        let (reader, orders) = pipe().unwrap();
        command.stdin(reader);
        Self { process: test.start_command(command), orders }
    }

    /// One whose guardian is told this deadline, from now in milliseconds.
    #[track_caller]
    fn guarded(test: &Test, grace: u64, term_in: u64, kill_in: u64) -> (Self, i32) {
        let mut supervisor = Self::start(test);
        let guardian = supervisor.guard(grace, term_in, kill_in);
        (supervisor, guardian)
    }

    #[track_caller]
    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// Starts a guardian, and says which process it is.
    #[track_caller]
    fn guard(&mut self, grace: u64, term_in: u64, kill_in: u64) -> i32 {
        let before = self.count("guardian ");
        self.order(&format!("start {grace} {term_in} {kill_in}"));
        wait_until("a guardian", || self.count("guardian ") > before);
        self.number("guardian ")
    }

    /// Starts a COMMAND, by the shell, which runs behind its gate.
    #[track_caller]
    fn runs(&mut self, script: &str) -> i32 {
        self.order(&format!("gate {script}"));
        self.says("runs");
        self.number("waits ")
    }

    fn count(&self, line: &str) -> usize {
        self.process.stdout().lines().filter(|one| one.starts_with(line)).count()
    }

    #[track_caller]
    fn says(&self, line: &str) {
        let has = || self.count(line) > 0;
        wait_until(&format!("`{line}`"), || has() || self.count("error ") > 0);
        assert!(has(), "no `{line}`:\n{}", self.process.stdout());
    }

    /// The number behind the last such word.
    #[track_caller]
    fn number(&self, word: &str) -> i32 {
        let text = self.process.stdout();
        text.lines().filter_map(|line| line.strip_prefix(word)).next_back().unwrap().parse().unwrap()
    }
}

/// Ended when dropped, whatever becomes of who started it.
struct Ended(Vec<i32>);

impl Drop for Ended {
    fn drop(&mut self) {
        for &pid in &self.0 {
            send_to(pid, Signal::KILL);
        }
    }
}

/// Waits until all are dead, and says when.
#[track_caller]
fn dead(what: &str, pids: &[i32], limit: Duration) -> Instant {
    wait_within(limit, &format!("dead: {what}"), || pids.iter().all(|&pid| !alive(pid)));
    Instant::now()
}
