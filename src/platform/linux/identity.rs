//! A process identity: a PID together with its start time.
//!
//! A bare PID is never an identity, because the kernel reuses it. The start time is field 22 of `/proc/PID/stat`
//! (clock ticks since boot, `proc(5)`); it is exact, unlike a start time in whole seconds. Across reboots the pair can
//! repeat, so whoever stores one stores [`boot_id`] beside it.

use std::fmt::{self, Write};
use std::fs;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::clock;

/// One process: PID and start time in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The PID in solobot's own PID namespace; always above 0.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

impl Identity {
    /// The identity of the process that has `pid` now; `None` if there is none or it is a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        stat.is_alive().then_some(Self { pid, start_ticks: stat.start_ticks })
    }

    /// This very process.
    ///
    /// # Errors
    /// If `/proc` is not mounted, hides us, or shows another PID namespace, where our PIDs are other processes.
    pub fn own() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let mut buffer = [0; STAT];
        let text = read_stat("self", &mut buffer).ok_or_else(|| {
            io::Error::other("/proc does not show this process: mount it, `mount -t proc proc /proc`")
        })?;
        let stat = Stat::parse(text).filter(|_| text.starts_with(format!("{pid} ").as_bytes())).ok_or_else(|| {
            io::Error::other("/proc shows another PID namespace: mount ours, as `unshare --mount-proc` does")
        })?;
        Ok(Self { pid, start_ticks: stat.start_ticks })
    }

    /// When the process started, by the wall clock, to a clock tick.
    pub fn started_at(self) -> Option<SystemTime> {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let since_boot = Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks);
        booted_at()?.checked_add(since_boot)
    }

    /// How long ago the process started, to a clock tick, whether or not it still runs.
    pub fn age(self) -> Option<Duration> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime = Duration::try_from_secs_f64(uptime.split_ascii_whitespace().next()?.parse().ok()?).ok()?;
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Some(uptime.saturating_sub(Duration::from_millis(self.start_ticks.saturating_mul(1000) / ticks)))
    }

    /// Whether the process still runs: same start time and no zombie.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// When the boot was. `/proc/stat` says it cut to a second, so that a process would seem to have started before what
/// started it: the clocks say the rest. They have no say where `/proc/stat` tells of another boot, as in some containers.
fn booted_at() -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let said: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let said = SystemTime::UNIX_EPOCH + Duration::from_secs(said);
    let is_said = |exact: &SystemTime| exact.duration_since(said).is_ok_and(|rest| rest < Duration::from_millis(1500));
    Some(clock::booted_at().filter(is_said).unwrap_or(said))
}

/// Where this process is looked up, for people.
pub const OWN_FOLDER: &str = "/proc/self";

/// Who started this process, or has adopted it since; `None` where that is nobody of this PID namespace.
pub fn parent() -> Option<i32> {
    i32::try_from(std::os::unix::process::parent_id()).ok().filter(|&pid| pid > 0)
}

/// This process and its ancestors, nearest first.
pub fn ancestry() -> impl Iterator<Item = i32> {
    lineage(i32::try_from(std::process::id()).unwrap_or(0))
}

/// A process and its ancestors, nearest first.
pub fn lineage(pid: i32) -> impl Iterator<Item = i32> {
    std::iter::successors(Some(pid), |&pid| Stat::read(pid).map(|stat| stat.parent)).take_while(|&pid| pid > 0)
}

/// What a process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunState {
    /// It runs, or would if a processor were free.
    #[default]
    Running,
    /// It waits, and a signal wakes it.
    Sleeping,
    /// It waits for a disk or the like, and nothing else wakes it.
    Uninterruptible,
    /// A signal has stopped it.
    Stopped,
    /// A debugger has stopped it.
    Traced,
    /// It has ended and is not reaped.
    Zombie,
    /// It has ended, and is about to vanish.
    Dead,
    /// Something else, by the kernel's letter.
    Other(u8),
}

impl RunState {
    fn of_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            b'X' | b'x' => Self::Dead,
            other => Self::Other(other),
        }
    }

    /// Whether it does nothing until somebody lets it go on.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Traced)
    }
}

/// The letter that `ps` shows.
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Uninterruptible => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Zombie => 'Z',
            Self::Dead => 'X',
            Self::Other(letter) => char::from(*letter),
        })
    }
}

/// What one look at a process shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// What it does.
    pub state: RunState,
    /// Parent PID; 0 for one outside the PID namespace.
    pub parent: i32,
    /// Its process group; `None` on a platform without.
    pub group: Option<i32>,
    /// Its session; `None` on a platform without.
    pub session: Option<i32>,
    /// It has a controlling terminal.
    pub has_terminal: bool,
    /// It is a thread of the kernel, never a process in our sense.
    pub is_kernel_thread: bool,
    /// It is on its way out: its folder and its descriptors are gone before it is a zombie.
    pub is_exiting: bool,
    /// How many threads it has.
    pub threads: u64,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
}

/// Room for a `stat` file, in bytes: some 50 numbers and a name of at most 64 bytes. One read gives the whole of it.
const STAT: usize = 2048;

/// The text of `/proc/WHO/stat`.
fn read_stat<'a>(who: &str, buffer: &'a mut [u8; STAT]) -> Option<&'a [u8]> {
    let length = fs::File::open(format!("/proc/{who}/stat")).ok()?.read(buffer).ok()?;
    Some(&buffer[..length])
}

/// `PF_KTHREAD` in the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;
/// The same of one that exits.
const PF_EXITING: u64 = 0x4;

impl Stat {
    /// Reads and parses `/proc/PID/stat`; `None` if there is no such process.
    pub fn read(pid: i32) -> Option<Self> {
        if pid <= 0 {
            return None;
        }
        Self::parse(read_stat(&pid.to_string(), &mut [0; STAT])?)
    }

    /// Parses the text of a `stat` file (`proc_pid_stat(5)`). The command name may hold anything, `)` included: fields start after the
    /// *last* one.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        // Field 3 (state) is the first of the rest.
        let mut fields = rest.split_ascii_whitespace();
        let state = RunState::of_letter(*fields.next()?.as_bytes().first()?);
        let parent = fields.next()?.parse().ok()?;
        let group = Some(fields.next()?.parse().ok()?);
        let session = Some(fields.next()?.parse().ok()?);
        let has_terminal = fields.next()?.parse::<i32>().ok()? != 0;
        let flags: u64 = fields.nth(1)?.parse().ok()?;
        let threads = fields.nth(10)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        let (is_kernel_thread, is_exiting) = (flags & PF_KTHREAD != 0, flags & PF_EXITING != 0);
        Some(Self { state, parent, group, session, has_terminal, is_kernel_thread, is_exiting, threads, start_ticks })
    }

    /// Neither a zombie nor dead. One whose first thread has ended (`pthread_exit`) is a zombie to look at, and runs on in the
    /// others.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, RunState::Zombie | RunState::Dead) || self.threads > 1
    }
}

/// `/proc/sys/kernel/random/boot_id`: another one means another boot, and start ticks of then mean nothing now.
pub fn boot_id() -> Option<&'static str> {
    static BOOT_ID: OnceLock<Option<String>> = OnceLock::new();
    BOOT_ID
        .get_or_init(|| {
            // 36 characters and a line feed; one read gives the whole of it.
            let mut buffer = [0; 64];
            let length = fs::File::open("/proc/sys/kernel/random/boot_id").ok()?.read(&mut buffer).ok()?;
            Some(std::str::from_utf8(&buffer[..length]).ok()?.trim_end().to_owned())
        })
        .as_deref()
}

/// The inode number of our PID namespace (`/proc/self/ns/pid`): PIDs of another one mean nothing here.
pub fn pid_namespace() -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    *OWN.get_or_init(|| namespace("self"))
}

/// The same of another process; `None` for one that may not be looked at.
pub fn pid_namespace_of(pid: i32) -> Option<u64> {
    namespace(&pid.to_string())
}

fn namespace(who: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{who}/ns/pid")).ok().map(|meta| meta.ino())
}

/// Whether we are in the host's own PID namespace (`PROC_PID_INIT_INO` in the kernel's `include/linux/proc_ns.h`).
pub fn is_initial_pid_namespace() -> bool {
    pid_namespace() == Some(0xEFFF_FFFC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_start_after_the_last_parenthesis() {
        let text = b"42 (a) S 1 (evil)) S 7 42 42 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_ticks), (RunState::Sleeping, 7, 98765));
        assert!(stat.has_terminal && !stat.is_kernel_thread && !stat.is_exiting);
    }

    #[test]
    fn rubbish_is_no_stat() {
        for text in [&b""[..], b")", b"1 (x", b"1 (x) S", b"1 (x) S a b c d e f", b"\xff\xfe)\xff"] {
            assert_eq!(Stat::parse(text), None);
        }
    }

    #[test]
    fn we_are_alive_and_pid_0_is_nobody() {
        assert!(Identity::own().unwrap().is_alive());
        assert_eq!(Identity::of(0), None);
        assert_eq!(Identity::of(-1), None);
    }

    #[test]
    fn a_process_starts_when_the_clock_says_so() {
        let before = SystemTime::now();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let after = SystemTime::now();
        let pid = i32::try_from(child.id()).unwrap();
        // Not reaped: its start can be read even if it has ended.
        let start_ticks = Stat::read(pid).unwrap().start_ticks;
        child.wait().unwrap();
        let started = Identity { pid, start_ticks }.started_at().unwrap();
        let tick = Duration::from_millis(20);
        assert!(before - tick <= started && started <= after + tick, "{before:?} {started:?} {after:?}");
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = Identity::own().unwrap();
        assert!(!Identity { start_ticks: own.start_ticks + 1, ..own }.is_alive());
    }
}
