//! The first moments of the program. Windows needs less of them than others: a closed standard stream is a handle that does
//! not exist and that no file gets, and a broken pipe is an error and no signal.

use std::ffi::{OsString, c_char, c_int};

use windows_sys::Win32::System::Threading::ExitProcess;

use super::console;

/// Must be called before anything else. If this process was started to ask another one to end, it does that, and ends.
pub fn prepare() {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = console::help(&args) {
        // SAFETY: it ends the process, which has printed nothing.
        unsafe { ExitProcess(code.cast_unsigned()) };
    }
}

/// The command line. What the C runtime passes to `main` is in the code page of the system, which loses what is not in it; so
/// that is not looked at.
///
/// # Safety
/// Always safe; it is not on platforms that look at what they get.
pub unsafe fn arguments(_count: c_int, _first: *const *const c_char) -> Vec<OsString> {
    std::env::args_os().collect()
}

/// Nothing is defined by the program instead of a library.
#[macro_export]
macro_rules! linked_in {
    () => {};
}
