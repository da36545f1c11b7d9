//! What a process keeps in its own memory: folder, environment, console. Every look at it may meet a process that is just
//! starting or ending, or has written something else there; so nothing that is read is trusted as a size or a place.
//!
//! The layout is that of `RTL_USER_PROCESS_PARAMETERS` on 64-bit Windows, which a 32-bit process has as well.

use std::ffi::{OsString, c_void};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ};

use super::native::{open_process, succeeded};
use super::processes::{self, basic};

/// Where the process environment block has the address of the parameters.
const PARAMETERS: usize = 0x20;
/// What they are read of.
const SIZE: usize = 0x410;
/// Where they have the handle of the console.
const CONSOLE: usize = 0x10;
/// The path of the current folder, a `UNICODE_STRING`.
const FOLDER: usize = 0x38;
/// The command line, another one.
const COMMAND_LINE: usize = 0x70;
/// The address of the environment, and its size in bytes.
const ENVIRONMENT: usize = 0x80;
const ENVIRONMENT_SIZE: usize = 0x3F0;
/// The number of the process group.
const GROUP: usize = 0x408;
/// The most that is read of an environment: Windows knows no larger one than 32,767 characters for one variable.
const LONGEST: usize = 2 * 1024 * 1024;

/// The start parameters of a process, as they are now.
#[derive(Debug)]
pub(super) struct ProcessParameters {
    process: OwnedHandle,
    bytes: Vec<u8>,
}

impl ProcessParameters {
    /// Reads those of a process.
    ///
    /// # Errors
    /// It is another user's, has ended, or has just begun.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let process = open_process(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ)?;
        let block = basic(&process)?.PebBaseAddress.addr();
        let address = number(&read(&process, block + PARAMETERS, size_of::<u64>())?, 0);
        let bytes = read(&process, address, SIZE)?;
        Ok(Self { process, bytes })
    }

    /// Whether it has a console.
    pub(super) fn has_console(&self) -> bool {
        // What Windows puts there for a process that is to have none, or that is to get one, is no handle.
        let handle = number(&self.bytes, CONSOLE);
        handle != 0 && handle < usize::MAX - 8
    }

    /// The number of the process group that gets the console's Ctrl-Break together.
    pub(super) fn group(&self) -> Option<i32> {
        let bytes: [u8; 4] = self.bytes[GROUP..GROUP + 4].try_into().ok()?;
        i32::try_from(u32::from_ne_bytes(bytes)).ok().filter(|&group| group > 0)
    }

    /// The folder that it is in.
    ///
    /// # Errors
    /// Its memory cannot be read.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        let units = self.text(FOLDER)?;
        // It is kept with a backslash behind it, which only a drive's root has by itself.
        let is_root = units.len() <= 3;
        let end = if !is_root && units.last() == Some(&u16::from(b'\\')) { units.len() - 1 } else { units.len() };
        Ok(OsString::from_wide(&units[..end]).into())
    }

    fn text(&self, at: usize) -> io::Result<Vec<u16>> {
        let length = usize::from(u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]));
        Ok(units(&read(&self.process, number(&self.bytes, at + 8), length)?))
    }

    /// Its variables, each `NAME=VALUE`.
    ///
    /// # Errors
    /// Its memory cannot be read.
    pub(super) fn environment(&self) -> io::Result<Vec<OsString>> {
        let size = number(&self.bytes, ENVIRONMENT_SIZE);
        if size > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let units = units(&read(&self.process, number(&self.bytes, ENVIRONMENT), size)?);
        let entries = units.split(|&unit| unit == 0).take_while(|entry| !entry.is_empty());
        Ok(entries.map(OsString::from_wide).collect())
    }
}

/// The line that a process was started with. Where the system does not tell (wine 8), the process itself does.
///
/// # Errors
/// It is another user's, or has ended.
pub(super) fn command_line(pid: i32, process: &OwnedHandle) -> io::Result<Vec<u16>> {
    processes::command_line(process).or_else(|_| ProcessParameters::of(pid)?.text(COMMAND_LINE))
}

fn number(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + size_of::<usize>()].try_into().map_or(0, usize::from_ne_bytes)
}

fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

fn read(process: &OwnedHandle, address: usize, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let from: *const c_void = ptr::without_provenance(address);
    let mut count = 0;
    // SAFETY: the handle is open, and `bytes` has room for `size` of them; the address is another process's, so no pointer here.
    succeeded(unsafe {
        ReadProcessMemory(process.as_raw_handle(), from, bytes.as_mut_ptr().cast(), size, &raw mut count)
    })?;
    if count == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
