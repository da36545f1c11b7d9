//! One command that runs, and how it ends.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::base::env;
use crate::base::secret::mask;
use crate::base::text::is_hidden;
use crate::platform::children::Ended;
use crate::platform::identity::Identity;
use crate::process::stop::{self, StopOptions, StopTarget};
use crate::settings::alerts::AlertKind;

/// How it ended.
pub enum AlertEnd {
    Done,
    /// For this reason.
    Failed(String),
    /// It took too long.
    Killed,
}

/// A command that was started.
pub struct RunningAlert {
    pub kind: AlertKind,
    pub bot: String,
    child: Child,
    until: Instant,
    /// Somebody else has waited for it.
    reaped: Option<Ended>,
}

impl RunningAlert {
    /// Starts it, without waiting for anything. What it prints goes to our stderr.
    ///
    /// # Errors
    /// Those of `execve(2)`.
    pub fn start(
        words: &[OsString],
        folder: &Path,
        bot: &str,
        kind: AlertKind,
        detail: &str,
        patience: Duration,
    ) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(io::stderr());
        for (name, value) in std::env::vars_os() {
            // It has a token in it.
            if matches!(mask(&value.to_string_lossy()), Cow::Owned(_)) {
                command.env_remove(name);
            }
        }
        for name in [env::NOTIFY_SOCKET, env::BACKGROUND, env::BACKGROUND_LOG].into_iter().chain(env::WATCHDOG) {
            command.env_remove(name);
        }
        let detail = mask(detail).replace(is_hidden, " ");
        command.env(env::EVENT, kind.as_str()).env(env::BOT, bot).env(env::DETAIL, detail);
        let child = command.spawn()?;
        Ok(Self { kind, bot: bot.to_owned(), child, until: Instant::now() + patience, reaped: None })
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    pub fn reaped(&mut self, ended: Ended) {
        self.reaped = Some(ended);
    }

    /// How it has ended, if it has; one that takes too long is killed, with what it started.
    pub fn end(&mut self) -> Option<AlertEnd> {
        match (self.reaped, self.child.try_wait()) {
            // Of one that somebody else has waited for, nobody knows how it ended.
            (Some(Ended::Code(0)), _) | (None, Err(_)) => return Some(AlertEnd::Done),
            (Some(Ended::Code(code)), _) => return Some(AlertEnd::Failed(format!("exit code {code}"))),
            (Some(Ended::Signal(signal)), _) => return Some(AlertEnd::Failed(format!("signal {signal}"))),
            (None, Ok(Some(status))) if status.success() => return Some(AlertEnd::Done),
            (None, Ok(Some(status))) => return Some(AlertEnd::Failed(status.to_string())),
            (None, Ok(None)) => {}
        }
        if Instant::now() < self.until {
            return None;
        }
        if let Some(root) = Identity::of(self.pid()) {
            let _ = stop::stop(&[StopTarget::single(root)], &StopOptions { force: true, ..StopOptions::default() });
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        Some(AlertEnd::Killed)
    }
}
