//! How one solobot asks another one to end: an event with the name of that very process, which it waits for. So nobody else is
//! asked, and it needs no console, which a keeper does not have.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    CreateEventW, EVENT_MODIFY_STATE, INFINITE, OpenEventW, RegisterWaitForSingleObject, SetEvent, UnregisterWaitEx,
    WT_EXECUTEDEFAULT,
};

use super::identity::Identity;
use super::native::{owned, succeeded, wide};

fn name(solobot: Identity) -> io::Result<Vec<u16>> {
    wide(format!("solobot-stop-{}-{}", solobot.pid, solobot.start_ticks).as_ref())
}

/// Asks that process; `false` if it is no solobot that waits for it.
pub(super) fn ask(process: Identity) -> bool {
    let Ok(name) = name(process) else { return false };
    // SAFETY: the name ends with NUL; the result is checked.
    let event = owned(unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) });
    // SAFETY: the event is open.
    event.is_ok_and(|event| unsafe { SetEvent(event.as_raw_handle()) } != 0)
}

/// This process can be asked as long as this exists.
#[derive(Debug)]
pub(super) struct StopEvent {
    _event: OwnedHandle,
    wait: HANDLE,
}

// SAFETY: the wait is a number to the system, which any thread may name.
unsafe impl Send for StopEvent {}
// SAFETY: nothing is done with it but to end it.
unsafe impl Sync for StopEvent {}

/// What is called on a thread of the system when we are asked.
type Asked = unsafe extern "system" fn(*mut c_void, bool);

impl StopEvent {
    /// Waits for being asked, and calls `asked` each time.
    ///
    /// # Errors
    /// Those of `CreateEventW`.
    pub(super) fn listen(asked: Asked) -> io::Result<Self> {
        let name = name(Identity::own()?)?;
        // SAFETY: no attributes, and a name that ends with NUL; the result is checked. It resets itself, so each call counts.
        let event = owned(unsafe { CreateEventW(ptr::null(), 0, 0, name.as_ptr()) })?;
        let (mut wait, handle) = (ptr::null_mut(), event.as_raw_handle());
        // SAFETY: the event stays open for as long as the wait, which `drop` ends first. The function needs no context.
        succeeded(unsafe {
            RegisterWaitForSingleObject(&raw mut wait, handle, Some(asked), ptr::null(), INFINITE, WT_EXECUTEDEFAULT)
        })?;
        Ok(Self { _event: event, wait })
    }
}

impl Drop for StopEvent {
    fn drop(&mut self) {
        // SAFETY: it is registered. This waits until the function has returned, if it runs.
        unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
    }
}
