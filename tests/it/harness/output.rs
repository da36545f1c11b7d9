//! Running solobot strictly: what a test does not mention must be empty.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::panic::Location;
use std::process::{Command, ExitStatus};
use std::thread;

use serde_json::Value;

use super::{Background, Signal, Test};

/// solobot before its start.
pub struct Solobot<'a> {
    test: &'a Test,
    command: Command,
}

impl<'a> Solobot<'a> {
    pub(super) fn new(test: &'a Test, args: Vec<OsString>) -> Self {
        let mut command = Command::new(super::under_test());
        command.args(args);
        test.settle(&mut command);
        Self { test, command }
    }

    /// Adds an argument as it is.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.arg(arg.into());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in another folder of the test.
    pub fn in_dir(mut self, name: &str) -> Self {
        self.command.current_dir(self.test.path(name));
        self
    }

    /// The command as it would be started.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        self.start().finish()
    }

    /// Starts it in the background.
    #[track_caller]
    pub fn start(self) -> Background {
        self.test.start_command(self.command)
    }
}

/// How a process ended and what it wrote. A test says something about the ending, and about each stream that is not
/// empty; otherwise dropping it panics.
pub struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    judged: Cell<bool>,
    stdout_seen: Cell<bool>,
    stderr_seen: Cell<bool>,
    at: &'static Location<'static>,
}

impl Output {
    pub(super) fn new(status: ExitStatus, stdout: String, stderr: String, at: &'static Location<'static>) -> Self {
        assert!(ends_in_what_to_type(&stderr), "an error of solobot's does not end in what to type ({at}):\n{stderr}");
        let seen = || Cell::new(false);
        Self { status, stdout, stderr, judged: seen(), stdout_seen: seen(), stderr_seen: seen(), at }
    }

    fn text(&self) -> String {
        format!("{}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr)
    }

    /// It exited with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        self.judged.set(true);
        assert!(self.status.code() == Some(code), "expected exit code {code}, got {}", self.text());
        self
    }

    /// It ended as solobot ends on purpose: with a code of its table, not by a panic, a bug or a signal.
    #[track_caller]
    pub fn settled(self) -> Self {
        self.judged.set(true);
        self.stdout_seen.set(true);
        self.stderr_seen.set(true);
        let fine = self.status.code().is_some_and(solobot_code) && !self.stderr.contains("panicked");
        assert!(fine, "expected an ending of the exit-code table, got {}", self.text());
        self
    }

    /// It exited with another code than this.
    #[track_caller]
    pub fn code_is_not(self, code: i32) {
        self.judged.set(true);
        assert!(self.status.code() != Some(code), "did not expect exit code {code}, got {}", self.text());
    }

    /// It died of this signal.
    #[track_caller]
    pub fn signal(self, signal: Signal) -> Self {
        self.judged.set(true);
        let number = signal.as_raw();
        assert!(self.status.signal() == Some(number), "expected death by signal {number}, got {}", self.text());
        assert!(!self.status.core_dumped(), "dumped a core");
        self
    }

    /// stdout is this text exactly.
    #[track_caller]
    pub fn stdout_is(self, text: &str) -> Self {
        self.stdout_seen.set(true);
        assert!(self.stdout == text, "expected stdout `{text}`, got {}", self.text());
        self
    }

    /// stdout has each of these.
    #[track_caller]
    pub fn stdout_has(self, texts: &[&str]) -> Self {
        self.stdout_seen.set(true);
        for text in texts {
            assert!(self.stdout.contains(text), "expected `{text}` on stdout, got {}", self.text());
        }
        self
    }

    /// stderr has each of these.
    #[track_caller]
    pub fn stderr_has(self, texts: &[&str]) -> Self {
        self.stderr_seen.set(true);
        for text in texts {
            assert!(self.stderr.contains(text), "expected `{text}` on stderr, got {}", self.text());
        }
        self
    }

    /// Neither stream has this.
    #[track_caller]
    pub fn nowhere(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "did not expect `{text}`, got {}", self.text());
        self
    }

    /// stdout is one JSON object of schema 1.
    #[track_caller]
    pub fn json(self) -> Value {
        self.stdout_seen.set(true);
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{}", self.text()));
        assert_eq!(value["schema"], 1, "schema: {}", self.text());
        value
    }

    /// The text on stdout.
    pub fn stdout(&self) -> &str {
        self.stdout_seen.set(true);
        &self.stdout
    }

    /// The text on stderr.
    pub fn stderr(&self) -> &str {
        self.stderr_seen.set(true);
        &self.stderr
    }
}

/// Whether each error of solobot's own is followed by hints, the last of which has something to type in it. Of a wait that
/// has ended they were said at its beginning, right above the line that it waits: each is said once.
fn ends_in_what_to_type(stderr: &str) -> bool {
    let lines: Vec<&str> = stderr.lines().collect();
    let errors = lines.iter().enumerate().filter(|(_, line)| line.starts_with("solobot: error: "));
    errors.into_iter().all(|(index, _)| {
        let hints = lines[index + 1..].iter().take_while(|line| line.starts_with("  hint: "));
        let typed = |hint: &&str| {
            let hint = &hint["  hint: ".len()..];
            ["solobot ", "--", " -", ": ", " = ", "`", "sudo ", "sv ", "kill "].iter().any(|sign| hint.contains(sign))
        };
        let waits = lines[..index].iter().rposition(|line| line.starts_with("solobot: waiting "));
        let before = waits.and_then(|waits| lines[..waits].last()).filter(|line| line.starts_with("  hint: "));
        hints.last().or(before).is_some_and(typed)
    })
}

/// The exit codes that solobot means, without 70.
fn solobot_code(code: i32) -> bool {
    matches!(code, 0..=2 | 69 | 73 | 75 | 77 | 78 | 126 | 127)
}

impl Drop for Output {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let what = if !self.judged.get() {
            "its ending"
        } else if !self.stdout.is_empty() && !self.stdout_seen.get() {
            "its stdout"
        } else if !self.stderr.is_empty() && !self.stderr_seen.get() {
            "its stderr"
        } else {
            return;
        };
        panic!("the test says nothing about {what} (started at {}): {}", self.at, self.text());
    }
}
