//! One process, told from another one that gets its PID by its start time.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::file::FileId;
use super::identity::own_pid;
use super::kernel;
use super::open_files::OpenFile;
use super::stat;
use super::user::{self, Credentials};
use crate::platform::darwin::{FOLDERS, KernelProcess, ReferredFile, StartWords, folders};
use crate::platform::stat::Stat;

/// A process: everything that is read of it is checked to be of this one.
#[derive(Debug)]
pub struct Handle {
    pub pid: i32,
    start: u64,
}

impl Handle {
    /// `None` if there is no such process.
    pub fn open(pid: i32) -> Option<Self> {
        Some(Self { pid, start: stat::process(pid)?.stat.start_ticks })
    }

    /// Its raw command line, each word ended by NUL.
    ///
    /// # Errors
    /// ESRCH once the process is gone, EACCES for another user's.
    pub fn cmdline(&self) -> io::Result<Vec<u8>> {
        self.words().map(|words| words.arguments)
    }

    /// The environment that it was started with, `NAME=VALUE` each, ended by NUL. Empty for a program that Apple protects.
    ///
    /// # Errors
    /// As [`Handle::cmdline`].
    pub fn environ(&self) -> io::Result<Vec<u8>> {
        self.words().map(|words| words.environment)
    }

    fn words(&self) -> io::Result<StartWords> {
        let words = words_of(self.pid);
        self.check()?;
        words
    }

    /// That what was read is of this process.
    fn check(&self) -> io::Result<KernelProcess> {
        let present = stat::process(self.pid).filter(|one| one.stat.start_ticks == self.start);
        present.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// There are no control groups.
    pub fn cgroup(&self) -> String {
        String::new()
    }

    /// The file that it runs; `None` if that has been removed.
    pub fn exe(&self) -> Option<PathBuf> {
        let path = exe_of(self.pid)?;
        self.check().ok()?;
        Some(path)
    }

    /// The folder it is in.
    pub fn cwd(&self) -> Option<PathBuf> {
        path_of(self.folders()?.0)
    }

    /// What its standard input is: a path.
    pub fn stdin(&self) -> Option<PathBuf> {
        let target = OpenFile { pid: self.pid, number: 0 }.target()?;
        self.check().ok()?;
        Some(target)
    }

    /// The identity of the folder it is in.
    pub fn cwd_id(&self) -> Option<FileId> {
        self.folders()?.0.id
    }

    /// Which folder is `/` to it.
    pub fn root_id(&self) -> Option<FileId> {
        self.folders()?.1.id.or_else(|| FileId::of(Path::new("/")))
    }

    fn folders(&self) -> Option<(ReferredFile, ReferredFile)> {
        let answer = kernel::of_process(self.pid, libc::PROC_PIDVNODEPATHINFO, FOLDERS).ok()?;
        self.check().ok()?;
        folders(&answer)
    }

    /// What is mounted at that folder is the same for every process.
    pub fn mount_at(&self, _folder: &Path) -> Option<String> {
        None
    }

    /// The identity of an absolute path as the process sees it, in its own root. Symlinks in another root than ours start in
    /// ours.
    pub fn id_inside(&self, path: &Path) -> Option<FileId> {
        let (_, root) = self.folders()?;
        if root.id.is_none() {
            return FileId::of(path);
        }
        FileId::of(&path_of(root)?.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// `None` if the process is gone, a zombie or the kernel.
    pub fn stat(&self) -> Option<Stat> {
        let stat = Stat::read(self.pid).filter(|stat| stat.start_ticks == self.start)?;
        (stat.is_alive() && !stat.is_kernel_thread).then_some(stat)
    }

    /// Its user and groups, of which the kernel tells 16.
    pub fn credentials(&self) -> Option<Credentials> {
        self.check().ok().map(|one| Credentials { uid: one.uid, groups: one.groups })
    }

    /// How it was started, as far as the kernel knows.
    pub fn upbringing(&self) -> StatusFacts {
        let Ok(one) = self.check() else { return StatusFacts::default() };
        StatusFacts { uid: Some(one.uid), ignores_hangup: one.ignores_hangup, ..StatusFacts::default() }
    }

    /// Its arguments.
    pub fn argv(&self) -> Vec<OsString> {
        self.cmdline().map(|bytes| words(&bytes)).unwrap_or_default()
    }
}

/// How a process was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusFacts {
    /// Its real user.
    pub uid: Option<u32>,
    /// It ignores the hangup of its terminal, as under `nohup`.
    pub ignores_hangup: bool,
    /// It is the first process of a PID namespace of its own: there are none.
    pub is_namespace_init: bool,
    /// It is in a PID namespace below ours, as in a container: there are none.
    pub is_below: bool,
}

/// What a process was started with. The kernel answers EINVAL for a process of another user and for a zombie.
///
/// # Errors
/// EACCES, ESRCH.
pub(super) fn words_of(pid: i32) -> io::Result<StartWords> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    match kernel::ask(&[libc::CTL_KERN, libc::KERN_PROCARGS2, pid]) {
        Ok(answer) => StartWords::parse(&answer).ok_or_else(gone),
        Err(_) => {
            let present = stat::process(pid).filter(|one| one.stat.is_alive()).ok_or_else(gone)?;
            let is_ours = [0, present.uid].contains(&user::effective_uid());
            Err(if is_ours { gone() } else { io::Error::from_raw_os_error(libc::EACCES) })
        }
    }
}

pub(super) fn exe_of(pid: i32) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(kernel::path_of_process(pid).ok()?)))
}

fn path_of(file: ReferredFile) -> Option<PathBuf> {
    (!file.path.is_empty()).then(|| PathBuf::from(OsString::from_vec(file.path)))
}

/// Splits the bytes of a command line. The padding that a title leaves behind is dropped.
pub fn words(cmdline: &[u8]) -> Vec<OsString> {
    let end = cmdline.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    cmdline[..end].split(|&byte| byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect()
}

/// Whose a process is: its real user.
pub fn owner(pid: i32) -> Option<u32> {
    stat::process(pid).map(|one| one.uid)
}

/// Whether a process runs the file that this one runs, or one that was at its path and has been replaced since; `None` if
/// that cannot be looked at.
pub fn runs_our_file(pid: i32) -> Option<bool> {
    let (own, other) = (exe_of(own_pid())?, exe_of(pid)?);
    Some(own == other || FileId::of(&own).is_some_and(|own| Some(own) == FileId::of(&other)))
}

/// The short name of a process: of the file that it runs.
pub fn name(pid: i32) -> Option<String> {
    stat::process(pid).map(|one| one.name)
}

/// The kernel does not say.
pub fn sleeps_in(_pid: i32) -> Option<String> {
    None
}
