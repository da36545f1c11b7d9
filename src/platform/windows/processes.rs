//! What the system tells of processes: all of them in one call, and each by its handle.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::time::Duration;

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation};
use windows_sys::Wdk::System::Threading::{
    NtQueryInformationProcess, ProcessBasicInformation, ProcessCommandLineInformation,
};
use windows_sys::Win32::Foundation::{
    FILETIME, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INFO_LENGTH_MISMATCH, UNICODE_STRING,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, PROCESS_BASIC_INFORMATION, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW,
};
use windows_sys::Win32::System::WindowsProgramming::SYSTEM_PROCESS_INFORMATION;

use super::native::{done, is_signalled, open_process, succeeded};

/// What nearly every process grants to its own user, and to an administrator.
pub(super) const LOOK: u32 = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE;

/// The longest path that Windows has, in characters.
const LONGEST_PATH: usize = 32_768;
/// `SYSTEM_PROCESS_INFORMATION::Reserved1` begins with three numbers of 64 bits, behind which is when the process was created.
const CREATED: usize = 24;
/// The PID of the kernel.
pub(super) const KERNEL: i32 = 4;

/// One process in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemProcess {
    pub pid: i32,
    /// Who started it, if that one is still there; 0 if not.
    pub parent: i32,
    /// When it was created: 100 ns units since 1601.
    pub created: u64,
}

impl SystemProcess {
    /// It has no program: the kernel, and what the kernel keeps as a process of its own (`Registry`, `Memory Compression`).
    pub fn is_kernels(&self) -> bool {
        is_kernels(self.pid, self.parent)
    }
}

pub(super) fn is_kernels(pid: i32, parent: i32) -> bool {
    pid <= KERNEL || parent == KERNEL
}

/// Every process, in no order. Windows never tells a process that its parent has ended, and gives the PID of that one to
/// another: so a parent counts only if it was created before its child.
///
/// # Errors
/// Those of `NtQuerySystemInformation`.
pub(super) fn all() -> io::Result<Vec<SystemProcess>> {
    let list = system_list()?;
    let mut found = list.clone();
    let created: std::collections::HashMap<i32, u64> = list.iter().map(|one| (one.pid, one.created)).collect();
    for one in &mut found {
        if created.get(&one.parent).is_none_or(|parent| *parent > one.created) {
            one.parent = 0;
        }
    }
    Ok(found)
}

/// Every process and whoever had its parent's PID once.
fn system_list() -> io::Result<Vec<SystemProcess>> {
    // Of numbers, so that it is aligned.
    let mut buffer: Vec<u64> = vec![0; 32 * 1024];
    let bytes = loop {
        let size = u32::try_from(buffer.len() * size_of::<u64>()).map_err(io::Error::other)?;
        let mut used = 0;
        // SAFETY: the buffer has `size` bytes.
        let status = unsafe {
            NtQuerySystemInformation(SystemProcessInformation, buffer.as_mut_ptr().cast(), size, &raw mut used)
        };
        if status != STATUS_INFO_LENGTH_MISMATCH {
            done(status)?;
            break usize::try_from(used).map_err(io::Error::other)?.min(buffer.len() * size_of::<u64>());
        }
        // Some processes may come before the next call.
        buffer.resize(buffer.len().max(used as usize / size_of::<u64>()) * 5 / 4, 0);
    };
    let mut found = Vec::with_capacity(256);
    let mut at = 0;
    // Whatever is said about offsets, only the buffer is read.
    while at + size_of::<SYSTEM_PROCESS_INFORMATION>() <= bytes {
        // SAFETY: there are that many bytes from there on, and any bytes make one. wine does not align them.
        let one = unsafe { buffer.as_ptr().byte_add(at).cast::<SYSTEM_PROCESS_INFORMATION>().read_unaligned() };
        let created: [u8; 8] = one.Reserved1[CREATED..CREATED + 8].try_into().unwrap_or_default();
        let pid = |handle: *mut core::ffi::c_void| i32::try_from(handle.addr()).ok();
        // One that has ended and is still held open by somebody has no threads.
        if let (Some(pid), Some(parent)) = (pid(one.UniqueProcessId), pid(one.Reserved2))
            && pid > 0
            && one.NumberOfThreads > 0
        {
            found.push(SystemProcess { pid, parent, created: u64::from_ne_bytes(created) });
        }
        if one.NextEntryOffset == 0 {
            break;
        }
        at += one.NextEntryOffset as usize;
    }
    Ok(found)
}

/// When a process was created: 100 ns units since 1601.
///
/// # Errors
/// Those of `GetProcessTimes`.
pub(super) fn created(process: &OwnedHandle) -> io::Result<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    let handle = process.as_raw_handle();
    // SAFETY: the handle is open, and there is room for the four times.
    succeeded(unsafe {
        GetProcessTimes(handle, &raw mut *created, &raw mut *exited, &raw mut *kernel, &raw mut *user)
    })?;
    Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// What one look at one process shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessLook {
    pub parent: i32,
    pub created: u64,
    /// It has ended, and somebody holds it open, so that its PID stays its own.
    pub has_ended: bool,
}

/// Looks at one process; `None` if there is none.
pub(super) fn look(pid: i32) -> Option<ProcessLook> {
    match open_process(pid, LOOK) {
        Ok(process) => look_at(&process).ok(),
        // The list of all shows also those that let nobody open them.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let one = all().ok()?.into_iter().find(|one| one.pid == pid)?;
            Some(ProcessLook { parent: one.parent, created: one.created, has_ended: false })
        }
        Err(_) => None,
    }
}

/// The same for an open one.
///
/// # Errors
/// Those of `NtQueryInformationProcess`.
pub(super) fn look_at(process: &OwnedHandle) -> io::Result<ProcessLook> {
    let own = created(process)?;
    let parent = i32::try_from(basic(process)?.InheritedFromUniqueProcessId).unwrap_or(0);
    let is_older = |parent: &i32| match open_process(*parent, LOOK) {
        Ok(parent) => created(&parent).is_ok_and(|created| created <= own) && !is_signalled(&parent, Duration::ZERO),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let all = system_list().unwrap_or_default();
            all.iter().any(|one| one.pid == *parent && one.created <= own)
        }
        Err(_) => false,
    };
    let parent = Some(parent).filter(is_older).unwrap_or(0);
    Ok(ProcessLook { parent, created: own, has_ended: is_signalled(process, Duration::ZERO) })
}

/// `PROCESS_BASIC_INFORMATION`.
///
/// # Errors
/// Those of `NtQueryInformationProcess`.
pub(super) fn basic(process: &OwnedHandle) -> io::Result<PROCESS_BASIC_INFORMATION> {
    let mut basic = PROCESS_BASIC_INFORMATION::default();
    let size = u32::try_from(size_of::<PROCESS_BASIC_INFORMATION>()).map_err(io::Error::other)?;
    let (handle, into, mut used) = (process.as_raw_handle(), &raw mut basic, 0);
    // SAFETY: the handle is open, and `basic` has `size` bytes.
    done(unsafe { NtQueryInformationProcess(handle, ProcessBasicInformation, into.cast(), size, &raw mut used) })?;
    Ok(basic)
}

/// The line that a process was started with.
///
/// # Errors
/// Those of `NtQueryInformationProcess`.
pub(super) fn command_line(process: &OwnedHandle) -> io::Result<Vec<u16>> {
    let mut buffer: Vec<u64> = vec![0; 256];
    loop {
        let size = u32::try_from(buffer.len() * size_of::<u64>()).map_err(io::Error::other)?;
        let (handle, mut used) = (process.as_raw_handle(), 0);
        let into = buffer.as_mut_ptr().cast();
        // SAFETY: the handle is open, and the buffer has `size` bytes.
        let status =
            unsafe { NtQueryInformationProcess(handle, ProcessCommandLineInformation, into, size, &raw mut used) };
        let is_short = matches!(status, STATUS_INFO_LENGTH_MISMATCH | STATUS_BUFFER_OVERFLOW | STATUS_BUFFER_TOO_SMALL);
        if is_short && used > size {
            buffer.resize((used as usize).div_ceil(size_of::<u64>()), 0);
            continue;
        }
        done(status)?;
        // SAFETY: the buffer is larger than that, aligned, and any bytes make one.
        let text: UNICODE_STRING = unsafe { buffer.as_ptr().cast::<UNICODE_STRING>().read() };
        let start = text.Buffer.addr().wrapping_sub(buffer.as_ptr().addr());
        let length = usize::from(text.Length);
        if start % size_of::<u16>() != 0 || start.checked_add(length).is_none_or(|end| end > size as usize) {
            return Err(io::Error::other("its command line lies elsewhere"));
        }
        // SAFETY: those bytes are in the buffer, as just seen, and aligned.
        let units = unsafe {
            std::slice::from_raw_parts(buffer.as_ptr().byte_add(start).cast::<u16>(), length / size_of::<u16>())
        };
        return Ok(units.to_vec());
    }
}

/// The file that a process runs.
///
/// # Errors
/// Those of `QueryFullProcessImageNameW`: a process of the kernel's has none.
pub(super) fn image(process: &OwnedHandle) -> io::Result<PathBuf> {
    let mut buffer = vec![0_u16; LONGEST_PATH];
    let mut length = u32::try_from(buffer.len()).map_err(io::Error::other)?;
    let (handle, into) = (process.as_raw_handle(), buffer.as_mut_ptr());
    // SAFETY: the handle is open, and the buffer has room for `length` characters.
    succeeded(unsafe { QueryFullProcessImageNameW(handle, PROCESS_NAME_WIN32, into, &raw mut length) })?;
    Ok(OsString::from_wide(&buffer[..length as usize]).into())
}
