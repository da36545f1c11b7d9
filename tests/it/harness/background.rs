//! A process in the background: never left behind, its output in files that can be read while it runs.

use std::fs::{self, File};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::process::{descendants, send, send_to};
use super::{DEADLINE, Output, Signal, wait_until, wait_within};

/// A started process; ended, with what it started, when dropped.
pub struct Background {
    child: Child,
    status: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
    at: &'static Location<'static>,
}

impl Background {
    /// Starts the command with its output in `folder`. What the caller redirected stays so only for stdin.
    pub(super) fn start(mut command: Command, folder: &Path, number: u32, at: &'static Location<'static>) -> Self {
        let (stdout, stderr) = (folder.join(format!("{number}.out")), folder.join(format!("{number}.err")));
        command.stdout(File::create(&stdout).expect("a file for stdout"));
        command.stderr(File::create(&stderr).expect("a file for stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self { child, status: None, stdout, stderr, at }
    }

    /// Its PID, which stays its own until it is dropped.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a PID")
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).expect("its stdout")).into_owned()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).expect("its stderr")).into_owned()
    }

    /// Waits until stderr has the text.
    #[track_caller]
    pub fn wait_for_stderr(&mut self, text: &str) {
        let path = self.stderr.clone();
        let has = || String::from_utf8_lossy(&fs::read(&path).expect("its stderr")).contains(text);
        wait_until(&format!("stderr has `{text}`"), || has() || (self.has_ended() && !has()));
        assert!(has(), "ended without `{text}` on stderr:\n{}", self.stderr());
    }

    /// Signals it.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Whether it has ended; reaps it.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("wait for the child");
        }
        self.status.is_some()
    }

    /// Its living descendants.
    pub fn descendants(&self) -> Vec<i32> {
        descendants(self.pid())
    }

    /// Waits for its end and gives what it wrote, to be judged strictly.
    #[track_caller]
    pub fn finish(self) -> Output {
        self.finish_within(DEADLINE * 2)
    }

    /// The same, with a deadline.
    #[track_caller]
    pub fn finish_within(mut self, limit: Duration) -> Output {
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        let text = move || {
            [&stdout, &stderr].map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned())
        };
        let at = self.at;
        let what = format!("the process started at {at} ends");
        let mut status = None;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_within(limit, &what, || {
                let ended = self.has_ended();
                status = self.status;
                ended
            });
        }));
        let [stdout, stderr] = text();
        assert!(outcome.is_ok(), "{what}, but it did not within {limit:?}; stdout:\n{stdout}\nstderr:\n{stderr}");
        Output::new(status.expect("it ended"), stdout, stderr, at)
    }

    /// Kills it at once and waits for its end; what it wrote is of no interest any more.
    #[track_caller]
    pub fn kill(mut self) {
        self.kill_now();
    }

    fn kill_now(&mut self) {
        if !self.has_ended() {
            let below = self.descendants();
            let _ = self.child.kill();
            let _ = self.child.wait();
            for pid in below {
                send_to(pid, Signal::KILL);
            }
        }
    }

    /// Kills this very process with SIGKILL and lets what it started live on.
    #[track_caller]
    pub fn kill_alone(mut self) {
        self.child.kill().expect("kill the child");
        self.status = Some(self.child.wait().expect("wait for the child"));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill_now();
    }
}
