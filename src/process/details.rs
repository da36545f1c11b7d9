//! What is known of one process beyond its command line: read for candidates and their ancestors alone.
//!
//! `/proc/PID` is opened once and everything is read relative to that descriptor, so that all of it belongs to one
//! process even if the PID is reused meanwhile (the kernel answers ESRCH then).

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::platform::proc::Handle;

use crate::platform::identity::{Identity, Stat};

/// One process, as far as the caller may see it.
#[derive(Debug, Clone)]
pub struct Details {
    /// PID and start time.
    pub identity: Identity,
    /// Parent, session, terminal, state.
    pub stat: Stat,
    /// Its arguments.
    pub argv: Vec<OsString>,
    /// What the kernel executes; `None` for another user's process.
    pub exe: Option<PathBuf>,
}

impl Details {
    /// Reads the details of the process that has that PID now.
    pub fn read(handle: &Handle) -> Option<Self> {
        Self::with_argv(handle, handle.argv())
    }

    /// As [`Details::read`], for a process whose command line is known already.
    pub fn with_argv(handle: &Handle, argv: Vec<OsString>) -> Option<Self> {
        let stat = handle.stat()?;
        let identity = Identity { pid: handle.pid, start_ticks: stat.start_ticks };
        Some(Self { identity, stat, argv, exe: handle.link("exe") })
    }
}

/// The value of a variable in an environment block.
pub fn variable<'a>(environ: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environ.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The folders of a `PYTHONPATH`, relative to the process's working folder.
pub fn python_path(environ: &[u8], cwd: Option<&Path>) -> Vec<PathBuf> {
    let Some(value) = variable(environ, "PYTHONPATH") else { return vec![] };
    value
        .split(|&byte| byte == b':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| super::program::absolute(cwd.unwrap_or(Path::new("/")), Path::new(std::ffi::OsStr::from_bytes(dir))))
        .collect()
}

/// What sysinfo adds for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Real user id.
    pub uid: u32,
    /// Resident memory in bytes.
    pub memory: u64,
}

/// User and memory of these processes; those that are gone are left out.
pub fn usage(pids: &[i32]) -> HashMap<i32, Usage> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
    let Ok(mut system) = System::new() else { return HashMap::new() };
    if pids.is_empty() {
        return HashMap::new();
    }
    let wanted: Vec<Pid> = pids.iter().filter_map(|&pid| Some(Pid::from_u32(u32::try_from(pid).ok()?))).collect();
    let kind = ProcessRefreshKind::nothing().with_user(UpdateKind::Always).with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&wanted), true, kind);
    system
        .processes()
        .iter()
        .filter_map(|(pid, process)| {
            let usage = Usage { uid: **process.user_id()?, memory: process.memory() };
            Some((i32::try_from(pid.as_u32()).ok()?, usage))
        })
        .collect()
}
