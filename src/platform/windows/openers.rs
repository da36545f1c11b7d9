//! Who has a file open.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Wdk::Storage::FileSystem::{FileProcessIdsUsingFileInformation, NtQueryInformationFile};
use windows_sys::Win32::Foundation::STATUS_INFO_LENGTH_MISMATCH;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::identity::{Identity, own_pid};
use super::native::unsupported;

/// Who has a file open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Openers {
    /// Without ourselves.
    pub seen: Vec<Identity>,
    /// How many processes could not be asked.
    pub unasked: usize,
}

/// The processes that have a file open: class 47 of `NtQueryInformationFile`, a count and then the PIDs, all of a pointer's
/// size. wine 8 does not know it.
///
/// The list of all handles (class 64 of `NtQuerySystemInformation`) would tell as well, with each handle duplicated and asked for
/// its file. But no user may duplicate another one's, and asking a pipe that somebody is reading waits until he has read: what
/// nobody needs where class 47 is known, is not done for wine alone.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the system does not tell.
pub fn openers(file: &File) -> io::Result<Openers> {
    let mut buffer = vec![0_usize; 64];
    loop {
        let mut status = IO_STATUS_BLOCK::default();
        let size = u32::try_from(size_of_val(buffer.as_slice())).unwrap_or(u32::MAX);
        // SAFETY: the handle is open, and the buffer is ours and of that size.
        let result = unsafe {
            NtQueryInformationFile(
                file.as_raw_handle(),
                &raw mut status,
                buffer.as_mut_ptr().cast(),
                size,
                FileProcessIdsUsingFileInformation,
            )
        };
        if result == STATUS_INFO_LENGTH_MISMATCH && buffer.len() < 1 << 20 {
            buffer.resize(buffer.len() * 4, 0);
            continue;
        }
        if result < 0 {
            return Err(unsupported("who has a file open"));
        }
        let (count, own) = (buffer[0] & 0xFFFF_FFFF, own_pid());
        let pids = buffer[1..].iter().take(count).filter_map(|&pid| i32::try_from(pid).ok());
        let mut seen: Vec<Identity> = pids.filter(|&pid| pid != own).filter_map(Identity::of).collect();
        seen.sort_unstable();
        seen.dedup();
        return Ok(Openers { seen, unasked: 0 });
    }
}
