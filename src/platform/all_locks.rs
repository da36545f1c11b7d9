//! The list of locks: the platform's own, or none.

use std::io;

use super::choice::is_portable;
use super::host::locks;
use super::kernel_lock::KernelLock;

/// Whether the kernel shows locks. Where it does not, who has the file open is all there is to know.
pub fn are_listed() -> bool {
    locks::ARE_LISTED && !is_portable()
}

/// Every lock that the kernel lists.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where it lists none; else those of reading the list.
pub fn listed() -> io::Result<Vec<KernelLock>> {
    if is_portable() { Err(io::ErrorKind::Unsupported.into()) } else { locks::listed() }
}
