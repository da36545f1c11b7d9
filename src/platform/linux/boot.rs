//! What PIDs and start times are counted by: this boot, this PID namespace.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// The time of the boot. `/proc/stat` has it in whole seconds, so that a process would seem to have started before its
/// parent; the clocks give the rest. They are ignored if `/proc/stat` tells another boot, as in some containers.
pub fn booted_at() -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let said: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let said = SystemTime::UNIX_EPOCH + Duration::from_secs(said);
    let is_said = |exact: &SystemTime| exact.duration_since(said).is_ok_and(|rest| rest < Duration::from_millis(1500));
    Some(by_clocks().filter(is_said).unwrap_or(said))
}

/// When the machine was booted, by the wall clock of now: to microseconds, as long as nobody sets that clock.
fn by_clocks() -> Option<SystemTime> {
    let since = clock_gettime(ClockId::Boottime);
    let seconds = Duration::from_secs(u64::try_from(since.tv_sec).ok()?);
    SystemTime::now().checked_sub(seconds + Duration::from_nanos(u64::try_from(since.tv_nsec).ok()?))
}

/// How long the system has been up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Suspend included.
    pub whole: Duration,
    /// Without suspend.
    pub awake: Duration,
}

/// The clocks that nobody can set.
pub fn uptime() -> Uptime {
    let read = |clock| {
        let time = clock_gettime(clock);
        let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
        seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
    };
    Uptime { whole: read(ClockId::Boottime), awake: read(ClockId::Monotonic) }
}

/// What tells one [`Uptime`] from one that cannot be compared with it: the boot, and the time namespace (0 before Linux 5.6).
pub fn name_of_clock() -> Option<String> {
    let namespace = fs::metadata("/proc/self/ns/time").map_or(0, |meta| meta.ino());
    Some(format!("{}-{namespace}", boot_id()?))
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

/// The same of another process; `None` for one that cannot be looked at.
pub fn pid_namespace_of(pid: i32) -> Option<u64> {
    namespace(&pid.to_string())
}

fn namespace(who: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{who}/ns/pid")).ok().map(|meta| meta.ino())
}

/// Whether we are in the host's own PID namespace (`PROC_PID_INIT_INO` in the kernel's `include/linux/proc_ns.h`).
pub fn is_initial_pid_namespace() -> bool {
    pid_namespace() == Some(0xEFFF_FFFC)
}
