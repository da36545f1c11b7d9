//! Our children. Windows keeps how a process has ended for whoever holds it open, so we do, until that has been asked for. A
//! child whose parent ends becomes nobody's; but whatever our children start is in our [`Job`].

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, STATUS_CONTROL_C_EXIT};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, INFINITE, RegisterWaitForSingleObject, TerminateProcess, UnregisterWait, WT_EXECUTEONLYONCE,
    WaitForSingleObject,
};

use super::job::Job;
use super::native::{KILLED, is_signalled, succeeded};
use super::signals::{Signal, child_has_ended};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code, of 32 bits.
    Code(u32),
    /// By the signal of this number: by Ctrl-C, if it handles that as Windows does.
    Signal(i32),
}

/// What a look at the children found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This one had ended, and how; it is gone now.
    Ended(i32, Ended),
    /// There are children, or what they have left behind, and no child has ended.
    NoneEnded,
    /// There are none.
    NoChildren,
}

/// A child that nobody has asked yet how it ended.
#[derive(Debug)]
struct ChildProcess {
    pid: i32,
    /// Dropped before the handle that it waits for.
    _wait: EndOfChild,
    process: OwnedHandle,
}

static CHILDREN: Mutex<Vec<ChildProcess>> = Mutex::new(Vec::new());

fn children() -> MutexGuard<'static, Vec<ChildProcess>> {
    // Whatever has panicked, the list is whole.
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait in the thread pool of the system, which says when a process has ended.
#[derive(Debug)]
struct EndOfChild(HANDLE);

// SAFETY: it is a number to the system, which any thread may name.
unsafe impl Send for EndOfChild {}

unsafe extern "system" fn has_ended(_context: *mut c_void, _timed_out: bool) {
    child_has_ended();
}

impl EndOfChild {
    fn of(process: &OwnedHandle) -> io::Result<Self> {
        let mut wait = ptr::null_mut();
        let handle = process.as_raw_handle();
        // SAFETY: the handle stays open for as long as the wait, which its child drops first. The function needs no context.
        succeeded(unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                handle,
                Some(has_ended),
                ptr::null(),
                INFINITE,
                WT_EXECUTEONLYONCE,
            )
        })?;
        Ok(Self(wait))
    }
}

impl Drop for EndOfChild {
    fn drop(&mut self) {
        // SAFETY: it is registered. That its function may still run does no harm: it uses nothing of ours.
        unsafe { UnregisterWait(self.0) };
    }
}

/// Takes in a child that has just been started. Its end is a SIGCHLD from now on.
///
/// # Errors
/// There is no memory for the wait.
pub(super) fn add(pid: i32, process: OwnedHandle) -> io::Result<()> {
    let child = ChildProcess { pid, _wait: EndOfChild::of(&process)?, process };
    children().push(child);
    Ok(())
}

/// A handle on a child that has not been reaped.
pub(super) fn handle_of(pid: i32) -> io::Result<OwnedHandle> {
    let children = children();
    let child = children.iter().find(|child| child.pid == pid).ok_or(io::ErrorKind::NotFound)?;
    child.process.try_clone()
}

/// Whatever our children leave behind stays known: it is in our job.
///
/// # Errors
/// Those of `CreateJobObjectW`.
pub fn adopt_orphans() -> io::Result<()> {
    Job::own().map(|_| ())
}

/// Kills a child that is not reaped yet, and reaps it.
pub fn put_down(pid: i32) {
    if let Ok(process) = handle_of(pid) {
        // SAFETY: the handle is open, and has all rights: it was made with the process.
        unsafe { TerminateProcess(process.as_raw_handle(), KILLED) };
        let _ = wait_for(pid);
    }
}

/// Waits until a child has ended, and reaps it.
///
/// # Errors
/// It is none of ours.
pub fn wait_for(pid: i32) -> io::Result<Ended> {
    let process = handle_of(pid)?;
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
    reap_one(pid).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Reaps one child that has ended, without waiting.
///
/// # Errors
/// The job cannot be asked.
pub fn reap() -> io::Result<Reaped> {
    let mut children = children();
    if let Some(at) = children.iter().position(|child| is_signalled(&child.process, Duration::ZERO)) {
        let child = children.swap_remove(at);
        return Ok(Reaped::Ended(child.pid, how(exit_code(&child.process))));
    }
    let is_any = !children.is_empty() || !Job::own()?.members()?.is_empty();
    Ok(if is_any { Reaped::NoneEnded } else { Reaped::NoChildren })
}

/// The same for this one; `None` if it has not ended, or was reaped before.
pub(super) fn reap_one(pid: i32) -> Option<Ended> {
    let mut children = children();
    let at = children.iter().position(|child| child.pid == pid && is_signalled(&child.process, Duration::ZERO))?;
    let child = children.swap_remove(at);
    Some(how(exit_code(&child.process)))
}

/// What a process that has ended says of it.
pub(super) fn exit_code(process: &OwnedHandle) -> u32 {
    let mut code = 0;
    // SAFETY: the handle is open, and `code` has room for the number.
    unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) };
    code
}

fn how(code: u32) -> Ended {
    match code {
        code if code == STATUS_CONTROL_C_EXIT.cast_unsigned() => Ended::Signal(Signal::SIGINT.number()),
        code => Ended::Code(code),
    }
}
