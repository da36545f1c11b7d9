//! `/proc`: the list of processes, and files below `/proc/PID`, read relative to open descriptors. What the rest of solobot
//! makes of them is its own business.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;

use super::file::FileId;
use super::identity::Stat;

/// What the kernel puts behind the path of a file that has been removed.
const DELETED: &[u8] = b" (deleted)";
/// The kernel's limit for `getdents` to be worth one call a thousand processes.
const DIRECTORY_BUFFER: usize = 64 * 1024;
/// More of a command line is not looked at: no program stands behind a megabyte of options.
const LONGEST: usize = 2 * 1024 * 1024;

/// Whether `/proc` hides other users' processes from us (`hidepid=`), so that what is listed may not be all there is.
pub fn hides_others() -> bool {
    if rustix::process::getuid().is_root() {
        return false;
    }
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/proc")).any(|line| {
        line.split([' ', ',']).any(|option| {
            option.strip_prefix("hidepid=").is_some_and(|value| !matches!(value, "0" | "off" | "1" | "noaccess"))
        })
    })
}

/// Why something below `/proc/PID` could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The process has ended, or is just ending.
    Gone,
    /// It is another user's, or out of reach for another reason.
    Refused,
}

impl From<Errno> for Unread {
    fn from(errno: Errno) -> Self {
        if matches!(errno, Errno::NOENT | Errno::SRCH) { Self::Gone } else { Self::Refused }
    }
}

/// Opens `/proc`, which must show us by our own PID: unmounted, or of another PID namespace, it would say that nothing
/// runs, or name strangers.
///
/// # Errors
/// Those of `open(2)`; it shows another process under our PID.
pub fn open() -> io::Result<OwnedFd> {
    let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let own = rustix::fs::readlinkat(&proc, "self", Vec::with_capacity(16)).ok();
    let shown = own.and_then(|own| own.to_str().ok()?.parse::<u32>().ok());
    if shown == Some(std::process::id()) {
        return Ok(proc);
    }
    Err(io::Error::other("/proc does not show this process: it is not mounted, or belongs to another PID namespace"))
}

/// Every PID in `/proc`; the threads of a process are not listed there.
///
/// # Errors
/// Those of `getdents(2)`.
pub fn pids(proc: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
    let mut buffer: Vec<u8> = Vec::with_capacity(DIRECTORY_BUFFER);
    let space: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut entries = RawDir::new(proc, space);
    let mut pids = Vec::with_capacity(1024);
    while let Some(entry) = entries.next() {
        if let Some(pid) = parse_pid(entry?.file_name()) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn parse_pid(name: &CStr) -> Option<i32> {
    let digits = name.to_bytes();
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads files below `/proc/PID` into one buffer.
#[derive(Debug)]
pub struct Reader<'a> {
    proc: BorrowedFd<'a>,
    path: [u8; 32],
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Below this open `/proc`.
    pub fn new(proc: BorrowedFd<'a>) -> Self {
        Self { proc, path: [0; 32], buffer: vec![0; 8 * 1024] }
    }

    /// A file of a process, as far as it is looked at.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], Unread> {
        let path = path_of(&mut self.path, pid, name);
        let file = rustix::fs::openat(self.proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut filled = 0;
        loop {
            filled += rustix::io::read(&file, &mut self.buffer[filled..])?;
            // A read that leaves room is the whole file: `/proc` fills the buffer if it can.
            if filled < self.buffer.len() || filled >= LONGEST {
                return Ok(&self.buffer[..filled]);
            }
            self.buffer.resize(self.buffer.len() * 4, 0);
        }
    }

    /// Where a link of a process leads.
    ///
    /// # Errors
    /// As [`Reader::file`].
    pub fn link(&mut self, pid: i32, name: &[u8]) -> Result<&[u8], Unread> {
        let path = path_of(&mut self.path, pid, name);
        let length = rustix::fs::readlinkat_raw(self.proc, path, self.buffer.as_mut_slice())?;
        Ok(&self.buffer[..length])
    }
}

/// `PID/name` as a C string, without an allocation.
fn path_of<'a>(space: &'a mut [u8; 32], pid: i32, name: &[u8]) -> &'a CStr {
    use std::io::Write as _;
    let length = {
        let mut rest = &mut space[..31];
        let before = rest.len();
        let _ = write!(rest, "{pid}/");
        let _ = rest.write_all(name);
        before - rest.len()
    };
    space[length] = 0;
    CStr::from_bytes_until_nul(&space[..=length]).unwrap_or_default()
}

/// `/proc/PID`, opened: everything that is read in it is of one process, or fails once that has ended.
#[derive(Debug)]
pub struct Handle {
    /// Its PID.
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

    /// Reads a whole file.
    ///
    /// # Errors
    /// The kernel's: ESRCH once the process is gone, EACCES for another user's; it is longer than anything that is looked
    /// at, as a process can make its own environment.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let bytes = self.read_of_first_thread(name)?;
        // Neither has the first thread any more when it has ended.
        let in_memory = matches!(name, "cmdline" | "environ");
        let thread = (in_memory && bytes.is_empty()).then(|| self.living_thread()).flatten();
        thread.map_or(Ok(bytes), |thread| thread.read_of_first_thread(name))
    }

    /// A thread that lives on where the first one has ended.
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

    /// Where a link leads: `exe`, `cwd`, `root`, `fd/0`.
    pub fn link(&self, name: &str) -> Option<PathBuf> {
        let read = |folder: &OwnedFd| rustix::fs::readlinkat(folder, name, Vec::with_capacity(256));
        let target = match read(&self.folder) {
            Err(Errno::NOENT) => read(&self.living_thread()?.folder),
            read => read,
        };
        let target = target.ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The identity of what a link leads to.
    pub fn id_of(&self, name: &str) -> Option<FileId> {
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

    /// Field by field what `stat` says; `None` if the process is gone, a zombie or a kernel thread.
    pub fn stat(&self) -> Option<Stat> {
        let stat = Stat::parse(&self.read("stat").ok()?)?;
        (stat.is_alive() && !stat.is_kernel_thread()).then_some(stat)
    }

    /// Its user and groups.
    pub fn credentials(&self) -> Option<Credentials> {
        let status = String::from_utf8_lossy(&self.read("status").ok()?).into_owned();
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
        };
        let groups = [numbers("Gid:")?, numbers("Groups:")?].concat();
        Some(Credentials { uid: *numbers("Uid:")?.first()?, groups })
    }

    /// Its arguments.
    pub fn argv(&self) -> Vec<OsString> {
        self.read("cmdline").map(|bytes| words(&bytes)).unwrap_or_default()
    }
}

/// Who a process is to the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its real user.
    pub uid: u32,
    /// Its groups, real, effective and supplementary ones.
    pub groups: Vec<u32>,
}

/// Splits the bytes of a `cmdline` file. The padding that a title leaves behind is dropped.
pub fn words(cmdline: &[u8]) -> Vec<OsString> {
    let end = cmdline.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    cmdline[..end].split(|&byte| byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect()
}

/// A path of the kernel's without its mark for a file that has been removed.
pub fn undeleted(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(DELETED).unwrap_or(bytes)))
}

/// The same path with that mark.
pub fn deleted(path: &Path) -> PathBuf {
    let mut marked = path.as_os_str().to_owned();
    marked.push(OsStr::from_bytes(DELETED));
    marked.into()
}

/// Whether the kernel marks a path as that of a removed file.
pub fn is_deleted(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(DELETED)
}

/// Every PID in `/proc`, whichever PID namespace that shows.
///
/// # Errors
/// It cannot be read.
pub fn all_pids() -> io::Result<Vec<i32>> {
    let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    pids(proc.as_fd())
}

/// Whose a process is: its real user. Its effective one, who owns `/proc/PID`, a setuid program lends to anybody.
pub fn owner(pid: i32) -> Option<u32> {
    Some(Handle::open(pid)?.credentials()?.uid)
}

/// Whether a process runs the file that this one runs, or one that was at its path and has been replaced since; `None` if
/// that may not be looked at.
pub fn runs_our_file(pid: i32) -> Option<bool> {
    static OWN: OnceLock<Option<(PathBuf, FileId)>> = OnceLock::new();
    let exe = |handle: &Handle| Some((handle.link("exe")?, handle.id_of("exe")?));
    let own = OWN.get_or_init(|| exe(&Handle::open(i32::try_from(std::process::id()).ok()?)?)).as_ref()?;
    let (path, file) = exe(&Handle::open(pid)?)?;
    let before = if is_deleted(&own.0) { own.0.clone() } else { deleted(&own.0) };
    Some(file == own.1 || path == before)
}

/// The short name of a process, as the kernel has it: of its executable, or what the process has put there.
pub fn name(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// A descriptor of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    /// Its number there.
    pub number: i32,
}

impl OpenFile {
    /// A path that leads to what it is open on, whatever stands at that one's own path by now.
    pub fn path(self) -> PathBuf {
        format!("/proc/{}/fd/{}", self.pid, self.number).into()
    }

    /// What it is open on, as the kernel shows it: a path, `socket:[77]`, `pipe:[78]`.
    pub fn target(self) -> Option<PathBuf> {
        std::fs::read_link(self.path()).ok()
    }

    /// The text of its `fdinfo`: position, flags, locks. Empty where it is gone.
    pub fn info(self) -> String {
        std::fs::read_to_string(format!("/proc/{}/fdinfo/{}", self.pid, self.number)).unwrap_or_default()
    }
}

/// A thread that lives on in a process whose first thread has ended (`pthread_exit`): that one shows neither executable nor
/// command line nor descriptors any more. `None` where there is no other thread.
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

/// Every descriptor of a process.
///
/// # Errors
/// They are another user's, or the process has ended.
pub fn descriptors(pid: i32) -> io::Result<Vec<OpenFile>> {
    let all = descriptors_of_thread(pid)?;
    // Nobody else is asked for another thread: this is done for every process that may hold a lock.
    let thread = all.is_empty().then(|| living_thread(pid)).flatten();
    thread.map_or(Ok(all), descriptors_of_thread)
}

fn descriptors_of_thread(pid: i32) -> io::Result<Vec<OpenFile>> {
    let folder = rustix::fs::open(
        format!("/proc/{pid}/fd"),
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // The names are numbers, as those of processes are.
    Ok(pids(folder.as_fd())?.into_iter().map(|number| OpenFile { pid, number }).collect())
}
