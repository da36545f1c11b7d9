//! Questions to the kernel whose answers are plain bytes: `sysctl(3)`, and `<libproc.h>`.

use std::ffi::{CStr, c_int};
use std::io;
use std::ptr;

use nix::libc;

/// How often an answer that has grown meanwhile is asked for again.
const ATTEMPTS: usize = 8;

/// The answer to a question by numbers, with room for what is added meanwhile.
///
/// # Errors
/// Those of `sysctl(3)`.
pub(super) fn ask(question: &[c_int]) -> io::Result<Vec<u8>> {
    let mut question = question.to_vec();
    let count = libc::c_uint::try_from(question.len()).map_err(io::Error::other)?;
    // SAFETY: the numbers are as many as said; with no buffer the call only writes the length; nothing is set.
    let call = |question: &mut [c_int], answer: *mut libc::c_void, length: &mut usize| unsafe {
        libc::sysctl(question.as_mut_ptr(), count, answer, length, ptr::null_mut(), 0)
    };
    for _ in 0..ATTEMPTS {
        let mut length = 0;
        if call(&mut question, ptr::null_mut(), &mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = vec![0_u8; length + length / 8 + 64];
        let mut filled = answer.len();
        if call(&mut question, answer.as_mut_ptr().cast(), &mut filled) == 0 {
            answer.truncate(filled);
            return Ok(answer);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOMEM) {
            return Err(error);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// The answer of at most so many bytes to a question that has no length of its own.
///
/// # Errors
/// Those of `sysctl(3)`.
pub(super) fn ask_within(question: &[c_int], most: usize) -> io::Result<Vec<u8>> {
    let mut question = question.to_vec();
    let count = libc::c_uint::try_from(question.len()).map_err(io::Error::other)?;
    let mut answer = vec![0_u8; most];
    let mut length = most;
    // SAFETY: the numbers are as many as said, and the buffer is as long; nothing is set.
    let result = unsafe {
        libc::sysctl(question.as_mut_ptr(), count, answer.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    answer.truncate(length);
    Ok(answer)
}

/// The answer of at most so many bytes to a question by name.
///
/// # Errors
/// Those of `sysctlbyname(3)`.
pub(super) fn ask_by_name(name: &CStr, most: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u8; most];
    let mut length = most;
    // SAFETY: the name ends with NUL, and the buffer is as long as said; nothing is set.
    let result =
        unsafe { libc::sysctlbyname(name.as_ptr(), answer.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    answer.truncate(length);
    Ok(answer)
}

/// Every PID.
///
/// # Errors
/// Those of `proc_listallpids`.
pub(super) fn all_pids() -> io::Result<Vec<i32>> {
    // SAFETY: with no buffer the call only counts.
    let count = unsafe { libc::proc_listallpids(ptr::null_mut(), 0) };
    let room = usize::try_from(count).ok().filter(|&count| count > 0).ok_or_else(io::Error::last_os_error)?;
    let mut pids = vec![0_i32; room + room / 8 + 64];
    let bytes = c_int::try_from(size_of_val(pids.as_slice())).map_err(io::Error::other)?;
    // SAFETY: the buffer is as long as said.
    let filled = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
    pids.truncate(usize::try_from(filled).map_err(|_| io::Error::last_os_error())?);
    pids.retain(|&pid| pid > 0);
    Ok(pids)
}

/// What `proc_pidinfo` answers about a process, of at most so many bytes.
///
/// # Errors
/// EPERM for another user's process, ESRCH.
pub(super) fn of_process(pid: i32, what: c_int, most: usize) -> io::Result<Vec<u8>> {
    filled(most, |answer, length| {
        // SAFETY: the buffer is as long as said.
        unsafe { libc::proc_pidinfo(pid, what, 0, answer, length) }
    })
}

/// What `proc_pidfdinfo` answers about a descriptor of a process, of at most so many bytes.
///
/// # Errors
/// EPERM for another user's process, ESRCH, EBADF.
pub(super) fn of_descriptor(pid: i32, number: i32, what: c_int, most: usize) -> io::Result<Vec<u8>> {
    filled(most, |answer, length| {
        // SAFETY: the buffer is as long as said.
        unsafe { libc::proc_pidfdinfo(pid, number, what, answer, length) }
    })
}

/// The path of the file that a process runs.
///
/// # Errors
/// ESRCH, ENOENT if that file has been removed.
pub(super) fn path_of_process(pid: i32) -> io::Result<Vec<u8>> {
    let most = usize::try_from(libc::PROC_PIDPATHINFO_MAXSIZE).map_err(io::Error::other)?;
    filled(most, |answer, length| {
        // SAFETY: the buffer is as long as said.
        unsafe { libc::proc_pidpath(pid, answer, length.cast_unsigned()) }
    })
}

/// These calls return how many bytes they have written, and 0 or less for an error.
fn filled(most: usize, call: impl FnOnce(*mut libc::c_void, c_int) -> c_int) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u8; most];
    let length = c_int::try_from(most).map_err(io::Error::other)?;
    match usize::try_from(call(answer.as_mut_ptr().cast(), length)) {
        Ok(length) if length > 0 => {
            answer.truncate(length);
            Ok(answer)
        }
        _ => Err(io::Error::last_os_error()),
    }
}
