//! What a background process does first, and the pipe on which it says that it is ready.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::windows::io::{FromRawHandle, IntoRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Console::{
    FreeConsole, GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};

use super::descriptor::{self, Descriptor};
use super::native::{succeeded, unsupported};

/// Leaves the console, folder and standard streams of the process that started solobot, so that nothing waits for the end of a
/// pipe, no Ctrl-C and no closing window reaches it, and no folder is kept from being removed.
///
/// # Errors
/// There is no null device, or no root to go to.
pub fn detach() -> io::Result<()> {
    // It fails where there is none.
    // SAFETY: nothing here writes to the console.
    unsafe { FreeConsole() };
    let root = std::env::current_dir()?.ancestors().last().map(std::path::Path::to_path_buf);
    std::env::set_current_dir(root.unwrap_or_default())?;
    for which in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        let null = OpenOptions::new().read(true).write(true).open("NUL")?;
        // SAFETY: the old stream is closed once nothing names it any more, and it is this process's own: whoever started us
        // has made it for us. The new one stays open.
        unsafe {
            let old = GetStdHandle(which);
            succeeded(SetStdHandle(which, null.into_raw_handle()))?;
            if !old.is_null() && old != INVALID_HANDLE_VALUE {
                drop(OwnedHandle::from_raw_handle(old));
            }
        }
    }
    Ok(())
}

/// Whether a program can go on in the background, with the programs that it starts: COMMAND is in a job that ends with the
/// console's own solobot, and how to leave that is not built.
pub const HAS_BACKGROUND: bool = false;

/// See [`HAS_BACKGROUND`].
///
/// # Errors
/// Always `Unsupported`.
pub fn go_into_background(_output: &File) -> io::Result<()> {
    Err(unsupported("a program that goes into the background"))
}

/// Nothing is to be closed: a child inherits only what it is passed.
///
/// # Errors
/// None.
///
/// # Safety
/// Always safe; it is not on platforms where it closes something.
pub unsafe fn close_others(_keep: &[i32]) -> io::Result<()> {
    Ok(())
}

/// A process is called as its file is.
///
/// # Errors
/// Always `Unsupported`.
pub fn be_called(_name: &CStr) -> io::Result<()> {
    Err(unsupported("another name for a process"))
}

/// Windows chooses no process to be ended when memory is short.
pub fn be_spared() {}

/// The end of a pipe on which the starter waits for a background process.
#[derive(Debug)]
pub struct ReadinessWaiter(File);

/// The end on which that process says that it is ready.
#[derive(Debug)]
pub struct ReadinessSignal(File);

/// Both ends of a new pipe; a child inherits neither unless it is passed on.
///
/// # Errors
/// Those of `CreatePipe`.
pub fn pipe() -> io::Result<(ReadinessWaiter, ReadinessSignal)> {
    let (read, write) = io::pipe()?;
    Ok((ReadinessWaiter(File::from(OwnedHandle::from(read))), ReadinessSignal(File::from(OwnedHandle::from(write)))))
}

impl ReadinessWaiter {
    /// Waits until the process says the next time that it is ready; `false` if it closed its end before that.
    pub fn comes(&mut self) -> bool {
        self.0.read_exact(&mut [0]).is_ok()
    }

    /// Readable once it has said so, or closed its end.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }
}

impl ReadinessSignal {
    /// Takes over the end that was inherited under this number.
    ///
    /// # Errors
    /// It is not open.
    ///
    /// # Safety
    /// Nothing else in this process may own `number`.
    pub unsafe fn inherited(number: i32) -> io::Result<Self> {
        // SAFETY: the caller promises the same.
        unsafe { descriptor::inherited(number) }.map(Self)
    }

    /// For the process that is to inherit it.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Reports that the process is ready.
    ///
    /// # Errors
    /// `BrokenPipe` if the starter no longer waits.
    pub fn say(&mut self) -> io::Result<()> {
        self.0.write_all(b"1")
    }
}
