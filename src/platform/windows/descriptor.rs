//! What is open, borrowed from its owner: to wait for it, or to pass it on.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle};
use std::ptr;

use super::native::{set_inheritable, unsupported};

/// Whether shells pass on what they have opened, by its number: none does.
pub const SHELLS_PASS_THEM: bool = false;

/// How an open handle is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitKind {
    /// The kernel says when: a process, an event, a timer.
    Object,
    /// A file, or a pipe, which has to be asked.
    File,
}

/// An open handle of ours, as long as its owner exists.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor<'a> {
    handle: BorrowedHandle<'a>,
    kind: WaitKind,
}

impl<'a> Descriptor<'a> {
    pub fn of(file: &'a File) -> Self {
        Self { handle: file.as_handle(), kind: WaitKind::File }
    }

    pub(super) fn of_handle(handle: BorrowedHandle<'a>) -> Self {
        Self { handle, kind: WaitKind::File }
    }

    pub(super) fn of_object(owner: &'a impl AsHandle) -> Self {
        Self { handle: owner.as_handle(), kind: WaitKind::Object }
    }

    pub(super) fn handle(self) -> BorrowedHandle<'a> {
        self.handle
    }

    pub(super) fn kind(self) -> WaitKind {
        self.kind
    }

    /// Its number, under which a program that inherits it finds it. Windows uses 32 bits of a handle, the upper ones never.
    pub fn number(self) -> i32 {
        i32::try_from(self.handle.as_raw_handle().addr()).unwrap_or(-1)
    }
}

fn handle_of(number: i32) -> io::Result<*mut c_void> {
    let address = usize::try_from(number).ok().filter(|&number| number > 0);
    address.map(ptr::without_provenance_mut).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Takes over a handle that was inherited for this purpose. No child of ours inherits it from us unless it is passed on.
///
/// # Errors
/// It is not open.
///
/// # Safety
/// Nothing else in this process may own `number`.
pub unsafe fn inherited(number: i32) -> io::Result<File> {
    let handle = handle_of(number)?;
    set_inheritable(handle, false)?;
    // SAFETY: open, as just seen, and by the caller's promise ours alone.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// A duplicate of a descriptor that the process which started solobot opened: no shell on Windows passes one on by number.
///
/// # Errors
/// Always `Unsupported`.
///
/// # Safety
/// Always safe; it is not on platforms that have such descriptors.
pub unsafe fn duplicate(_number: i32) -> io::Result<File> {
    Err(unsupported("a descriptor of the calling shell"))
}
