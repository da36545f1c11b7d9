//! What is open, borrowed from its owner: to wait for it, or to pass it on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Whether shells pass on what they have opened, by its number.
pub const SHELLS_PASS_THEM: bool = true;

/// An open descriptor of ours, as long as its owner exists.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor<'a>(BorrowedFd<'a>);

impl<'a> Descriptor<'a> {
    pub fn of(file: &'a File) -> Self {
        Self(file.as_fd())
    }

    pub(in crate::platform) fn borrow(owner: &'a impl AsFd) -> Self {
        Self(owner.as_fd())
    }

    pub(in crate::platform) fn fd(self) -> BorrowedFd<'a> {
        self.0
    }

    /// Its number, under which a program that inherits it finds it.
    pub fn number(self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Takes over a descriptor that was inherited for this purpose. No child inherits it in turn, unless it is passed on.
///
/// # Errors
/// EBADF if it is not open.
///
/// # Safety
/// Nothing else in this process may own `number`.
pub unsafe fn inherited(number: i32) -> io::Result<File> {
    // SAFETY: borrowed only for a call that fails if it is not open.
    fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: open, as just seen, and by the caller's promise ours alone.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(number) }))
}

/// A duplicate of a descriptor that the process which started solobot opened. It shares the open file description.
///
/// # Errors
/// EBADF if it is not open.
///
/// # Safety
/// Nothing else in this process may close `number` meanwhile.
pub unsafe fn duplicate(number: i32) -> io::Result<File> {
    // SAFETY: only borrowed, by the caller's promise, for a system call that checks whether it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(File::from(borrowed.try_clone_to_owned()?))
}
