//! Services, as the service control manager lists them: every user may ask it whose process is which service, also where the
//! process itself shows nothing.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW, OpenServiceW,
    QUERY_SERVICE_CONFIGW, QueryServiceConfig2W, QueryServiceConfigW, SC_ACTION_RESTART, SC_ENUM_PROCESS_INFO,
    SC_HANDLE, SC_MANAGER_CONNECT, SC_MANAGER_ENUMERATE_SERVICE, SERVICE_ACTIVE, SERVICE_AUTO_START,
    SERVICE_CONFIG_FAILURE_ACTIONS, SERVICE_FAILURE_ACTIONSW, SERVICE_QUERY_CONFIG, SERVICE_WIN32,
    SERVICE_WIN32_OWN_PROCESS,
};
use windows_sys::core::PCWSTR;

use super::native::{succeeded, wide};
use crate::platform::running_service::{RunningService, ServiceSettings};

/// The most that one answer can have, in bytes: as it is documented for both calls.
const LONGEST_LIST: usize = 256 * 1024;
const LONGEST_SETTINGS: usize = 8 * 1024;

/// A handle of the service control manager.
struct ServiceHandle(SC_HANDLE);

impl ServiceHandle {
    fn of(handle: SC_HANDLE) -> io::Result<Self> {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    fn manager(rights: u32) -> io::Result<Self> {
        // SAFETY: no name means this machine and its only database; the result is checked.
        Self::of(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), rights) })
    }
}

impl Drop for ServiceHandle {
    fn drop(&mut self) {
        // SAFETY: it is open, and ours.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// The services that have a process now.
///
/// # Errors
/// The service control manager does not answer.
pub fn running() -> io::Result<Vec<RunningService>> {
    let manager = ServiceHandle::manager(SC_MANAGER_CONNECT | SC_MANAGER_ENUMERATE_SERVICE)?;
    // Of numbers, so that it is aligned.
    let mut buffer: Vec<u64> = vec![0; LONGEST_LIST / size_of::<u64>()];
    let size = u32::try_from(size_of_val(buffer.as_slice())).map_err(io::Error::other)?;
    let mut found = Vec::new();
    let (mut needed, mut count, mut next) = (0, 0, 0);
    loop {
        // SAFETY: the handle is open, and the buffer has `size` bytes.
        let is_whole = unsafe {
            EnumServicesStatusExW(
                manager.0,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_ACTIVE,
                buffer.as_mut_ptr().cast(),
                size,
                &raw mut needed,
                &raw mut count,
                &raw mut next,
                ptr::null(),
            )
        } != 0;
        // SAFETY: it only reads a number of this thread.
        if !is_whole && unsafe { GetLastError() } != ERROR_MORE_DATA {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has written that many entries at the beginning of the buffer, which is aligned.
        let entries = unsafe {
            std::slice::from_raw_parts(buffer.as_ptr().cast::<ENUM_SERVICE_STATUS_PROCESSW>(), count as usize)
        };
        found.extend(entries.iter().filter_map(|entry| {
            let status = entry.ServiceStatusProcess;
            let pid = i32::try_from(status.dwProcessId).ok().filter(|&pid| pid > 0)?;
            // SAFETY: both are texts that lie in the buffer behind the entries, and end with NUL.
            let (name, display) = unsafe { (text(entry.lpServiceName), text(entry.lpDisplayName)) };
            let is_alone = status.dwServiceType & SERVICE_WIN32 == SERVICE_WIN32_OWN_PROCESS;
            Some(RunningService { pid, name, display, is_alone })
        }));
        if is_whole || count == 0 {
            return Ok(found);
        }
    }
}

/// How a service is started.
pub fn settings(name: &str) -> ServiceSettings {
    let opened = || {
        let manager = ServiceHandle::manager(SC_MANAGER_CONNECT)?;
        let name = wide(OsStr::new(name))?;
        // SAFETY: the handle is open, and the name ends with NUL; the result is checked.
        ServiceHandle::of(unsafe { OpenServiceW(manager.0, name.as_ptr(), SERVICE_QUERY_CONFIG) })
    };
    let Ok(service) = opened() else { return ServiceSettings::default() };
    ServiceSettings { restarts: restarts(&service).ok(), starts_at_boot: starts_at_boot(&service).ok() }
}

/// Its recovery has a restart.
fn restarts(service: &ServiceHandle) -> io::Result<bool> {
    let mut buffer = [0_u64; LONGEST_SETTINGS / size_of::<u64>()];
    let (size, mut needed) = (u32::try_from(LONGEST_SETTINGS).map_err(io::Error::other)?, 0);
    let into = buffer.as_mut_ptr().cast();
    // SAFETY: the handle is open, and the buffer has `size` bytes.
    succeeded(unsafe { QueryServiceConfig2W(service.0, SERVICE_CONFIG_FAILURE_ACTIONS, into, size, &raw mut needed) })?;
    // SAFETY: the call has written one of these at the beginning of the buffer, which is aligned.
    let actions = unsafe { buffer.as_ptr().cast::<SERVICE_FAILURE_ACTIONSW>().read() };
    if actions.lpsaActions.is_null() {
        return Ok(false);
    }
    // SAFETY: there are that many of them, in the same buffer.
    let actions = unsafe { std::slice::from_raw_parts(actions.lpsaActions, actions.cActions as usize) };
    Ok(actions.iter().any(|action| action.Type == SC_ACTION_RESTART))
}

fn starts_at_boot(service: &ServiceHandle) -> io::Result<bool> {
    let mut buffer = [0_u64; LONGEST_SETTINGS / size_of::<u64>()];
    let (size, mut needed) = (u32::try_from(LONGEST_SETTINGS).map_err(io::Error::other)?, 0);
    let into = buffer.as_mut_ptr().cast();
    // SAFETY: the handle is open, and the buffer has `size` bytes.
    succeeded(unsafe { QueryServiceConfigW(service.0, into, size, &raw mut needed) })?;
    // SAFETY: the call has written one of these at the beginning of the buffer, which is aligned.
    let settings = unsafe { buffer.as_ptr().cast::<QUERY_SERVICE_CONFIGW>().read() };
    Ok(settings.dwStartType == SERVICE_AUTO_START)
}

/// # Safety
/// It ends with NUL, or is null.
unsafe fn text(start: PCWSTR) -> String {
    if start.is_null() {
        return String::new();
    }
    let length = (0..).take_while(|&at| {
        // SAFETY: nothing behind the NUL is read.
        unsafe { *start.add(at) != 0 }
    });
    let length = length.count();
    // SAFETY: so long is the text, as just counted.
    let units = unsafe { std::slice::from_raw_parts(start, length) };
    OsString::from_wide(units).to_string_lossy().into_owned()
}
