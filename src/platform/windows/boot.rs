//! What PIDs and start times are counted by. Windows has no PID namespaces: a container is a machine of its own.

use std::time::Duration;

use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTime;

/// How long the system has been up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Suspend included.
    pub whole: Duration,
    /// Without suspend.
    pub awake: Duration,
}

/// The clocks that nobody can set, to their last tick: up to 16 ms ago.
pub fn uptime() -> Uptime {
    let mut awake = 0;
    // SAFETY: it writes one number into a variable of ours.
    unsafe { QueryUnbiasedInterruptTime(&raw mut awake) };
    // `QueryInterruptTime` is finer, and missing in wine.
    // SAFETY: it takes nothing.
    Uptime { whole: Duration::from_millis(unsafe { GetTickCount64() }), awake: since(awake) }
}

/// Windows counts in units of 100 ns.
pub(super) fn since(ticks: u64) -> Duration {
    Duration::from_micros(ticks / 10) + Duration::from_nanos(ticks % 10 * 100)
}

/// What tells one [`Uptime`] from one that cannot be compared with it: nothing does, because Windows names no boot.
pub fn name_of_clock() -> Option<String> {
    None
}

/// Windows names no boot. None is needed to know a process again: its creation time is a date, and no count since boot.
pub fn boot_id() -> Option<&'static str> {
    None
}

/// There are none.
pub fn pid_namespace() -> Option<u64> {
    None
}

/// There are none.
pub fn pid_namespace_of(_pid: i32) -> Option<u64> {
    None
}

/// Whether PIDs are those of the whole machine: they are.
pub fn is_initial_pid_namespace() -> bool {
    true
}
