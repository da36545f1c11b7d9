//! Waiting for several handles at once.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjects};

use super::descriptor::{Descriptor, WaitKind};
use super::native::{KernelEvent, done, is_signalled, milliseconds, unsupported};

/// `MAXIMUM_WAIT_OBJECTS`: one call waits for no more.
const AT_ONCE: usize = 64;
/// How often is looked at what no call waits for: a pipe, and whatever is beyond [`AT_ONCE`].
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until one of `fds` is readable or `timeout` has passed (`None`: forever). Says of each whether it is readable
/// (or broken, so that reading it tells).
///
/// # Errors
/// Those of `WaitForMultipleObjects`.
pub fn readable<const N: usize>(fds: [Option<Descriptor<'_>>; N], timeout: Option<Duration>) -> io::Result<[bool; N]> {
    let present: Vec<(usize, Descriptor<'_>)> =
        fds.iter().enumerate().filter_map(|(index, fd)| fd.map(|fd| (index, fd))).collect();
    let list: Vec<Descriptor<'_>> = present.iter().map(|&(_, fd)| fd).collect();
    let mut answer = [false; N];
    for index in any_readable(&list, timeout)? {
        answer[present[index].0] = true;
    }
    Ok(answer)
}

/// The same for a list of any length: the indices of the readable ones; empty when `timeout` has passed.
///
/// # Errors
/// As [`readable`].
pub fn any_readable(fds: &[Descriptor<'_>], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let objects: Vec<HANDLE> =
        fds.iter().filter(|fd| fd.kind() == WaitKind::Object).map(|fd| fd.handle().as_raw_handle()).collect();
    let is_all = objects.len() == fds.len() && fds.len() <= AT_ONCE;
    loop {
        let ready: Vec<usize> = (0..fds.len()).filter(|&index| is_ready(fds[index])).collect();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
            return Ok(ready);
        }
        let left = if is_all { left } else { Some(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))) };
        wait(&objects[..objects.len().min(AT_ONCE)], left)?;
    }
}

/// Waits until one of them is set, at most so long.
fn wait(objects: &[HANDLE], patience: Option<Duration>) -> io::Result<()> {
    if objects.is_empty() {
        thread::sleep(patience.unwrap_or(Duration::MAX));
        return Ok(());
    }
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let patience = patience.map_or(INFINITE, milliseconds);
    // SAFETY: there are `count` handles, which the caller's descriptors borrow.
    match unsafe { WaitForMultipleObjects(count, objects.as_ptr(), 0, patience) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn is_ready(fd: Descriptor<'_>) -> bool {
    let handle = fd.handle();
    match fd.kind() {
        WaitKind::Object => is_signalled(&handle, Duration::ZERO),
        // Reading a file never waits.
        WaitKind::File if !is_pipe(handle) => true,
        WaitKind::File => {
            let mut available = 0;
            let none = ptr::null_mut();
            // SAFETY: nothing is read, and `available` has room for the one number that is written.
            let is_open = unsafe {
                PeekNamedPipe(handle.as_raw_handle(), none, 0, ptr::null_mut(), &raw mut available, ptr::null_mut())
            };
            is_open == 0 || available > 0
        }
    }
}

fn is_pipe(handle: BorrowedHandle<'_>) -> bool {
    // SAFETY: the handle is borrowed for the call.
    unsafe { GetFileType(handle.as_raw_handle()) == FILE_TYPE_PIPE }
}

/// Whether something can be written before `timeout` is over: nothing here writes to what is not a standard stream.
///
/// # Errors
/// Always `Unsupported`.
pub fn is_writable_within(_fd: Descriptor<'_>, _timeout: Duration) -> io::Result<bool> {
    Err(unsupported("waiting for room in a pipe"))
}

/// How much can be written at once to a pipe that is writable: the smallest buffer that a pipe gets.
pub const WRITABLE_AT_ONCE: usize = 4096;

/// Whether a write of up to [`WRITABLE_AT_ONCE`] to stderr will not block before `patience` is over; always true for a
/// file.
pub fn is_stderr_writable(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let Some(pipe) = pipe_state(io::stderr().as_handle()) else { return true };
        // Whoever has made a smaller buffer gets it in parts, which he is waiting for.
        let wanted = pipe.OutboundQuota.min(u32::try_from(WRITABLE_AT_ONCE).unwrap_or(u32::MAX));
        if pipe.WriteQuotaAvailable >= wanted || is_closed(&pipe) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY); // no call waits for room
    }
}

/// Whether the other end of stdout, a pipe, has gone.
pub fn is_stdout_broken() -> bool {
    pipe_state(io::stdout().as_handle()).is_some_and(|pipe| is_closed(&pipe))
}

/// `FILE_PIPE_CONNECTED_STATE`, of `ntifs.h`: both ends are open.
const CONNECTED: u32 = 3;

fn is_closed(pipe: &FILE_PIPE_LOCAL_INFORMATION) -> bool {
    pipe.NamedPipeState != CONNECTED
}

/// What is known about a pipe; `None` of anything else.
fn pipe_state(handle: BorrowedHandle<'_>) -> Option<FILE_PIPE_LOCAL_INFORMATION> {
    if !is_pipe(handle) {
        return None;
    }
    let mut state = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut status = IO_STATUS_BLOCK::default();
    let size = u32::try_from(size_of::<FILE_PIPE_LOCAL_INFORMATION>()).ok()?;
    // SAFETY: the handle is borrowed for the call, and both variables have room for what is written.
    let answer = unsafe {
        let (status, state) = (&raw mut status, &raw mut state);
        NtQueryInformationFile(handle.as_raw_handle(), status, state.cast(), size, FilePipeLocalInformation)
    };
    // Asked of a socket, which is a pipe to Windows, it fails.
    done(answer).ok()?;
    Some(state)
}

/// Something that one thread raises and another one polls.
#[derive(Debug)]
pub struct Wakeup(KernelEvent);

impl Wakeup {
    /// A new one, not raised.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> io::Result<Self> {
        KernelEvent::new().map(Self)
    }

    /// Raises it; it stays raised.
    pub fn raise(&self) {
        self.0.set();
    }

    /// Lowers it, raised or not.
    pub fn lower(&self) {
        self.0.reset();
    }

    /// Readable while it is raised.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of_object(self.0.handle())
    }
}
