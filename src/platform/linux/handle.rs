//! One process, held by its folder below `/proc`.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::file::FileId;
use super::identity::own_pid;
use super::mounts;
use super::proc::{LONGEST, pids};
use super::removed::{deleted, is_deleted};
use super::user::Credentials;
use crate::platform::stat::Stat;

/// `/proc/PID`, opened: everything that is read in it is of one process, or fails once that has ended.
#[derive(Debug)]
pub struct Handle {
    pub pid: i32,
    folder: OwnedFd,
}

impl Handle {
    /// Opens it; `None` if there is no such process.
    pub fn open(pid: i32) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()).ok()?;
        Some(Self { pid, folder })
    }

    /// Its raw command line, each word ended by NUL.
    ///
    /// # Errors
    /// ESRCH once the process is gone, EACCES for another user's; it is longer than anything that is looked at.
    pub fn cmdline(&self) -> io::Result<Vec<u8>> {
        self.read("cmdline")
    }

    /// The environment that it was started with, `NAME=VALUE` each, ended by NUL.
    ///
    /// # Errors
    /// As [`Handle::cmdline`].
    pub fn environ(&self) -> io::Result<Vec<u8>> {
        self.read("environ")
    }

    /// Its control groups, a line each; empty where they cannot be read, and on a platform without.
    pub fn cgroup(&self) -> String {
        self.text("cgroup").unwrap_or_default()
    }

    /// The file that it runs, as the kernel names it: marked if that has been removed.
    pub fn exe(&self) -> Option<PathBuf> {
        self.link("exe")
    }

    /// The folder it is in.
    pub fn cwd(&self) -> Option<PathBuf> {
        self.link("cwd")
    }

    /// What its standard input is: a path, `pipe:[78]`.
    pub fn stdin(&self) -> Option<PathBuf> {
        self.link("fd/0")
    }

    /// The identity of the folder it is in.
    pub fn cwd_id(&self) -> Option<FileId> {
        self.id_of("cwd")
    }

    /// Which folder is `/` to it.
    pub fn root_id(&self) -> Option<FileId> {
        self.id_of("root")
    }

    /// What is mounted at that folder, or nearest above it, as the process sees it: the mount's root within its file system, or
    /// the kind of file system where that is all of it.
    pub fn mount_at(&self, folder: &Path) -> Option<String> {
        mounts::at(&self.text("mountinfo")?, folder)
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.read(name).ok()?).into_owned())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let bytes = self.read_of_first_thread(name)?;
        // Neither has the first thread any more when it has ended.
        let in_memory = matches!(name, "cmdline" | "environ");
        let thread = (in_memory && bytes.is_empty()).then(|| self.living_thread()).flatten();
        thread.map_or(Ok(bytes), |thread| thread.read_of_first_thread(name))
    }

    /// A thread that keeps running where the first one has ended.
    fn living_thread(&self) -> Option<Self> {
        Some(Self { pid: self.pid, ..Self::open(living_thread(self.pid)?)? })
    }

    fn read_of_first_thread(&self, name: &str) -> io::Result<Vec<u8>> {
        use rustix::buffer::spare_capacity;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.folder, name, flags, Mode::empty())?;
        // `File::read_to_end` would ask for a size that is always 0, and probe with small reads.
        let mut bytes = Vec::with_capacity(4096);
        while rustix::io::retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut bytes)))? > 0 {
            if bytes.len() > LONGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            bytes.reserve(1024);
        }
        Ok(bytes)
    }

    fn link(&self, name: &str) -> Option<PathBuf> {
        let read = |folder: &OwnedFd| rustix::fs::readlinkat(folder, name, Vec::with_capacity(256));
        let target = match read(&self.folder) {
            Err(Errno::NOENT) => read(&self.living_thread()?.folder),
            read => read,
        };
        let target = target.ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn id_of(&self, name: &str) -> Option<FileId> {
        let look = |folder: &OwnedFd| rustix::fs::statat(folder, name, AtFlags::empty());
        let stat = match look(&self.folder) {
            Err(Errno::NOENT) => look(&self.living_thread()?.folder),
            stat => stat,
        };
        let stat = stat.ok()?;
        Some(FileId { device: stat.st_dev, inode: stat.st_ino })
    }

    /// The identity of an absolute path as the process sees it, in its own root: there symlinks start too.
    pub fn id_inside(&self, path: &Path) -> Option<FileId> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.folder, "root", flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
        let inside = path.strip_prefix("/").unwrap_or(path);
        let file = rustix::fs::openat2(root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
        let stat = rustix::fs::fstat(file).ok()?;
        Some(FileId { device: stat.st_dev, inode: stat.st_ino })
    }

    /// The fields of `stat`; `None` if the process is gone, a zombie or a kernel thread.
    pub fn stat(&self) -> Option<Stat> {
        let stat = Stat::parse(&self.read("stat").ok()?)?;
        (stat.is_alive() && !stat.is_kernel_thread).then_some(stat)
    }

    /// Its user and groups.
    pub fn credentials(&self) -> Option<Credentials> {
        let status = self.text("status")?;
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
        };
        let groups = [numbers("Gid:")?, numbers("Groups:")?].concat();
        Some(Credentials { uid: *numbers("Uid:")?.first()?, groups })
    }

    /// How it was started, as far as the kernel knows.
    pub fn upbringing(&self) -> StatusFacts {
        StatusFacts::parse(&self.text("status").unwrap_or_default())
    }

    /// Its arguments.
    pub fn argv(&self) -> Vec<OsString> {
        self.cmdline().map(|bytes| words(&bytes)).unwrap_or_default()
    }
}

/// How a process was started, by its `status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusFacts {
    /// Its real user.
    pub uid: Option<u32>,
    /// It ignores the hangup of its terminal, as under `nohup`.
    pub ignores_hangup: bool,
    /// It is the first process of a PID namespace of its own.
    pub is_namespace_init: bool,
    /// It is in a PID namespace below ours, as in a container.
    pub is_below: bool,
}

impl StatusFacts {
    pub(super) fn parse(status: &str) -> Self {
        let fields = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>()
        };
        // A mask in hexadecimal; SIGHUP is its lowest bit.
        let ignored = fields("SigIgn:").first().and_then(|mask| u64::from_str_radix(mask, 16).ok());
        // One number for each namespace, the innermost last.
        let pids = fields("NSpid:");
        Self {
            uid: fields("Uid:").first().and_then(|uid| uid.parse().ok()),
            ignores_hangup: ignored.is_some_and(|mask| mask & 1 != 0),
            is_namespace_init: pids.len() > 1 && pids.last() == Some(&"1"),
            is_below: pids.len() > 1,
        }
    }
}

/// Splits the bytes of a `cmdline` file. The padding that a title leaves behind is dropped.
pub fn words(cmdline: &[u8]) -> Vec<OsString> {
    let end = cmdline.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    cmdline[..end].split(|&byte| byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect()
}

/// Whose a process is: its real user. Its effective one, who owns `/proc/PID`, a setuid program lends to anybody.
pub fn owner(pid: i32) -> Option<u32> {
    Some(Handle::open(pid)?.credentials()?.uid)
}

/// Whether a process runs the file that this one runs, or one that was at its path and has been replaced since; `None` if
/// that cannot be looked at.
pub fn runs_our_file(pid: i32) -> Option<bool> {
    static OWN: OnceLock<Option<(PathBuf, FileId)>> = OnceLock::new();
    let exe = |handle: &Handle| Some((handle.link("exe")?, handle.id_of("exe")?));
    let own = OWN.get_or_init(|| exe(&Handle::open(own_pid())?)).as_ref()?;
    let (path, file) = exe(&Handle::open(pid)?)?;
    let before = if is_deleted(&own.0) { own.0.clone() } else { deleted(&own.0) };
    Some(file == own.1 || path == before)
}

/// The short name of a process, as the kernel has it: of its executable, or what the process has put there.
pub fn name(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// The kernel function that a process sleeps in, where it can be read.
pub fn sleeps_in(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/wchan")).ok()?;
    (!text.is_empty() && text != "0").then_some(text)
}

/// A thread that still runs in a process whose first thread has ended (`pthread_exit`): the first one no longer shows
/// executable, command line or descriptors. `None` if there is no other thread.
pub fn living_thread(pid: i32) -> Option<i32> {
    let tasks = format!("/proc/{pid}/task");
    // A folder's links are `.`, its entry above and its folders, of which the first thread is one.
    if rustix::fs::stat(&tasks).ok()?.st_nlink <= 3 {
        return None;
    }
    let folder = rustix::fs::open(&tasks, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let lives = |thread: &i32| std::fs::read_link(format!("{tasks}/{thread}/exe")).is_ok();
    pids(folder.as_fd()).ok()?.into_iter().filter(|&thread| thread != pid).find(lives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_says() {
        let status = "Name:\tpython3\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t4711\t1\nSigIgn:\t0000000001001001\n";
        let known = StatusFacts { uid: Some(1000), ignores_hangup: true, is_namespace_init: true, is_below: true };
        assert_eq!(StatusFacts::parse(status), known);
        assert_eq!(StatusFacts::parse("NSpid:\t1\nSigIgn:\t0000000000001000\n"), StatusFacts::default());
    }
}
