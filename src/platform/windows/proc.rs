//! The list of processes.

use std::io;

use super::processes;

/// Every PID.
///
/// # Errors
/// The list cannot be read.
pub fn all_pids() -> io::Result<Vec<i32>> {
    Ok(processes::all()?.into_iter().map(|one| one.pid).collect())
}

/// Whether other users' processes may be missing from the list: they never are, though what they run may be hidden.
pub fn hides_others() -> bool {
    false
}
