//! The list of processes: the platform's own, or the portable one.

use std::collections::HashMap;
use std::io;

use super::choice::is_portable;
use super::host::table as own;
use super::listing::{Filter, Listing};
use super::portable;
use super::stat::Stat;

/// Lists the processes whose command line passes the filter.
///
/// # Errors
/// The list itself cannot be read.
pub fn list(keep: &Filter<'_>) -> io::Result<Listing> {
    if is_portable() { portable::list(keep) } else { own::list(keep) }
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command line
/// decides.
///
/// # Errors
/// As [`list`].
pub fn list_by_executable(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<Listing> {
    if is_portable() { portable::list_by_executable(exe, cmdline) } else { own::list_by_executable(exe, cmdline) }
}

/// What a look at each process shows.
///
/// # Errors
/// As [`list`].
pub fn stats() -> io::Result<HashMap<i32, Stat>> {
    own::stats()
}

/// Every process and its parent.
///
/// # Errors
/// As [`list`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    if is_portable() { portable::parents() } else { own::parents() }
}

/// Every descendant of these processes, themselves left out.
///
/// # Errors
/// As [`list`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    if is_portable() { portable::descendants(roots) } else { own::descendants(roots) }
}
