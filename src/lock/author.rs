//! Who may have written a file, and so what it proves about a process.
//!
//! A number in a file proves nothing about the process that has it: whoever may write the file chooses the number, start
//! time and all. It is believed only where nobody could have written it but root, the caller, and the process's own user,
//! who could end the process anyway.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::platform::ownership::has_private_group;
use crate::platform::{proc, user};

/// Mode bit: the group may write.
const GROUP_WRITABLE: u32 = 0o020;
/// Mode bit: everybody may write.
const WORLD_WRITABLE: u32 = 0o002;

/// Who may have written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    owner: u32,
    /// Others than the owner may write it too.
    is_shared: bool,
}

impl Author {
    /// That of the file at `path`, which is open.
    pub fn of(path: &Path, meta: &Metadata) -> Self {
        let by_group = meta.mode() & GROUP_WRITABLE != 0 && !has_private_group(path, meta);
        Self { owner: meta.uid(), is_shared: by_group || meta.mode() & WORLD_WRITABLE != 0 }
    }

    /// Whether what the file says about a process is believed.
    pub fn may_speak_of(self, pid: i32) -> bool {
        let is_ours = self.owner == 0 || self.owner == user::effective_uid();
        !self.is_shared && (is_ours || proc::owner(pid) == Some(self.owner))
    }
}
