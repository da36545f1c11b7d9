//! What PIDs and start times are counted by: this boot. There are no namespaces.

use std::sync::OnceLock;
use std::time::Duration;

use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::kernel;

/// How long the system has been up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Suspend included.
    pub whole: Duration,
    /// Without suspend.
    pub awake: Duration,
}

/// The clocks that nobody can set: `mach_continuous_time` and `mach_absolute_time` (`clock_gettime(3)`).
pub fn uptime() -> Uptime {
    let read = |clock| clock_gettime(ClockId::from_raw(clock)).map(Duration::from).unwrap_or_default();
    Uptime { whole: read(libc::CLOCK_MONOTONIC_RAW), awake: read(libc::CLOCK_UPTIME_RAW) }
}

/// What tells one [`Uptime`] from one that cannot be compared with it: the boot.
pub fn name_of_clock() -> Option<String> {
    boot_id().map(str::to_owned)
}

/// `kern.bootsessionuuid`: another one means another boot.
pub fn boot_id() -> Option<&'static str> {
    static BOOT_ID: OnceLock<Option<String>> = OnceLock::new();
    BOOT_ID
        .get_or_init(|| {
            // 36 characters and a NUL.
            let answer = kernel::ask_by_name(c"kern.bootsessionuuid", 64).ok()?;
            let text = std::str::from_utf8(&answer).ok()?.trim_end_matches('\0');
            (!text.is_empty()).then(|| text.to_owned())
        })
        .as_deref()
}

/// There are none.
pub fn pid_namespace() -> Option<u64> {
    None
}

/// There are none.
pub fn pid_namespace_of(_pid: i32) -> Option<u64> {
    None
}

/// Whether PIDs are the host's own: always.
pub fn is_initial_pid_namespace() -> bool {
    true
}
