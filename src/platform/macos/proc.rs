//! The list of processes.

use std::io;

use super::kernel;

/// Whether other users' processes are missing from the list: never. What cannot be seen of them is counted where it is looked
/// for.
pub fn hides_others() -> bool {
    false
}

/// Every PID.
///
/// # Errors
/// Those of `proc_listallpids`.
pub fn all_pids() -> io::Result<Vec<i32>> {
    kernel::all_pids()
}
