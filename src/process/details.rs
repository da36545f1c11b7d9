//! What is known about one process beyond its command line. It is read only for candidates and their ancestors.
//!
//! `/proc/PID` is opened once and everything is read relative to that descriptor, so that all of it belongs to one
//! process even if the PID is reused meanwhile (the kernel answers ESRCH then).

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::argv;
use crate::base::env;
use crate::base::secret::mask;
use crate::base::shell;
use crate::platform::identity::{Identity, Stat};
use crate::platform::proc::Handle;
use crate::platform::words::os_str;

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
        Some(Self { identity, stat, argv, exe: handle.exe() })
    }

    /// Its command line for people, or the name of its executable in brackets if it shows none.
    pub fn command(&self) -> String {
        if self.argv.iter().any(|arg| !arg.is_empty()) {
            return command_line(&self.argv);
        }
        let exe = self.exe.as_deref().and_then(Path::file_name).unwrap_or_default();
        format!("[{}]", exe.display())
    }
}

impl Details {
    /// Its command line as it can be typed behind `--`, tokens masked; `None` where it shows a title instead.
    pub fn typed(&self) -> Option<String> {
        let argv = argv::as_typed(&self.argv, self.exe.as_deref())?;
        let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
        let line = match words.as_slice() {
            // A program that was told its command line in one word has it as its title: pm2's.
            [line] => line.clone().into_owned(),
            words => shell::join(words),
        };
        Some(mask(&line).into_owned())
    }
}

/// The processes whose details have been read, by PID.
pub type DetailsByPid = HashMap<i32, Details>;

/// The value of a variable in an environment block.
pub fn variable<'a>(environ: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environ.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// What a solobot writes to that `acquire --detach` left in the background; `None` for any other process, and for one whose
/// environment cannot be read.
pub fn background_log(pid: i32) -> Option<PathBuf> {
    let environ = Handle::open(pid)?.environ().ok()?;
    Some(os_str(variable(&environ, env::BACKGROUND_LOG)?).into())
}

/// The folders of a `PYTHONPATH`, relative to the process's working folder.
pub fn python_path(environ: &[u8], cwd: Option<&Path>) -> Vec<PathBuf> {
    let Some(value) = variable(environ, "PYTHONPATH") else { return vec![] };
    value
        .split(|&byte| byte == b':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| super::program::absolute(cwd.unwrap_or(Path::new("/")), Path::new(os_str(dir))))
        .collect()
}

/// A command line for people: quoted where it must be, tokens masked.
pub fn command_line(argv: &[OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let line = match words.as_slice() {
        // A title is one string by intention.
        [title] => title.clone(),
        words => shell::command(words),
    };
    mask(&line).into_owned()
}
