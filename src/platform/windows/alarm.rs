//! Waking up at a time since boot.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_MANUAL_RESET, CancelWaitableTimer, CreateWaitableTimerExW, SetWaitableTimer, TIMER_ALL_ACCESS,
};

use super::boot::uptime;
use super::descriptor::Descriptor;
use super::native::{owned, succeeded};

/// Readable from a time on, by the clock of [`uptime`].
///
/// A timer that is set to a span stands still in suspend, so after one it rings that much too late. One that is set to a time
/// of day would move whenever somebody sets the clock.
#[derive(Debug)]
pub struct Alarm(OwnedHandle);

impl Alarm {
    /// One that never rings.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> io::Result<Self> {
        let flags = CREATE_WAITABLE_TIMER_MANUAL_RESET;
        // SAFETY: neither attributes nor a name; the result is checked.
        owned(unsafe { CreateWaitableTimerExW(ptr::null(), ptr::null(), flags, TIMER_ALL_ACCESS) }).map(Self)
    }

    /// Rings from then on, and no longer from whenever it was set to before.
    ///
    /// # Errors
    /// Those of `SetWaitableTimer`.
    pub fn set(&self, at: Option<Duration>) -> io::Result<()> {
        // A timer that has rung stays so until it is set again: to a time that never comes, where it is to be silent.
        let left = at.map_or(Duration::MAX, |at| at.saturating_sub(uptime().whole));
        // In units of 100 ns, and negative for a span.
        let due = -i64::try_from(left.as_nanos() / 100).unwrap_or(i64::MAX);
        // SAFETY: the timer is ours and open, `due` outlives the call, and there is no routine to be called.
        succeeded(unsafe { SetWaitableTimer(self.0.as_raw_handle(), &raw const due, 0, None, ptr::null(), 0) })?;
        if at.is_none() {
            // SAFETY: the timer is ours and open.
            succeeded(unsafe { CancelWaitableTimer(self.0.as_raw_handle()) })?;
        }
        Ok(())
    }

    /// Readable while it rings.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of_object(&self.0)
    }
}
