//! The beginnings of every call: handles, strings, errors.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, NTSTATUS, RtlNtStatusToDosError, SetHandleInformation,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetProcessId, INFINITE, OpenProcess, ResetEvent, SetEvent, WaitForSingleObject,
};
use windows_sys::core::BOOL;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("solobot runs on 64-bit Windows: it reads structures of that width");

/// Takes over a handle that a call has just returned.
///
/// # Errors
/// It has returned none, and why.
pub(super) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made for us, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// What a call says that returns 0 for a failure.
///
/// # Errors
/// It has failed, and why.
pub(super) fn succeeded(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What a call of ntdll says.
///
/// # Errors
/// It has failed, and why.
pub(super) fn done(status: NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: it only looks a number up.
    let code = unsafe { RtlNtStatusToDosError(status) };
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}

/// A text that ends with NUL.
///
/// # Errors
/// It has one inside.
pub(super) fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it contains a NUL character"));
    }
    units.push(0);
    Ok(units)
}

/// What Windows has nothing like.
pub(super) fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what}: not on Windows"))
}

/// Lets a child inherit a handle, or no longer.
///
/// # Errors
/// The handle is not open.
pub(super) fn set_inheritable(handle: HANDLE, is_inheritable: bool) -> io::Result<()> {
    let flags = if is_inheritable { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: it changes a flag of a handle, if that is open.
    succeeded(unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flags) })
}

/// Whether a process has ended, an event or a timer is set; waits up to `patience` for it.
pub(super) fn is_signalled(object: &impl AsHandle, patience: Duration) -> bool {
    // SAFETY: the handle is borrowed for the call.
    unsafe { WaitForSingleObject(object.as_handle().as_raw_handle(), milliseconds(patience)) == WAIT_OBJECT_0 }
}

/// Rounds up, so that a wait never ends before its time.
pub(super) fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(INFINITE - 1).min(INFINITE - 1)
}

/// An event that stays set until it is reset.
#[derive(Debug)]
pub(super) struct KernelEvent(OwnedHandle);

impl KernelEvent {
    /// A new one, not set.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name; the result is checked.
        owned(unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) }).map(Self)
    }

    pub(super) fn set(&self) {
        // SAFETY: the event is ours and open.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    pub(super) fn reset(&self) {
        // SAFETY: the event is ours and open.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }

    pub(super) fn handle(&self) -> &OwnedHandle {
        &self.0
    }
}

impl From<KernelEvent> for OwnedHandle {
    fn from(event: KernelEvent) -> Self {
        event.0
    }
}

/// Opens a process with these rights.
///
/// # Errors
/// There is none ([`io::ErrorKind::NotFound`]); it gives us fewer rights ([`io::ErrorKind::PermissionDenied`]).
pub(super) fn open_process(pid: i32, rights: u32) -> io::Result<OwnedHandle> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let number = u32::try_from(pid).map_err(|_| none())?;
    // SAFETY: it takes plain numbers; the result is checked.
    let process = owned(unsafe { OpenProcess(rights, 0, number) }).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => error,
        _ => none(),
    })?;
    // SAFETY: the handle is open. Windows ignores the lowest two bits of a PID, which would then name another process.
    if unsafe { GetProcessId(process.as_raw_handle()) } == number { Ok(process) } else { Err(none()) }
}

/// The exit code of what we kill: the one that shells of other platforms report for a killed program.
pub(super) const KILLED: u32 = 137;
