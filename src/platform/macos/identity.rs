//! When a process started: by the wall clock of then, in microseconds (`p_starttime` of `KERN_PROC`, which `proc_pidinfo` calls
//! `pbi_start_tvsec` and `pbi_start_tvusec`).

use std::io;
use std::time::{Duration, SystemTime};

use crate::platform::stat::Stat;
pub use crate::platform::unix::identity::{Identity, ancestry, lineage, own_pid, parent};

impl Identity {
    /// This very process.
    ///
    /// # Errors
    /// If the kernel does not tell of it.
    pub fn own() -> io::Result<Self> {
        let pid = own_pid();
        let stat = Stat::read(pid).ok_or_else(|| io::Error::other("the kernel does not show this process"))?;
        Ok(Self { pid, start_ticks: stat.start_ticks })
    }

    /// When the process started, by the wall clock of then.
    pub fn started_at(self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(self.start_ticks))
    }

    /// The earliest moment at which it may have started by the wall clock of then, which is what the times of files are by.
    pub fn earliest_start(self) -> Option<SystemTime> {
        self.started_at()
    }

    /// How long ago the process started, whether or not it still runs; wrong by as much as the wall clock was set since.
    pub fn age(self) -> Option<Duration> {
        Some(SystemTime::now().duration_since(self.started_at()?).unwrap_or_default())
    }
}

/// Where this process is looked up, for people.
pub const OWN_FOLDER: &str = "sysctl kern.proc";
