//! One process, held by its handle.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use windows_sys::Win32::Security::TOKEN_QUERY;
use windows_sys::Win32::System::Threading::OpenProcessToken;

use super::command_line;
use super::file::FileId;
use super::identity::own_pid;
use super::native::{is_signalled, open_process, owned, succeeded};
use super::peb::{self, ProcessParameters};
use super::processes::{self, LOOK};
use super::user::{self, Credentials};
use super::words::{os_string, program_name};
use crate::platform::stat::Stat;

/// One process, opened: as long as this exists, no other process gets its PID.
#[derive(Debug)]
pub struct Handle {
    pub pid: i32,
    /// `None` where it lets nobody open it, so that all that it shows is that it is there.
    process: Option<OwnedHandle>,
}

impl Handle {
    /// Opens it; `None` if there is no such process.
    pub fn open(pid: i32) -> Option<Self> {
        match open_process(pid, LOOK) {
            Ok(process) => Some(Self { pid, process: Some(process) }),
            Err(error) => (error.kind() == io::ErrorKind::PermissionDenied).then_some(Self { pid, process: None }),
        }
    }

    fn process(&self) -> io::Result<&OwnedHandle> {
        match &self.process {
            None => Err(io::ErrorKind::PermissionDenied.into()),
            Some(process) if is_signalled(process, std::time::Duration::ZERO) => Err(io::ErrorKind::NotFound.into()),
            Some(process) => Ok(process),
        }
    }

    fn parameters(&self) -> io::Result<ProcessParameters> {
        self.process().and_then(|_| ProcessParameters::of(self.pid))
    }

    /// Its command line, each word ended by NUL.
    ///
    /// # Errors
    /// It is another user's, or it has ended.
    pub fn cmdline(&self) -> io::Result<Vec<u8>> {
        Ok(ended_by_nul(command_line::split(&peb::command_line(self.pid, self.process()?)?)))
    }

    /// Its environment as it is now, `NAME=VALUE` each, ended by NUL. Windows does not keep the one that it was started with.
    ///
    /// # Errors
    /// As [`Handle::cmdline`].
    pub fn environ(&self) -> io::Result<Vec<u8>> {
        Ok(ended_by_nul(self.parameters()?.environment()?))
    }

    /// Empty: there are no control groups.
    pub fn cgroup(&self) -> String {
        String::new()
    }

    /// The file that it runs.
    pub fn exe(&self) -> Option<PathBuf> {
        processes::image(self.process().ok()?).ok()
    }

    /// The folder it is in.
    pub fn cwd(&self) -> Option<PathBuf> {
        self.parameters().ok()?.folder().ok()
    }

    /// What its standard input is: Windows does not tell.
    pub fn stdin(&self) -> Option<PathBuf> {
        None
    }

    /// The identity of the folder it is in.
    pub fn cwd_id(&self) -> Option<FileId> {
        FileId::of(&self.cwd()?)
    }

    /// There is no folder that is another one to another process.
    pub fn root_id(&self) -> Option<FileId> {
        None
    }

    /// Nothing is mounted for one process alone.
    pub fn mount_at(&self, _folder: &Path) -> Option<String> {
        None
    }

    /// The identity of an absolute path as the process sees it: as everybody does.
    pub fn id_inside(&self, path: &Path) -> Option<FileId> {
        FileId::of(path)
    }

    /// What a look at it shows; `None` if it has ended, or is the kernel's.
    pub fn stat(&self) -> Option<Stat> {
        Stat::read(self.pid).filter(|stat| stat.is_alive() && !stat.is_kernel_thread)
    }

    /// Its user and groups.
    pub fn credentials(&self) -> Option<Credentials> {
        let mut token = std::ptr::null_mut();
        let process = self.process.as_ref()?.as_raw_handle();
        // SAFETY: the handle is open, and `token` has room for the one that is written.
        succeeded(unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) }).ok()?;
        user::of_token(&owned(token).ok()?)
    }

    /// How it was started, as far as Windows knows.
    pub fn upbringing(&self) -> StatusFacts {
        StatusFacts { uid: self.credentials().map(|user| user.uid), ..StatusFacts::default() }
    }

    /// Its arguments.
    pub fn argv(&self) -> Vec<OsString> {
        let line = self.process().and_then(|process| peb::command_line(self.pid, process));
        line.map(|line| command_line::split(&line)).unwrap_or_default()
    }
}

/// How a process was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusFacts {
    /// Its user.
    pub uid: Option<u32>,
    /// Never: there is no hangup to be ignored.
    pub ignores_hangup: bool,
    /// Never: there are no PID namespaces.
    pub is_namespace_init: bool,
    /// Never: there are no PID namespaces.
    pub is_below: bool,
}

pub(super) fn ended_by_nul(words: impl IntoIterator<Item = OsString>) -> Vec<u8> {
    words.into_iter().flat_map(|word| word.into_encoded_bytes().into_iter().chain([0])).collect()
}

/// Splits a command line of words that are each ended by NUL.
pub fn words(cmdline: &[u8]) -> Vec<OsString> {
    let Some(words) = cmdline.strip_suffix(b"\0") else { return Vec::new() };
    words.split(|&byte| byte == 0).map(|word| os_string(word.to_vec())).collect()
}

/// Whose a process is.
pub fn owner(pid: i32) -> Option<u32> {
    Some(Handle::open(pid)?.credentials()?.uid)
}

/// Whether a process runs the file that this one runs, or one at its path; `None` if that cannot be looked at. A file that runs
/// can be renamed, but not replaced: then its process shows the new name.
pub fn runs_our_file(pid: i32) -> Option<bool> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    let exe = |pid: i32| Handle::open(pid)?.exe();
    let (own, other) = (OWN.get_or_init(|| exe(own_pid())).as_deref()?, exe(pid)?);
    let is_same_path = own.as_os_str().eq_ignore_ascii_case(&other);
    Some(is_same_path || FileId::of(own).is_some_and(|id| FileId::of(&other) == Some(id)))
}

/// The short name of a process: that of the file it runs, without `.exe`.
pub fn name(pid: i32) -> Option<String> {
    let exe = Handle::open(pid)?.exe()?;
    let name = program_name(exe.file_name()?.as_encoded_bytes());
    Some(String::from_utf8_lossy(name).into_owned())
}

/// What a process waits for: Windows does not tell.
pub fn sleeps_in(_pid: i32) -> Option<String> {
    None
}
