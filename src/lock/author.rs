//! Who may have written a file, and so what it proves about a process.
//!
//! A PID in a file proves nothing by itself: anyone who can write the file chooses the PID, and the start time too. It is
//! believed only if nobody but root, the caller and the process's own user could have written it. They could end the
//! process anyway.

use std::path::Path;

use crate::platform::filesystem::FileStatus;
use crate::platform::{proc, user};

/// Who may have written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    owner: u32,
    /// Others than the owner may write it too.
    is_shared: bool,
}

impl Author {
    /// That of the file at `path`, which is open.
    pub fn of(path: &Path, file: &FileStatus) -> Self {
        Self { owner: file.owner(), is_shared: file.is_writable_by_all() || file.is_writable_by_group(path) }
    }

    /// Whether what the file says about a process is believed.
    pub fn may_speak_of(self, pid: i32) -> bool {
        let is_ours = self.owner == 0 || self.owner == user::effective_uid();
        !self.is_shared && (is_ours || proc::owner(pid) == Some(self.owner))
    }
}
