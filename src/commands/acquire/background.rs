//! The solobot that `acquire --detach` leaves in the background, as seen by itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::log_file::LogFile;
use crate::base::env;
use crate::base::error::Error;
use crate::platform::daemon::{self, ReadinessSignal};

/// A COMMAND that runs for so long has started.
const STARTED: Duration = Duration::from_secs(2);

/// The solobot in the background, as seen by itself.
pub struct Background {
    path: PathBuf,
    /// Until COMMAND has started.
    ready: Option<ReadinessSignal>,
    /// From COMMAND's start on.
    log: Option<LogFile>,
    /// When COMMAND was started first.
    since: Option<Instant>,
}

impl Background {
    /// Whether this process is one. Whatever else a script had open is closed.
    ///
    /// # Errors
    /// The descriptor to report on is not open.
    pub fn of_process() -> Result<Option<Self>, Error> {
        let number = std::env::var(env::BACKGROUND).ok().and_then(|number| number.parse().ok());
        let (Some(number), Some(path)) = (number, std::env::var_os(env::BACKGROUND_LOG)) else { return Ok(None) };
        let io = |action: &str| {
            let action = action.to_owned();
            move |source| Error::Io { action, source }
        };
        // SAFETY: nothing here has opened a descriptor yet.
        unsafe { daemon::close_others(&[number]) }.map_err(io("close what the caller had open"))?;
        // SAFETY: it was inherited for this, and nothing here has opened it.
        let ready = unsafe { ReadinessSignal::inherited(number) };
        let ready = ready.map_err(io("take over the descriptor to report on"))?;
        Ok(Some(Self { path: path.into(), ready: Some(ready), log: None, since: None }))
    }

    /// Leaves the terminal, just before COMMAND is started for the first time.
    ///
    /// # Errors
    /// The log cannot be written; the solobot that was typed has gone.
    pub fn enter(&mut self) -> Result<(), Error> {
        let Some(ready) = self.ready.as_mut().filter(|_| self.log.is_none()) else { return Ok(()) };
        let log = LogFile::take(&self.path)?;
        let output = log.for_command()?;
        ready.say().map_err(|source| Error::Io {
            action: "go on in the background: whoever started it has ended".into(),
            source,
        })?;
        daemon::go_into_background(&output)
            .map_err(|source| Error::Io { action: "leave the terminal".into(), source })?;
        self.log = Some(log);
        Ok(())
    }

    /// COMMAND was started.
    pub fn now_runs(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether COMMAND has run long enough: before that, its end is the end of all.
    pub fn has_started(&self) -> bool {
        self.ready.is_none()
    }

    /// Says that COMMAND has started, once it has, and keeps the log short. Returns what is wrong with the log.
    pub fn tend(&mut self) -> Option<String> {
        if self.since.is_some_and(|since| since.elapsed() >= STARTED)
            && let Some(mut ready) = self.ready.take()
        {
            // The bot runs, whether anybody waits for that or not.
            let _ = ready.say();
        }
        self.log.as_mut()?.tend()
    }

    /// When to do that again.
    pub fn again_in(&self) -> Duration {
        let log = self.log.as_ref().map_or(STARTED, LogFile::again_in);
        let started = self.since.filter(|_| self.ready.is_some()).map(|since| STARTED.saturating_sub(since.elapsed()));
        started.map_or(log, |started| started.min(log))
    }
}
