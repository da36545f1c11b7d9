//! Who has a file open.

use std::fs::File;
use std::io;

use super::file::FileStatus;
use super::identity::{Identity, own_pid};
use crate::platform::host::open_files::descriptors;
use crate::platform::host::proc::all_pids;

/// Who has a file open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Openers {
    /// Without ourselves.
    pub seen: Vec<Identity>,
    /// How many processes could not be asked.
    pub unasked: usize,
}

/// The processes that have a file open, locked or not.
///
/// # Errors
/// The file cannot be looked at; [`io::ErrorKind::Unsupported`] where the system does not tell.
pub fn openers(file: &File) -> io::Result<Openers> {
    let (own, wanted) = (own_pid(), FileStatus::of_open(file)?.id());
    let mut openers = Openers::default();
    for pid in all_pids().unwrap_or_default().into_iter().filter(|&pid| pid != own) {
        match descriptors(pid) {
            Ok(descriptors) => {
                let is_open = descriptors.into_iter().any(|one| one.file() == Some(wanted));
                openers.seen.extend(is_open.then(|| Identity::of(pid)).flatten());
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => openers.unasked += 1,
            Err(_) => {}
        }
    }
    Ok(openers)
}
